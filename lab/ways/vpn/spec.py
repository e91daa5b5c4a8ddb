"""What a user may write about a way home by VPN."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from lab.topology.part import Part, WaySpec
from lab.topology.values import Duration
from lab.ways.vpn.plan import Encapsulation, SessionLayout


class IpsecSpec(Part):
    """IKE and ESP, where the lab's defaults are to be varied."""

    encapsulation: Encapsulation = Field(
        default=Encapsulation.tunnel,
        description="The papers say tunnel mode; RFC 3193 prefers transport (X-03).",
    )
    integrity: Literal["md5", "sha1"] = Field(
        default="md5", description='The papers say "160-bit MD5": MD5, or SHA-1 by its bits (X-01).'
    )
    rekey_min: Duration = Field(default=26 * 60.0, description="Earliest new ESP keys (P-06).")
    rekey_max: Duration = Field(default=34 * 60.0, description="Latest new ESP keys (P-06).")
    ike_lifetime: Duration = Field(
        default=7 * 86400.0, description="When IKE authenticates again (Q-01)."
    )


class L2tpSpec(Part):
    """L2TP and PPP, where the lab's defaults are to be varied."""

    layout: SessionLayout = Field(
        default=SessionLayout.sessions,
        description="Several PPP sessions in one L2TP tunnel, or a tunnel for each (X-08).",
    )
    sessions: int = Field(default=1, ge=1, le=16, strict=True, description="PPP sessions a client.")


class VpnSpec(WaySpec):
    """IPsec, L2TP and PPP to the first of IBM's gateways that answers."""

    way_out: ClassVar[str] = "vpn"
    kind: Literal["vpn"]
    gateways: tuple[str, ...] = Field(
        default=(), description="The gateways in the order in which they are tried."
    )
    ipsec: IpsecSpec = Field(default_factory=IpsecSpec, description="Variations of IPsec.")
    l2tp: L2tpSpec = Field(default_factory=L2tpSpec, description="Variations of L2TP.")

    def sessions_at(self, gateway: str) -> int:
        return self.l2tp.sessions if gateway in self.gateways else 0


Spec = VpnSpec
