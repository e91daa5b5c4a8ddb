"""The table at the end of a run: failures first, columns that line up, whatever the terminal's width."""

from __future__ import annotations

import re

import pytest

from lab.verify import verdict
from lab.verify.finding import Evidence, Finding, Verdict
from lab.verify.findings_table import FindingsTable
from lab.verify.verdict import Result

WORDS = "what was seen in this run goes on for so many words that no terminal has them in one line of its own"


def finding(requirement: str, came: Verdict, follows: str = "") -> Finding:
    evidence = (Evidence(segment="fw-inet", frames=(3, 7)),)
    return Finding(
        requirement=requirement, expected=f"expected: {WORDS}", seen=f"seen: {WORDS}", verdict=came,
        evidence=evidence, follows_from=follows,
    )  # fmt: skip


FINDINGS = (
    finding("OUT-01", Verdict.held),
    finding("OUT-20", Verdict.failed, "P-01"),
    finding("OUT-22", Verdict.not_applicable),
    finding("P-01", Verdict.failed),
    finding("g1", Verdict.held),
)
RESULT = Result(
    topology="vpn-nat", profile="p", engine="uml", clock="virtual", started="", wall_s=1.0, lab_s=2.0,
    verdict="fail", findings=FINDINGS, fault="wrong-psk", diagnosis=f"two keys: {WORDS}", broke_first="P-01",
)  # fmt: skip


def bare(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("columns", [30, 40, 59, 60, 80, 120])
@pytest.mark.parametrize("colour", [True, False])
def test_no_line_is_longer_than_the_terminal_is_wide(columns: int, colour: bool) -> None:
    text = verdict.summary(RESULT, colour=colour, every=True, columns=columns)

    assert [line for line in bare(text).splitlines() if len(line) > columns] == []
    assert ("\x1b[31m" in text) is colour
    # Nothing is lost by folding.
    words = " ".join(bare(text).split())
    assert words.count(f"seen: {WORDS}") == len(FINDINGS)
    assert words.count(f"expected: {WORDS}") == 2
    assert words.count("fw-inet: 3, 7") == 2


def test_a_wide_terminal_is_not_filled() -> None:
    lines = verdict.summary(RESULT, colour=False, columns=400).splitlines()

    assert max(len(line) for line in lines if line.startswith(("P-01", "  "))) <= 120


def test_what_failed_stands_at_the_head_and_the_cause_before_it() -> None:
    lines = bare(verdict.summary(RESULT, colour=True, columns=80)).splitlines()
    firsts = [line.split()[0] for line in lines if line[:1] not in ("", " ")]

    assert firsts[0] == "diagnosis:"
    rest = [
        each for each in firsts if each in {"ID", "P-01", "1", "OUT-22", "OUT-01", "g1", "vpn-nat"}
    ]
    assert rest == ["ID", "P-01", "1", "OUT-22", "OUT-01", "g1", "vpn-nat"]
    assert "OUT-20" not in firsts


def test_columns_line_up() -> None:
    table = FindingsTable(FINDINGS, colour=False, columns=80)
    lines = [table.heading, *"\n".join(table.rows(FINDINGS)).splitlines()]

    start = lines[0].index("seen")
    assert lines[0].index("verdict") == 8
    for line in lines[1:]:
        assert line[start - 1] == " "
        assert line[start] != " "


def test_on_a_narrow_terminal_what_was_seen_stands_below() -> None:
    lines = FindingsTable(FINDINGS, colour=False, columns=40).rows([FINDINGS[3]])

    assert lines[0].splitlines()[0] == "P-01 fail"
    assert lines[1].splitlines()[0] == "  expected:"
    assert lines[0].splitlines()[1].startswith("  seen: what")
