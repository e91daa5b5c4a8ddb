"""Symptoms beyond the tunnel and of direct paths: black holes, refusing servers, failing agents."""

from __future__ import annotations

from math import inf

from lab.names import count
from lab.topology.servers import FTPS_PORT
from lab.verify.journey import Course, Journey
from lab.verify.symptom import Diagnosis, Trail, loss_of_all
from lab.wire.decode import reverse

HTTP_ERROR = 400


def find_black_hole(trail: Trail) -> Diagnosis | None:
    """Everything above a size is lost at one node, in silence, and everything below passes."""
    for _, journeys, way in trail.directions:
        for number, place in enumerate(way.between):
            lost, biggest = _swallowed(journeys, way, number)
            if not lost:
                continue
            return Diagnosis(
                "mtu-black-hole",
                f"packets of {min(j.packet.length for j in lost)} bytes and more vanish at {place}: "
                f"{count(len(lost), 'packet')} last seen on {way.segments[number]}, none on "
                f"{way.segments[number + 1]}; those up to {biggest} bytes pass, and no ICMP says so",
                f"fix the MTU beyond {way.segments[number]}, or let ICMP type 3 code 4 through",
            )
    return None


def _swallowed(journeys: list[Journey], way: Course, number: int) -> tuple[list[Journey], int]:
    """What one node of a way swallowed for the size alone, and the biggest that it passed on; else nothing.

    What was lost before that node says nothing about it. Nor does one packet after which nothing passed:
    the lab may have gone down while that packet was on a wire, as it does with IKE's goodbye.
    """
    came = [j for j in journeys if way.segments.index(j.last_segment) >= number]
    passed = [way.segments.index(j.last_segment) > number for j in came]
    if not any(passed):
        return [], 0

    biggest = max(j.packet.length for j, on in zip(came, passed, strict=True) if on)
    last = max(place for place, on in enumerate(passed) if on)
    lost = [(place, j) for place, j in enumerate(came) if not passed[place]]
    told = [j.packet.length for place, j in lost if place < last]
    big = [j for _, j in lost if j.packet.length > biggest]
    if min(told, default=inf) <= biggest or (not told and len(big) < 2):
        return [], biggest
    return big, biggest


def find_refusing_server(trail: Trail) -> Diagnosis | None:
    """A reset for a SYN, a handshake that the server broke, or an HTTP error."""
    packets = trail.sockets
    asked = {packet.ends for packet in packets if packet.is_bare_syn}
    asked -= {reverse(packet.ends) for packet in packets if packet.is_syn_ack}
    for packet in packets:
        if packet.is_reset and reverse(packet.ends) in asked:
            return Diagnosis(
                "server-refuses",
                f"{packet.source} refuses TCP {packet.source_port}: it answers the SYN of "
                f"{trail.client} with a reset",
                f"see whether the server on {packet.source} listens on {packet.source_port}",
            )

    for entry in trail.case.record.ledger:
        # What broke on the way is not the server's doing, though it says so with a status.
        if entry.status >= HTTP_ERROR and entry.kind != "broken":
            what = f"the {entry.kind}" if entry.kind != "refused" else entry.method or "what came"
            by = "FTP" if entry.server_port == FTPS_PORT else "HTTP"
            return Diagnosis(
                "server-refuses",
                f"{entry.server_ip}:{entry.server_port} refuses {what} with {by} status {entry.status}",
                "read the server's ledger in record.json",
            )
    return None


def find_unopened_address(trail: Trail) -> Diagnosis | None:
    """The customer's firewall opens the way to servers, and not to those that the client calls."""
    firewall = trail.case.topology.firewall
    if firewall is None:
        return None
    opened = {
        rule.destination.removesuffix("/32") for rule in firewall.rules if rule.protocol == "tcp"
    }
    passed = {packet.destination for _, packet in trail.case.leaving}
    called = [p for p in trail.sockets if p.is_bare_syn and p.destination not in opened | passed]
    if not called or not opened:
        return None
    far = sorted({packet.destination for packet in called})
    return Diagnosis(
        "address-not-opened",
        f"{firewall.node} opens TCP to {count(len(opened), 'address', 'addresses')}, and {trail.client} "
        f"calls {' and '.join(far)}, which none of its rules names: {count(len(called), 'SYN')} on "
        f"{firewall.inside}, none on {firewall.outside}",
        f"open TCP {called[0].destination_port} to {' and '.join(far)}: lab explain "
        f"{trail.case.topology.profile} prints the rules",
    )


def find_lost_syn(trail: Trail) -> Diagnosis | None:
    """TCP to the servers is lost on the way."""
    for _, journeys, way in trail.directions:
        if loss := loss_of_all(journeys, way):
            return Diagnosis(
                "tcp-lost",
                f"TCP of {trail.client} is lost at {loss.lost_at}: {count(loss.sent, 'packet')} on "
                f"{loss.last_segment}, none on {loss.next_segment}",
                f"let TCP 443 to the listed servers pass {loss.lost_at}",
            )
    return None


def find_silent_server(trail: Trail) -> Diagnosis | None:
    """A server that gets SYNs and says nothing, while another one answers."""
    packets = trail.sockets
    answered = {packet.source for packet in packets if packet.is_syn_ack}
    syns = [packet for packet in packets if packet.is_bare_syn and packet.source not in answered]
    silent = [packet for packet in syns if packet.destination not in answered]
    if not silent or not answered:
        return None
    far, port = silent[0].destination, silent[0].destination_port
    sent = sum(packet.destination == far for packet in silent)
    return Diagnosis(
        "server-silent",
        f"{far}:{port} is silent: {count(sent, 'SYN')} of {trail.client} to it, none answered; "
        f"{' and '.join(sorted(answered))} answered",
        f"see whether the server on {far} runs",
    )


def find_agent_failure(trail: Trail) -> Diagnosis | None:
    """The path is up and the servers answer; the agent itself failed."""
    calls = [c for c in trail.case.failed_calls if c.agent == trail.client]
    if trail.case.record.path_up == 0.0 or not calls:
        return None
    said = calls[0].told[-1] if calls[0].attempts else "it made no attempt"
    opened = sum(packet.is_bare_syn for packet in trail.sockets)
    return Diagnosis(
        "agent-failure",
        f"the path is up, and the agent on {trail.client} failed after "
        f"{count(opened, 'connection')}: {said}",
        f"run it by hand: lab up TOPOLOGY, and then lab exec {trail.client} -- YOUR-AGENT",
    )
