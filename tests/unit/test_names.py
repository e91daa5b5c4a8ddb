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
        ("moon", [f"hmc-{n}" for n in range(names.FEW + 1)], ""),
        ("moon", [], ""),
    ],
)
def test_the_nearest_name_is_suggested_or_all_that_there_are(
    name: str, known: list[str], said: str
) -> None:
    assert names.did_you_mean(name, known) == said


def test_a_count_agrees_with_its_noun() -> None:
    counted = [names.count(n, "query", "queries") for n in (0, 1, 2)]
    assert counted == ["0 queries", "1 query", "2 queries"]
    assert names.count(11, "packet") == "11 packets"


def test_nobody_else_suggests_or_counts_by_himself() -> None:
    files = [*SOURCES.rglob("*.py"), *SOURCES.with_name("tunnels").rglob("*.py")]
    texts = {path.name: path.read_text() for path in files}
    assert [name for name, text in texts.items() if "difflib" in text] == ["names.py"]
    assert [name for name, text in texts.items() if "'s' if" in text] == []


def test_a_name_that_does_not_exist_is_the_users_fault() -> None:
    names.check_known("node", "hmc", ["hmc", "sdc"])
    with pytest.raises(UsageError, match="there is no node 'hcm'\n  did you mean hmc"):
        names.check_known("node", "hcm", ["hmc", "sdc"])
