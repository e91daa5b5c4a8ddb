"""Frames that no program of ours would send: for trying whether something forwards or answers them.

Pure: bytes out. scapy would do the same, but costs seconds to import in the guest.
"""

from __future__ import annotations

import socket
import struct

_ETHERTYPE_IPV4 = 0x0800
_IP = struct.Struct("!BBHHHBBH4s4s")
_TCP = struct.Struct("!HHIIBBHHH")
_SYN = 0x02


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def tcp_syn(
    macs: tuple[str, str], addresses: tuple[str, str], ports: tuple[int, int], *, sequence: int
) -> bytes:
    """An Ethernet frame with a bare SYN; each pair is (source, destination)."""
    source, destination = (socket.inet_aton(address) for address in addresses)
    head = _TCP.pack(*ports, sequence, 0, 5 << 4, _SYN, 64240, 0, 0)
    pseudo = source + destination + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(head))
    tcp = head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]

    length = _IP.size + len(tcp)
    bare = _IP.pack(0x45, 0, length, 0, 0x4000, 64, socket.IPPROTO_TCP, 0, source, destination)
    ip = bare[:10] + struct.pack("!H", checksum(bare)) + bare[12:]

    sender, receiver = (bytes.fromhex(mac.replace(":", "")) for mac in macs)
    return receiver + sender + struct.pack("!H", _ETHERTYPE_IPV4) + ip + tcp
