"""What makes no sense about inbound remote service in a topology file: a spec in, complaints out."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from lab.topology.capability import Feature
from lab.topology.check import Complaint, named, network, repeated
from lab.topology.roles import Role
from lab.topology.service import BY_TELEPHONE, PPP_ADDRESS, RELAY_PORTS, Inbound
from lab.topology.spec import ServiceSpec, TopologySpec
from lab.topology.strict_yaml import Place

USES_PPP = ("vpn", "dial")


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    if len(spec.service) > 1:
        problem = f"remote service is set up for {' and '.join(spec.service)}"
        yield Complaint(("service",), problem, "leave one HMC: the lab judges one at a time")
    for console, service in spec.service.items():
        place: Place = ("service", console)
        yield from named(spec, place, console, Role.hmc)
        if console in spec.nodes and spec.nodes[console].role is Role.hmc:
            yield from _dialer(spec, place, console, service)
            yield from _servers(spec, place, service)
            yield from _session(spec, place, console, service)


def _dialer(
    spec: TopologySpec, place: Place, console: str, service: ServiceSpec
) -> Iterator[Complaint]:
    if service.dialer is None:
        return
    dialer: Place = (*place, "dialer")
    # A call that only has the console begin a VPN carries no PPP.
    ways = () if service.trigger == "call" else spec.agents.get(console, ())
    for name in ways:
        if name in spec.ways and spec.ways[name].kind in USES_PPP:
            problem = f"{console} calls home by {name}, and has PPP for that or for remote service"
            yield Complaint(dialer, problem, "take the dialer out, or let it call home directly")
    own = (spec.ways[name] for name in spec.agents.get(console, ()) if name in spec.ways)
    below = [way for each in own if (way := spec.way_below(each)) is not None]
    if service.trigger == "call" and any(way.dials for way in below):
        problem = f"{console} calls home in a call by its modem, which nobody can call meanwhile"
        yield Complaint(dialer, problem, "take trigger: call and the dialer out")
    yield from named(spec, dialer, service.dialer, Role.service_dialer)
    if console not in spec.telephone:
        problem = f"{service.dialer} cannot call {console}, which has no telephone line"
        fix = f"give {console} modems: 1 and a number in telephone, or take the dialer out"
        yield Complaint(dialer, problem, fix, (("telephone",), ("nodes", console)))
    known = _known(spec)
    if known and not BY_TELEPHONE & {*known} and service.trigger != "call":
        problem = f"{spec.profile} has no remote service by telephone (G-03 to G-05)"
        yield Complaint(dialer, problem, "take the dialer out", (("profile",),))


def _servers(spec: TopologySpec, place: Place, service: ServiceSpec) -> Iterator[Complaint]:
    for key, role in (("server", Role.service_server), ("relay", Role.relay)):
        node = getattr(service, key)
        if node is not None:
            yield from named(spec, (*place, key), node, role)
    if service.server is None or service.relay is not None or service.by is not None:
        return
    if _known(spec) == (Inbound.internet,):
        problem = f"{spec.profile} has remote service by Internet only, and there is no relay"
        fix = f"name a node with the role {Role.relay} as relay"
        yield Complaint((*place, "server"), problem, fix, (("profile",),))


def _session(
    spec: TopologySpec, place: Place, console: str, service: ServiceSpec
) -> Iterator[Complaint]:
    """What is to be enabled."""
    if service.by is None:
        for key in ("layout", "trigger", "ppp_address", "access", "returns", "relay_ports"):
            if getattr(service, key) != ServiceSpec.model_fields[key].default:
                problem = f"remote service of {console} is off, and {key} is for a session"
                yield Complaint((*place, key), problem, "say by what (by:), or take it out")
        return
    yield from _way_in(spec, (*place, "by"), console, service)
    yield from _by_vpn(spec, place, console, service)
    if service.by is Inbound.terminal:
        yield from _terminal(place, console, service)
        return
    if service.by is Inbound.internet:
        yield from _by_internet((*place, "by"), console, service)
    access: Place = (*place, "access")
    yield from repeated(access, service.access)
    for index, name in enumerate(service.access):
        if name not in (console, *partitions(spec, console)):
            problem = f"{name} is neither {console} nor a partition on a link with {console}"
            fix = f"known: {', '.join((console, *partitions(spec, console)))}"
            yield Complaint((*access, index), problem, fix, (("links",), ("nodes", name)))
        elif name != console and service.by is Inbound.vpn and not _reaches_partitions(spec):
            problem = f"of {spec.profile} a session reaches {console} only, and not {name} (I-22)"
            yield Complaint((*access, index), problem, f"take {name} out", (("profile",),))
    if service.by is not Inbound.internet:
        yield from _addresses(spec, (*place, "ppp_address"), console)


def _way_in(
    spec: TopologySpec, by: Place, console: str, service: ServiceSpec
) -> Iterator[Complaint]:
    """Whether the generation has it, and whether IBM's end is there."""
    assert service.by is not None, "its caller has looked"
    if spec.known_profile is not None:
        allowed = spec.known_profile.inbound
        if service.by not in allowed:
            problem = f"{spec.profile} has no remote service by {service.by} (G-03 to G-05)"
            known = f"it has {' and '.join(allowed)}" if allowed else "it has none"
            yield Complaint(by, problem, known, (("profile",),))
    if service.dialer is None and service.by in BY_TELEPHONE:
        problem = f"nobody can call {console}: it has no dialer"
        yield Complaint(by, problem, f"name a node with the role {Role.service_dialer} as dialer")
    if service.server is None and service.by not in BY_TELEPHONE:
        problem = f"nobody can use a session with {console}: it has no server"
        yield Complaint(by, problem, f"name a node with the role {Role.service_server} as server")


def _by_vpn(
    spec: TopologySpec, place: Place, console: str, service: ServiceSpec
) -> Iterator[Complaint]:
    """What only a session by VPN has, and needs."""
    if service.by is not Inbound.vpn:
        for key in ("layout", "trigger"):
            if getattr(service, key) is not None:
                problem = f"{key} is for a session by vpn, not by {service.by}"
                yield Complaint((*place, key), problem, "take it out")
        return
    if service.trigger == "call" and service.dialer is None:
        problem = f"nobody can call {console}: it has no dialer"
        fix = f"name a node with the role {Role.service_dialer} as dialer"
        yield Complaint((*place, "trigger"), problem, fix)
    if not vpn_way(spec, console) and Inbound.vpn in _known(spec):
        problem = f"{console} has no way home by VPN, which a session by VPN uses (I-12)"
        fix = f"give {console} a way of kind vpn"
        yield Complaint((*place, "by"), problem, fix, (("agents", console),))
    yield from _in_a_call(spec, place, console)
    if service.ppp_address is not None:
        problem = "in a session by VPN the gateway gives the addresses"
        yield Complaint((*place, "ppp_address"), problem, "take it out")


def _in_a_call(spec: TopologySpec, place: Place, console: str) -> Iterator[Complaint]:
    """Whether the generation lets the VPN of a session run in a call by modem (G-04)."""
    profile, name = spec.known_profile, vpn_way(spec, console)
    below = spec.way_below(spec.ways[name]) if name else None
    if profile is None or below is None or not below.dials or Inbound.vpn not in profile.inbound:
        return
    said = profile.can.every["has", Feature.vpn_in_calls]
    if said.lacks:
        problem = (
            f"{name} runs in a call by modem, and no session of {profile.name} may: "
            f"{said.lacks} ({said.cited})"
        )
        fix = f"take over out of {name}, or take the profile hmc-2007"
        yield Complaint((*place, "by"), problem, fix, (("profile",), ("ways", name)))


def _terminal(place: Place, console: str, service: ServiceSpec) -> Iterator[Complaint]:
    """A terminal's session is one with the console, and no packet of it is anywhere (I-22, I-24)."""
    yield from repeated((*place, "access"), service.access)
    for index, name in enumerate(service.access):
        if name != console:
            problem = f"a session by terminal reaches {console} only, and not {name} (I-22)"
            yield Complaint((*place, "access", index), problem, f"take {name} out")
    for key in ("ppp_address", "returns"):
        if getattr(service, key) != ServiceSpec.model_fields[key].default:
            problem = f"a session by terminal has no PPP, and {key} is about that (I-24)"
            yield Complaint((*place, key), problem, "take it out")


def _by_internet(by: Place, console: str, service: ServiceSpec) -> Iterator[Complaint]:
    """A session that goes to the console's own ports, over a relay."""
    place = by[:-1]
    ports: Place = (*place, "relay_ports")
    yield from repeated(ports, tuple(map(str, service.relay_ports)))
    for index, port in enumerate(service.relay_ports):
        if port not in RELAY_PORTS:
            known = ", ".join(map(str, RELAY_PORTS))
            yield Complaint((*ports, index), f"a relay has no port {port}", f"known: {known}")
    if service.relay is None:
        problem = f"{console} has no relay to connect to"
        yield Complaint(by, problem, f"name a node with the role {Role.relay} as relay")
    for index, name in enumerate(service.access):
        if name != console:
            problem = f"{name} cannot be reached by Internet: a session is led to ports of {console} itself"
            yield Complaint((*place, "access", index), problem, f"leave {console} only")
    if service.ppp_address is not None:
        problem = "ppp_address is for a session by PPP, and this one is by Internet"
        yield Complaint((*place, "ppp_address"), problem, "take it out")


def _addresses(spec: TopologySpec, place: Place, console: str) -> Iterator[Complaint]:
    first, *_, last = addresses(spec, console)
    for name, link in spec.links.items():
        if any(address in IPv4Network(link.subnet) for address in (first, last)):
            problem = f"{first} to {last} are the session's, and {name} has {link.subnet}"
            yield Complaint(place, problem, "take an address of another network")


def routes(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether the console can be scanned from its own wire, in a spec that has no other complaint."""
    for console, service in spec.service.items():
        yield from _relay_routes(spec, console, service)
        if neighbour(spec, console) is None:
            uplink = network(spec).uplinks(console)[0]
            problem = (
                f"no other host is on {uplink}: nothing would show that {console}'s ports are open"
            )
            fix = f"add a node with the role {Role.host} to {uplink}"
            yield Complaint(("service", console), problem, fix)
        workplace = workplace_of(spec.service[console])
        if workplace and log_in_link(spec, workplace) is None:
            problem = (
                f"nobody can log in to {workplace}, and so nobody gets to {console} (I-04, I-19)"
            )
            fix = f"add a node with the role {Role.intranet} to a link with {workplace}"
            yield Complaint(("service", console), problem, fix)


def workplace_of(service: ServiceSpec) -> str | None:
    """The node to which a representative logs in."""
    if service.by and service.by not in BY_TELEPHONE:
        return service.server
    return service.dialer or service.server


def log_in_link(spec: TopologySpec, workplace: str) -> tuple[str, str] | None:
    """The first link on which somebody of IBM's intranet can log in, and whose PC that is."""
    for name, link in spec.links.items():
        for node in link.nodes if workplace in link.nodes else ():
            if spec.nodes[node].role is Role.intranet:
                return name, node
    return None


def _relay_routes(spec: TopologySpec, console: str, service: ServiceSpec) -> Iterator[Complaint]:
    """Whether both ends come to the relay."""
    if service.relay is None:
        return
    net, place = network(spec), ("service", console, "relay")
    if not net.uplinks(service.relay):
        problem = f"no link of {service.relay} leads to the Internet: {console} cannot come to it"
        yield Complaint(place, problem, f"plug {service.relay} into a link with the Internet")
    if service.server is not None and service.server not in net.ways(service.relay):
        problem = f"{service.server} cannot come to {service.relay}"
        yield Complaint(place, problem, "plug both into one link")


def neighbour(spec: TopologySpec, console: str) -> str | None:
    """The first host on a console's own wire."""
    links = network(spec).uplinks(console)
    around = (node for link in links[:1] for node in spec.links[link].nodes)
    return next((node for node in around if spec.nodes[node].role is Role.host), None)


def _reaches_partitions(spec: TopologySpec) -> bool:
    return spec.known_profile is None or spec.known_profile.inbound_partitions


def _known(spec: TopologySpec) -> tuple[str, ...]:
    """The ways in of the profile's generation; none of a profile that there is not."""
    return spec.known_profile.inbound if spec.known_profile is not None else ()


def vpn_way(spec: TopologySpec, console: str) -> str:
    """The console's first way home by VPN; empty if it has none."""
    own = (name for name in spec.agents.get(console, ()) if name in spec.ways)
    return next((name for name in own if spec.ways[name].kind == "vpn"), "")


def partitions(spec: TopologySpec, console: str) -> dict[str, str]:
    """The partitions on a console's links, each with the first such link."""
    found: dict[str, str] = {}
    for name, link in spec.links.items():
        for node in link.nodes if console in link.nodes else ():
            if node in spec.nodes and spec.nodes[node].role is Role.logical_partition:
                found.setdefault(node, name)
    return found


def addresses(spec: TopologySpec, console: str) -> list[IPv4Address]:
    """A session's: the console's own, the caller's, and one for each partition."""
    first = IPv4Address(spec.service[console].ppp_address or PPP_ADDRESS)
    return [first + n for n in range(2 + len(partitions(spec, console)))]
