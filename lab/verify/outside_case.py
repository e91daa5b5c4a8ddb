"""A case that is captures from outside the lab: there is no record of a run, and perhaps one wire alone.

What a check asks for beyond the capture raises ``NeedsMore``; such a check says nothing then. So a finding is
given only by a check that looked at nothing but the packets and the model.
"""

from __future__ import annotations

from functools import cached_property
from ipaddress import ip_address, ip_network
from math import inf
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from lab import codec
from lab.record.event import Event
from lab.record.record import Record
from lab.secret import Secret, find
from lab.topology.model import Topology, Way
from lab.topology.roles import Role
from lab.verify.case import Case
from lab.verify.sightings import Inside
from lab.wire import esp, fragments
from lab.wire.decode import Frame, Packet

E = TypeVar("E", bound=Event)


class NeedsMore(Exception):
    """A check asks for something that a capture does not have."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


RECORD = "the record of a run"
EVERY_WIRE = "captures of every wire"
KEYS = "the keys of ESP (--keys)"
SECRETS = "the secrets of IKE and PPP"


class _Unknown(Secret):
    """A secret that the model has drawn, and the capture knows nothing of."""

    __slots__ = ()

    def reveal(self) -> str:
        raise NeedsMore(SECRETS)


class _NoRecord:
    """In the place of a record."""

    # No ``record`` has trials of the lab's among the packets: nobody made any.
    fence_trials: tuple[()] = ()
    forward_probes: tuple[()] = ()

    def __getattr__(self, name: str) -> NoReturn:
        raise NeedsMore(RECORD)


class OutsideCase(Case):
    """Wires of a topology, as somebody has captured them."""

    def __init__(self, topology: Topology, wire: dict[str, list[Frame]], keys: Path | None) -> None:
        own = codec.load(Topology, codec.dump(topology, indent=None))
        for _, secret in find(own, Secret):
            secret.__class__ = _Unknown
        super().__init__(own, Record(), Path())
        self.wire = {name: fragments.joined(frames) for name, frames in wire.items()}
        self.record = _NoRecord()  # type: ignore[assignment]
        self._keys_file = keys

    # -- what nobody has told -----------------------------------------------------------------

    @property
    def events(self) -> list[Event]:
        raise NeedsMore(RECORD)

    has_record = False
    left_down = False
    """Whoever gives a capture asks about it."""
    server_tests: Any = ()
    tls_tried: Any = frozenset()
    """No tests and trials of the lab's are among the packets."""
    called = False
    failed_calls: Any = ()
    """Whoever calls, the lab did not send them."""
    all_carried: Any = ()
    """What telephones carry is on no wire of this kind."""
    dialogue: Any = ()

    @property
    def borrowed(self) -> list[tuple[float, float]]:
        if self.topology.service is not None:
            raise NeedsMore(RECORD)
        return []

    @property
    def came_home(self) -> bool:
        raise NeedsMore(RECORD)

    def concerned(self, kind: str) -> tuple[str, ...]:
        """The agents that have such a way and no other; of the VPN, those that are seen in it, if any are."""
        having = [a for a in self.topology.agents if getattr(self.way_of(a), "kind", "") == kind]
        seen = {item.client for item in self.all_insides} if kind == "vpn" else set()
        return tuple([agent for agent in having if agent in seen] or having)

    def way_of(self, agent: str, at: float = inf) -> Way | None:
        """The way that an agent has, where the model gives it one."""
        own = self.topology.ways_of(agent)
        if len(own) != 1:
            raise NeedsMore(RECORD)
        return own[0]

    def settled(self, agent: str) -> Way | None:
        return self.way_of(agent)

    def only_by(self, kind: str, at: float) -> bool:
        return all(self.has_way(kind, agent, at) for agent in self.topology.agents)

    def kinds_of(self, agent: str, at: float) -> set[str]:
        way = self.way_of(agent)
        return {way.kind} if way is not None else set()

    def is_trial(self, packet: Packet) -> bool:
        return False

    # -- what other wires show ----------------------------------------------------------------

    def frames(self, *segments: str) -> list[Frame]:
        for segment in segments:
            if segment not in self.wire:
                raise NeedsMore(f"a capture of {segment}")
        return super().frames(*segments)

    def all_packets(self) -> list[tuple[Frame, Packet]]:
        raise NeedsMore(EVERY_WIRE)

    def sent_by(self, node: str, segment: str) -> list[tuple[Frame, Packet]]:
        """By address: hardware addresses of a capture from outside are not the model's."""
        there = self.topology.node(node)
        firewall = self.topology.firewall
        behind, whether = self._behind, True
        if firewall is not None and node == firewall.node:
            whether = segment == firewall.outside
        elif there.role is Role.hmc or node in self.topology.agents:
            behind = frozenset(there.interface(segment).ips)
        else:
            raise NeedsMore(f"who has put a packet on {segment}")
        found = [(frame, packet) for frame, packet in self.packets(segment)]
        sent = [entry for entry in found if self._is_of(entry[1].source, behind) is whether]
        return [(frame, packet) for frame, packet in sent if not self.is_lookup(packet)]

    @cached_property
    def _behind(self) -> frozenset[str]:
        """The customer's networks, and the firewall's own addresses outside."""
        firewall = self.topology.firewall
        if firewall is None:
            return frozenset()
        wall = self.topology.node(firewall.node)
        inside = [i for i in wall.interfaces if i.segment != firewall.outside]
        addresses = [a for i in inside for a in (i.address, i.address6) if a]
        nets = {str(ip_network(address, strict=False)) for address in addresses}
        return frozenset(nets | {*wall.interface(firewall.outside).ips})

    def _is_of(self, address: str, places: frozenset[str]) -> bool:
        return any(ip_address(address) in ip_network(place) for place in places)

    # -- what is inside of ESP ----------------------------------------------------------------

    @cached_property
    def keys(self) -> dict[int, list[esp.Key]]:
        return esp.load_keys(self._keys_file) if self._keys_file is not None else {}

    @property
    def why_no_esp(self) -> str:  # type: ignore[override]
        return "" if self.esp else "no ESP is in the capture"

    def need_secrets(self) -> None:
        raise NeedsMore(SECRETS)

    def need_keys(self) -> None:
        if any(sighting.opened.key is None for sighting in self.esp):
            raise NeedsMore(KEYS)

    @cached_property
    def all_insides(self) -> list[Inside]:
        self.need_keys()
        return super().all_insides
