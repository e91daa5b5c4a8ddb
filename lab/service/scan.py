"""Scans of a host: all 65,535 TCP and UDP ports, all other IP protocols, one ping; sent and read as packets.

Every packet of a scan has one identification and source port by which captures and counters know it; no
program sends from these ports. Judges nothing.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from lab.linux import syscalls
from lab.linux.nodes import Node
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


Send = Callable[[Sequence[bytes]], None]
"""Sends packets, each by itself."""


@contextlib.contextmanager
def sending(node: Node, target: str) -> Iterator[tuple[str, Send]]:
    """From a node as any program does: the node's own address, and what sends packets.

    Raises OSError if there is no route to the target.
    """
    own = node.call(_own_address, target)
    with node.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
        sender.connect((target, 0))
        yield own, lambda packets: syscalls.send_each(sender, packets)


def run(node: Node, own: str, target: str, purpose: Purpose, send: Send) -> Answers:
    """Scan an address from a node's own address; what answered at the node."""
    answers, ends = Answers(), (own, target)
    with node.call(_listener) as listener:
        # Every router on the way first has to find the next one's hardware address.
        send([craft.echo(own, target, purpose)])
        let_pass(WARM_UP_S)
        for batch in _batches(_packets(own, target, purpose)):
            send(batch)
            let_pass(sum(max(len(each), LEAST_FRAME_BYTES) for each in batch) / PACE_BYTE_S)
            _read(listener, ends, purpose, answers)
        end = time.monotonic() + SETTLE_S
        while (left := end - time.monotonic()) > 0:
            listener.settimeout(left)
            with contextlib.suppress(TimeoutError):
                _note(listener.recv(_READ_BYTES), ends, purpose, answers)
    return answers


def _packets(own: str, target: str, purpose: Purpose) -> Iterator[bytes]:
    yield from _to_every_port(craft.syn(own, target, (purpose, 0), ident=IDENTIFICATION), 16)
    yield from _to_every_port(craft.udp(own, target, (purpose, 0), b"", ident=IDENTIFICATION), None)
    for protocol in PROTOCOLS:
        if protocol == socket.IPPROTO_ICMP:
            yield craft.echo(own, target, purpose, ident=IDENTIFICATION)
        else:
            yield craft.ip(own, target, protocol, bytes(BARE_BYTES - 20), ident=IDENTIFICATION)


def _to_every_port(packet: bytes, checksum_at: int | None) -> Iterator[bytes]:
    """A packet to port 0, sent to each port: RFC 1624 says how its checksum follows."""
    head, ports, rest = packet[:20], packet[20:22], packet[24:]
    if checksum_at is None:
        for port in PORTS:
            yield head + ports + _U16.pack(port) + rest
        return
    at = checksum_at - 4
    before, after = rest[:at], rest[at + 2 :]
    (checksum,) = _U16.unpack_from(rest, at)
    for port in PORTS:
        total = (~checksum & 0xFFFF) + port
        fresh = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
        yield head + ports + _U16.pack(port) + before + _U16.pack(fresh) + after


def _batches(packets: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for packet in packets:
        batch.append(packet)
        if len(batch) == BATCH:
            yield batch
            batch = []
    yield batch


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


def _read(
    listener: socket.socket, ends: tuple[str, str], purpose: Purpose, answers: Answers
) -> None:
    """Take what has come so far."""
    listener.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            _note(listener.recv(_READ_BYTES), ends, purpose, answers)


def _note(packet: bytes, ends: tuple[str, str], purpose: Purpose, answers: Answers) -> None:
    own, target = ends
    if packet[16:20] != socket.inet_aton(own):
        return  # The node only passes it on.
    start = (packet[0] & 0xF) * 4
    protocol, source, body = packet[9], packet[12:16], packet[start:]
    if protocol == socket.IPPROTO_ICMP and body[:1] in (b"\x03", b"\x05", b"\x0b", b"\x0c"):
        quoted = body[8:]
        answers.errors += quoted[4:6] == _U16.pack(IDENTIFICATION)
        return
    if source != socket.inet_aton(target):
        return
    if protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP):
        answers.protocols.add(protocol)
        return
    if len(body) < _LEAST_BYTES[protocol]:
        return  # No answer to a whole packet: a fragment's rest, or rubbish.
    port, to = _PORTS.unpack_from(body)
    if to != purpose:
        return
    if protocol == socket.IPPROTO_UDP:
        answers.udp.add(port)
    elif body[13] & _SYN_ACK == _SYN_ACK:
        answers.tcp.add(port)
    else:
        answers.refused.add(port)


def _own_address(target: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.connect((target, 9))
        return str(asker.getsockname()[0])
