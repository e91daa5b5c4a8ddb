"""What a profile can do: ways out, ways in, and the rest, each with where the papers say so.

The papers' own are one table, ``data/capabilities.tsv``; a profile of the user's own says them in its file.
Reading only, no effects.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from lab.errors import Unsupported
from lab.topology.part import Part
from lab.topology.service import Inbound

COLUMNS = ("profile", "group", "capability", "level", "by", "at", "why")


class WayOut(StrEnum):
    """The ways home, as the papers name them; the lab has code for some of them."""

    direct = "direct"
    """Over the Internet, without a proxy (OUT-01)."""
    proxy = "proxy"
    """By the customer's own HTTP proxy (OUT-09)."""
    service_proxy = "service-proxy"
    """By the Service & Support proxy that the agent brings (OUT-16)."""
    vpn = "vpn"
    """Internet VPN (OUT-19)."""
    modem = "modem"
    """Through AT&T's fenced gateway (OUT-23)."""
    pass_through_vpn = "pass-through-vpn"
    """Multi-hop VPN: an i5/OS partition makes the VPN (OUT-27)."""
    pass_through_modem = "pass-through-modem"
    """Remote modem: an i5/OS partition dials (OUT-30)."""


class InboundWay(StrEnum):
    """By what IBM's people may come in (S4 2.2, S3 Inbound)."""

    modem = Inbound.modem.value
    terminal = Inbound.terminal.value
    vpn = Inbound.vpn.value
    internet = Inbound.internet.value


class Feature(StrEnum):
    """What else differs between generations."""

    ipv4 = "ipv4"
    ipv6 = "ipv6"
    second_nic = "second-nic"
    """A second card keeps the systems' network apart (OUT-04)."""
    partitions = "partitions"
    """A session of remote service may reach partitions (I-06, I-22)."""
    vpn_in_calls = "vpn-in-calls"
    """A session of remote service by VPN may run in a call by modem (I-13, G-04)."""
    consoles = "consoles"
    """Consoles find each other and call home for one another (M-01, M-05)."""
    events_manager = "events-manager"
    fixes = "fixes"
    """Fixes are downloaded."""
    access_keys = "access-keys"
    """Update Access Keys are renewed."""
    http_backup = "http-backup"
    """HTTP fetches a new configuration where HTTPS does not work (OUT-32)."""


GROUPS: dict[str, type[StrEnum]] = {"out": WayOut, "in": InboundWay, "has": Feature}
"""What a profile says, by the kind of thing."""


class Level(StrEnum):
    """How far a profile can do a thing."""

    yes = "yes"
    limited = "limited"
    no = "no"


class Capability(Part):
    """Whether a profile can do one thing."""

    model_config = ConfigDict(defer_build=True)

    by: tuple[str, ...] = Field(default=(), description="The requirements that say so, by ID.")
    at: str = Field(default="", description="Document and section.")
    lacks: str = Field(default="", description="Why the profile cannot do it; empty if it can.")
    limited: str = Field(default="", description="When it can, if not always.")

    @model_validator(mode="after")
    def _one_of_two(self) -> Capability:
        if self.lacks and self.limited:
            raise ValueError("is lacking or limited, not both")
        return self

    @property
    def level(self) -> Level:
        return Level.no if self.lacks else Level.limited if self.limited else Level.yes

    @property
    def why(self) -> str:
        return self.lacks or self.limited

    @property
    def cited(self) -> str:
        """``OUT-35, S0 Connectivity``."""
        return ", ".join(filter(None, (*self.by, self.at)))


UNSAID = Capability.model_construct(lacks="the profile does not say that it has it")


class CapabilityTable(Part):
    """All that a profile says of what it can do."""

    model_config = ConfigDict(defer_build=True)

    out: dict[WayOut, Capability] = Field(default_factory=dict, description="Ways home.")
    into: dict[InboundWay, Capability] = Field(
        default_factory=dict, alias="in", description="Ways in for remote service."
    )
    has: dict[Feature, Capability] = Field(default_factory=dict, description="What else it can do.")

    @property
    def every(self) -> dict[tuple[str, str], Capability]:
        """(``out``, ``vpn``) to what is said, of the whole vocabulary, in its order."""
        said: dict[str, Mapping[Any, Capability]] = {
            "out": self.out,
            "in": self.into,
            "has": self.has,
        }
        return {
            (group, name): said[group].get(name, UNSAID)
            for group, names in GROUPS.items()
            for name in names
        }

    @property
    def inbound(self) -> tuple[str, ...]:
        """By what people may come in."""
        return tuple(way for way in InboundWay if not self.into.get(way, UNSAID).lacks)

    def require(self, way: str, profile: str) -> None:
        """Raise Unsupported, with who has it, if a profile of this table has no such way home."""
        found = self.out.get(WayOut(way), UNSAID)
        if found.lacks:
            raise Unsupported(profile, way, found.lacks, found.cited, having(way))


@cache
def lines() -> Mapping[str, list[list[str]]]:
    """The cells of the papers' table, by profile; not validated yet: a run needs one profile of it."""
    text = resources.files("lab").joinpath("data", "capabilities.tsv").read_text(encoding="utf-8")
    found: dict[str, list[list[str]]] = {}
    head, *rows = (line.split("\t") for line in text.splitlines())
    assert tuple(head) == COLUMNS, "the table has these columns"
    for profile, *cells in rows:
        found.setdefault(profile, []).append(cells)
    return found


@cache
def table(profile: str) -> CapabilityTable:
    """What one of the papers' profiles can do.

    Raises ValueError for a word that is none of the vocabulary. Compiling the models' validators would cost
    every run 2 ms, and a test has pydantic look at the whole table.
    """
    said: dict[str, dict[StrEnum, Capability]] = {group: {} for group in GROUPS}
    for group, name, level, by, at, why in lines()[profile]:
        said[group][GROUPS[group](name)] = Capability.model_construct(
            by=tuple(by.split()),
            at=at,
            lacks=why if Level(level) is Level.no else "",
            limited=why if Level(level) is Level.limited else "",
        )
    return CapabilityTable.model_construct(out=said["out"], into=said["in"], has=said["has"])


def having(way: str) -> tuple[str, ...]:
    """The papers' profiles that have a way home."""
    return tuple(name for name in lines() if not table(name).out[WayOut(way)].lacks)
