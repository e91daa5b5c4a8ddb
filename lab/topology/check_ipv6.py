"""What makes no sense about the IPv6 of links. Pure: a spec in, complaints out."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, IPv6Network, ip_address

from lab.topology.check import Complaint, named
from lab.topology.family import Family
from lab.topology.roles import Role
from lab.topology.routing import Network
from lab.topology.site import Site
from lab.topology.spec import LinkSpec, TopologySpec

SMALLEST_MTU = 1280
"""RFC 8200 5."""
EXAMPLES = "2001:db8::/32 is for examples (RFC 3849)"


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """What is wrong between places of a spec whose single values are all well-formed."""
    for name, link in spec.links.items():
        if link.subnet6 is not None:
            yield from _subnet(spec, name, link.subnet6)
            if link.mtu < SMALLEST_MTU:
                problem = (
                    f"{link.mtu} is less than IPv6 needs, which is {SMALLEST_MTU} (RFC 8200 5)"
                )
                needs = (("links", name, "subnet6"),)
                yield Complaint(("links", name, "mtu"), problem, "take subnet6 out", needs)
        yield from _nodes(spec, name, link)


def _subnet(spec: TopologySpec, name: str, subnet: str) -> Iterator[Complaint]:
    place = ("links", name, "subnet6")
    for other, link in spec.links.items():
        if other == name:
            break
        if link.subnet6 == subnet:
            needs = (("links", other, "subnet6"),)
            yield Complaint(place, f"{subnet} is {other}'s", EXAMPLES, needs)

    profile = spec.known_profile
    own = [a for a in profile.callable() if a.family is Family.ipv6] if profile is not None else []
    inside = [a for a in own if ip_address(a.address) in IPv6Network(subnet)]
    if inside:
        problem = f"{subnet} holds {inside[0].address}, which {inside[0].row.id} has for a server"
        yield Complaint(place, problem, EXAMPLES, (("profile",),))


def _nodes(spec: TopologySpec, name: str, link: LinkSpec) -> Iterator[Complaint]:
    needs = (("links", name, "subnet6"), ("links", name, "nodes"))
    for node, address in link.nodes6.items():
        place = ("links", name, "nodes6", node)
        if node not in link.nodes:
            yield from named(spec, place, node, *Role)
            if node in spec.nodes:
                yield Complaint(place, f"{node} is not on {name}", f"add {node} to nodes", needs)
        if node == spec.lig:
            problem = f"{node} is AT&T's gateway, which has no IPv6"
            yield Complaint(place, problem, "take it out", (("nodes", node, "role"),))
        if link.subnet6 is None:
            yield Complaint(place, f"{name} has no IPv6", f"add subnet6 to {name}", needs)
            continue
        subnet = IPv6Network(link.subnet6)
        if IPv6Address(address) not in subnet:
            yield Complaint(place, f"{address} is not in {subnet}", "", needs)
        elif IPv6Address(address) == subnet.network_address:
            problem = f"{address} is for any router of {subnet} (RFC 4291 2.6.1)"
            yield Complaint(place, problem, "take another one", needs)


def routes(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether two nodes of a link have one IPv6 address, in a spec that has no other complaint."""
    owners: dict[str, str] = {}
    for (link, node), address in Site(spec, b"").addresses6.items():
        owner = owners.setdefault(address, node)
        if owner != node:
            written = spec.links[link].nodes6
            place = ("links", link, "nodes6", node if node in written else owner)
            other = owner if node in written else node
            own = address.partition("/")[0]
            yield Complaint(place, f"{own} is taken by {other} on {link}", "take another one")


def reaches(spec: TopologySpec, net: Network, agent: str, way: str) -> Iterator[Complaint]:
    """Whether every link from an agent to IBM's servers has IPv6."""
    (sdc,) = net.with_role(Role.sdc)
    for hop in net.ways(agent).get(sdc, ()):
        if spec.links[hop.link].subnet6 is None:
            problem = f"{agent} calls home by IPv6, and {hop.link} has none"
            fix = (
                f"add subnet6 to {hop.link}, such as 2001:db8:10::/64, or take ipv6 out of families"
            )
            yield Complaint(("ways", way, "families"), problem, fix)
