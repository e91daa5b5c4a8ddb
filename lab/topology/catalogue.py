"""IBM's address and port tables (requirements, section H), by profile.

The tables themselves are ``data/catalogue.yaml``. Firewall rules, servers, hosts tables and checks
all derive from here; no other module writes an IBM address down. Reading only, no effects.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from importlib import resources
from typing import Annotated, Any

import yaml
from pydantic import BeforeValidator, Field, PrivateAttr, WithJsonSchema

from lab.names import check_known
from lab.topology import capability
from lab.topology.capability import CapabilityTable, Feature
from lab.topology.errand_kinds import ErrandKind
from lab.topology.family import Family, family_of
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


IN_CLEAR = {ErrandKind.configuration: "OUT-32", ErrandKind.fix: "OUT-41"}
"""The claims by which downloads come by HTTP."""


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


_SERVICE = re.compile(r"(tcp|udp|tcp\+udp)/([0-9]{1,5})(?:-([0-9]{1,5}))?|esp")
MAX_PORT = 65535


def _services(written: object) -> tuple[Service, ...]:
    """Spell out ``tcp+udp/30000-30009``; ``esp`` has no port."""
    if not isinstance(written, list):
        raise ValueError(f"must be a list, such as [tcp/443], not {written!r}")
    services = []
    for text in written:
        found = _SERVICE.fullmatch(text) if isinstance(text, str) else None
        first, last = (int(found[2] or 0), int(found[3] or found[2] or 0)) if found else (1, 0)
        if found is None or not first <= last <= MAX_PORT or (found[2] and not first):
            known = "tcp/443, udp/500, tcp+udp/30000-30009 or esp"
            raise ValueError(f"must be such as {known}, not {text!r}")
        for protocol in (found[1] or text).split("+"):
            services += [Service(protocol, port) for port in range(first, last + 1)]

    return tuple(services)


Services = Annotated[
    tuple[Service, ...],
    BeforeValidator(_services),
    WithJsonSchema({"type": "array", "items": {"type": "string", "pattern": _SERVICE.pattern}}),
]


class Row(Part):
    """One row of section H, or of a profile of the user's own: addresses of one purpose, and their ports."""

    kind: RowKind = Field(default=RowKind.server, description="What the row lists.")
    seeds: tuple[str, ...] = Field(default=(), description="The papers that list it, by alias.")
    section: str = Field(default="", description="Where the paper lists it.")
    variant: Variant = Field(
        default=Variant.none, description="For one of two ways of calling home only: ssl, ursf."
    )
    region: Region = Field(default=Region.all, description="For customers of one region only.")
    protocol: str = Field(default="", description="As the paper words it.")
    purpose: str = Field(min_length=1, description="What is done there.")
    serves: tuple[ErrandKind, ...] = Field(
        default=(), description="The errands that are done there; none: the papers tell none apart."
    )
    services: Services = Field(default=(), description="Protocols and ports, such as [tcp/443].")
    behind_nat: Services = Field(
        default=(), description="What takes their place behind a NAT, of VPN gateways (A-37)."
    )
    optional: Services = Field(default=(), description="What may be left closed.")
    hosts: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Each host's addresses; of a range, prefixes."
    )
    note: str = Field(default="", description="What the paper leaves open.")
    listens: Services = Field(
        default=(), description="Of a local row's services those that the agent itself offers."
    )
    asked_by: tuple[str, ...] = Field(
        default=(), description="The requirements that ask for it, beside the one of the way."
    )
    redundancy: str = Field(
        default="", description="The requirement by which one address of the row's group is enough."
    )
    _id: str = PrivateAttr(default="")
    _profiles: tuple[str, ...] = PrivateAttr(default=())

    def named(self, name: str, profiles: tuple[str, ...]) -> Row:
        """The row as it is in a table: with its name, and whose it is."""
        self._id, self._profiles = name, profiles
        return self

    @property
    def id(self) -> str:
        return self._id

    @property
    def profiles(self) -> tuple[str, ...]:
        return self._profiles

    @cached_property
    def addresses(self) -> tuple[Address, ...]:
        return tuple(
            Address(self, host, each) for host, listed in self.hosts.items() for each in listed
        )

    @property
    def asked_beside(self) -> tuple[str, ...]:
        """What asks for a port that the way does not need: for port 80 of downloads the claims on them."""
        return self.asked_by or tuple(IN_CLEAR[kind] for kind in self.serves if kind in IN_CLEAR)


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a row."""

    row: Row
    host: str
    address: str

    @property
    def version(self) -> int:
        return ipaddress.ip_network(self.address).version

    @property
    def family(self) -> Family:
        return family_of(self.address)

    def offers(self, protocol: str, port: int) -> bool:
        return Service(protocol, port) in self.row.services


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One generation of IBM's papers: its rows, and what a direct path needs of a firewall."""

    name: str
    """Of the catalogue; of a profile of the user's own the file, as the topology names it."""
    title: str
    papers: tuple[str, ...]
    """Where all of it is from."""
    direct_requirement: str
    direct_ports: tuple[int, ...]
    can: CapabilityTable
    rows: tuple[Row, ...]
    choices: tuple[Row, ...] = ()
    """Servers that no paper lists: the lab's choice where a paper says that there is one, and not where."""

    @property
    def inbound(self) -> tuple[str, ...]:
        """By what IBM's people may come in."""
        return self.can.inbound

    @property
    def inbound_partitions(self) -> bool:
        """Whether a session may reach partitions, too (I-22); of who lets nobody in, nothing is said."""
        return not self.inbound or not self.can.every["has", Feature.partitions].lacks

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

    def callable(
        self, region: Region = Region.all, variant: Variant = Variant.none
    ) -> tuple[Address, ...]:
        """The same with the lab's choices: whom agents of the lab can call."""
        return (*self.servers(region, variant), *(a for row in self.choices for a in row.addresses))

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
    return tuple(_row(name, **entry) for name, entry in _data()["rows"].items())


@cache
def choices() -> tuple[Row, ...]:
    """Rows that are the lab's choice, by the question of the papers' that they answer (X-21)."""
    return tuple(_row(name, **entry) for name, entry in _data()["choices"].items())


def _row(name: str, *, profiles: list[str], **entry: Any) -> Row:
    return Row(**entry).named(name, tuple(profiles))


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
        papers=tuple(_data()["seeds"][seed] for seed in entry["seeds"]),
        direct_requirement=entry["direct"]["requirement"],
        direct_ports=tuple(entry["direct"]["ports"]),
        can=capability.table(name),
        rows=tuple(row for row in rows() if name in row.profiles),
        choices=tuple(row for row in choices() if name in row.profiles),
    )


@cache
def _data() -> Mapping[str, Any]:
    text = resources.files("lab").joinpath("data", "catalogue.yaml").read_text(encoding="utf-8")
    # libyaml is ten times faster, and this file is read by every command
    data: Mapping[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return data
