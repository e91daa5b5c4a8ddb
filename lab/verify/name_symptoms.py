"""Symptoms of names: nobody tells them, they are not known, they lead elsewhere, they have moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.ibm.events import ServersMoved
from lab.names import all_of, count
from lab.topology import listings
from lab.topology.dns import DNS_PORT
from lab.topology.family import Family, family_of
from lab.verify.journey import find_course, journeys
from lab.verify.symptom import Diagnosis, Trail, loss_of_all
from lab.wire.decode import Packet

if TYPE_CHECKING:
    from lab.topology.dns import Dns
    from lab.wire.dns import Lookup

NO_SUCH_NAME = 3
"""RFC 1035 4.1.1."""


def find_failed_lookup(trail: Trail) -> Diagnosis | None:
    """The last name that was asked for got no address, and nothing was done after that."""
    if not trail.lookups:
        return None
    name = trail.lookups[-1].name
    own = [each for each in trail.lookups if each.name == name]
    if any(each.addresses for each in own) or _went_on(trail, own[-1]):
        return None
    client, resolver = own[-1].client, own[-1].server
    if unanswered := [each for each in own if not each.answered]:
        return _nobody_answers(trail, unanswered)
    if any(each.code == NO_SUCH_NAME for each in own):
        return name_unknown(name, resolver, client, trail.case.topology.profile)
    if code := next((each.code for each in own if each.code), 0):
        return Diagnosis(
            "dns-refuses",
            f"{resolver} does not tell {client} of {name}: its answer has code {code} (RFC 1035 4.1.1)",
            f"read the log of the name server at {resolver}: logs/*/dnsmasq.log of the run directory",
        )
    kinds = all_of(list(dict.fromkeys(each.kind for each in own)))
    return find_no_aaaa(trail) or Diagnosis(
        "name-without-address",
        f"{name} has no address of the kind that {client} asks for: {resolver} knows the name, and has no "
        f"record of type {kinds}",
        f"let the client ask for another kind of address, or the name have a record of type {kinds}",
    )


def name_unknown(name: str, resolver: str, client: str, profile: str) -> Diagnosis:
    """A name server knows no such name; other profiles may list it."""
    return Diagnosis(
        "name-unknown",
        f"{name} is not known: {resolver} says to {client} that there is no such name"
        + listings.of_name(name, profile),
        f"see how the name is spelt; lab explain {profile} prints the listed names",
    )


def _went_on(trail: Trail, lookup: Lookup) -> bool:
    """Whether the client opened a connection to another network after it had asked."""
    node = trail.case.topology.node(trail.client)
    packets = trail.case.packets(node.uplink.segment)
    return any(
        frame.time > lookup.time
        and packet.is_bare_syn
        and packet.source == lookup.client
        and not trail.is_near(packet.destination)
        for frame, packet in packets
    )


def _nobody_answers(trail: Trail, unanswered: list[Lookup]) -> Diagnosis:
    """The client's own name server is silent, or IBM's is, which that one asks."""
    from lab.wire import dns

    one = unanswered[-1]
    asked = sum(len(each.asked) for each in unanswered)
    words = (
        f"{one.client} asked {one.server} for {one.name} {count(asked, 'time')}, and got no answer"
    )
    case, plan = trail.case, trail.case.topology.dns
    if plan is not None and plan.resolver is not None:
        source, server = plan.resolver.source, plan.server.address
        passed = [
            each
            for each in dns.read(case.packets(*case.exits))
            if (each.client, each.server, each.name) == (source, server, one.name)
        ]
        if passed and not any(each.answered for each in passed):
            if lost := _lost_lookups(trail, plan):
                return lost
            times = count(sum(len(each.asked) for each in passed), "time")
            return Diagnosis(
                "dns-silent",
                f"IBM's name server {server} is silent, so no name is told: {plan.resolver.node} asked it "
                f"for {one.name} {times} on {case.outside}, and nothing came back; so {words}",
                f"see whether the name server on {server} runs, and what drops UDP 53 on the way",
            )
    return Diagnosis(
        "dns-silent",
        f"the name server {one.server} is silent, so no name is told: {words}",
        f"see whether a name server runs on {one.server}, and what drops UDP 53 on the way",
    )


def _lost_lookups(trail: Trail, plan: Dns) -> Diagnosis | None:
    """Where the packets of the customer's resolver to IBM's name server were lost, if none came there."""
    assert plan.resolver is not None, "asked for"
    source, server = plan.resolver.source, plan.server.address
    course = find_course(trail.case.topology, plan.resolver.node, plan.server.node)
    if course is None:
        return None
    found = journeys(trail.case, course, source, server)
    loss = loss_of_all([each for each in found if each.packet.destination_port == DNS_PORT], course)
    if loss is None:
        return None
    family = family_of(server)
    return Diagnosis(
        "lookups-lost",
        f"{family} of {plan.resolver.node} to IBM's name server {server} is lost at {loss.lost_at}, so no "
        f"name is told: {count(loss.sent, 'packet')} on {loss.last_segment}, none on {loss.next_segment}",
        f"let {family} and UDP {DNS_PORT} to {server} pass {loss.lost_at}",
    )


def find_misled(trail: Trail) -> Diagnosis | None:
    """A listed name leads to an address that is not listed: nobody answers there, or a proxy refuses."""
    topology = trail.case.topology
    listed = {(endpoint.name, endpoint.address) for endpoint in topology.endpoints}
    names = {endpoint.name for endpoint in topology.endpoints}
    for lookup in trail.lookups:
        wrong = [a for a in lookup.addresses if (lookup.name, a) not in listed]
        if lookup.name not in names or not wrong:
            continue
        syns = _unanswered(trail, lookup.client, wrong)
        refusing = trail.refused_names.get(lookup.name)
        if not syns and not refusing:
            continue
        known = all_of([address for name, address in sorted(listed) if name == lookup.name])
        so = f"{count(len(syns), 'SYN')} of {lookup.client} went there, none was answered"
        if refusing:
            so = f"so {refusing} refuses to connect {trail.client} to it"
        return Diagnosis(
            "dns-wrong-answer",
            f"{lookup.name} leads to {all_of(wrong)}, which is not listed: so {lookup.server} says to "
            f"{lookup.client}; the profile {topology.profile} lists {known}; {so}",
            f"have the name server on {lookup.server} tell {known} for {lookup.name}",
        )
    return None


def find_no_aaaa(trail: Trail) -> Diagnosis | None:
    """A name that the profile lists with IPv6 addresses has none."""
    topology = trail.case.topology
    by_ipv6 = [e for e in topology.endpoints if family_of(e.address) is Family.ipv6]
    if not by_ipv6:
        return None
    found = {(each.name, each.kind): each for each in trail.lookups if each.answered}
    for endpoint in by_ipv6:
        asked = found.get((endpoint.name, "AAAA"))
        other = found.get((endpoint.name, "A"))
        if asked is None or asked.addresses:
            continue
        if other is not None:
            told = "IPv4 addresses only" if other.addresses else "no address at all"
            return Diagnosis(
                "name-without-aaaa",
                f"{endpoint.name} has no IPv6 address, as {asked.server} says to {asked.client}: the profile "
                f"{topology.profile} lists {endpoint.address} for it; {trail.client} was told of {told}",
                f"have the name server on {asked.server} tell {endpoint.address} for {endpoint.name}",
            )
    return None


def _unanswered(trail: Trail, client: str, addresses: list[str]) -> list[Packet]:
    """SYNs to addresses on the client's own wire, if nobody there answered any."""
    wire = trail.case.topology.node(trail.lookup_node).uplink
    # Who asks by IPv4 for an IPv6 address calls from another address.
    own = {client, *wire.ips}
    packets = [packet for _, packet in trail.case.packets(wire.segment)]
    if any(p.is_syn_ack and p.source in addresses and p.destination in own for p in packets):
        return []
    return [p for p in packets if p.is_bare_syn and p.source in own and p.destination in addresses]


def find_moved_server(trail: Trail) -> Diagnosis | None:
    """A server has moved, its name says so, and the customer's firewall opens the former address."""
    case, firewall = trail.case, trail.case.topology.firewall
    if firewall is None:
        return None
    for moved in case.told(ServersMoved):
        new = moved.new.split(", ")
        told = [
            each for each in trail.lookups if each.name == moved.name and {*each.addresses} & {*new}
        ]
        opened = {rule.destination for rule in firewall.rules}
        if not told or moved.name in opened or {*new} <= opened:
            continue
        syns = _unanswered(trail, told[0].client, new)
        if not syns:
            continue
        return Diagnosis(
            "address-moved",
            f"{moved.name} led to {moved.old}, and leads to {moved.new} now; {firewall.node} opens the "
            f"former alone: {count(len(syns), 'SYN')} of {told[0].client} to {moved.new} on "
            f"{firewall.inside}, none on {case.outside}",
            f"have {firewall.node} open the name and not its addresses (opens: names), or open TCP 443 to "
            f"{moved.new}",
        )
    return None
