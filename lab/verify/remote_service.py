"""Inbound remote service, judged: who tried to get in to the console, and what came of it (S3, S4 2.2)."""

from __future__ import annotations

from lab.names import count
from lab.service.events import CalledIn, HostScanned, spans
from lab.service.marks import Purpose
from lab.service.scan import PORTS
from lab.telephony.events import CallAnswered
from lab.topology.model import RemoteService, Role
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.wire.decode import TCP, UDP, Frame

EVERY_PORT = spans({*PORTS})
ATTACKERS = (Role.internet, Role.sdc)
"""Whose nodes must have tried."""


def check_i_01(case: Case) -> Finding:
    """Remote service is off by default."""
    service = case.topology.service
    if service is None:
        check = Check("I-01", "nobody gets in to a console")
        return check.not_tested("the topology has no remote service (service:)")
    console = service.console
    by_telephone = f", and {console}'s modem takes no call" if service.dialer else ""
    check = Check(
        "I-01",
        f"{console} answers on all ports to its own wire; from outside no TCP or UDP port, no other IP "
        f"protocol and no ping gets an answer{by_telephone}",
    )
    scans = [event for event in case.events if isinstance(event, HostScanned)]
    if not scans and not case.came_home:
        return check.not_tested(f"{case.why_not_home}, so nobody tried to get in")
    _judge_control(check, service, scans)
    attacks = [scan for scan in scans if scan.purpose == Purpose.attack.name]
    _judge_attacks(case, check, attacks)
    calls = _judge_calls(case, check, service) if service.dialer else 0
    sources = " and ".join(dict.fromkeys(scan.source for scan in attacks))
    rang = (
        f"; {console}'s telephone rang {count(calls, 'time')}, and no modem answered"
        if calls
        else ""
    )
    return check.finding(
        f"{sources} tried {len(PORTS):,} TCP and as many UDP ports and all other protocols, none answered; "
        f"all ports answered {service.neighbour}{rang}"
    )


def _judge_control(check: Check, service: RemoteService, scans: list[HostScanned]) -> None:
    """Ports that are closed by themselves would make every lock look good."""
    controls = [scan for scan in scans if scan.purpose == Purpose.control.name]
    check.want(
        controls, f"{service.neighbour} has not looked whether {service.console}'s ports are open"
    )
    for scan in controls:
        for protocol, ports in (("TCP", scan.tcp), ("UDP", scan.udp)):
            if ports != EVERY_PORT:
                found = f"{protocol} {ports}" if ports else f"no {protocol} port"
                check.object(
                    f"{found} of {service.console} answered {scan.source}, "
                    "so a port that is closed proves nothing"
                )


def _judge_attacks(case: Case, check: Check, attacks: list[HostScanned]) -> None:
    tried = {scan.source for scan in attacks}
    for role in ATTACKERS:
        for node in case.topology.with_role(role):
            check.want(node.name in tried, f"{node.name} has not tried to get in")
    wall = case.topology.firewall
    for scan in attacks:
        arrived, where = (
            (scan.at_firewall, wall.node) if wall is not None else (scan.at_host, scan.target)
        )
        if arrived != scan.sent:
            check.object(
                f"of {sum(scan.sent)} packets of the scan by {scan.source} {sum(arrived)} came to {where}, "
                "so it proves nothing"
            )
        check.want(scan.silent, scan.sentence)
    answers = _answers(case)
    check.forbid(
        answers, f"in answer to a scan on {' and '.join(sorted({f.segment for f in answers}))}"
    )


def _answers(case: Case) -> list[Frame]:
    """What the wires show of answers; the scans themselves are not captured."""
    return [
        frame
        for frames in case.wire.values()
        for frame in frames
        if frame.ip
        and frame.ip.protocol in (TCP, UDP)
        and frame.ip.destination_port == Purpose.attack
    ]


def _judge_calls(case: Case, check: Check, service: RemoteService) -> int:
    """How many calls of IBM's server rang at the console's modem."""
    placed = [event for event in case.events if isinstance(event, CalledIn)]
    check.want(placed, f"{service.dialer} has not called {service.console}")
    own = {line.name for line in case.topology.lines_of(service.console)}
    rang = [call for call in case.telephone_calls if call.called in own]
    check.want(
        len([call for call in rang if call.client == service.dialer]) >= len(placed),
        f"a call of {service.dialer} did not ring at {service.console}, so it proves nothing",
    )
    for call in rang:
        if call.connected or call.noted(CallAnswered):
            check.object(f"{service.console}'s modem answered {call}")
    return len(rang)
