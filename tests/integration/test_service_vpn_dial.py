"""Remote service by a VPN in a call by modem: what is on the line, and that the contract can fail (I-13)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from lab import codec
from lab.record.record import Record
from lab.service.events import SESSION, HostScanned
from lab.topology.model import AllowRule
from lab.verify import service_carriers, service_vpn
from lab.verify.case import Case
from lab.verify.finding import Finding, Verdict
from lab.wire.decode import ESP
from tests.integration.labs import Ran, Runs

pytestmark = pytest.mark.kernel

NAME = "service-vpn-dial"
STRANGER = "198.18.0.1"


@pytest.fixture
def ran(runs: Runs) -> Ran:
    return runs.get(NAME)


def scans(case: Case) -> list[HostScanned]:
    """Of the call's own address, in a session."""
    found = case.told(HostScanned)
    return [e for e in found if (e.state, e.target) == (SESSION, case.record.lig[0].address)]


def test_one_call_carries_every_session_and_no_packet_of_a_scan(ran: Ran) -> None:
    """A scan is put onto the HMC's interface: 131,324 packets would be on the line for more than an hour."""
    assert ran.status == 0, ran.told
    case = ran.case
    up = [call for call in case.telephone_calls if call.came_up]
    windows = case.borrowed
    assert len(windows) == 2

    # The second call is the one after which AT&T's fence is tried (L-09).
    assert len(up) == 2
    first, tried = up
    assert all(first.opened < since and until < tried.opened for since, until in windows)
    esp = [i for i in first.frames if i.data and i.data.protocol == ESP]
    for since, until in windows:
        assert any(since < item.frame.time < until for item in esp)
    assert sum(len(scan.sent) for scan in scans(case)) == 3
    assert len(first.frames) < 10_000


def without_call(case: Case) -> None:
    """Nothing of it is on the line."""
    case.__dict__["all_carried"] = []


def begin_elsewhere(case: Case) -> None:
    first = next(s for s in case.ike if service_vpn.begins(s))
    case.ike.append(replace(first, packet=replace(first.packet, source=STRANGER)))


def with_a_rule(case: Case) -> None:
    """As where the VPN goes by the wires."""
    wall = case.topology.firewall
    assert wall is not None
    rule = AllowRule(
        requirement="F-06",
        source="198.51.100.130",
        destination="129.42.160.16",
        protocol="udp",
        port=500,
        both_ways=True,
    )
    case.topology = replace(case.topology, firewall=replace(wall, rules=(rule,)))


def past_the_call(case: Case) -> None:
    """Something came through the firewall in a session."""
    since, _ = case.borrowed[0]
    frame, packet = case.packets("dmz")[0]
    case.__dict__["entering"] = [(replace(frame, time=since + 1), packet)]


def answered(case: Case) -> None:
    """A port of the console answers by the call."""
    (scan,) = scans(case)
    told = [replace(e, tcp="22") if e is scan else e for e in case.events]
    case.__dict__["events"] = told


def untried(case: Case) -> None:
    (scan,) = scans(case)
    case.__dict__["events"] = [e for e in case.events if e is not scan]


@pytest.mark.parametrize(
    ("check", "wrong", "seen"),
    [
        (service_carriers.check_i_13, without_call, "no call of the console's carried session 1"),
        (service_vpn.check_i_14, begin_elsewhere, f"{STRANGER} began IKE"),
        (service_carriers.check_i_15, with_a_rule, "opens udp 500 for F-06"),
        (service_carriers.check_i_15, past_the_call, "came through the firewall"),
        (service_carriers.check_i_15, answered, "by the call service scans"),
        (service_carriers.check_i_15, untried, "nobody tried to get to the console by the call"),
    ],
)
def test_the_contract_of_a_session_in_a_call_can_fail(
    ran: Ran, check: Callable[[Case], Finding], wrong: Callable[[Case], None], seen: str
) -> None:
    # Each test has its own, as it changes what was read.
    record = codec.load(Record, (ran.run_dir / "record.json").read_text())
    case = Case(ran.topology, record, ran.run_dir)
    assert check(case).verdict is Verdict.held
    case = Case(ran.topology, record, ran.run_dir)
    wrong(case)

    found = check(case)

    assert found.verdict is Verdict.failed
    assert seen in found.seen
