"""A profile of the user's own: a YAML file beside the topology, as strict as a topology file.

What it says becomes the same ``Profile`` that the papers' tables become, so nothing behind it knows the
difference. Its name is the file as the topology names it: no profile of the catalogue is called so.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from lab.errors import TopologyError
from lab.names import did_you_mean
from lab.topology import strict_yaml, words
from lab.topology.capability import CapabilityTable, WayOut
from lab.topology.catalogue import MAX_PORT, Profile, Row, RowKind
from lab.topology.part import Part
from lab.topology.strict_yaml import Place
from lab.topology.values import NODE_NAME

HOST_NAME = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$"
ROW_NAME = r"^[A-Za-z][A-Za-z0-9]*([-.][A-Za-z0-9]+)*$"

WITH_HOSTS = (RowKind.server, RowKind.disabled, RowKind.range, RowKind.vpn_gateway)
ANSWERING = (RowKind.server, RowKind.vpn_gateway)
WITH_SERVICES = (RowKind.server, RowKind.vpn_gateway, RowKind.inbound, RowKind.local)


def _check_prefix(text: str) -> str:
    try:
        net = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"must be an address or a prefix, such as 192.0.2.1, not {text!r}"
        ) from None
    first = net.network_address
    if first.is_multicast or first.is_loopback or first.is_unspecified or first.is_link_local:
        raise ValueError(f"{text} is no address that a server on the Internet can have")
    if str(net) not in (text, f"{text}/{net.max_prefixlen}"):
        raise ValueError(f"is written as {str(net).removesuffix(f'/{net.max_prefixlen}')}")
    return text


HostName = Annotated[str, StringConstraints(pattern=HOST_NAME, max_length=253)]
RowName = Annotated[str, StringConstraints(pattern=ROW_NAME, max_length=40)]
Port = Annotated[int, Field(ge=1, le=MAX_PORT, strict=True)]


class OwnRow(Row):
    """Addresses of one purpose, and the ports there."""

    hosts: dict[HostName, tuple[Annotated[str, AfterValidator(_check_prefix)], ...]] = Field(
        default_factory=dict, description="Each host's addresses; of a range, prefixes."
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> OwnRow:
        if bool(self.hosts) != (self.kind in WITH_HOSTS):
            raise ValueError(
                f"a row of kind {self.kind} {'has no' if self.hosts else 'needs'} hosts"
            )
        if self.kind in WITH_SERVICES and not self.services:
            raise ValueError(f"a row of kind {self.kind} needs services, such as [tcp/443]")
        if self.behind_nat and self.kind is not RowKind.vpn_gateway:
            raise ValueError("behind_nat is for a row of kind vpn-gateway")
        for address in (each for listed in self.hosts.values() for each in listed):
            if (ip_network(address).num_addresses > 1) != (self.kind is RowKind.range):
                wanted = "a prefix" if self.kind is RowKind.range else "a single address"
                raise ValueError(f"a row of kind {self.kind} lists {wanted}, not {address}")
        for host in self.hosts if self.kind is RowKind.vpn_gateway else ():
            if not re.fullmatch(NODE_NAME, host.partition(".")[0]):
                raise ValueError(
                    f"{host} cannot name a gateway: a node is called as its first label"
                )
        return self


class DirectEntry(Part):
    """What a direct path needs of the customer's firewall."""

    ports: tuple[Port, ...] = Field(
        default=(443,), min_length=1, description="TCP, to all servers."
    )
    requirement: Literal["F-01", "F-02", "F-03"] = Field(
        default="F-03", description="By which of the papers' requirements a run judges the rules."
    )


class OwnProfile(CapabilityTable):
    """A profile of your own: whose machines call home, by what ways, and to which addresses."""

    schema_: Literal[1] = Field(alias="schema", description="The version of this format: 1.")
    title: str = Field(min_length=1, max_length=200, description="One line for `lab explain`.")
    source: str = Field(default="", description="The document that all of it is from.")
    direct: DirectEntry = Field(
        default_factory=DirectEntry, description="What a direct path needs of the firewall."
    )
    rows: dict[RowName, OwnRow] = Field(min_length=1, description="The addresses, by name.")

    @field_validator("out", mode="after")
    @classmethod
    def _some_way(cls, out: dict[WayOut, Any]) -> dict[WayOut, Any]:
        if all(way.lacks for way in out.values()):
            raise ValueError("names no way home; the lab has direct, vpn and modem")
        return out

    @model_validator(mode="after")
    def _is_whole(self) -> OwnProfile:
        gateways = [h for r in self.rows.values() if r.kind is RowKind.vpn_gateway for h in r.hosts]
        vpn = self.out.get(WayOut.vpn)
        if vpn is not None and not vpn.lacks and not gateways:
            raise ValueError("out has vpn, and no row is of kind vpn-gateway")
        labels = [host.partition(".")[0] for host in gateways]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"two VPN gateways would be called {label}, by their first labels")
        if self.inbound and all(row.kind is not RowKind.inbound for row in self.rows.values()):
            raise ValueError("in has a way, and no row is of kind inbound with the console's ports")
        self._check_owners()
        return self

    def _check_owners(self) -> None:
        """One address is one machine's: of a gateway, or of whoever answers for all servers."""
        owners: dict[str, str] = {}
        for name, row in self.rows.items():
            for host, listed in row.hosts.items() if row.kind in ANSWERING else ():
                for address in listed:
                    owner = host if row.kind is RowKind.vpn_gateway else "a server"
                    if owners.setdefault(address, owner) != owner:
                        raise ValueError(f"{address} of {name} is that of {owners[address]}, too")


def load(path: Path, name: str) -> Profile:
    """Read a profile's file.

    Raises UsageError if it cannot be read, TopologyError with all that is wrong in it.
    """
    hint = "A topology's profile is a name of `lab explain`, or a file beside the topology."
    text = strict_yaml.read(path, str(path), "a profile", hint)
    return parse(text, str(path), name if "/" in name else f"./{name}")


def parse(text: str, source: str, name: str) -> Profile:
    """A profile's text to the profile; ``source`` is for messages."""
    document = strict_yaml.parse(text)
    own: OwnProfile | None = None
    if not document.issues and not isinstance(document.data, dict):
        document.complain(
            (), "a profile is a mapping of keys to values", "it begins with schema: 1"
        )
    elif isinstance(document.data, dict):
        try:
            own = OwnProfile.model_validate(document.data)
        except ValidationError as error:
            for each in error.errors(include_url=False):
                place = _place(each)
                if place not in document.broken and not _within(place, error):
                    document.complain(place, *_in_words(place, each))
    if own is None or document.issues:
        raise TopologyError(source, tuple(document.issues))
    return _profile(own, source, name)


def _profile(own: OwnProfile, source: str, name: str) -> Profile:
    rows = tuple(row.named(row_id, (name,)) for row_id, row in own.rows.items())
    return Profile(
        name=name,
        title=own.title,
        papers=(own.source or source,),
        direct_requirement=own.direct.requirement,
        direct_ports=own.direct.ports,
        can=own,
        rows=rows,
    )


def _place(error: ErrorDetails) -> Place:
    is_key = error["loc"][-1:] == ("[key]",)
    return error["loc"][:-1] if is_key else error["loc"]


def _within(place: Place, error: ValidationError) -> bool:
    """Whether something inside of a place is wrong, too: what the whole lacks comes of that."""
    others = (_place(each) for each in error.errors(include_url=False))
    return any(len(o) > len(place) and o[: len(place)] == place for o in others)


def _in_words(place: Place, error: ErrorDetails) -> tuple[str, str]:
    """The problem, and what was perhaps meant."""
    match error["type"]:
        case "string_pattern_mismatch" if place[:1] == ("rows",) and "hosts" in place:
            return "must be a host's name in small letters, such as collect.acme.example", ""
        case "string_pattern_mismatch":
            return "a row's name is letters, digits, and single hyphens and dots between them", ""
        case "extra_forbidden":
            return "unknown key", did_you_mean(str(place[-1]), words.fields(OwnProfile, place[:-1]))
        case "missing":
            what = words.fields(OwnProfile, place[:-1])[str(place[-1])].rstrip(".")
            return f"is missing ({what[:1].lower()}{what[1:]})", ""
        case _:
            return words.wrong_value(error)
