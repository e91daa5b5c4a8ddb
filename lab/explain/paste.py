"""What formats to be pasted have in common: rules grouped, whose address is whose, and what stays a comment.

Pure. Only what passes the customer's own firewall becomes a rule: what two machines of the customer say to
each other, and what goes to an address that no paper lists, is told in a comment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

from lab.errors import UsageError
from lab.explain.needs import FirewallNeed, Heading, Must, Scope, Sender, Where, needs, notes

V4, V6 = 4, 6
FIRST_EXAMPLE = {V4: IPv4Address("192.0.2.10"), V6: IPv6Address("2001:db8::10")}
"""Addresses for examples (RFC 5737, RFC 3849), until the user gives another."""

Sources = Mapping[tuple[Sender, int], str]
"""Whose address of which version of IP is what."""


class SourceAddress(NamedTuple):
    """An address of the customer's."""

    sender: Sender
    version: int
    address: str
    is_example: bool

    @property
    def name(self) -> str:
        """``agent_v4``."""
        return f"{self.sender}_v{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasteRule:
    """What one rule lets through: one sender, one version of IP, one protocol."""

    source: SourceAddress
    destinations: tuple[str, ...]
    protocol: str
    ports: tuple[int, ...]
    """Empty where the protocol has none."""
    both_ways: bool
    remark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paste:
    """Everything that a format renders."""

    title: tuple[str, ...]
    sources: tuple[SourceAddress, ...]
    rules: tuple[PasteRule, ...]
    remarks: tuple[str, ...]


def paste(scope: Scope, given: tuple[str, ...] = ()) -> Paste:
    """The rules for what was asked for; ``given``: addresses of whoever calls home, one a version of IP.

    Raises UsageError if one of these is no address, or there are two of one version.
    """
    found = [need for need in needs(scope) if need.must is not Must.recommended or scope.ranges]
    active = [need for need in found if need.where is Where.perimeter and need.destination]
    senders = tuple(dict.fromkeys(need.sender for need in active))
    own = _own(given)
    sources = {
        (sender, version): _source(number, sender, version, own if not number else {})
        for number, sender in enumerate(senders)
        for version in (V4, V6)
        # Who has addresses of one version only has no use for rules of the other.
        if number or not own or version in own
        if any((n.sender, n.version) == (sender, version) for n in active)
    }
    return Paste(
        title=tuple(map(_one_line, _title(scope))),
        sources=tuple(sources.values()),
        rules=tuple(_rules(active, sources)),
        remarks=tuple(
            map(_one_line, (*_remarks(found, active), *notes(scope), *_left_out(active, sources)))
        ),
    )


def _one_line(text: str) -> str:
    """A comment must not end before its text does: a profile's words may have several lines."""
    return " ".join(text.split())


def _own(given: tuple[str, ...]) -> dict[int, str]:
    found: dict[int, str] = {}
    for text in given:
        try:
            address = ip_address(text)
        except ValueError:
            problem = f"--source {text} is no IP address"
            raise UsageError(problem, hint="Such as 192.0.2.10, or 2001:db8::10.") from None
        if address.version in found:
            problem = f"--source has two addresses of IPv{address.version}"
            raise UsageError(problem, hint="Leave one of IPv4 and one of IPv6.")
        found[address.version] = str(address)
    return found


def _source(number: int, sender: Sender, version: int, own: dict[int, str]) -> SourceAddress:
    example = str(FIRST_EXAMPLE[version] + number)
    return SourceAddress(sender, version, own.get(version, example), version not in own)


def _title(scope: Scope) -> Iterator[str]:
    profile = scope.profile
    yield f"{profile.name}: {profile.title}"
    yield f"Source: {'; '.join(profile.papers)}"
    variant = f", variant {scope.variant}" if scope.variant else ""
    nat = "behind NAT" if scope.nat else "without NAT"
    yield f"Ways: {', '.join(scope.ways)}; region {scope.region}{variant}; {nat}"


def _rules(
    active: list[FirewallNeed], sources: dict[tuple[Sender, int], SourceAddress]
) -> Iterator[PasteRule]:
    """One for each sender, set of ports and purpose."""
    by_destination: dict[tuple[object, ...], list[FirewallNeed]] = {}
    for need in active:
        key = (need.way, need.sender, need.destination, need.protocol, need.must, need.purpose)
        by_destination.setdefault(key, []).append(need)

    grouped: dict[tuple[object, ...], list[list[FirewallNeed]]] = {}
    for same in by_destination.values():
        first = same[0]
        ports = tuple(sorted(need.port for need in same))
        shared = (first.way, first.sender, first.version, first.protocol, ports, first.must)
        grouped.setdefault((*shared, first.purpose), []).append(same)

    for group in grouped.values():
        first = group[0][0]
        source = sources.get((first.sender, first.version))
        if source is not None:
            every = [need for same in group for need in same]
            yield PasteRule(
                source=source,
                destinations=tuple(same[0].destination for same in group),
                protocol=first.protocol,
                ports=tuple(sorted({need.port for need in every if need.port})),
                both_ways=first.heading is Heading.both,
                remark=_remark(first, every),
            )


def _remark(first: FirewallNeed, every: list[FirewallNeed]) -> str:
    cited = dict.fromkeys(
        each for need in every for each in (*need.requirements, *need.rows, need.redundancy) if each
    )
    must = "" if first.must is Must.required else f", {first.must}"
    return _one_line(f"{first.way}{must} ({', '.join(cited)}): {first.purpose}")


def _remarks(found: list[FirewallNeed], active: list[FirewallNeed]) -> Iterator[str]:
    """What is needed, and not on this firewall or not by an address."""
    for need in found:
        if need not in active:
            where = {
                Where.inside: "inside the customer's network",
                Where.own: "on the console's own firewall",
                Where.perimeter: "to an address that no paper lists",
            }[need.where]
            port = f"/{need.port}" if need.port else ""
            yield (
                f"{need.way}, {where}: {need.protocol}{port}, {need.sender}, {need.heading}, "
                f"{need.host} ({', '.join((*need.requirements, *need.rows))})"
            )


def _left_out(
    active: list[FirewallNeed], sources: dict[tuple[Sender, int], SourceAddress]
) -> Iterator[str]:
    lost = [need for need in active if (need.sender, need.version) not in sources]
    for version in sorted({need.version for need in lost}):
        number = len({need.destination for need in lost if need.version == version})
        yield f"left out: {number} IPv{version} destinations, for --source has no IPv{version} address"


def is_prefix(destination: str) -> bool:
    """Whether a destination is more than one address."""
    return ip_network(destination).num_addresses > 1
