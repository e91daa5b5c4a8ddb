"""Symptoms beyond the tunnel and of direct paths: black holes, refusing servers, failing agents."""

from __future__ import annotations

from itertools import product
from math import inf

from lab import names
from lab.names import all_of, count
from lab.topology.model import AllowRule
from lab.topology.servers import FTPS_PORT
from lab.verify.journey import Course, Journey
from lab.verify.networks import is_in
from lab.verify.symptom import Diagnosis, Trail, loss_of_all
from lab.wire.decode import TCP, Packet, reverse

HTTP_ERROR = 400


def find_black_hole(trail: Trail) -> Diagnosis | None:
    """Everything above a size is lost at one node, in silence, and everything below passes."""
    key = (find_black_hole, trail.flows)
    if key not in trail.case.views:
        trail.case.views[key] = _black_hole(trail)
    found: Diagnosis | None = trail.case.views[key]
    return found


def _black_hole(trail: Trail) -> Diagnosis | None:
    for version, (_, journeys, way) in product((4, 6), trail.directions):
        # The two versions of IP have different headers, and may have different ways.
        own = [journey for journey in journeys if journey.packet.version == version]
        for number, place in enumerate(way.between):
            lost, biggest = _swallowed(own, way, number)
            if not lost:
                continue
            return Diagnosis(
                "mtu-black-hole",
                f"packets of {min(j.packet.length for j in lost)} bytes and more vanish at {place}: "
                f"{count(len(lost), 'packet')} last seen on {way.segments[number]}, none on "
                f"{way.segments[number + 1]}; those up to {biggest} bytes pass, and no ICMP says so",
                f"fix the MTU beyond {way.segments[number]}, or let {_too_big(lost[0])} through",
            )
    return None


def _too_big(lost: Journey) -> str:
    """What tells a sender that its packets are too big (RFC 1191 4, RFC 4443 3.2)."""
    return "ICMPv6 type 2" if lost.packet.version == 6 else "ICMP type 3 code 4"


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
        if packet.is_reset and reverse(packet.ends) in asked and not trail.is_near(packet.source):
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
                f"{names.place(entry.server_ip, entry.server_port)} refuses {what} with {by} status "
                f"{entry.status}",
                "read the server's ledger in record.json",
            )
    return None


def find_unopened_address(trail: Trail) -> Diagnosis | None:
    """The customer's firewall has no rule for any connection that the client, or its proxy, opens."""
    firewall = trail.case.topology.firewall
    if firewall is None:
        return None
    rules = [rule for rule in firewall.rules if rule.protocol == "tcp"]
    passed = {(p.destination, p.destination_port) for _, p in trail.case.leaving}
    wire = trail.case.topology.node(trail.caller).uplink
    called = [p for p in trail.sockets if p.is_bare_syn and p.source in wire.ips]
    called = [p for p in called if not trail.is_near(p.destination)]
    unnamed = [p for p in called if not any(_admits(trail, rule, p) for rule in rules)]
    if not called or len(unnamed) < len(called):
        return None  # One that a rule names failed, too: that is another story.
    places = sorted({(packet.destination, packet.destination_port) for packet in called})
    if {*places} & passed:
        return None
    opened = {rule.destination for rule in rules}
    listed = {(e.address, e.name) for e in trail.case.topology.endpoints if e.name in opened}
    if unasked := sorted({name for address, _ in places for a, name in listed if a == address}):
        return Diagnosis(
            "address-not-opened",
            f"{firewall.node} opens names, and an address only when {firewall.node} has been asked for it: "
            f"{trail.caller} calls {all_of(sorted({a for a, _ in places}))}, and nobody asked for "
            f"{all_of(unasked)}: {count(len(called), 'SYN')} on {wire.segment}, none on {firewall.outside}",
            f"have {trail.caller} look {all_of(unasked)} up at {firewall.node}",
        )
    own = all_of(sorted({packet.source for packet in called}))
    ports = all_of([f"TCP {port}" for port in sorted({port for _, port in places})])
    far = all_of(sorted({address for address, _ in places}))
    return Diagnosis(
        "address-not-opened",
        f"{firewall.node} opens TCP to {count(len(opened), 'address', 'addresses')}, and {trail.caller} "
        f"calls {far} by {ports}, which none of its rules names: {count(len(called), 'SYN')} on "
        f"{wire.segment}, none on {firewall.outside}",
        f"open {ports} to {far} for {own}: lab explain {trail.case.topology.profile} prints the rules",
    )


def _admits(trail: Trail, rule: AllowRule, packet: Packet) -> bool:
    return (
        is_in(packet.source, rule.source)
        and trail.case.is_opened(rule, packet.destination)
        and rule.port in (0, packet.destination_port)
    )


def find_lost_syn(trail: Trail) -> Diagnosis | None:
    """TCP to the servers is lost on the way."""
    for _, found, way in trail.directions:
        # What else goes there, the firewall may well lose.
        if loss := loss_of_all([j for j in found if _is_of_call(trail, j.packet)], way):
            return Diagnosis(
                "tcp-lost",
                f"TCP of {trail.client} is lost at {loss.lost_at}: {count(loss.sent, 'packet')} on "
                f"{loss.last_segment}, none on {loss.next_segment}",
                f"let TCP 443 to the listed servers pass {loss.lost_at}",
            )
    return None


def find_lost_ipv6(trail: Trail) -> Diagnosis | None:
    """All IPv6 to the servers is lost on the way, and IPv4 is not."""
    for out, journeys, way in trail.directions:
        calls = [journey for journey in journeys if _is_call(trail, journey.packet)]
        six = [journey for journey in calls if journey.packet.version == 6]
        others = [journey for journey in calls if journey.packet.version == 4]
        loss = loss_of_all(six, way)
        if not out or loss is None or loss_of_all(others, way):
            continue
        home = f"; {trail.client} came home by IPv4" if others and not _failed(trail) else ""
        return Diagnosis(
            "ipv6-lost",
            f"IPv6 of {trail.client} is lost at {loss.lost_at}: {count(loss.sent, 'packet')} on "
            f"{loss.last_segment}, none on {loss.next_segment}{home}",
            f"have {loss.lost_at} pass IPv6 to the listed servers; to do without it, write families: [ipv4]",
        )
    return None


def _is_of_call(trail: Trail, packet: Packet) -> bool:
    """Whether it is TCP to a listed address and port, or an answer."""
    back = packet.source, packet.source_port
    return _is_call(trail, packet) or (packet.protocol == TCP and back in trail.case.listed)


def _is_call(trail: Trail, packet: Packet) -> bool:
    """Whether it is TCP to a listed address and port: what else is lost, the firewall may well lose."""
    to = packet.destination, packet.destination_port
    return packet.protocol == TCP and to in trail.case.listed


def _failed(trail: Trail) -> bool:
    return any(call.agent == trail.client for call in trail.case.failed_calls)


def find_silent_server(trail: Trail) -> Diagnosis | None:
    """A server that gets SYNs and says nothing, while another one answers."""
    packets = trail.sockets
    answered = {packet.source for packet in packets if packet.is_syn_ack}
    # The client may be a server, too: a console takes connections of others on the same wire.
    own = {ip for ip, name in trail.case.agent_addresses.items() if name == trail.client}
    syns = [packet for packet in packets if packet.is_bare_syn and packet.source in own]
    # What the customer's own firewall keeps back does not tell of the server.
    left = {packet.destination for _, packet in trail.case.leaving}
    # Who refuses is not silent.
    refused = {reverse(packet.ends) for packet in packets if packet.is_reset}
    silent = [
        p
        for p in syns
        if p.destination not in answered and p.destination in left and p.ends not in refused
    ]
    if not silent or not answered:
        return None
    far, port = silent[0].destination, silent[0].destination_port
    sent = sum(packet.destination == far for packet in silent)
    others = {
        packet.source for packet in packets if packet.is_syn_ack and packet.source_port == port
    }
    told = f"{all_of(sorted(others))} answered" if others else "servers at other ports answered"
    return Diagnosis(
        "server-silent",
        f"{names.place(far, port)} is silent: {count(sent, 'SYN')} of {trail.client} to it, none answered; "
        + told,
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
