"""Symptoms of a user's command that calls where nobody is to be called: addresses, ports, protocols."""

from __future__ import annotations

from collections.abc import Iterable

from lab.names import all_of, count
from lab.topology import listings
from lab.topology.model import Endpoint
from lab.verify.command_trail import PROTOCOLS, CommandTrail, Flow
from lab.verify.networks import is_in
from lab.verify.symptom import Diagnosis
from lab.wire import icmp
from lab.wire.decode import ICMP, ICMPV6, TCP, UDP


def find_unlisted_address(trail: CommandTrail) -> Diagnosis | None:
    """Nobody of the profile has the address that is called; perhaps somebody of another one's."""
    if not trail.is_agent:
        return None
    flows = [flow for flow in trail.failed if not flow.is_taken and _is_unlisted(trail, flow)]
    flows = [flow for flow in flows if flow.service == flows[-1].service]
    if not flows or flows[-1] is not trail.failed[-1]:
        return None
    far = list(dict.fromkeys(flow.destination for flow in flows))
    others = listings.of_address(far[-1], trail.profile)
    return Diagnosis(
        "address-not-listed",
        f"{trail.name} calls {all_of(far)} by {flows[0].service}, which "
        f"{'is' if len(far) == 1 else 'are'} not in the list of {trail.profile}{others}: "
        + _fate(trail, flows),
        f"call an address of LAB_SERVERS: lab explain {trail.profile} prints the list",
    )


def _is_unlisted(trail: CommandTrail, flow: Flow) -> bool:
    """Whether an address is none of the lab's, and no name that is listed led there."""
    if flow.protocol not in (TCP, UDP):
        return False
    topology = trail.case.topology
    listed = {endpoint.name for endpoint in topology.endpoints}
    told = {a for each in trail.lookups if each.name in listed for a in each.addresses}
    known = {endpoint.address for endpoint in topology.endpoints} | told
    far = flow.destination
    return far not in known and not trail.is_customers(far) and trail.owner_of(far) is None


def find_unlisted_port(trail: CommandTrail) -> Diagnosis | None:
    """A listed address is called by a port or a protocol that is not listed for it."""
    if not trail.is_agent:
        return None
    flows = [flow for flow in trail.failed if _at_wrong_port(trail, flow)]
    flows = [flow for flow in flows if flow.service == flows[-1].service]
    if not flows or flows[-1] is not trail.failed[-1] or flows[0].is_taken:
        return None
    far = list(dict.fromkeys(flow.destination for flow in flows))
    ports = sorted({e.port for e in _own_endpoints(trail) if e.address in far})
    wanted = all_of([f"TCP {port}" for port in ports])
    return Diagnosis(
        "port-not-listed",
        f"{trail.name} calls {all_of(far)} by {flows[0].service}, and {trail.profile} lists {wanted} for "
        f"{'it' if len(far) == 1 else 'them'}: {_fate(trail, flows)}",
        f"call {wanted}, as the URLs of LAB_SERVERS do: lab explain {trail.profile} prints the list",
    )


def _at_wrong_port(trail: CommandTrail, flow: Flow) -> bool:
    ports = {e.port for e in _own_endpoints(trail) if e.address == flow.destination}
    if flow.protocol == UDP:
        return bool(ports)
    return flow.protocol == TCP and bool(ports) and flow.port not in ports


def _own_endpoints(trail: CommandTrail) -> tuple[Endpoint, ...]:
    return trail.case.topology.endpoints


def find_closed_port(trail: CommandTrail) -> Diagnosis | None:
    """A machine of the customer's has nobody at the port that is called."""
    flows = [flow for flow in trail.failed if flow.is_refused]
    if not flows or flows[-1] is not trail.failed[-1]:
        return None
    one = flows[-1]
    owner = trail.owner_of(one.destination)
    if owner is None or not trail.is_customers(one.destination):
        return None
    how = "a reset" if any(p.is_reset for p in one.answers) else f"{PROTOCOLS[ICMP]}"
    return Diagnosis(
        "port-closed",
        f"{owner.name} ({one.destination}) has nobody at {one.service}: it answers {trail.name} with {how}",
        f"see what listens there: lab exec {owner.name} -- ss -lntu",
    )


def find_absent_neighbour(trail: CommandTrail) -> Diagnosis | None:
    """Nobody on the node's own link has the address that is called."""
    asked = {a: n for a, n in trail.unanswered_neighbours.items() if trail.owner_of(a) is None}
    if not asked or trail.came_through:
        return None
    address, times = list(asked.items())[-1]
    nets = {i.segment: trail.case.topology.segment(i.segment).subnet for i in trail.node.interfaces}
    wire = next((name for name, net in nets.items() if net and is_in(address, net)), "its link")
    return Diagnosis(
        "nobody-there",
        f"nobody on {wire} has the address {address}: {trail.name} asked for it by ARP "
        f"{count(times, 'time')}, and got no answer",
        "see how the address is written; lab show prints the addresses of the topology",
    )


def find_icmp(trail: CommandTrail) -> Diagnosis | None:
    """Echo requests that nobody answers: customers' firewalls pass what calling home needs, and no more."""
    flows = [f for f in trail.failed if f.protocol in (ICMP, ICMPV6) and not f.errors]
    if not flows or any(flow.protocol == TCP for flow in trail.failed):
        return None
    loss = trail.loss_of(flows)
    if loss is None or any(flow.answers for flow in flows):
        return None
    far = all_of(list(dict.fromkeys(flow.destination for flow in flows)))
    name = PROTOCOLS[flows[0].protocol]
    firewall = trail.case.topology.firewall
    rules = (
        "" if firewall is None or firewall.node != loss.lost_at else ", whose rules do not open it"
    )
    return Diagnosis(
        "icmp-lost",
        f"{name} of {trail.name} to {far} is lost at {loss.lost_at}{rules}: "
        f"{count(loss.sent, 'echo request')} on {loss.last_segment}, none on {loss.next_segment}",
        "calling home needs no ping: try a listed port, as by curl or openssl s_client",
    )


def find_expired(trail: CommandTrail) -> Diagnosis | None:
    """Somebody on the way says that a packet's time to live has run out."""
    return _reported(trail, icmp.Reason.expired, "ttl-expired")


def find_too_big(trail: CommandTrail) -> Diagnosis | None:
    """Somebody on the way says that packets are too big, and nothing smaller came through after that."""
    return _reported(trail, icmp.Reason.too_big, "packet-too-big")


def find_forbidden(trail: CommandTrail) -> Diagnosis | None:
    """Somebody on the way says that a rule forbids it."""
    return _reported(trail, icmp.Reason.forbidden, "forbidden")


def find_no_way(trail: CommandTrail) -> Diagnosis | None:
    """Somebody on the way says that there is no way to the address."""
    return _reported(trail, icmp.Reason.no_way, "no-way-there")


_HINTS = {
    icmp.Reason.expired: "send with a time to live of 64, as hosts do",
    icmp.Reason.too_big: "send packets of {mtu} bytes at most, or without DF",
    icmp.Reason.forbidden: "see the rules of {who}",
    icmp.Reason.no_way: "see the address, and the routes of {who}",
}


def _reported(trail: CommandTrail, reason: icmp.Reason, cause: str) -> Diagnosis | None:
    flows = [
        f for f in trail.failed if any(e.reason is reason for e in f.errors) and not f.is_taken
    ]
    if not flows or flows[-1] is not trail.failed[-1]:
        return None
    one = flows[-1]
    errors = [error for error in one.errors if error.reason is reason]
    by = trail.owner_of(errors[-1].reporter)
    who = f"{by.name} ({errors[-1].reporter})" if by else errors[-1].reporter
    return Diagnosis(
        cause,
        f"{one.service} of {trail.name} to {one.destination} does not arrive: {who} says by "
        f"{PROTOCOLS[ICMPV6 if ':' in errors[-1].reporter else ICMP]} that {reason}, "
        f"{count(len(errors), 'time')}",
        _HINTS[reason].format(mtu=errors[-1].mtu, who=by.name if by else errors[-1].reporter),
    )


def _fate(trail: CommandTrail, flows: Iterable[Flow]) -> str:
    """What became of the packets: lost at a node, refused, or without an answer."""
    flows = list(flows)
    noun = "SYN" if flows[0].protocol == TCP else "packet"
    sent = sum(len(flow.sent) for flow in flows)
    loss = trail.loss_of(flows)
    if loss is not None:
        return (
            f"{loss.lost_at} drops it, {count(loss.sent, noun)} on {loss.last_segment} and none on "
            f"{loss.next_segment}"
        )
    if any(flow.is_refused for flow in flows):
        return f"{flows[-1].destination} refuses it"
    return f"{count(sent, noun)}, and no answer"
