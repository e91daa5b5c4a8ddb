"""What events say of remote service, in views that the checks share. Knows no captures; judges nothing."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from math import inf
from typing import TypeVar

from lab.i5.events import PassThroughCleared
from lab.record.event import Event
from lab.service.events import InboundDisabled, SessionDown, SessionUp, VpnBorrowed
from lab.topology.model import RemoteService, Role
from lab.topology.service import Inbound
from lab.verify.told import Told

E = TypeVar("E", bound=Event)


class ServiceTold(Told):
    """Topology, record and events of one run."""

    @property
    @abstractmethod
    def events(self) -> list[Event]:
        """All of them, in order."""

    def told(self, *kinds: type[E]) -> list[E]:
        """The events of these kinds."""
        return [event for event in self.events if isinstance(event, kinds)]

    @cached_property
    def borrowed(self) -> list[tuple[float, float]]:
        """When a VPN was in use for remote service, until the end of each session."""
        found: list[tuple[float, float]] = []
        since: float | None = None
        for event in self.told(VpnBorrowed, SessionDown, InboundDisabled):
            if since is not None and not isinstance(event, VpnBorrowed):
                found.append((since, event.time))
            since = event.time if isinstance(event, VpnBorrowed) else None
        return found if since is None else [*found, (since, inf)]

    @cached_property
    def left_down(self) -> bool:
        """Whether the lab did not even try to bring the way home up, but left it to somebody else."""
        # Where only IKE came about, that was a session of remote service, or a client of the user's own.
        # So it is with a telephone call that was made for such a session.
        record = self.record
        dialled = [call for call in record.dialled if not self._is_of_session(call.started)]
        return not (record.path_up or record.blame or record.tries or dialled or record.calls)

    @property
    def why_left_down(self) -> str:
        """That the lab did not try, and how far clients of the user's own came."""
        partitions = {node.name for node in self.topology.with_role(Role.i5)}
        own = {
            e.source: e.gateway
            for e in self.record.ike
            if e.source not in partitions and not self._is_of_session(e.time)
        }
        far = (
            f"; {who} agreed on IPsec with {gw}, and made no call by L2TP"
            for who, gw in own.items()
        )
        ends = {end for way in self.topology.ways for end in way.tunnel_ends}
        untold = (
            f"; {own.node} runs {own.name}, the user's own, and tells the lab nothing of who called it"
            for own in self.topology.own_programs
            if own.node in ends
        )
        return "".join(["the way home was left down", *far, *untold, *self._cleared])

    @property
    def _cleared(self) -> list[str]:
        """What became of calls that clients of the user's own asked a partition for."""
        last = {
            (e.source, e.client): e
            for e in self.told(PassThroughCleared)
            if not self._is_of_session(e.time)
        }
        return [f"; {each.sentence}" for each in last.values()]

    def _is_of_session(self, at: float) -> bool:
        return any(since <= at <= until for since, until in self.borrowed)

    def stretches(self, agent: str) -> list[tuple[float, float]]:
        """The times in which a VPN is for an agent's calls home, from one bringing up to the end of that."""
        starts = [0.0, *(until for _, until in self.borrowed)]
        found: list[tuple[float, float]] = []
        for since, until in zip(starts, [*(at for at, _ in self.borrowed), inf], strict=True):
            ends = [since, *(cut for cut in self.cuts(agent) if since < cut < until), until]
            found += pairwise(ends)
        return found

    @cached_property
    def agreements(self) -> tuple[RemoteService, ...]:
        """The remote service with the addresses of each session; by VPN these are the gateway's to give."""
        service = self.topology.service
        assert service is not None, "a topology without one does not expect its requirements"
        ups = self.told(SessionUp)
        if service.by is not Inbound.vpn or not ups:
            return (service,)
        return tuple(_agreed(service, up) for up in ups)


def _agreed(service: RemoteService, up: SessionUp) -> RemoteService:
    given = dict(zip((p.name for p in service.allowed), up.aliases, strict=False))
    return replace(
        service,
        ppp_address=up.address,
        partitions=tuple(replace(p, alias=given.get(p.name, "")) for p in service.partitions),
    )
