"""The bases of the parts of a topology file, for ``spec`` and for the ways' own specs."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from lab.topology.family import V4_ONLY, Family

if TYPE_CHECKING:
    from lab.topology.catalogue import Region
    from lab.topology.errand_kinds import ErrandKind


class Part(BaseModel):
    """The base of every part: unknown keys are refused, nothing changes, text stays text."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class WaySpec(Part):
    """A way home: what every kind of way has. Each kind adds keys of its own (``lab.ways.<kind>.spec``)."""

    kind: str
    way_out: ClassVar[str] = ""
    """Which of the papers' ways home it is (``lab.topology.capability.WayOut``); empty: none of theirs."""
    over_kinds: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """The kinds of way that it may run over, and which of the papers' ways home the two then are."""
    leads_home: ClassVar[bool] = True
    """Whether an agent gets home by it; False of a way that only carries others."""
    dials: ClassVar[bool] = False
    """Whether the way needs the telephone."""
    looks_up_servers: ClassVar[bool] = True
    """Whether the agent itself looks up IBM's names, by its own name server or hosts table."""

    @property
    def runs_over(self) -> str:
        """The name of the way that it runs over; empty: the wires or the telephone."""
        return ""

    @property
    def errands_done(self) -> tuple[ErrandKind, ...]:
        """What agents do by this way beside the heartbeat, in this order."""
        return ()

    @property
    def address_set(self) -> str:
        """Whose servers the agents call, where a profile has two sets of addresses: ssl or ursf (OUT-39)."""
        return "ssl"

    @property
    def regions_of_lists(self) -> dict[str, Region]:
        """Agents that have AT&T's list of another region than the topology's (L-10)."""
        return {}

    @property
    def ip_families(self) -> tuple[Family, ...]:
        """By which versions of IP servers are called, the preferred one first."""
        return V4_ONLY

    def sessions_at(self, gateway: str) -> int:
        """How many PPP sessions each agent of this way may have at a VPN gateway."""
        return 0
