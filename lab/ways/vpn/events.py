"""What happens on a way by VPN. The source is the client."""

from __future__ import annotations

from dataclasses import dataclass

from lab.record.event import Event
from lab.record.record import IkeCause


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class IkeEstablished(Event):
    """The IKE SA and the ESP SAs are installed (RFC 2409); suites as VICI names them."""

    topic = "IKE"
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


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class IkeFailed(Event):
    """A connection did not come up."""

    topic = "IKE"
    gateway: str
    cause: IkeCause


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class L2tpUp(Event):
    """The L2TP tunnels are up (RFC 2661 5.1)."""

    topic = "L2TP"
    gateway: str
    tunnels: tuple[tuple[int, int], ...]
    """The client's and the gateway's tunnel ID of each."""

    @property
    def sentence(self) -> str:
        ids = ", ".join(f"{local}/{remote}" for local, remote in self.tunnels)
        return f"{self.source} and {self.gateway}: tunnel {ids}"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class GatewayFailed(Event):
    """A VPN gateway gives no way home; the next is tried."""

    gateway: str
    words: str

    @property
    def sentence(self) -> str:
        return f"{self.source}: {self.gateway} gives no way: {self.words}"
