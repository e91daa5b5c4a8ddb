"""IBM's address and port tables (requirements, section H), by profile.

The tables themselves are ``data/catalogue.yaml``. Firewall rules, servers, hosts tables and checks
all derive from here; no other module writes an IBM address down. Reading only, no effects.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from importlib import resources
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field

from lab.names import check_known
from lab.topology.part import Part

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


class RowKind(StrEnum):
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


def _services(written: list[str]) -> tuple[Service, ...]:
    """Spell out ``tcp+udp/30000-30009``; ``esp`` has no port."""
    services = []
    for text in written:
        protocols, _, ports = text.partition("/")
        first, _, last = ports.partition("-")

        for protocol in protocols.split("+"):
            for port in range(int(first or 0), int(last or first or 0) + 1):
                services.append(Service(protocol, port))

    return tuple(services)


Services = Annotated[tuple[Service, ...], BeforeValidator(_services)]


class Row(Part):
    """One row of section H."""

    id: str
    kind: RowKind = RowKind.server
    seeds: tuple[str, ...]
    section: str
    profiles: tuple[str, ...]
    variant: Variant = Variant.none
    region: Region = Region.all
    protocol: str = ""
    """As the paper words it."""
    purpose: str
    services: Services = ()
    behind_nat: Services = ()
    """What takes the place of ``services`` when the customer's firewall does NAT (A-37)."""
    optional: Services = ()
    hosts: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """The addresses of each host (prefixes in rows of kind ``range``)."""
    note: str = ""

    @cached_property
    def addresses(self) -> tuple[Address, ...]:
        return tuple(
            Address(self, host, each) for host, listed in self.hosts.items() for each in listed
        )


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a row."""

    row: Row
    host: str
    address: str

    @property
    def version(self) -> int:
        return ipaddress.ip_network(self.address).version

    def offers(self, protocol: str, port: int) -> bool:
        return Service(protocol, port) in self.row.services


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One generation of IBM's papers: its rows, and what a direct path needs of a firewall."""

    name: str
    title: str
    direct_requirement: str
    direct_ports: tuple[int, ...]
    inbound: tuple[str, ...]
    """By what IBM's people may come in."""
    inbound_partitions: bool
    """Whether a session may reach partitions, too (I-22)."""
    rows: tuple[Row, ...]

    def addresses(self, kind: RowKind) -> tuple[Address, ...]:
        return tuple(a for row in self.rows if row.kind is kind for a in row.addresses)

    def servers(
        self, region: Region = Region.all, variant: Variant = Variant.none
    ) -> tuple[Address, ...]:
        """The servers that answer; narrowed to one region's customers or one variant if given."""
        return tuple(
            address
            for address in self.addresses(RowKind.server)
            if region is Region.all or address.row.region in (Region.all, region)
            if variant is Variant.none or address.row.variant in (Variant.none, variant)
        )

    @property
    def service_ports(self) -> tuple[int, ...]:
        """Where an HMC is open during remote service, by TCP and by UDP alike (X-43), in order."""
        rows = (row for row in self.rows if row.kind is RowKind.inbound)
        return tuple(sorted({service.port for row in rows for service in row.services}))

    @property
    def vpn_gateways(self) -> tuple[Address, ...]:
        return self.addresses(RowKind.vpn_gateway)


@cache
def rows() -> tuple[Row, ...]:
    """Every row, in the order of its ID."""
    return tuple(Row(id=name, **entry) for name, entry in _data()["rows"].items())


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
        inbound=tuple(entry.get("inbound", ())),
        inbound_partitions=bool(entry.get("inbound_partitions", True)),
        rows=tuple(row for row in rows() if name in row.profiles),
    )


@cache
def _data() -> Mapping[str, Any]:
    text = resources.files("lab").joinpath("data", "catalogue.yaml").read_text(encoding="utf-8")
    # libyaml is ten times faster, and this file is read by every command
    data: Mapping[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return data
