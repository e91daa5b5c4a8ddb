"""Loading: every broken file has its message; the lab's own files have none."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import TopologyError, UsageError
from lab.topology import load
from tests import golden
from tests.unit.examples import examples

DATA = Path(__file__).parents[2] / "data" / "invalid"
INVALID = sorted(DATA.glob("*.yaml"))


def text_of_error(path: Path) -> str:
    with pytest.raises(TopologyError) as caught:
        load.parse(path.read_text(encoding="utf-8"), path.name)

    return f"{caught.value.message}\n"


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_a_broken_file_has_its_message(path: Path) -> None:
    said = text_of_error(path)

    assert said == golden.reviewed(path.with_suffix(".expected"), said), golden.HINT


def test_the_corpus_is_there() -> None:
    assert len(INVALID) > 50


@pytest.mark.parametrize("name", load.names())
def test_the_labs_own_files_are_sound_and_read_like_a_diagram(name: str) -> None:
    spec = load.load(name)
    text = (load.folder() / f"{name}.yaml").read_text(encoding="utf-8")

    assert (spec.name, spec.source) == (name, f"topologies/{name}.yaml")
    assert 20 <= len(text.splitlines()) <= 60
    assert text.startswith("schema: 2\nsummary: ")
    assert spec.expect


def test_the_labs_own_files_are_those_of_the_design() -> None:
    assert {
        *("direct", "direct-snat", "vpn", "vpn-nat", "vpn-two-hmcs", "dial", "dial-two-hmcs"),
        "failover",
    } <= set(load.names())


def test_a_file_is_loaded_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "My Own.yaml"
    path.write_text((load.folder() / "direct.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    spec = load.load(str(path))

    assert (spec.name, spec.source) == ("my-own", str(path))
    assert spec.links == load.load("direct").links


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "is not text in UTF-8 (byte 0)"),
        (b"#" * 1_000_001, "is larger than a topology file can be"),
    ],
)
def test_a_file_that_is_no_topology_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load.load(str(path))

    assert str(path) in caught.value.message
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("wanted", "message", "hint"),
    [
        ("vpn-ant", "there is no topology 'vpn-ant'", "did you mean vpn-nat?"),
        ("zzz", "there is no topology 'zzz'", "direct, direct-cgnat"),
        ("./vpn.yaml", "there is no file ./vpn.yaml", "The lab's own are: consoles"),
        ("/", "/ is a directory", "Name a file."),
        ("a\0b.yaml", "cannot be read", ""),
        ("", "there is no topology ''", "direct"),
    ],
)
def test_what_is_not_there_is_named(wanted: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        load.load(wanted)

    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_file_beside_the_user_is_suggested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text("schema: 1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        load.load("mine")

    assert caught.value.hint == "did you mean ./mine.yaml?"


@pytest.mark.parametrize("name", ["vpn-nat", "dial-two-hmcs"])
@examples(100)
@given(data=st.data())
def test_no_damage_to_a_file_escapes_as_another_error(name: str, data: st.DataObject) -> None:
    """Cut a piece out of a sound file or put one in: the result loads or is a TopologyError."""
    text = (load.folder() / f"{name}.yaml").read_text(encoding="utf-8")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    piece = data.draw(
        st.sampled_from(["", "{", "]", ": ", "\n", "0", "~", "- x", "&a", "!!int ", '"'])
    )
    with contextlib.suppress(TopologyError):
        load.parse(text[:start] + piece + text[end:], "damaged.yaml")


KEYS = (
    *("schema", "nodes", "links", "path", "lan", "hmc", "role", "subnet", "agents", "x y"),
    *("telephone", "number", "rate", "modems", "numbers", "dial"),
)


@examples(150)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(KEYS),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_any_data_at_all_is_refused_with_its_places(data: object) -> None:
    with pytest.raises(TopologyError):
        load.parse(json.dumps(data), "odd.yaml")
