"""What makes no sense between the places of a topology file. Pure: a spec in, complaints out.

Each complaint names what it takes for granted, so that the loader can leave it out where one of
these is broken already: one mistake, one message.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count

from lab import ways
from lab.names import all_of, did_you_mean
from lab.topology.claims import requirement_ids
from lab.topology.family import V4_ONLY, Family
from lab.topology.roles import TRAITS, Role, taking
from lab.topology.routing import Network
from lab.topology.spec import NodeSpec, TopologySpec
from lab.topology.strict_yaml import Place, names_a_file
from lab.topology.values import POINT_TO_POINT

OF_PARTITIONS = "direct", "proxy"
"""By which kinds of ways a partition of i5/OS calls home for itself (OUT-48)."""
RESERVED_LINKS = re.compile(r"lo|all|default|wires|ppp[0-9]*")
"""Names that mean something else to the kernel or the lab: interfaces are called as their link."""

CALLS = "pstn"
"""``wire/pstn.pcapng``, whatever the exchange is called; ``lab capture`` takes the exchange's name."""

KEYS = {
    "count": "can stand for several machines",
    "snat": "can do SNAT",
    "opens": "opens ranges",
    "pool": "{have} a pool",
    "literal_tls": "{have} TLS",
    "run": "{have} a program of your own",
}
"""Keys of a node in words, where ``has <key>`` is none."""

PRIVATE = tuple(
    ipaddress.ip_network(net)
    for net in ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
"""RFC 1918, RFC 6598 and RFC 4193: never routed on the lab's Internet."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something wrong, and what it rests on."""

    place: Place
    problem: str
    suggestion: str = ""
    needs: tuple[Place, ...] = ()


def is_private(address: str) -> bool:
    return any(ipaddress.ip_address(address.partition("/")[0]) in net for net in PRIVATE)


def network(spec: TopologySpec) -> Network:
    roles = {name: node.role for name, node in spec.nodes.items()}
    return Network(roles, {name: link.nodes for name, link in spec.links.items()})


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """What is wrong between places of a spec whose single values are all well-formed."""
    yield from _nodes(spec)
    yield from _links(spec)
    yield from _addresses(spec)
    yield from _subnets(spec)
    yield from _agents(spec)
    for name, way in spec.ways.items():
        yield from _way(spec, name)
        yield from ways.stage(way.kind, "checks").complaints(spec, name, way)
    yield from _expect(spec)


def _nodes(spec: TopologySpec) -> Iterator[Complaint]:
    for name, node in spec.nodes.items():
        place: Place = ("nodes", name)
        role: Place = (*place, "role")
        if name == "wires":
            yield Complaint(place, "the name is taken: it is where the lab keeps the links")
        if node.opens == "names" and spec.names == "hosts":
            problem = f"{name} can open names only where name servers tell what they lead to"
            yield Complaint((*place, "opens"), problem, "take names: hosts out", (("names",),))
        for key in strange_keys(node):
            problem = f"{only_for(key)}, and the role of {name} is {node.role}"
            fix = f"take its modems out, or give {name} another role" if key == "modems" else ""
            yield Complaint((*place, key), problem, fix, (role,))

    for wanted, traits in TRAITS.items():
        names = network(spec).with_role(wanted)
        for extra in names[1:] if traits.only_one else ():
            problem = f"is a second {wanted}, beside {names[0]}"
            yield Complaint(("nodes", extra, "role"), problem, traits.only_one)
        if traits.needed and not names:
            problem = f"there is no node with the role {wanted}"
            yield Complaint(("nodes",), problem, f"add {free(spec, wanted)}: {{ role: {wanted} }}")


def free(spec: TopologySpec, name: str) -> str:
    """A name for a node that the file lacks: this one, or a similar one if another node has it."""
    similar = (f"{name}-{number}" for number in count(2))
    return next(each for each in chain([name], similar) if each not in spec.nodes)


def only_for(key: str, what: str = "") -> str:
    """Of nodes of which roles a key is: ``only an hmc and a lig have modems``."""
    roles = taking(key)
    owners = all_of([f"{TRAITS[role].article} {role}" for role in roles])
    verb = "have" if len(roles) > 1 else "has"
    return f"only {owners} {(what or KEYS.get(key, f'{{have}} {key}')).format(have=verb)}"


def strange_keys(node: NodeSpec) -> Iterator[str]:
    """The keys that a node has, and that its role does not take."""
    for key, field in NodeSpec.model_fields.items():
        if key not in ("role", *TRAITS[node.role].takes) and getattr(node, key) != field.default:
            yield key


def _links(spec: TopologySpec) -> Iterator[Complaint]:
    for name, link in spec.links.items():
        place: Place = ("links", name)
        if RESERVED_LINKS.fullmatch(name):
            yield Complaint(place, "the name is taken: interfaces are called as their link")
        if name in (CALLS, spec.exchange):
            yield Complaint(place, "the name is taken: the capture of all calls is called so")
        if len(link.nodes) < 2:
            problem = f"a link joins two nodes or more, and this one has {len(link.nodes)}"
            yield Complaint((*place, "nodes"), problem)
        for node in link.nodes:
            yield from named(spec, (*place, "nodes", node), node, *Role)

    yield from _unlinked(spec)


def _unlinked(spec: TopologySpec) -> Iterator[Complaint]:
    if all(node in spec.nodes for link in spec.links.values() for node in link.nodes):
        for node in spec.nodes:
            if not spec.links_of(node) and TRAITS[spec.nodes[node].role].wired:
                problem = "is not on any link"
                if spec.nodes[node].modems:
                    problem += ", which a node with modems needs, too"
                yield Complaint(("nodes", node), problem, f"add {node} to a link", (("links",),))


def _addresses(spec: TopologySpec) -> Iterator[Complaint]:
    seen: dict[str, str] = {}
    for name, link in spec.links.items():
        subnet = ipaddress.ip_network(link.subnet)
        needs = (("links", name, "subnet"),)
        pair = subnet.prefixlen == POINT_TO_POINT
        if len(link.nodes) > subnet.num_addresses - (0 if pair else 2):
            problem = f"{link.subnet} has no room for {len(link.nodes)} nodes"
            yield Complaint(("links", name, "subnet"), problem, "take a shorter prefix")

        for node, address in link.nodes.items():
            if address is None:
                continue

            place: Place = ("links", name, "nodes", node)
            ip = ipaddress.ip_address(address)
            if ip not in subnet:
                suggestion = _same_link(spec, address)
                yield Complaint(place, f"{address} is not in {link.subnet}", suggestion, needs)
            elif ip in (subnet[0], subnet[-1]) and not pair:
                kind = "network" if ip == subnet[0] else "broadcast"
                yield Complaint(
                    place, f"{address} is the {kind} address of {link.subnet}", "", needs
                )

            if address in seen:
                yield Complaint(place, f"{address} is taken by {seen[address]}", "leave it empty")
            seen.setdefault(address, f"{node} on {name}")


def _same_link(spec: TopologySpec, address: str) -> str:
    subnets = {name: ipaddress.ip_network(link.subnet) for name, link in spec.links.items()}
    around = [name for name, net in subnets.items() if ipaddress.ip_address(address) in net]
    return f"{around[0]} has the subnet {subnets[around[0]]}" if around else ""


def _subnets(spec: TopologySpec) -> Iterator[Complaint]:
    taken: list[tuple[Place, str, str]] = [
        (("links", name, "subnet"), link.subnet, name) for name, link in spec.links.items()
    ]
    taken += [
        (("nodes", name, "pool"), node.pool, f"the pool of {name}")
        for name, node in spec.nodes.items()
        if node.pool is not None
    ]
    for number, (place, subnet, _) in enumerate(taken):
        for other_place, other, owner in taken[:number]:
            if ipaddress.ip_network(subnet).overlaps(ipaddress.ip_network(other)):
                problem = f"{subnet} overlaps {other} of {owner}"
                yield Complaint(place, problem, needs=(other_place,))

    profile = spec.known_profile
    if profile is None:
        return

    listed = [a for a in (*profile.servers(), *profile.vpn_gateways) if a.version == 4]
    for place, subnet, _ in taken:
        inside = [
            a for a in listed if ipaddress.ip_address(a.address) in ipaddress.ip_network(subnet)
        ]
        if inside:
            whose = f"{profile.name}'s" if names_a_file(profile.name) else "IBM's"
            problem = (
                f"{subnet} holds {inside[0].address}, which {inside[0].row.id} lists as {whose}"
            )
            suggestion = "192.0.2.0/24, 198.51.100.0/24 and 203.0.113.0/24 are for examples"
            yield Complaint(place, problem, suggestion, (("profile",),))


def _agents(spec: TopologySpec) -> Iterator[Complaint]:
    names = ", ".join(spec.ways) or "vpn"
    if not spec.agents:
        hosts = [*(n for n in spec.nodes if TRAITS[spec.nodes[n].role].calls_home), "hmc"]
        yield Complaint(
            ("agents",), "no host calls home", f"add agents: {{ {hosts[0]}: [{names}] }}"
        )
    homeward = [role for role, traits in TRAITS.items() if traits.calls_home]
    for agent, own in spec.agents.items():
        place: Place = ("agents", agent)
        yield from named(spec, place, agent, *homeward)
        node = spec.nodes.get(agent)
        is_partition = node is not None and node.role is Role.i5
        if not own:
            yield Complaint(place, f"{agent} has no way home", f"name one of ways: [{names}]")
        yield from repeated(place, own, "a way is tried once in its turn: take one of the two out")
        for way, its in _entries(place, own).items():
            if way not in spec.ways:
                yield unknown(its, "way", way, spec.ways, (("ways", way),))
            elif is_partition and spec.ways[way].kind not in OF_PARTITIONS:
                problem = (
                    f"{agent} is a partition of i5/OS, and the lab has none call home by {way}"
                )
                kinds = " or ".join(OF_PARTITIONS)
                yield Complaint(its, problem, f"name a way of the kind {kinds}")


def _way(spec: TopologySpec, name: str) -> Iterator[Complaint]:
    leads_home = spec.ways[name].leads_home
    if leads_home and spec.agents and not (spec.agents_of(name) or spec.ways_over(name)):
        problem, fix = f"no agent has the way {name}", f"add {name} to an agent, or take it out"
        yield Complaint(("ways", name), problem, fix, (("agents",),))


def unknown(
    place: Place, what: str, name: str, known: Iterable[str], needs: tuple[Place, ...] = ()
) -> Complaint:
    """Something is named that is not there; the suggestion is what was perhaps meant."""
    return Complaint(place, f"there is no {what} {name!r}", did_you_mean(name, known), needs)


def no_node(spec: TopologySpec, place: Place, name: str, fitting: Iterable[str]) -> Complaint:
    """One node is to be named, and the name is no node's, or that of several (``count``)."""
    needs: tuple[Place, ...] = (("nodes", name),)
    several = next((each for each in spec.fleets if each.name == name), None)
    if several is None:
        return unknown(place, "node", name, fitting, needs)
    problem = f"{name} stands for {several.span}, and this is about one node"
    return Complaint(place, problem, f"name one of them, such as {several.members[0]}", needs)


def repeated(
    place: Place, names: tuple[str, ...], fix: str = "take one of the two out"
) -> Iterator[Complaint]:
    """Each entry of a list that is in it before."""
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Complaint((*place, index), f"{name} is there twice", fix)


def _entries(place: Place, names: tuple[str, ...]) -> dict[str, Place]:
    """Each name of a list, and the place where it is first."""
    return {name: (*place, names.index(name)) for name in names}


def named_once(
    spec: TopologySpec, place: Place, names: tuple[str, ...], role: Role
) -> Iterator[Complaint]:
    """What is wrong with a list of nodes that must have a role."""
    yield from repeated(place, names)
    for name, its in _entries(place, names).items():
        yield from named(spec, its, name, role)


def named(spec: TopologySpec, place: Place, name: str, *roles: Role) -> Iterator[Complaint]:
    """What is wrong with the name of a node that must have one of these roles."""
    fitting = [node for node, its in spec.nodes.items() if its.role in roles]
    if name not in spec.nodes:
        yield no_node(spec, place, name, fitting)
    elif name not in fitting:
        wanted = " or ".join(roles)
        problem = f"{name} has the role {spec.nodes[name].role}, and must have {wanted} here"
        needs = (("nodes", name, "role"),)
        yield Complaint(place, problem, did_you_mean(name, fitting), needs)


def _expect(spec: TopologySpec) -> Iterator[Complaint]:
    yield from repeated(("expect",), spec.expect)
    for name, its in _entries(("expect",), spec.expect).items():
        if name not in requirement_ids():
            yield unknown(its, "requirement", name, requirement_ids())


def routes(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether the ways can exist at all, in a spec that has no other complaint."""
    net = network(spec)
    if spec.firewall is not None:
        own = net.links_of(spec.firewall)
        outside = {*own} - net.links_behind(spec.firewall)
        if len(own) < 2 or len(outside) != 1:
            problem = (
                "a firewall stands between links of the customer's and one to the Internet; it is on "
                f"{len(own)}, and {len(outside)} of these {'leads' if len(outside) == 1 else 'lead'} there"
            )
            yield Complaint(("nodes", spec.firewall), problem)
            return

    found = (
        complaint
        for name, way in spec.ways.items()
        for complaint in ways.stage(way.kind, "checks").routes(spec, net, name, way)
    )
    # Two ways over the same wires have the same complaint.
    yield from dict.fromkeys(found)


def wired(spec: TopologySpec, net: Network, way: str) -> Iterator[Complaint]:
    """Whether every agent of a way gets over the wires to the Internet, and answers get back."""
    for agent in spec.agents_of(way):
        families = spec.ways[way].ip_families
        yield from goes_out(spec, net, ("agents", agent), agent, families)


def goes_out(
    spec: TopologySpec,
    net: Network,
    place: Place,
    node: str,
    families: Iterable[Family] = V4_ONLY,
) -> Iterator[Complaint]:
    """Whether a host of the customer's gets to the Internet by one link, and answers get back."""
    uplinks = net.uplinks(node)
    if not uplinks:
        yield Complaint(place, f"{node} has no way to the Internet")
        return
    if len(uplinks) > 1:
        problem = f"{node} has {len(uplinks)} ways to the Internet: {', '.join(uplinks)}"
        yield Complaint(place, problem, "leave one")
        return

    (uplink,) = uplinks
    if spec.firewall is not None and uplink not in net.links_behind(spec.firewall):
        problem = f"{node} does not go through {spec.firewall}"
        yield Complaint(place, problem, f"move it off {uplink}")
    link = spec.links[uplink]
    if Family.ipv4 in families and not spec.behind_nat and is_private(link.subnet):
        problem = f"no answer from the Internet comes to {node} in {link.subnet}"
        fix = "give the firewall snat: true, or the link a public subnet such as 203.0.113.0/24"
        yield Complaint(place, problem, fix)
    if Family.ipv6 in families and link.subnet6 is not None and is_private(link.subnet6):
        # No NAT of the lab's changes IPv6.
        problem = f"no answer from the Internet comes to {node} in {link.subnet6}"
        yield Complaint(place, problem, "give the link a public subnet6 such as 2001:db8:10::/64")


def site(spec: TopologySpec) -> frozenset[str]:
    """The customer's machines that a way between others must not lead through."""
    return frozenset({spec.firewall} if spec.firewall else ()) | set(spec.agents)


def reaches_servers(spec: TopologySpec, net: Network, way: str) -> Iterator[Complaint]:
    """Whether the Internet leads to IBM's servers."""
    (internet,), (sdc,) = net.with_role(Role.internet), net.with_role(Role.sdc)
    if sdc not in net.ways(internet, closed=site(spec)):
        yield Complaint(("ways", way), f"{internet} does not reach {sdc}")
