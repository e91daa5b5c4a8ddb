"""What happens on a way by VPN. The source is the client, unless it says otherwise."""

from __future__ import annotations

from lab.record.cause import CharonCause, GatewayCause, IkeCause
from lab.record.event import Event


class IkeEstablished(Event, topic="IKE"):
    """The IKE SA and the ESP SAs are installed (RFC 2409); suites as VICI names them."""

    gateway: str
    ike_encryption: str
    ike_integrity: str
    ike_dh_group: str
    esp_encryption: str
    esp_integrity: str
    esp_mode: str
    """``TUNNEL`` or ``TRANSPORT``."""
    udp_encapsulation: bool

    @property
    def sentence(self) -> str:
        nat = ", in UDP 4500" if self.udp_encapsulation else ""
        return (
            f"{self.source} and {self.gateway} agreed on "
            f"{self.ike_encryption}/{self.ike_integrity}/{self.ike_dh_group}, "
            f"ESP {self.esp_encryption}/{self.esp_integrity} in {self.esp_mode.lower()} mode{nat}"
        )


class IkeFailed(Event, topic="IKE", tells="{source} to {gateway}: {why}"):
    """A connection did not come up."""

    gateway: str
    cause: IkeCause
    detail: str


class CharonComplained(Event, topic="IKE"):
    """The log of a node's charon has the first line of a complaint. The source is that node."""

    cause: CharonCause


class PoolExhausted(Event, topic="L2TP"):
    """A gateway refused a call, as it had no address left. The source is the gateway."""


COMPLAINTS = (CharonComplained, PoolExhausted)
"""What is only known of logs; the judge reads these, and nothing else of a daemon's log."""


class L2tpUp(Event, topic="L2TP"):
    """The L2TP tunnels are up (RFC 2661 5.1)."""

    gateway: str
    tunnels: tuple[tuple[int, int], ...]
    """The client's and the gateway's tunnel ID of each."""

    @property
    def sentence(self) -> str:
        ids = ", ".join(f"{local}/{remote}" for local, remote in self.tunnels)
        return f"{self.source} and {self.gateway}: tunnel {ids}"


class GatewayFailed(Event, tells="{source}: {gateway} gives no way: {why}"):
    """A VPN gateway gives no way home; the next is tried."""

    gateway: str
    cause: GatewayCause
    detail: str
