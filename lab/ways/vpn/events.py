"""What happens on a way by VPN. The source is the client, unless it says otherwise."""

from __future__ import annotations

from lab.record.cause import CharonCause, GatewayCause
from lab.record.event import Event


class CharonComplained(
    Event, topic="IKE", recaps="the charon of {source} complained: {cause_alone}"
):
    """The log of a node's charon has the first line of a complaint. The source is that node."""

    cause: CharonCause


class PoolExhausted(
    Event,
    topic="L2TP",
    recaps="{source} refused a call, as no address was left",
    closing=True,
    bad=True,
):
    """A gateway refused a call, as it had no address left. The source is the gateway."""


COMPLAINTS = (CharonComplained, PoolExhausted)
"""What is only known of logs; the judge reads these, and nothing else of a daemon's log."""


class L2tpUp(Event, topic="L2TP", elsewhere=True):
    """The L2TP tunnels are up (RFC 2661 5.1)."""

    gateway: str
    """Or the partition, of a client that borrows from one."""
    tunnels: tuple[tuple[int, int], ...]
    """The client's and the gateway's tunnel ID of each."""

    @property
    def sentence(self) -> str:
        ids = ", ".join(f"{local}/{remote}" for local, remote in self.tunnels)
        return f"{self.source} and {self.gateway}: tunnel {ids}"


class GatewayFailed(
    Event,
    tells="{source}: {gateway} gives no way: {why}",
    recaps="{gateway} gave {source} no way home: {cause_alone}",
):
    """A VPN gateway gives no way home; the next is tried."""

    gateway: str
    cause: GatewayCause
    detail: str
