"""A wire in the model, and what chance does to packets there."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab import codec

TRUNK = "trunk-"
"""What the name of the device below a VLAN's begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impairment:
    """What befalls a packet by chance when a node sends it, before it is captured. Shares are from 0 to 1."""

    jitter_s: float
    """How far the delay of a packet may differ from the link's, up or down."""
    loss: float
    duplicate: float
    corrupt: float
    """The share with one bit flipped, anywhere in the frame."""
    reorder: float
    """The share that skips the delay."""
    seed: int
    """Of the chances above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One captured wire: a switch that every attached interface plugs into."""

    name: str
    subnet: str
    subnet6: str = ""
    """Of IPv6; empty on a wire without it."""
    rate_bit_s: int
    """Each interface's transmit rate, but for those below."""
    delay_s: float
    """One-way delay between any two interfaces of the segment."""
    mtu: int
    impairment: Impairment | None = field(default=None, metadata=codec.LEFT_OUT)
    """What chance does to packets there; None where it does nothing."""
    rates_bit_s: dict[str, int] = field(default_factory=dict, metadata=codec.LEFT_OUT)
    """Transmit rates of nodes that have one of their own."""

    vlan: int = field(default=0, metadata=codec.LEFT_OUT)
    """The ID of the VLAN whose tag all frames carry (IEEE 802.1Q); 0: no tags."""

    def port_of(self, interface: str) -> str:
        """The device that is plugged in for an interface: of a VLAN's, the one that the VLAN is on."""
        return f"{TRUNK}{interface}" if self.vlan else interface

    def rate_of(self, node: str) -> int:
        """What a node can send, in bit/s."""
        return self.rates_bit_s.get(node, self.rate_bit_s)
