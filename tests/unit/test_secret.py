"""A secret tells itself to nobody who does not ask, and is found wherever it lies."""

from __future__ import annotations

import copy
import dataclasses
import json

import pytest

from lab import codec
from lab.secret import Secret, find
from lab.topology import load
from lab.topology.model import Topology
from tests.models import model

TEXT = "open-sesame"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Box:
    key: Secret
    others: tuple[dict[str, Secret], ...] = ()


BOX = Box(key=Secret(TEXT), others=({}, {"spare": Secret(TEXT[::-1])}))


def test_it_shows_itself_as_stars() -> None:
    secret = Secret(TEXT)
    shown = f"{secret} {secret!r} {[secret]} {BOX} {secret!s}"
    assert TEXT not in shown
    assert "***" in shown
    assert secret.reveal() == TEXT


def test_it_is_no_text_that_could_be_joined_written_or_formatted() -> None:
    secret = Secret(TEXT)
    assert not isinstance(secret, str)
    with pytest.raises(TypeError, match="not JSON serializable"):
        json.dumps({"key": secret})
    with pytest.raises(TypeError, match="unsupported format string"):
        f"{secret:>20}"


def test_it_equals_what_holds_the_same_text() -> None:
    assert Secret(TEXT) == Secret(TEXT) == copy.deepcopy(Secret(TEXT))
    assert len({Secret(TEXT), Secret(TEXT), Secret(TEXT).altered()}) == 2
    assert Secret(TEXT) != TEXT


def test_it_is_written_only_to_reveal_it() -> None:
    assert json.loads(codec.dump(BOX)) == {
        "key": "(secret)",
        "others": [{}, {"spare": "(secret)"}],
    }
    assert codec.load(Box, codec.dump(BOX, reveal=True)) == BOX
    with pytest.raises(TypeError, match="expected str"):
        codec.load(Box, '{"key": 7}')


def test_it_is_found_by_type_and_its_place_is_told() -> None:
    assert [place for place, _ in find(BOX, Secret)] == ["key", "others[1][spare]"]
    assert list(find(BOX, int)) == []


@pytest.mark.parametrize("name", load.names())
def test_nothing_of_a_model_that_depends_on_the_seed_is_anything_else(name: str) -> None:
    """What a run draws anew is a secret: whoever adds a password as a plain text is told here."""
    one, other = (model(name, seed) for seed in (b"one", b"other"))
    places = [place for place, _ in find(one, Secret)]

    assert codec.dump(one) == codec.dump(other)
    assert bool(places) == (codec.dump(one, reveal=True) != codec.dump(other, reveal=True))
    assert not any(text.reveal() in repr(one) for _, text in find(one, Secret))
    assert codec.load(Topology, codec.dump(one, reveal=True)) == one
