"""A PPP interface that sends no faster than a telephone line behind its tunnel: tc-tbf(8).

What L2TP carries has no flow control (RFC 2661 5.8 is about control messages), and a LAC has little room for
what the line cannot take yet. What waits here waits with its sender: a buffer fills, and TCP slows down.
"""

from __future__ import annotations

import socket
import struct

from lab.linux import netlink
from lab.linux.netlink import NetlinkRequest, attribute, text, u32
from lab.linux.nodes import Node

_RTM_NEWQDISC = 36
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TC_H_ROOT = 0xFFFFFFFF
_TCA_TBF_PARMS, _TCA_TBF_BURST = 1, 6
_QDISC = struct.Struct("=BxxxiIII")
_LINKLAYER_ETHERNET = 1
_QUEUE_BYTES = 1 << 20
_BURST_BYTES = 2000
"""One packet of any size; the tokens of an idle line are no more than that."""
_FRAMING_BYTES = 24
"""What a packet's frame has beside it (RFC 1662 3.1): flag, address, control, protocol and FCS, each of them
perhaps escaped, and the escapes of its header, which has many zeroes."""
_PLAIN_SHARE = 7 / 8
"""Of random octets one in seven or eight is escaped where every control character is (RFC 1662 7.1)."""


def on_line(rate_bit_s: int) -> int:
    """What a line of so many bit/s carries at most of packets, their framing counted apart, in bit/s."""
    return int(rate_bit_s * _PLAIN_SHARE)


def hold_back(node: Node, interface: str, rate_bit_s: int) -> None:
    """Have an interface send no faster than this; raises KernelError."""
    index = node.call(socket.if_nametoindex, interface)
    rate = struct.pack("=BBHhHI", 0, _LINKLAYER_ETHERNET, _FRAMING_BYTES, 0, 0, rate_bit_s // 8)
    peak, buffer, mtu = bytes(len(rate)), 0, 0
    options = attribute(
        _TCA_TBF_PARMS, rate + peak + struct.pack("=III", _QUEUE_BYTES, buffer, mtu)
    ) + u32(_TCA_TBF_BURST, _BURST_BYTES)
    body = (
        _QDISC.pack(0, index, 0x10000, _TC_H_ROOT, 0)
        + text(_TCA_KIND, "tbf")
        + attribute(_TCA_OPTIONS, options)
    )
    request = NetlinkRequest(
        "hold back",
        f"{node.name}'s {interface}",
        _RTM_NEWQDISC,
        netlink.CREATE | netlink.REPLACE,
        body,
        hint="this kernel lacks sch_tbf; the lab's own has it (lab run --engine uml)",
    )
    node.netlink.transact([request])
