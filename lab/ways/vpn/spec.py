"""What a user may write about a way home by VPN."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from lab.topology.part import Part, WaySpec
from lab.topology.values import Duration, WayName
from lab.ways.vpn import proposal
from lab.ways.vpn.plan import Encapsulation, SessionLayout


def _ike(given: Any) -> str:
    proposal.parse(str(given), ike=True)
    return str(given).lower()


def _esp(given: Any) -> str:
    proposal.parse(str(given), ike=False)
    return str(given).lower()


def _schema(*, ike: bool) -> WithJsonSchema:
    """A pattern of all that ``proposal.parse`` takes."""
    aead = [name for name, suite in proposal.CIPHERS.items() if suite.is_aead]
    plain = [name for name in proposal.CIPHERS if name not in aead]
    after = f"-({'|'.join(proposal.PRFS)})" if ike else ""
    body = f"(({'|'.join(plain)})-({'|'.join(proposal.MACS)})|({'|'.join(aead)}){after})"
    group = f"-({'|'.join(proposal.GROUPS)})"
    pattern = f"^{body}{group if ike else f'({group})?'}$"
    example = "aes256-sha256-modp2048" if ike else "aes256-sha256"
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": [example]})


IkeProposal = Annotated[str, BeforeValidator(_ike), _schema(ike=True)]
EspProposal = Annotated[str, BeforeValidator(_esp), _schema(ike=False)]


class IpsecSpec(Part):
    """IKE and ESP, where the lab's defaults are to be varied."""

    encapsulation: Encapsulation = Field(
        default=Encapsulation.tunnel,
        description="The papers say tunnel mode; RFC 3193 prefers transport (X-03).",
    )
    integrity: Literal["md5", "sha1"] = Field(
        default="md5", description='The papers say "160-bit MD5": MD5, or SHA-1 by its bits (X-01).'
    )
    version: Literal[1, 2] = Field(
        default=1, description="Of IKE: IBM's VPN speaks version 1 (P-01, Q-01)."
    )
    ike: IkeProposal = Field(
        default="",
        validate_default=False,
        description="What IKE proposes, as strongSwan spells it; 3des-md5-modp1024 if not given (Q-01).",
    )
    esp: EspProposal = Field(
        default="",
        validate_default=False,
        description="What ESP proposes (P-04, P-05), and a group for perfect forward secrecy if it is wanted "
        "(Q-03); 3des-md5 if not given.",
    )
    dpd_delay: Duration = Field(
        default=30.0, description="Silence after which the peer is asked for a sign of life (Q-11)."
    )
    dpd_timeout: Duration = Field(
        default=120.0, description="When a silent peer is given up, with IKE version 1 (Q-11)."
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
    over_kinds: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"dial": "vpn", "pass-through": "pass-through-vpn"}
    )
    kind: Literal["vpn"]
    gateways: tuple[str, ...] = Field(
        default=(), description="The gateways in the order in which they are tried."
    )
    over: WayName | None = Field(
        default=None,
        description="The way that it runs over, by telephone or pass-through; none: the wires.",
    )
    ipsec: IpsecSpec = Field(default_factory=IpsecSpec, description="Variations of IPsec.")
    l2tp: L2tpSpec = Field(default_factory=L2tpSpec, description="Variations of L2TP.")

    @property
    def runs_over(self) -> str:
        return self.over or ""

    def sessions_at(self, gateway: str) -> int:
        return self.l2tp.sessions if gateway in self.gateways else 0


Spec = VpnSpec
