"""The modem of a partition of i5/OS in whole runs: alone, in turns, and beside other ways (OUT-30)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.labs import Ran, Runs, changed
from tests.oracle import Row, tshark

pytestmark = pytest.mark.kernel

NAME, NUMBER = "pass-through-modem", "18005550100"
HMC, I5 = "192.168.10.10", "192.168.10.20"
OF_MODEM = {"OUT-23", "OUT-24", "OUT-26", "OUT-30", "P-11", "P-12", "P-20", "F-18", "L-07", "g5"}
SECOND = (
    ("  i5:       {", "  hmc-b:    { role: hmc }\n  i5:       {"),
    ("nodes: { hmc: 192.168.10.10,", "nodes: { hmc: 192.168.10.10, hmc-b: 192.168.10.11,"),
)
"""Another HMC beside."""
LIG_AND_LINES = (
    ("{ role: i5 }", "{ role: i5, modems: 1 }"),
    ("  vpn1: ", "  pstn: { role: exchange }\n  lig: { role: lig, modems: 2 }\n  vpn1: "),
    (
        "  dmz:",
        "  lig-inet: { subnet: 198.18.5.0/28, rate: 100Mbit, nodes: { internet: , lig: } }\n  dmz:",
    ),
    (
        "\nways:",
        '\ntelephone: { i5: { number: "1-507-555-0101" }, lig: { number: "1-800-555-0100" } }\n\nways:',
    ),
    ("\nagents:", '\n  modem: { kind: dial, numbers: ["1-800-555-0100"], over: i5 }\n\nagents:'),
    ("hmc: [vpn]", "hmc: [vpn, modem]"),
    (
        "expect:\n  [",
        f"expect:\n  [OUT-15, R-01, {', '.join(sorted(OF_MODEM - {'F-18', 'g5'}))},\n   ",
    ),
)
"""What makes of ``pass-through-vpn`` a topology whose partition lends both."""


@pytest.fixture(scope="module")
def ran(runs: Runs) -> Ran:
    return runs.get(NAME)


def held(ran: Ran) -> set[str]:
    return {name for name, found in ran.findings.items() if found["verdict"] == "pass"}


def test_a_call_home_by_the_partitions_modem_holds_in_all(ran: Ran) -> None:
    assert ran.status == 0, ran.stdout + ran.stderr
    assert held(ran) >= OF_MODEM
    assert not ran.failed
    assert ran.record.leftovers == []


PPP_FIELDS = ("ppp.protocol", "ppp.code", "ppp.identifier", "pap.peer_id", "lcp.opt.magic_number",
              "tcp.seq_raw", "tcp.ack_raw", "tcp.checksum", "dns.id")  # fmt: skip


def in_clear(ran: Ran, source: str) -> list[Row]:
    """What tshark reads of each PPP frame that a host sent on the wire of HMC and partition."""
    capture = ran.run_dir / "wire" / "i5-lan.pcapng"
    shown = f"l2tp.type == 0 && ip.src == {source}"
    return tshark(capture, PPP_FIELDS, "-Y", shown)


def on_the_line(ran: Ran, direction: int) -> list[Row]:
    """The same of the telephone line: 0 is what the caller sent."""
    capture = ran.run_dir / "wire" / "pstn.pcapng"
    shown = f"ppp.direction == {direction} && ppp.protocol"
    return tshark(capture, PPP_FIELDS, "-Y", shown)


def test_another_dissector_finds_the_same_ppp_on_both_sides_of_the_partition(ran: Ran) -> None:
    out = in_clear(ran, HMC)
    assert len(out) > 1000
    assert out == on_the_line(ran, 0)
    assert in_clear(ran, I5) == on_the_line(ran, 1)


def test_another_dissector_finds_the_call_that_was_asked_for(ran: Ran) -> None:
    capture = ran.run_dir / "wire" / "i5-lan.pcapng"
    bad = "l2tp.type == 1 && (_ws.malformed || _ws.expert.severity >= 6291456)"
    assert not tshark(capture, ("frame.number",), "-Y", bad)
    fields = ("ip.src", "l2tp.avp.message_type", "l2tp.avp.called_number")
    messages = tshark(capture, fields, "-Y", "l2tp.avp.message_type")
    assert [tuple(row) for row in messages[:6]] == [
        (HMC, "1", ""), (I5, "2", ""), (HMC, "3", ""), (HMC, "7", NUMBER), (I5, "8", ""), (I5, "9", ""),
    ]  # fmt: skip
    (first, *_) = tshark(capture, ("pap.peer_id",), "-Y", "pap.code == 1")
    assert [*first] == ["usibm.hmc01"]


def test_each_call_is_the_hmcs_for_which_it_was(tmp_path: Path, runs: Runs) -> None:
    two = changed(
        tmp_path, NAME, *SECOND, ("i5, modems: 1", "i5, modems: 2"),
        ("  hmc: [modem]", "  hmc: [modem]\n  hmc-b: [modem]"),
    )  # fmt: skip
    ran = runs.get(two)
    assert ran.status == 0, ran.stdout + ran.stderr
    assert held(ran) >= OF_MODEM
    calls = [call for call in ran.case.telephone_calls if call.number]
    assert {(call.client, call.caller, call.user) for call in calls} == {
        ("hmc", "i5-1", "usibm.hmc01"),
        ("hmc-b", "i5-2", "usibm.hmc02"),
    }


def test_one_modem_is_in_use_for_the_second_hmc(tmp_path: Path, runs: Runs) -> None:
    one = changed(tmp_path, NAME, *SECOND, ("  hmc: [modem]", "  hmc: [modem]\n  hmc-b: [modem]"))
    ran = runs.get(one)
    assert ran.status == 1
    assert "the modem of i5 is in use: hmc-b asked for 4 calls" in ran.stdout
    assert ran.failed == {"OUT-23"}


def test_an_hmc_beside_has_a_modem_of_its_own(tmp_path: Path, runs: Runs) -> None:
    mixed = changed(
        tmp_path,
        NAME,
        *SECOND,
        ("  hmc-b:    { role: hmc }", "  hmc-b:    { role: hmc, modems: 1 }"),
        ("  i5:  { number", '  hmc-b: { number: "1-507-555-0102" }\n  i5:  { number'),
        (
            "\nagents:",
            '\n  own: { kind: dial, numbers: ["1-800-555-0199", "1-800-555-0100"] }\n\nagents:',
        ),
        ("  hmc: [modem]", "  hmc: [modem]\n  hmc-b: [own]"),
    )
    ran = runs.get(mixed)
    assert ran.status == 0, ran.stdout + ran.stderr
    assert OF_MODEM | {"OUT-25", "R-08"} <= held(ran)
    callers = {(call.client, call.caller) for call in ran.case.telephone_calls if call.number}
    assert callers == {("hmc", "i5"), ("hmc-b", "hmc-b")}


def test_the_borrowed_modem_is_the_backup_of_an_own_one(tmp_path: Path, runs: Runs) -> None:
    backup = changed(
        tmp_path,
        NAME,
        ("  hmc:      { role: hmc }", "  hmc:      { role: hmc, modems: 1 }"),
        ("  i5:  { number", '  hmc: { number: "1-507-555-0102" }\n  i5:  { number'),
        ("\nways:", "\ncalls: [{ outcome: no-dialtone, from: hmc }]\n\nways:"),
        ("\nagents:", '\n  own: { kind: dial, numbers: ["1-800-555-0100"] }\n\nagents:'),
        ("  hmc: [modem]", "  hmc: [own, modem]"),
        ("expect:\n  [", "expect:\n  [OUT-15, R-01, "),
    )
    ran = runs.get(backup)
    assert ran.status == 0, ran.stdout + ran.stderr
    assert OF_MODEM | {"OUT-15", "R-01"} <= held(ran)


@pytest.mark.parametrize("fault", ["", "gateways-silent"])
def test_one_partition_lends_its_vpn_and_its_modem(tmp_path: Path, runs: Runs, fault: str) -> None:
    """Each finding is asked of the way that led home: a call by the modem is no VPN's, nor the other way."""
    both = changed(tmp_path, "pass-through-vpn", *LIG_AND_LINES)
    ran = runs.get(both, *(("--fault", fault) if fault else ()))
    assert ran.status == 0, ran.stdout + ran.stderr
    assert OF_MODEM - {"F-18"} <= held(ran)
    of_vpn = {"OUT-27", "OUT-29", "P-08", "P-09"}
    assert of_vpn & held(ran) == (set() if fault else of_vpn)
