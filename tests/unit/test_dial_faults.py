"""The faults of telephones: whose calls and modems they befall, on a dial path and beside another."""

from __future__ import annotations

from pathlib import Path

from lab.topology import load
from lab.topology.model import Topology
from lab.topology.resolve import resolve
from lab.topology.telephone import CallRule, ModemFault, Outcome
from lab.ways import faults
from lab.ways.dial.plan import dialers

BESIDE = Path(__file__).resolve().parents[1] / "data" / "modems" / "modems.yaml"


def dial(*changes: tuple[str, str], name: str = "dial") -> Topology:
    text = (load.folder() / f"{name}.yaml").read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return resolve(load.parse(text, "varied.yaml"), b"seed")


TWO_MODEMS = ("role: hmc, modems: 1", "role: hmc, modems: 2")


def rules(topology: Topology) -> list[CallRule]:
    assert topology.telephone is not None
    return list(topology.telephone.rules)


def test_what_befalls_calls_befalls_those_of_every_line_of_the_client() -> None:
    found = rules(faults.apply("busy", dial(TWO_MODEMS)))

    assert [(rule.caller, rule.number, rule.times) for rule in found] == [
        ("hmc-1", "18005550100", 1),
        ("hmc-2", "18005550100", 1),
    ]


def test_all_modems_of_the_client_are_broken() -> None:
    """Else the client would take the next one (OUT-24)."""
    broken = faults.apply("modem-dead", dial(TWO_MODEMS)).telephone

    assert broken is not None
    assert broken.broken == (("hmc-1", ModemFault.dead), ("hmc-2", ModemFault.dead))


def test_a_number_that_is_nobodys_has_no_faults() -> None:
    model = dial(name="dial-two-hmcs")

    assert dialers(model)[0].numbers[0] != "18005550100"
    assert {rule.number for rule in rules(faults.apply("voice", model))} == {"18005550100"}


def test_a_fault_comes_before_what_the_file_says() -> None:
    model = dial(("ways:\n", "calls:\n  - { outcome: voice }\nways:\n"))
    found = rules(faults.apply("busy", model))

    assert [rule.outcome for rule in found] == [Outcome.busy, Outcome.voice]


def test_beside_another_path_every_line_of_an_hmc_may_call_anybody() -> None:
    model = resolve(load.load(str(BESIDE)), b"seed")
    names = {fault.name for fault in faults.applicable(model)}
    found = rules(faults.apply("busy", model))

    assert {*(outcome.value for outcome in Outcome), "modem-dead", "dns-silent"} <= names
    assert "pap-refused" not in names, "no PPP of the lab's own calls"
    assert [(rule.caller, rule.number, rule.times) for rule in found] == [
        (line.name, "", 1)
        for line in (model.telephone.lines if model.telephone else ())
        if line.node == "hmc"
    ]


def test_without_lines_there_is_nothing_to_befall() -> None:
    model = resolve(load.load("vpn"), b"seed")

    assert not {outcome.value for outcome in Outcome} & {f.name for f in faults.applicable(model)}
