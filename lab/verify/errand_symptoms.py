"""Symptoms of errands that were not done, while the way home itself is there."""

from __future__ import annotations

from lab.names import all_of, count
from lab.record.errand_event import undone_text
from lab.topology.errand_kinds import DOWNLOADS
from lab.topology.model import Errand
from lab.verify.errands import KIND, SERVICE, errands_of
from lab.verify.symptom import Diagnosis, Trail
from lab.wire.decode import Packet

UNAVAILABLE = (502, 503)
SEVERAL = 2
"""Errands that fail at one port: then the port is to blame, and not the servers of an errand."""


def find_silent_back_end(trail: Trail) -> Diagnosis | None:
    """The front end says that a server behind it does not answer, and the wire between them agrees."""
    for entry in trail.case.record.ledger:
        one = next((b for b in trail.case.topology.back_ends if b.node == entry.back_end), None)
        if one is None or entry.status not in UNAVAILABLE:
            continue
        packets = [packet for _, packet in trail.case.packets(one.segment)]
        asked = [p for p in packets if p.is_bare_syn and p.destination == one.address]
        answered = [p for p in packets if p.is_syn_ack and p.source == one.address]
        if not asked or answered:
            continue
        kind = entry.kind.removeprefix(KIND).removeprefix(SERVICE)
        return Diagnosis(
            "back-end-silent",
            f"{entry.server} answers the {kind} with HTTP status {entry.status}: {one.node} "
            f"({one.address}) behind it is silent, {count(len(asked), 'SYN')} to it on {one.segment} and no "
            "answer",
            f"see whether the server on {one.node} runs",
        )
    return None


def find_blocked_port(trail: Trail) -> Diagnosis | None:
    """No connection to one port gets past the customer's firewall, for several errands, and others do."""
    firewall = trail.case.topology.firewall
    asked, passed = _asked(trail), _passed(trail)
    if firewall is None or not passed:
        return None
    through = {packet.destination_port for packet in passed}
    for port in sorted({packet.destination_port for packet in asked} - through):
        there = [e for e in _undone(trail) if port in {end.port for end in e.endpoints}]
        kept = [e for e in there if e.kind not in DOWNLOADS]
        if len(there) < SEVERAL:
            continue
        syns = [packet for packet in asked if packet.destination_port == port]
        ports = [str(each) for each in sorted(through)]
        unfetched = [str(e.kind) for e in _undone(trail) if e.kind in DOWNLOADS]
        return Diagnosis(
            "port-blocked",
            f"TCP {port} of {trail.client} is lost at {firewall.node}, to whatever server: "
            f"{count(len(syns), 'SYN')} on {firewall.inside}, none on {firewall.outside}; "
            f"TCP {all_of(ports)} {'passes' if len(ports) == 1 else 'pass'}; "
            + undone_text([str(errand.kind) for errand in kept], unfetched),
            f"let TCP {port} to the listed servers pass {firewall.node}",
        )
    return None


def find_blocked_errand(trail: Trail) -> Diagnosis | None:
    """No connection to the servers of one errand gets past the customer's firewall, and others do."""
    firewall = trail.case.topology.firewall
    passed = _passed(trail)
    if firewall is None or not passed:
        return None
    for errand in _undone(trail):
        places = {(end.address, end.port) for end in errand.endpoints}
        syns = [p for p in _asked(trail) if (p.destination, p.destination_port) in places]
        through = [p for p in passed if (p.destination, p.destination_port) in places]
        if not syns or through:
            continue
        rows = all_of(list(dict.fromkeys(end.row for end in errand.endpoints)))
        where = all_of([f"{address}:{port}" for address, port in sorted(places)])
        return Diagnosis(
            "errand-blocked",
            f"the {errand.kind} of {trail.client} is not done: {where} ({rows}) cannot be reached, "
            f"{count(len(syns), 'SYN')} on {firewall.inside} and none on {firewall.outside}; others pass",
            f"open {where} at {firewall.node}: {rows} must be open for it",
        )
    return None


def _undone(trail: Trail) -> list[Errand]:
    """What the agent could neither send nor fetch."""
    calls = [call for call in trail.case.failed_calls if call.agent == trail.client]
    undone = {kind for call in calls for kind in (*call.unsent, *call.unfetched)}
    return [e for e in errands_of(trail.case, trail.client) if e.kind in undone]


def _asked(trail: Trail) -> list[Packet]:
    """The SYNs of the agent's host to listed servers, on its own wire."""
    listed = trail.case.listed
    syns = [packet for packet in trail.sockets if packet.is_bare_syn]
    return [p for p in syns if (p.destination, p.destination_port) in listed]


def _passed(trail: Trail) -> list[Packet]:
    """The SYNs that left for the Internet."""
    return [packet for _, packet in trail.case.leaving if packet.is_bare_syn]
