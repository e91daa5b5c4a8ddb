"""What is seen on a wire, with what was read from it: IKE, ESP, and what ESP carries. Judges nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from lab.wire import esp, fragments
from lab.wire.decode import ICMP, Frame, Packet
from lab.wire.isakmp import IsakmpMessage
from lab.wire.l2tp import L2tpMessage
from lab.wire.ppp import PppFrame


@dataclass(slots=True)
class IkeSighting:
    """An ISAKMP message on a wire."""

    frame: Frame
    packet: Packet
    message: IsakmpMessage
    outgoing: bool
    """From the customer's side."""

    @property
    def port(self) -> int:
        """The port on IBM's side, which no NAT on the way changes."""
        return self.packet.destination_port if self.outgoing else self.packet.source_port

    @property
    def gateway_address(self) -> str:
        return self.packet.destination if self.outgoing else self.packet.source


@dataclass(slots=True)
class EspSighting:
    """An ESP packet on a wire, and what came of opening it."""

    frame: Frame
    sealed: esp.Sealed
    opened: esp.Opened
    outgoing: bool


@dataclass(slots=True)
class Inside:
    """What an ESP packet of the VPN carried, as far down as it goes."""

    frame: Frame
    """The ESP packet's."""
    packet: Packet
    """The IP packet in it."""
    end: str
    """The node at the customer's end of the ESP: an agent's host, or a partition; empty if unknown."""
    client: str
    """The agent's host whose it is; a partition's own name where that does not show; empty if unknown."""
    gateway: str
    outgoing: bool
    l2tp: L2tpMessage | None
    ppp: PppFrame | None
    data: Packet | None
    """The IP packet in the PPP frame."""


@dataclass(frozen=True, slots=True)
class Silence:
    """What a far end left unanswered after its last word."""

    since: float
    seconds: float
    unanswered: int


def silence(
    packets: Iterable[tuple[Frame, Packet]], near: Collection[str], far: str, until: float
) -> Silence | None:
    """How a far end fell silent on a wire before a time; None if it had the last word."""
    last, unanswered, end = 0.0, 0, 0.0
    for frame, packet in packets:
        if packet.protocol == ICMP or frame.time >= until:
            continue  # by ICMP a host may say that its daemons are gone
        if packet.source == far and packet.destination in near:
            last, unanswered = frame.time, 0
        elif packet.source in near and packet.destination == far and last:
            unanswered, end = unanswered + 1, frame.time
    return Silence(last, end - last, unanswered) if unanswered > 1 else None


def put_data_together(inside: list[Inside]) -> None:
    """Put together what PPP carries in fragments."""
    carrying = [(item, item.data) for item in inside if item.data]
    way = [((i.client, i.gateway, i.outgoing), i.frame.time, data) for i, data in carrying]
    for (item, _), packet in zip(carrying, fragments.put_together(way), strict=True):
        item.data = packet
