"""Suggestions and counts, as every message has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import names
from lab.errors import UsageError

SOURCES = Path(names.__file__).parent


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("hcm", ["hmc", "sdc"], "did you mean hmc?"),
        ("out-1", ["OUT-10", "OUT-01"], "did you mean OUT-01?"),
        ("moon", ["hmc", "sdc"], "known: hmc, sdc"),
        ("moon", [f"hmc-{'x' * n}" for n in range(names.FEW + 1)], ""),
        ("moon", ["sdc", *(f"hmc-{n}" for n in range(1, 201))], "known: sdc, hmc-1 to hmc-200"),
        ("moon", [], ""),
    ],
)
def test_the_nearest_name_is_suggested_or_all_that_there_are(
    name: str, known: list[str], said: str
) -> None:
    assert names.did_you_mean(name, known) == said


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("hmc", "hmc"),
        ("hmc sdc lig", "hmc, sdc and lig"),
        ("proxy-1 proxy-2 proxy-3", "proxy-1, proxy-2 and proxy-3"),
        ("hmc-1 hmc-2 hmc-3 hmc-4 hmc-5", "hmc-1 to hmc-5"),
        ("hmc-9 hmc-10 hmc-11 hmc-12 hmc-13 sdc", "hmc-9 to hmc-13 and sdc"),
        ("hmc-1 hmc-2 hmc-4 hmc-5 hmc-6", "hmc-1, hmc-2, hmc-4, hmc-5 and hmc-6"),
        ("hmc-1 hmc-2 hmc-3 esa-4 esa-5 esa-6", "hmc-1, hmc-2, hmc-3, esa-4, esa-5 and esa-6"),
        ("hmc-5 hmc-4 hmc-3 hmc-2 hmc-1", "hmc-5, hmc-4, hmc-3, hmc-2 and hmc-1"),
    ],
)
def test_many_numbered_names_are_told_as_the_first_and_the_last(told: str, said: str) -> None:
    assert names.all_of(told.split()) == said


def test_a_count_agrees_with_its_noun() -> None:
    counted = [names.count(n, "query", "queries") for n in (0, 1, 2)]
    assert counted == ["0 queries", "1 query", "2 queries"]
    assert names.count(11, "packet") == "11 packets"


def test_nobody_else_suggests_or_counts_by_himself() -> None:
    files = [*SOURCES.rglob("*.py"), *SOURCES.with_name("tunnels").rglob("*.py")]
    texts = {path.name: path.read_text() for path in files}
    assert [name for name, text in texts.items() if "get_close_matches" in text] == ["names.py"]
    assert [name for name, text in texts.items() if "'s' if" in text] == []


def test_a_name_that_does_not_exist_is_the_users_fault() -> None:
    names.check_known("node", "hmc", ["hmc", "sdc"])
    with pytest.raises(UsageError, match="there is no node 'hcm'\n  did you mean hmc"):
        names.check_known("node", "hcm", ["hmc", "sdc"])
