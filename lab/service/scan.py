"""Scans of a host: all 65,535 TCP and UDP ports, all other IP protocols, one ping; sent and read as packets.

Every packet of a scan has one identification and source port by which captures and counters know it; no
program sends from these ports. Judges nothing.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lab.linux import packets
from lab.linux.nodes import Node
from lab.linux.packets import Inbox, PacketRow, SendSome
from lab.linux.worker import readable
from lab.service.marks import BARE_BYTES, IDENTIFICATION, Purpose
from lab.wait import let_pass
from lab.wire import craft

PORTS = range(1, 65_536)
PROTOCOLS = tuple(n for n in range(256) if n not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP))
"""Every other value of IPv4's protocol field."""

BATCH = 128
"""Packets at once: fewer than what an interface's queue holds."""
PACE_BYTE_S = 2_000_000
"""Slower than the slowest link of the lab's topologies, so that no queue overflows."""
LEAST_FRAME_BYTES = 64
"""Of Ethernet (IEEE 802.3 4.4.2): a packet counts for as much, however small it is. Queues hold so many
packets, and not bytes, and on the way some are emptied by a processor that has other work, too."""
WARM_UP_S = 1.0
"""Lab time for a first packet, which is not of the scan, to get to the target."""
SETTLE_S = 5.0
"""Lab time for the last answer; nothing tells that none will come."""
_BUFFER_BYTES = 1 << 25
_READ_BYTES = 256
_ETH_P_IP = 0x0800
_SOL_PACKET, _PACKET_IGNORE_OUTGOING = 263, 23
_SO_RCVBUFFORCE = 33
_U16 = struct.Struct("!H")
_PORTS = struct.Struct("!HH")
_SYN_ACK = 0x12
_PORT_AT = 22
"""Where a packet of the scan's has the port it goes to."""
_ERRORS = (b"\x03", b"\x05", b"\x0b", b"\x0c")
"""Types of ICMP that quote what they are about (RFC 792)."""
_LEAST_BYTES = {socket.IPPROTO_TCP: 20, socket.IPPROTO_UDP: 8}


@dataclass(slots=True)
class Answers:
    """What came back from the host that was scanned, or on behalf of it."""

    tcp: set[int] = field(default_factory=set)
    """Ports that sent a SYN/ACK."""
    refused: set[int] = field(default_factory=set)
    """Ports that sent a RST."""
    udp: set[int] = field(default_factory=set)
    """Ports that sent a datagram."""
    protocols: set[int] = field(default_factory=set)
    """IP protocols of all other packets that came from the host: 1 is ICMP."""
    errors: int = 0
    """ICMP errors about packets of the scan, from whomever."""


Send = Callable[[PacketRow], SendSome]
"""Gets packets ready for being sent."""


@contextlib.contextmanager
def sending(node: Node, target: str) -> Iterator[tuple[str, Send]]:
    """From a node as any program does: the node's own address, and what sends packets.

    Raises OSError if there is no route to the target.
    """
    own = node.call(_own_address, target)
    with node.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
        sender.connect((target, 0))
        yield own, lambda row: packets.sender(sender, row)


def run(node: Node, own: str, target: str, purpose: Purpose, send: Send) -> Answers:
    """Scan an address from a node's own address; what answered at the node."""
    answers, reader = Answers(), _Reader(own, target, purpose)
    with node.call(_listener) as listener:
        # Every router on the way first has to find the next one's hardware address.
        first_of_all = craft.echo(own, target, purpose)
        send(PacketRow(first_of_all, len(first_of_all)))(0, 1)
        let_pass(WARM_UP_S)
        for row in rows(own, target, purpose):
            send_some, frame_bytes = send(row), max(row.size, LEAST_FRAME_BYTES)
            for first in range(0, len(row), BATCH):
                count = min(BATCH, len(row) - first)
                send_some(first, count)
                let_pass(count * frame_bytes / PACE_BYTE_S)
                reader.read(listener, answers)
        poller, end = readable(listener), time.monotonic() + SETTLE_S
        while (left_s := end - time.monotonic()) > 0:
            poller.poll(1000 * left_s)
            reader.read(listener, answers)
    return answers


def rows(own: str, target: str, purpose: Purpose) -> tuple[PacketRow, PacketRow, PacketRow]:
    """The packets of a scan: a SYN and a datagram to every port, and one of every other protocol."""
    syn = craft.syn(own, target, (purpose, 0), ident=IDENTIFICATION)
    datagram = craft.udp(own, target, (purpose, 0), b"", ident=IDENTIFICATION)
    others = [
        craft.echo(own, target, purpose, ident=IDENTIFICATION)
        if protocol == socket.IPPROTO_ICMP
        else craft.ip(own, target, protocol, bytes(BARE_BYTES - 20), ident=IDENTIFICATION)
        for protocol in PROTOCOLS
    ]
    return (
        _to_every_port(syn, checksum_at=36),
        _to_every_port(datagram, checksum_at=None),
        PacketRow(b"".join(others), BARE_BYTES),
    )


def _to_every_port(packet: bytes, checksum_at: int | None) -> PacketRow:
    """A packet to port 0, sent to each port: RFC 1624 says how its checksum follows.

    Byte by byte of all packets at once, as Python is slow packet by packet.
    """
    size, count = len(packet), len(PORTS)
    data = bytearray(packet * count)
    data[_PORT_AT::size], data[_PORT_AT + 1 :: size] = _high_and_low(array("H", PORTS))
    if checksum_at is not None:
        (checksum,) = _U16.unpack_from(packet, checksum_at)
        # The sum without port and complement; in ones' complement 0xFFFF is followed by 1.
        total = ~checksum & 0xFFFF
        sums = [*range(total + 1, 1 << 16), *range(1, total + 1)]
        checksums = array("H", [0xFFFF - each for each in sums])
        data[checksum_at::size], data[checksum_at + 1 :: size] = _high_and_low(checksums)
    return PacketRow(bytes(data), size)


def _high_and_low(numbers: array[int]) -> tuple[bytes, bytes]:
    """The bytes of numbers of 16 bits."""
    ordered = numbers[:]
    if sys.byteorder == "little":
        ordered.byteswap()
    text = ordered.tobytes()
    return text[0::2], text[1::2]


def _listener() -> socket.socket:
    """All IP packets that come to the node, whatever the node's own rules make of them."""
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC
    made = socket.socket(socket.AF_PACKET, kind, socket.htons(_ETH_P_IP))
    try:
        made.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
    except BaseException:
        made.close()
        raise
    return made


class _Reader:
    """What comes to a node, read as answers to a scan."""

    def __init__(self, own: str, target: str, purpose: Purpose) -> None:
        self._inbox = Inbox(_READ_BYTES)
        self._own, self._target = socket.inet_aton(own), socket.inet_aton(target)
        self._purpose = purpose

    def read(self, listener: socket.socket, answers: Answers) -> None:
        """Take what has come so far."""
        while received := self._inbox.take(listener):
            for packet in received:
                self.note(packet, answers)

    def note(self, packet: bytes, answers: Answers) -> None:
        """One packet; nothing if the node only passes it on, or it answers something else."""
        if packet[16:20] != self._own:
            return
        start = (packet[0] & 0xF) * 4
        protocol = packet[9]
        if protocol == socket.IPPROTO_ICMP and packet[start : start + 1] in _ERRORS:
            answers.errors += packet[start + 12 : start + 14] == _U16.pack(IDENTIFICATION)
            return
        if packet[12:16] != self._target:
            return
        if protocol not in _LEAST_BYTES:
            answers.protocols.add(protocol)
            return
        if len(packet) < start + _LEAST_BYTES[protocol]:
            return  # No answer to a whole packet: a fragment's rest, or rubbish.
        port, to = _PORTS.unpack_from(packet, start)
        if to != self._purpose:
            return
        if protocol == socket.IPPROTO_UDP:
            answers.udp.add(port)
        elif packet[start + 13] & _SYN_ACK == _SYN_ACK:
            answers.tcp.add(port)
        else:
            answers.refused.add(port)


def _own_address(target: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.connect((target, 9))
        return str(asker.getsockname()[0])
