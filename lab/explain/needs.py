"""What a customer's firewall must allow for each way of a profile, as data. Pure.

A need is one destination, one protocol, one port. Formats group them; what they have in common is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address, ip_network

from lab.topology.capability import Feature, InboundWay, WayOut
from lab.topology.catalogue import Profile, Region, Row, RowKind, Service, Variant
from lab.topology.servers import PASSIVE_PORTS
from lab.topology.service import RELAY_PORTS

HTTPS = Service("tcp", 443)
REMOTE_SERVICE, CONSOLES, LOCAL = "remote-service", "consoles", "local"
BESIDE = (REMOTE_SERVICE, CONSOLES, LOCAL)
"""What a firewall may have to let through beside the ways home."""


class Sender(StrEnum):
    """Who begins: whose address the firewall sees."""

    agent = "agent"
    proxy = "proxy"
    lpar = "partition"
    """The i5/OS partition that lends its VPN or modem (OUT-27)."""
    console = "console"


class Where(StrEnum):
    """Which firewall is meant."""

    perimeter = "perimeter"
    """The customer's, between the agent's network and the Internet."""
    inside = "inside"
    """What may stand between two machines of the customer."""
    own = "own"
    """The console's own."""


class Heading(StrEnum):
    """Which way the first packet goes, seen from the sender."""

    out = "out"
    into = "in"
    both = "both"
    """Either side may begin (F-06, F-07)."""


class Must(StrEnum):
    """Whether it has to be open."""

    required = "required"
    redundant = "redundancy"
    """One of its group is enough; the others are for when that one is down (F-08, F-12 to F-14)."""
    optional = "optional"
    recommended = "recommended"
    """In the place of single addresses (F-11)."""


STRENGTH = (Must.required, Must.redundant, Must.optional, Must.recommended)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallNeed:
    """One thing to be let through. Tracked answers pass, and are not listed (X-11)."""

    way: str
    """A ``WayOut``, or one of ``BESIDE``."""
    where: Where
    sender: Sender
    heading: Heading
    protocol: str
    """``tcp``, ``udp`` or ``esp``."""
    port: int
    """0 where the protocol has none."""
    destination: str
    """An address or a prefix; empty where the papers name none."""
    host: str
    """The destination's name, or what it is."""
    must: Must
    requirements: tuple[str, ...]
    rows: tuple[str, ...]
    """Of the address tables: ``A-25``."""
    redundancy: str = ""
    """The requirement by which one of the group is enough."""
    purpose: str = ""

    @property
    def version(self) -> int:
        """Of IP; 0 without a destination."""
        return ip_network(self.destination).version if self.destination else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is asked for of a profile."""

    profile: Profile
    ways: tuple[str, ...]
    """``WayOut`` and ``BESIDE``, of those that the profile has."""
    region: Region = Region.all
    variant: Variant = Variant.none
    nat: bool = False
    """Whether the customer's firewall hides addresses."""
    ranges: bool = False
    """The recommended ranges in the place of the addresses that they hold (F-11)."""


def ways_of(profile: Profile) -> tuple[str, ...]:
    """Everything that ``Scope.ways`` may hold for a profile."""
    out = (way for way in WayOut if not profile.can.every["out", way].lacks)
    has_consoles = not profile.can.every["has", Feature.consoles].lacks
    beside = {
        REMOTE_SERVICE: bool(profile.inbound),
        CONSOLES: has_consoles,
        LOCAL: any(_is_agents_own(row) for row in profile.rows),
    }
    return (*out, *(way for way, there in beside.items() if there))


def variants(profile: Profile) -> tuple[Variant, ...]:
    """The two sets of addresses of a profile that has them (OUT-39); none of any other."""
    return tuple(dict.fromkeys(row.variant for row in profile.rows if row.variant))


def needs(scope: Scope) -> tuple[FirewallNeed, ...]:
    """Everything that has to pass, in the order of ways and tables, each once."""
    found = (need for way in scope.ways for need in _of_way(scope, way))
    merged: dict[tuple[object, ...], FirewallNeed] = {}
    for need in found:
        key = (need.way, need.where, need.sender, need.destination, need.protocol, need.port)
        merged[key] = _both(merged[key], need) if key in merged else need
    return tuple(merged.values())


def _both(one: FirewallNeed, other: FirewallNeed) -> FirewallNeed:
    """Two purposes of one address: the stricter holds."""
    stricter = min(one, other, key=lambda need: STRENGTH.index(need.must))
    return replace(
        stricter,
        rows=tuple(dict.fromkeys((*one.rows, *other.rows))),
        requirements=tuple(dict.fromkeys((*one.requirements, *other.requirements))),
        purpose="; ".join(dict.fromkeys((one.purpose, other.purpose))),
    )


def _of_way(scope: Scope, way: str) -> Iterator[FirewallNeed]:
    match way:
        case WayOut.direct:
            yield from _servers(scope, way, Sender.agent, None, (scope.profile.direct_requirement,))
        case WayOut.proxy:
            yield from _servers(scope, way, Sender.proxy, {HTTPS}, ("F-10", "OUT-12"))
        case WayOut.service_proxy:
            ports = {Service("tcp", port) for port in scope.profile.direct_ports}
            yield from _servers(scope, way, Sender.proxy, ports, ("F-10", "OUT-17"))
        case WayOut.vpn:
            yield from _gateways(scope, way, Sender.agent)
        case WayOut.pass_through_vpn:
            yield from _to_partition(scope, way)
            yield from _gateways(scope, way, Sender.lpar, "OUT-29")
        case WayOut.pass_through_modem:
            yield from _to_partition(scope, way)
        case _ if way == REMOTE_SERVICE:
            yield from _relay(scope.profile)
        case _ if way == CONSOLES:
            yield from _local(scope.profile, way, Where.own, Sender.console, Heading.both)
        case _ if way == LOCAL:
            yield from _local(scope.profile, way, Where.inside, Sender.agent, Heading.out)


def _servers(
    scope: Scope, way: str, sender: Sender, only: set[Service] | None, by: tuple[str, ...]
) -> Iterator[FirewallNeed]:
    """The listed servers and, if asked for, the ranges that hold them; ``only`` narrows the services."""
    listed = scope.profile.servers(scope.region, scope.variant)
    ranges = scope.profile.addresses(RowKind.range)
    nets = [ip_network(address.address) for address in ranges] if scope.ranges else []
    for address in (*listed, *(ranges if scope.ranges else ())):
        row, is_range = address.row, address.row.kind is RowKind.range
        if not is_range and any(ip_address(address.address) in net for net in nets):
            continue
        for service in (*row.services, *row.optional):
            if only is not None and service not in only:
                continue
            is_direct = only is not None or service.port in scope.profile.direct_ports
            own = by if is_direct else ()
            yield _need(
                row,
                way=way,
                where=Where.perimeter,
                sender=sender,
                heading=Heading.out,
                service=service,
                destination=address.address,
                host=address.host,
                by=(*own, *(row.asked_by if is_direct else row.asked_beside or ("F-04",))),
                optional=service in row.optional,
            )


def _gateways(scope: Scope, way: str, sender: Sender, *by: str) -> Iterator[FirewallNeed]:
    """F-06, or F-07 behind NAT; to the VPN servers and to nobody else (F-08)."""
    for address in scope.profile.vpn_gateways:
        row = address.row
        for service in (row.behind_nat or row.services) if scope.nat else row.services:
            yield _need(
                row,
                way=way,
                where=Where.perimeter,
                sender=sender,
                heading=Heading.both,
                service=service,
                destination=address.address,
                host=address.host,
                by=("F-07" if scope.nat else "F-06", "F-08", *by),
            )


def _to_partition(scope: Scope, way: str) -> Iterator[FirewallNeed]:
    """L2TP from the HMC to the partition, both ways (OUT-28)."""
    for row in _local_rows(scope.profile):
        if not _is_consoles(row) and not _is_agents_own(row):
            for service in row.services:
                yield _need(
                    row, way=way, where=Where.inside, sender=Sender.agent, heading=Heading.both,
                    service=service, host="the i5/OS partition", by=("F-09", "OUT-28"),
                )  # fmt: skip


def _relay(profile: Profile) -> Iterator[FirewallNeed]:
    """A session by Internet: the console connects to a relay, whose address no paper lists (I-26, I-27)."""
    if InboundWay.internet not in profile.inbound:
        return
    by = profile.can.into[InboundWay.internet].by
    for port in RELAY_PORTS:
        yield FirewallNeed(
            way=REMOTE_SERVICE,
            where=Where.perimeter,
            sender=Sender.console,
            heading=Heading.out,
            protocol="tcp",
            port=port,
            destination="",
            host="the relay of remote service",
            must=Must.redundant,
            requirements=by,
            rows=(),
            purpose="Remote service by Internet: the console connects to the first port that answers",
        )


def _local(
    profile: Profile, way: str, where: Where, sender: Sender, heading: Heading
) -> Iterator[FirewallNeed]:
    """What machines of the customer's say to one another: consoles, or an agent and its machine."""
    for row in _local_rows(profile):
        if (_is_consoles if way == CONSOLES else _is_agents_own)(row):
            for service in row.services:
                yield _need(
                    row, way=way, where=where, sender=sender, service=service,
                    heading=Heading.into if service in row.listens else heading,
                    host="other consoles" if way == CONSOLES else "the machine itself",
                )  # fmt: skip


def _need(
    row: Row,
    *,
    way: str,
    where: Where,
    sender: Sender,
    heading: Heading,
    service: Service,
    host: str,
    destination: str = "",
    by: Iterable[str] = (),
    optional: bool = False,
) -> FirewallNeed:
    must = Must.redundant if row.redundancy else Must.required
    if row.kind is RowKind.range:
        must = Must.recommended
    must = Must.optional if optional else must
    return FirewallNeed(
        way=way,
        where=where,
        sender=sender,
        heading=heading,
        protocol=service.protocol,
        port=service.port,
        destination=destination,
        host=host,
        must=must,
        requirements=tuple(dict.fromkeys(by)) or row.asked_by,
        rows=(row.id,),
        redundancy=row.redundancy if must is Must.redundant else "",
        purpose=row.purpose,
    )


def _local_rows(profile: Profile) -> Iterator[Row]:
    return (row for row in profile.rows if row.kind is RowKind.local)


def _is_consoles(row: Row) -> bool:
    """Whether a row of kind ``local`` is about consoles (A-44)."""
    return "F-17" in row.asked_by


def _is_agents_own(row: Row) -> bool:
    """Whether it is about an agent and its own machine (A-45): neither consoles nor a partition's L2TP."""
    return row.kind is RowKind.local and not {"F-09", "F-17"} & {*row.asked_by}


def notes(scope: Scope) -> Iterator[str]:
    """What is no rule, and has to be known."""
    yield from _of_ways(scope)
    yield from _of_tables(scope)


def _of_ways(scope: Scope) -> Iterator[str]:
    if WayOut.modem in scope.ways:
        yield "modem: no rule; a modem does not pass the firewall (F-18)"
    if WayOut.pass_through_modem in scope.ways:
        yield "pass-through-modem: no rule towards the Internet; the call does not pass the firewall (F-18)"
    if WayOut.vpn in scope.ways and Variant.ursf in variants(scope.profile):
        yield (
            "vpn: the addresses of the variant ursf are called inside the tunnel, where this firewall sees "
            "none of them (OUT-21); to the letter the paper wants them open, too (F-16)"
        )
    if {WayOut.proxy, WayOut.service_proxy} & {*scope.ways}:
        yield "proxy: the agent itself needs no way out (F-10); the proxy's own port is the customer's choice"
    if REMOTE_SERVICE in scope.ways:
        yield from _of_remote_service(scope.profile)


def _of_tables(scope: Scope) -> Iterator[str]:
    profile = scope.profile
    if len(variants(profile)) > 1 and scope.variant:
        other = next(each for each in variants(profile) if each is not scope.variant)
        yield f"addresses of the variant {scope.variant}; --variant {other} has the others (OUT-39)"
    closed = [address.address for address in profile.addresses(RowKind.disabled)]
    if closed:
        yield f"disabled, and to be kept closed: {', '.join(closed)}"
    if (found := profile.addresses(RowKind.range)) and not scope.ranges:
        yield (
            f"recommended for the future: {', '.join(a.address for a in found)}; "
            "--ranges opens these instead (F-11)"
        )
    if any(row.protocol == "ftps" for row in profile.rows):
        yield (
            "FTP by TLS needs its data connections, too, whose ports no firewall can read: the lab's "
            f"servers take TCP {PASSIVE_PORTS[0]} to {PASSIVE_PORTS[-1]} (lab choice); ask IBM for theirs"
        )
    asked = {row for need in needs(scope) for row in need.rows}
    for row in profile.rows:
        if row.note and row.id in asked:
            yield f"{row.id}: {row.note}"


def _of_remote_service(profile: Profile) -> Iterator[str]:
    if {InboundWay.modem, InboundWay.terminal} & {*profile.inbound}:
        yield "remote service by modem: no rule; the call does not pass the firewall (F-18)"
    if InboundWay.vpn in profile.inbound:
        yield "remote service by VPN: no rule beyond those of the way vpn, and none from outside (I-15)"
    if InboundWay.internet in profile.inbound:
        yield "remote service by Internet: the papers list no address of the relay; ask who runs it"
