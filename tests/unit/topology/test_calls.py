"""What befalls calls, as a topology file declares it: the rules that come of it, and the page about it."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from lab.telephony import calls
from lab.telephony.exchange import Exchange
from lab.telephony.tape import Tape
from lab.topology import load
from lab.topology.check_calls import TAKEN
from lab.topology.resolve import resolve
from lab.topology.telephone import CallRule, Outcome
from lab.topology.values import MODEM_RATES

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "telephone.md").read_text(encoding="utf-8")
NEEDED = {
    Outcome.slow_training: "rate: 9600",
    Outcome.line_drops: "after: 20s",
    Outcome.noise: "bit_error_rate: 4e-5",
}


def rules(*calls: str) -> list[CallRule]:
    """The rules of ``dial`` with two modems at the HMC."""
    text = (load.folder() / "dial.yaml").read_text(encoding="utf-8")
    text = text.replace("role: hmc, modems: 1", "role: hmc, modems: 2", 1)
    entries = "".join(f"  - {{ {call} }}\n" for call in calls)
    text = text.replace("ways:\n", f"calls:\n{entries}ways:\n", 1)
    telephone = resolve(load.parse(text, "calls.yaml"), b"seed").telephone
    assert telephone is not None
    return list(telephone.rules)


def callers(call: str) -> list[str]:
    return [rule.caller for rule in rules(call)]


def test_from_a_node_is_from_each_of_its_lines() -> None:
    assert callers("outcome: busy, from: hmc, times: 1") == ["hmc-1", "hmc-2"]
    assert callers("outcome: busy, from: lig") == ["lig-1", "lig-2"]
    assert callers("outcome: busy, from: hmc-2") == ["hmc-2"]


def test_from_anywhere_is_one_rule_unless_the_calls_of_each_line_are_counted() -> None:
    assert callers("outcome: busy") == [""]
    assert callers("outcome: busy, times: 3") == ["hmc-1", "hmc-2", "lig-1", "lig-2"]


def test_everything_that_is_said_arrives_in_its_order() -> None:
    said = rules(
        'outcome: busy, from: hmc-1, to: "1 800 555-0100", times: 2',
        "outcome: line-drops, from: hmc-1, after: 1.5kB, rate: 14400, bit_error_rate: 1e-6",
        "outcome: line-drops, from: hmc-2, after: 1min",
    )

    assert said == [
        CallRule(outcome=Outcome.busy, caller="hmc-1", number="18005550100", times=2),
        CallRule(
            outcome=Outcome.line_drops,
            caller="hmc-1",
            after_bytes=1500,
            rate_bit_s=14400,
            bit_error_rate=1e-6,
        ),
        CallRule(outcome=Outcome.line_drops, caller="hmc-2", after_s=60.0),
    ]


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_can_be_declared_and_the_exchange_takes_it(outcome: Outcome) -> None:
    call = ", ".join(filter(None, [f"outcome: {outcome}", NEEDED.get(outcome)]))
    (rule,) = rules(call)

    Exchange((), [rule], random=Random(1), tape=Tape())


def test_the_outcomes_that_take_a_modem_are_the_exchanges() -> None:
    assert set(TAKEN) == calls.NEEDS_MODEM
    assert set(NEEDED) == {outcome for outcome, keys in TAKEN.items() if keys}


# -- the page --------------------------------------------------------------------------------------


def test_the_page_says_what_each_outcome_needs_and_may_have() -> None:
    table = PAGE.partition("| outcome | needs | may have |\n")[2].partition("\n\n")[0]
    told = [re.split(r" *\| *", row.strip("| ")) for row in table.splitlines()[1:]]
    cells = [[re.findall(r"`([a-z_-]+)`", cell) for cell in row] for row in told]

    assert [row[0][0] for row in cells] == [outcome.value for outcome in Outcome]
    for row, outcome in zip(cells, Outcome, strict=True):
        keys = [key for cell in row[1:] for key in cell]
        assert keys == list(TAKEN.get(outcome, ()))
        assert len(row[1]) == (outcome in NEEDED) if len(row) > 1 else outcome not in NEEDED


def test_the_page_lists_the_rates_that_a_modem_can_have() -> None:
    listed = PAGE.partition("from V.21 to V.34: ")[2].partition(".")[0]

    assert tuple(int(rate) for rate in listed.split(",")) == MODEM_RATES


def test_the_example_of_the_page_is_one() -> None:
    example = PAGE.partition("    calls:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"- \{ (.+?) \}", example)

    assert len(entries) == 3
    assert [rule.outcome for rule in rules(*entries)] == [
        *[Outcome.busy] * 2,
        *[Outcome.line_drops] * 2,
        Outcome.slow_training,
    ]
