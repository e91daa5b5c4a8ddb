"""What a control plane has to say: datagrams for the network, events for whoever runs it. No behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from lab.l2tp.avps import CallErrors, LinkAccm
from lab.l2tp.requests import Clearing

if TYPE_CHECKING:
    from lab.l2tp.call import L2tpCall
    from lab.l2tp.connection import ControlConnection

Peer: TypeAlias = tuple[str, int]
"""Address and UDP port."""


@dataclass(frozen=True, slots=True)
class SendDatagram:
    """A control message for a peer."""

    data: bytes
    peer: Peer


@dataclass(frozen=True, slots=True)
class ConnectionUp:
    """A control connection is established: the kernel can be given its tunnel."""

    connection: ControlConnection


@dataclass(frozen=True, slots=True)
class ConnectionDown:
    """A control connection ended, after all of its calls; it was up only if ``ConnectionUp`` came."""

    connection: ControlConnection
    clearing: Clearing


@dataclass(frozen=True, slots=True)
class CallAsked:
    """The peer asks for a call (ICRQ, OCRQ): to be answered, or cleared."""

    call: L2tpCall


@dataclass(frozen=True, slots=True)
class CallAccepted:
    """The peer accepts a call of this side (ICRP, OCRP).

    An incoming call is to be connected now; an outgoing one is being placed by the peer.
    """

    call: L2tpCall


@dataclass(frozen=True, slots=True)
class CallEstablished:
    """A call is up (ICCN, OCCN): the kernel can be given its session."""

    call: L2tpCall


@dataclass(frozen=True, slots=True)
class CallCleared:
    """A call ended, whether it was up or not."""

    call: L2tpCall
    clearing: Clearing


@dataclass(frozen=True, slots=True)
class LineErrorsTold:
    """The LAC counts errors of a call's line (WEN)."""

    call: L2tpCall
    errors: CallErrors


@dataclass(frozen=True, slots=True)
class LinkInfoTold:
    """The LNS says what PPP negotiated for a call's line (SLI)."""

    call: L2tpCall
    accm: LinkAccm


L2tpOutput: TypeAlias = (
    SendDatagram
    | ConnectionUp
    | ConnectionDown
    | CallAsked
    | CallAccepted
    | CallEstablished
    | CallCleared
    | LineErrorsTold
    | LinkInfoTold
)
