"""What has changed from one profile to another (requirements, section K), computed from both. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from ipaddress import ip_address, ip_network

import yaml
from pydantic import Field

from lab.names import all_of
from lab.topology.capability import Capability
from lab.topology.catalogue import Profile, Region, RowKind, Variant
from lab.topology.part import Part


class VersionClaim(Part):
    """One line of section K: which topics it covers, between which profiles."""

    covers: tuple[str, ...]
    between: tuple[str, ...]

    def is_about(self, topic: str, *profiles: str) -> bool:
        return topic in self.covers and {*profiles} <= {*self.between}


class VersionTable(Part):
    """``data/versions.yaml``."""

    statements: dict[str, dict[str, str]] = Field(default_factory=dict)
    versions: dict[str, VersionClaim] = Field(default_factory=dict)


@cache
def table() -> VersionTable:
    text = resources.files("lab").joinpath("data", "versions.yaml").read_text(encoding="utf-8")
    return VersionTable.model_validate(yaml.safe_load(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whether a firewall that was opened for another profile lets one of this one's servers through."""

    address: str
    listed: bool
    """By the other's single addresses."""
    in_range: bool
    """By its recommended ranges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that differs; or that a claim of section K says is the same."""

    topic: str
    """``out/vpn``, ``servers``, ``ports``, ``says/bulk-cipher``."""
    versions: tuple[str, ...]
    """The lines of section K that speak of it; empty if none does."""
    changed: bool
    before: tuple[str, ...]
    now: tuple[str, ...]
    text: str
    reach: tuple[Reach, ...] = ()

    @property
    def versions_text(self) -> str:
        return ", ".join(self.versions)


def differences(profile: Profile, other: Profile) -> tuple[Difference, ...]:
    """What is otherwise in ``profile`` than it was in ``other``."""
    parts = (
        _capabilities(profile, other),
        _addresses(profile, other),
        _ports(profile, other),
        _regions(profile, other),
        _statements(profile, other),
    )
    return tuple(found for part in parts for found in part)


def _difference(
    topic: str,
    profile: Profile,
    other: Profile,
    before: Iterable[str],
    now: Iterable[str],
    text: str,
    reach: tuple[Reach, ...] = (),
) -> Difference:
    claims = table().versions.items()
    before, now = tuple(before), tuple(now)
    return Difference(
        topic=topic,
        versions=tuple(n for n, claim in claims if claim.is_about(topic, profile.name, other.name)),
        changed=before != now,
        before=before,
        now=now,
        text=text,
        reach=reach,
    )


GROUPS = {"out": "way home", "in": "remote service by", "has": ""}


def _capabilities(profile: Profile, other: Profile) -> Iterator[Difference]:
    earlier = other.can.every
    for (group, name), said in profile.can.every.items():
        was = earlier[group, name]
        if said.level is not was.level:
            what = f"{GROUPS[group]} {name}".strip()
            text = f"{what}: {_level(said)}; before: {_level(was)}"
            topic = f"{group}/{name}"
            yield _difference(topic, profile, other, [was.level], [said.level], text)


def _level(said: Capability) -> str:
    cited = f" ({said.cited})" if said.cited else ""
    return f"{said.level}, {said.why}{cited}" if said.why else f"{said.level}{cited}"


def _servers(profile: Profile) -> dict[str, str]:
    """Each server's address once, and its name."""
    return {a.address: a.host for a in profile.servers()}


def _addresses(profile: Profile, other: Profile) -> Iterator[Difference]:
    now, before = _servers(profile), _servers(other)
    if {*now} != {*before}:
        new, gone = [a for a in now if a not in before], [a for a in before if a not in now]
        kept = len(now) - len(new)
        text = f"servers: {len(new)} new, {len(gone)} gone, {kept} kept "
        text += f"({_counts(before)} before, {_counts(now)} now)"
        yield _difference("servers", profile, other, before, now, text)
    if now and before:
        yield _reached(profile, other)
    yield from _fates(profile, other)


def _counts(addresses: Iterable[str]) -> str:
    versions = [ip_address(address).version for address in addresses]
    found = {f"{versions.count(v)} IPv{v}": versions.count(v) for v in (4, 6)}
    return " and ".join(text for text, number in found.items() if number) or "none"


def _reached(profile: Profile, other: Profile) -> Difference:
    """V-02: what a firewall that was opened for the other lets through, address by address."""
    before = _servers(other)
    nets = [ip_network(a.address) for a in other.addresses(RowKind.range)]
    reach = tuple(
        Reach(
            address=address,
            listed=address in before,
            in_range=any(ip_address(address) in net for net in nets),
        )
        for address in _servers(profile)
    )
    through = [r.address for r in reach if r.listed or r.in_range]
    blocked = [r.address for r in reach if not r.listed and not r.in_range]
    ranges = f" and its ranges {all_of([str(net) for net in nets])}" if nets else ""
    text = f"a firewall opened for {other.name}'s addresses{ranges} lets through "
    text += f"{len(through)} of {len(reach)}"
    if blocked:
        text += f"; blocked: {', '.join(blocked)}"
    return _difference("reached", profile, other, (r.address for r in reach), through, text, reach)


def _fates(profile: Profile, other: Profile) -> Iterator[Difference]:
    """What has become of the other's addresses, and where the disabled ones were."""
    now, before = _servers(profile), _servers(other)
    disabled = {a.address for a in profile.addresses(RowKind.disabled)}
    if any(row.variant for row in profile.rows) and not any(row.variant for row in other.rows):
        kept = {
            a: sorted({s.row.variant for s in profile.servers() if s.address == a})
            for a in before
            if a in now
        }
        if kept:
            parts = (f"{a} ({all_of(by)})" for a, by in kept.items())
            text = f"kept of the earlier addresses, by variant: {', '.join(parts)}"
            yield _difference("surviving", profile, other, before, kept, text)
    unmentioned = [a for a in before if a not in now and a not in disabled]
    if disabled and unmentioned:
        text = f"neither listed nor disabled any more: {', '.join(unmentioned)}"
        yield _difference("unmentioned", profile, other, unmentioned, (), text)
    known = {*before, *(a.address for a in other.addresses(RowKind.disabled))}
    only = sorted(disabled - known, key=lambda a: (":" in a, ip_address(a)))
    if only:
        text = f"disabled, and not in {other.name}: {', '.join(only)}"
        yield _difference("only-disabled", profile, other, (), only, text)


def _ports(profile: Profile, other: Profile) -> Iterator[Difference]:
    for topic, what, of in (
        ("ports", "ports of servers", _server_ports),
        ("inbound-ports", "ports of the HMC during remote service", _inbound_ports),
    ):
        before, now = of(other), of(profile)
        if before != now:
            text = f"{what}: {_joined(now)}; before: {_joined(before)}"
            yield _difference(topic, profile, other, before, now, text)


def _joined(ports: list[str]) -> str:
    """``22, 23, 30000-30009``; what is no number stands for itself."""
    runs: list[list[str]] = []
    for port in ports:
        if (
            runs
            and port.isdigit()
            and runs[-1][-1].isdigit()
            and int(port) == int(runs[-1][-1]) + 1
        ):
            runs[-1].append(port)
        else:
            runs.append([port])
    short = (f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)
    return ", ".join(short) or "none"


def _server_ports(profile: Profile) -> list[str]:
    found = {s for a in profile.servers() for s in (*a.row.services, *a.row.optional)}
    return [str(service) for service in sorted(found)]


def _inbound_ports(profile: Profile) -> list[str]:
    return [str(port) for port in profile.service_ports]


def _regions(profile: Profile, other: Profile) -> Iterator[Difference]:
    """Whether, and in which variant, only a region's addresses are needed (F-15)."""
    before, now = _by_region(other), _by_region(profile)
    if before != now:
        text = f"addresses by region: {', '.join(now) or 'no'}; before: {', '.join(before) or 'no'}"
        yield _difference("regions", profile, other, before, now, text)


def _by_region(profile: Profile) -> list[str]:
    rows = (row for row in profile.rows if row.region is not Region.all)
    variants = dict.fromkeys(row.variant for row in rows)
    return [f"yes, of {v}" if v is not Variant.none else "yes" for v in variants]


def _statements(profile: Profile, other: Profile) -> Iterator[Difference]:
    for key, said in table().statements.items():
        found: Mapping[str, str] = said
        if profile.name in found and other.name in found:
            before, now = found[other.name], found[profile.name]
            same = before == now
            text = f"{said['title']}: {now}" + ("; as before" if same else f"; before: {before}")
            made = _difference(f"says/{key}", profile, other, [before], [now], text)
            if not same or made.versions:
                yield made
