"""The telephone calls in which ways by VPN run: the telephone's own driver brings them up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab.topology.model import Way
from lab.ways.ground import Ground
from lab.ways.vpn.plan import VpnPlan


class CarryingCalls:
    """Each agent's call, for ways that run over one by telephone; of other ways there is none."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._addresses: dict[str, str] = {}

    def address(self, agent: str) -> str:
        """What the agent's last call was given (P-12)."""
        return self._addresses[agent]

    def call(self, way: VpnPlan, agent: str) -> bool:
        """Have the call stand that carries the way; whether that took a new one.

        Only then is there a way to the gateways (L-11): IKE comes after IPCP. Raises ProtocolError.
        """
        if not way.dials or not self.is_cut_off(way, agent):
            return False
        below = self._below(way)
        self._dial.hang_up(below, agent)
        ends = dict.fromkeys(f"{c.gateway_address}/32" for c in way.connections)
        self._addresses[agent] = self._dial.carry(below, agent, tuple(ends)).local_ip
        return True

    def is_cut_off(self, way: VpnPlan, agent: str) -> bool:
        """Whether the call that carries the way is gone: then no gateway can be asked."""
        return way.dials and not self._dial.healthy(self._below(way), agent)

    def hang_up(self, way: VpnPlan, agent: str) -> None:
        """End the call, and let packets for IBM go by other ways."""
        if way.dials:
            self._dial.give_up(self._below(way), agent)

    def put_to_test(self, lab: Any, ways: dict[str, VpnPlan]) -> None:
        """AT&T's fence, as of calls that carry nothing (L-01 to L-12), by agents whose VPN is down."""
        agents: Sequence[str] = [agent for agent, way in ways.items() if way.dials]
        for agent in agents:
            self._dial.lead(self._below(ways[agent]), agent)
        if agents:
            self._dial.put_to_test(lab, agents)

    def _below(self, way: VpnPlan) -> Way:
        return self._ground.topology.way(way.over)

    @property
    def _dial(self) -> Any:
        return self._ground.drivers["dial"]
