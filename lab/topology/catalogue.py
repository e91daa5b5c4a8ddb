"""IBM's address and port tables (requirements, section H), by profile.

The tables themselves are ``data/catalogue.yaml``. Firewall rules, servers, hosts tables and checks
all derive from here; no other module writes an IBM address down. Reading only, no effects.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

import yaml

from lab.errors import LabBroke
from lab.names import check_known

LAB_DOMAIN = "sdc.test"
"""Names under this domain are the lab's choice, where a paper lists an address only."""


class Region(StrEnum):
    """Which customers need an address (S4 5.1, S3 URSF)."""

    all = "all"
    americas = "americas"
    non_americas = "non-americas"


class Variant(StrEnum):
    """The two traditional ways of 2017, with disjoint address sets (OUT-39)."""

    none = ""
    ssl = "ssl"
    ursf = "ursf"


class Kind(StrEnum):
    """What a row lists."""

    server = "server"
    disabled = "disabled"
    """Must not answer, and must not be reached."""
    range = "range"
    """A recommendation for firewalls; nothing answers for the whole of it."""
    vpn_gateway = "vpn-gateway"
    inbound = "inbound"
    """Ports of the HMC that remote service may use."""
    local = "local"
    """Ports between machines of the customer."""


@dataclass(frozen=True, slots=True, order=True)
class Service:
    """A protocol and its port; 0 where the protocol has none."""

    protocol: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol}/{self.port}" if self.port else self.protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address of a row (a prefix in rows of kind ``range``)."""

    row: str
    host: str
    address: str
    region: Region
    variant: Variant
    services: tuple[Service, ...]
    behind_nat: tuple[Service, ...]
    """What takes the place of ``services`` when the customer's firewall does NAT (A-37)."""

    @property
    def name_is_labs(self) -> bool:
        return self.host.endswith(f".{LAB_DOMAIN}")

    @property
    def version(self) -> int:
        return ipaddress.ip_network(self.address).version

    def offers(self, protocol: str, port: int) -> bool:
        return Service(protocol, port) in self.services


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of section H."""

    id: str
    kind: Kind
    seeds: tuple[str, ...]
    section: str
    profiles: tuple[str, ...]
    variant: Variant
    region: Region
    protocol: str
    """As the paper words it."""
    purpose: str
    services: tuple[Service, ...]
    optional: tuple[Service, ...]
    addresses: tuple[Address, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One generation of IBM's papers: its rows, and what a direct path needs of a firewall."""

    name: str
    title: str
    direct_requirement: str
    direct_ports: tuple[int, ...]
    rows: tuple[Row, ...]

    def addresses(self, kind: Kind) -> tuple[Address, ...]:
        return tuple(a for row in self.rows if row.kind is kind for a in row.addresses)

    def servers(
        self, region: Region = Region.all, variant: Variant = Variant.none
    ) -> tuple[Address, ...]:
        """The servers that answer; narrowed to one region's customers or one variant if given."""
        return tuple(
            address
            for address in self.addresses(Kind.server)
            if region is Region.all or address.region in (Region.all, region)
            if variant is Variant.none or address.variant in (Variant.none, variant)
        )

    @property
    def vpn_gateways(self) -> tuple[Address, ...]:
        return self.addresses(Kind.vpn_gateway)

    @property
    def inbound_ports(self) -> tuple[int, ...]:
        """The HMC's ports that remote service may use, each for TCP and UDP."""
        rows = (row for row in self.rows if row.kind is Kind.inbound)
        return tuple(sorted({service.port for row in rows for service in row.services}))


@cache
def rows() -> tuple[Row, ...]:
    """Every row, in the order of its ID."""
    return tuple(_row(name, entry) for name, entry in _data()["rows"].items())


@cache
def names() -> tuple[str, ...]:
    """The profiles' names."""
    return tuple(_data()["profiles"])


@cache
def profile(name: str) -> Profile:
    """A profile by its name; an unknown one is a UsageError with what was perhaps meant."""
    check_known("profile", name, names())
    entry = _data()["profiles"][name]
    return Profile(
        name=name,
        title=entry["title"],
        direct_requirement=entry["direct"]["requirement"],
        direct_ports=tuple(entry["direct"]["ports"]),
        rows=tuple(row for row in rows() if name in row.profiles),
    )


@cache
def _data() -> Mapping[str, Any]:
    text = resources.files("lab").joinpath("data", "catalogue.yaml").read_text(encoding="utf-8")
    # libyaml is ten times faster, and this file is read by every command
    data: Mapping[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return data


ROW_KEYS = {
    *("kind", "seeds", "section", "profiles", "variant", "region", "protocol", "purpose"),
    *("services", "optional", "behind_nat", "hosts", "note"),
}


def _row(name: str, entry: Mapping[str, Any]) -> Row:
    if unknown := set(entry) - ROW_KEYS:
        raise LabBroke(f"catalogue row {name} has unknown keys: {', '.join(sorted(unknown))}")

    variant = Variant(entry.get("variant", ""))
    region = Region(entry.get("region", "all"))
    services = tuple(_services(entry.get("services", ())))
    behind_nat = tuple(_services(entry.get("behind_nat", ())))
    addresses = tuple(
        Address(
            row=name,
            host=host,
            address=address,
            region=region,
            variant=variant,
            services=services,
            behind_nat=behind_nat,
        )
        for host, listed in entry.get("hosts", {}).items()
        for address in listed
    )
    return Row(
        id=name,
        kind=Kind(entry.get("kind", "server")),
        seeds=tuple(entry["seeds"]),
        section=entry["section"],
        profiles=tuple(entry["profiles"]),
        variant=variant,
        region=region,
        protocol=entry.get("protocol", ""),
        purpose=entry["purpose"],
        services=services,
        optional=tuple(_services(entry.get("optional", ()))),
        addresses=addresses,
        note=entry.get("note", ""),
    )


def _services(written: list[str]) -> Iterator[Service]:
    """Spell out ``tcp+udp/30000-30009``; ``esp`` has no port."""
    for text in written:
        protocols, _, ports = text.partition("/")
        first, _, last = ports.partition("-")

        for protocol in protocols.split("+"):
            for port in range(int(first or 0), int(last or first or 0) + 1):
                yield Service(protocol, port)
