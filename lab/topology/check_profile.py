"""What a topology asks of its profile, and the profile does not have: a spec in, complaints out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from lab.errors import Unsupported
from lab.topology import catalogue
from lab.topology.capability import Feature
from lab.topology.catalogue import Address, Profile, RowKind
from lab.topology.check import PRIVATE, Complaint, network, unknown
from lab.topology.family import Family
from lab.topology.part import WaySpec
from lab.topology.roles import TRAITS, Listed
from lab.topology.spec import TopologySpec
from lab.topology.strict_yaml import Place

HTTPS = ("tcp", 443)
ONE_CARD = "OUT-05"


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """What is wrong between places of a spec whose single values are all well-formed."""
    profile = spec.known_profile
    if profile is None:
        yield unknown(("profile",), "profile", spec.profile, catalogue.names())
        return
    yield from _servers(spec, profile)
    for name, way in spec.ways.items():
        if why := lacking(profile, spec, way):
            needs = (("profile",), ("ways", name, "kind"))
            yield Complaint(("ways", name), why.message, why.hint, needs)
    yield from _networks(spec, profile)
    yield from _ranges(spec, profile)
    for name, node in spec.nodes.items():
        if TRAITS[node.role].listed is Listed.gateway:
            yield from _gateway(spec, profile, name)
        if node.moves_to is not None:
            yield from _moves(spec, profile, ("nodes", name, "moves_to"), node.moves_to)


def _moves(spec: TopologySpec, profile: Profile, place: Place, later: str) -> Iterator[Complaint]:
    """Whether servers can move to the addresses of another profile, by names that both have."""
    if later not in catalogue.names():
        yield unknown(place, "profile", later, catalogue.names())
        return
    if spec.names == "hosts":
        problem = "hosts tables do not follow servers that move"
        yield Complaint(place, problem, "take names: hosts out", (("names",),))
    for name, way in spec.ways.items():
        if way.kind != "direct" or Family.ipv6 in way.ip_families:
            problem = "servers move for agents that call home over the Internet by IPv4 only"
            fix = f"take moves_to out, or make {name} a direct way by IPv4"
            yield Complaint(place, problem, fix, (("ways", name),))
            return
    own = addresses_of(profile)
    if not _differs(own, addresses_of(catalogue.profile(later))):
        problem = f"{later} has no server of {profile.name} at another address"
        names = [n for n in catalogue.names() if _differs(own, addresses_of(catalogue.profile(n)))]
        yield Complaint(place, problem, f"known: {', '.join(names) or 'none'}", (("profile",),))


def _differs(own: Mapping[str, tuple[str, ...]], other: Mapping[str, tuple[str, ...]]) -> bool:
    return any({*other.get(name, listed)} != {*listed} for name, listed in own.items())


def lacking(profile: Profile, spec: TopologySpec, way: WaySpec) -> Unsupported | None:
    """Why a profile has no such way (OUT-35, OUT-36, G-01 to G-16); None if it has, or no paper has it."""
    below = spec.way_below(way)
    way_out = way.over_kinds.get(below.kind, "") if below is not None else way.way_out
    try:
        if way_out:
            profile.can.require(way_out, profile.name)
    except Unsupported as why:
        return why
    return None


def gateway_addresses(profile: Profile) -> dict[str, Address]:
    """The VPN gateways of a profile by node name: the first label of the listed host."""
    return {address.host.partition(".")[0]: address for address in profile.vpn_gateways}


def addresses_of(profile: Profile) -> dict[str, tuple[str, ...]]:
    """Every listed server's name to its IPv4 addresses, in the order of the tables."""
    found: dict[str, dict[str, None]] = {}
    for each in profile.servers():
        if each.version == 4:
            found.setdefault(each.host, {})[each.address] = None
    return {name: tuple(addresses) for name, addresses in found.items()}


def row_of(profile: Profile, name: str) -> str:
    """The first row that lists a server of that name with HTTPS; empty if none does."""
    rows = (a.row.id for a in profile.servers() if a.host == name and a.offers(*HTTPS))
    return next(rows, "")


def _gateway(spec: TopologySpec, profile: Profile, name: str) -> Iterator[Complaint]:
    known = gateway_addresses(profile)
    place, needs = ("nodes", name), (("profile",), ("nodes", name, "role"))
    if not known and any(lacking(profile, spec, way) for way in spec.ways.values()):
        return  # One mistake: the way is complained of.
    if not known:
        yield Complaint(place, f"the profile {profile.name} lists no VPN gateways", needs=needs)
    elif name not in known:
        problem = f"the profile {profile.name} lists no VPN gateway {name}"
        yield Complaint(place, problem, f"known: {', '.join(known)}", needs)


def _networks(spec: TopologySpec, profile: Profile) -> Iterator[Complaint]:
    """A DS8000's HMC has one network card for the customer's networks (OUT-05)."""
    card = profile.can.every["has", Feature.second_nic]
    if not card.lacks or ONE_CARD not in card.by:
        return
    for agent in spec.agents:
        uplinks = network(spec).uplinks(agent) if agent in spec.nodes else ()
        if len(uplinks) > 1:
            problem = (
                f"{agent} is on {' and '.join(uplinks)}, which lead to the Internet; in {profile.name} "
                f"{card.lacks} ({card.cited})"
            )
            fix = f"leave {agent} on one of them, and put another HMC on the other"
            yield Complaint(("agents", agent), problem, fix, (("profile",), ("links",)))


def _ranges(spec: TopologySpec, profile: Profile) -> Iterator[Complaint]:
    """A firewall can open ranges only where the paper recommends some (F-11)."""
    if spec.firewall is None or spec.nodes[spec.firewall].opens != "ranges":
        return
    if not any(a.version == 4 for a in profile.addresses(RowKind.range)):
        place: Place = ("nodes", spec.firewall, "opens")
        problem = f"{profile.name} recommends no range of IPv4 addresses to open"
        having = [each for each in catalogue.names() if _has_ranges(catalogue.profile(each))]
        fix = f"write list, or take a profile that does: {', '.join(having)}"
        yield Complaint(place, problem, fix, (("profile",), ("nodes", spec.firewall, "role")))


def _has_ranges(profile: Profile) -> bool:
    return bool(profile.addresses(RowKind.range))


def _servers(spec: TopologySpec, profile: Profile) -> Iterator[Complaint]:
    """Whether there is anybody to call, whom the lab's Internet leads to."""
    families = {family for way in spec.ways.values() for family in way.ip_families}
    everybody = profile.callable(spec.region)
    for family in Family:
        offers = any(a.family is family and a.offers(*HTTPS) for a in everybody)
        # Of IPv6 that a generation lacks, the way's own checks complain.
        lacks = family is Family.ipv6 and profile.can.every["has", Feature.ipv6].lacks
        if family in families and not offers and not lacks:
            region = f"for the region {spec.region}"
            problem = f"{profile.name} lists no server with {family} and HTTPS {region}"
            fix = "the lab's agents call home by that"
            yield Complaint(("profile",), problem, fix, (("region",), ("ways",)))
    listed = [a for a in everybody if a.family is Family.ipv4]
    for address in (*listed, *profile.vpn_gateways):
        if address.version == 4 and any(ip_address(address.address) in net for net in PRIVATE):
            problem = f"{address.address} of {address.row.id} is private: no Internet leads to it"
            yield Complaint(("profile",), problem, "the lab needs a public address there")
