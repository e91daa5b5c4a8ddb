"""How much room is left for PPP inside L2TP inside ESP. Arithmetic only (facts T1-13)."""

from __future__ import annotations

from lab.ways.vpn.plan import Encapsulation
from lab.ways.vpn.proposal import MACS, Proposal

IP = 20
UDP = 8
ESP_HEADER = 8
"""SPI and sequence number (RFC 4303 2)."""
ESP_TRAILER = 2
"""Pad length and next header; they are encrypted, so they count before rounding to a block."""
PPP = 4
"""Address, control and protocol, none of them compressed (RFC 1661, RFC 1662)."""
L2TP_LEAST, L2TP_MOST = 6, 12
"""An L2TP data header without options, and with all: length, sequence, offset (RFC 2661 3.1)."""


def ppp_mtu(
    outer: int,
    encapsulation: Encapsulation,
    esp: Proposal,
    *,
    udp_encapsulation: bool,
    l2tp_header: int = L2TP_MOST,
) -> int:
    """The longest IP packet in PPP that does not make the ESP packet longer than ``outer``.

    Defaults to the longest L2TP header, so that it holds whatever the two ends agree on.
    """
    suite = esp.suite
    icv = (suite.icv_bits or MACS[esp.mac].icv_bits) // 8
    outside = IP + (UDP if udp_encapsulation else 0) + ESP_HEADER + suite.vector + icv
    encrypted = (outer - outside) // suite.block * suite.block
    inner_ip = IP if encapsulation is Encapsulation.tunnel else 0

    return encrypted - ESP_TRAILER - inner_ip - UDP - l2tp_header - PPP


def clear_mtu(outer: int) -> int:
    """The longest IP packet in PPP over L2TP in clear that does not make the packet longer than ``outer``."""
    return outer - IP - UDP - L2TP_MOST - PPP
