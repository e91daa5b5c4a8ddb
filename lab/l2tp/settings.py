"""What a node says of itself in L2TP, and its limits: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.l2tp.delivery import Patience
from lab.wire.l2tp_codes import BearerType, FramingType


@dataclass(frozen=True, slots=True, kw_only=True)
class L2tpSettings:
    """One node's."""

    host_name: str
    vendor_name: str = "callhome-lab"
    firmware_revision: int = 0x0100
    framing: FramingType = FramingType.asynchronous | FramingType.synchronous
    """What calls may have here (Framing Capabilities)."""
    bearer: BearerType | None = None
    """Of which lines there are some for outgoing calls; None: it places none (Bearer Capabilities)."""
    window: int = 8
    """Control messages that a peer may send without an acknowledgement; four at least (RFC 2661 5.8)."""
    patience: Patience = field(default_factory=Patience)
    hello_s: float = 60.0
    """So long without a control message, and HELLO is sent (RFC 2661 6.5)."""
    establish_s: float = 60.0
    """So long may a control connection be half open although its peer acknowledges messages."""
    half_open_limit: int = 64
    """Control connections that peers asked for and did not complete; one more drops the oldest."""
    connection_limit: int = 256
    """Control connections in all; a peer that asks for one more is refused (error 4)."""
    call_limit: int = 256
    """Calls of one control connection; a peer that asks for one more is refused (result 4)."""
