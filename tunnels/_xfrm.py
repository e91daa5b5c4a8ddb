"""The kernel's own account of IPsec, by netlink (``linux/xfrm.h``): layouts, parsing, and listing.

What becomes of an SA is written down by ``_sas``; what it means to a connection is for ``ipsec``.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address

from lab.errors import KernelError

NETLINK_XFRM = 6
GROUP_EXPIRE = 2
GROUP_SA = 3

_NLM_F_REQUEST = 0x1
_NLM_F_DUMP = 0x300
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
IPPROTO_ESP = 50


class Message(IntEnum):
    """XFRM_MSG_*"""

    NEWSA = 0x10
    DELSA = 0x11
    GETSA = 0x12
    NEWPOLICY = 0x13
    GETPOLICY = 0x15
    EXPIRE = 0x18
    UPDSA = 0x1A
    FLUSHSA = 0x1C


class Attribute(IntEnum):
    """XFRMA_*"""

    ALG_AUTH = 1
    ALG_CRYPT = 2
    ENCAP = 4
    SA = 6
    ALG_AEAD = 18
    ALG_AUTH_TRUNC = 20


MODES = {0: "transport", 1: "tunnel", 2: "route-optimisation", 3: "in-trigger", 4: "beet"}

# struct xfrm_usersa_info: selector 56, id (daddr 16, spi, proto, 3 pad) 24, saddr 16, lifetime
# configuration 64 (with the soft limit in seconds) and state 32, statistics 12; then seq, reqid,
# family, mode, window, flags, padding.
_USERSA_INFO = struct.Struct("=56x 16sIB3x 16s 32xQ24x 32x 12x")
_USERSA_TAIL = struct.Struct("=IIHBBB7x")
_USERSA_SIZE = _USERSA_INFO.size + _USERSA_TAIL.size

# struct xfrm_usersa_id: daddr 16, spi, family, proto, pad.
_USERSA_ID = struct.Struct("=16s4sHBx")

# struct xfrm_userpolicy_info starts with the selector, and only that is read.
_SELECTOR = struct.Struct("=16s16s HHHH HBB B3x iI")
_POLICY_DIRECTION = 56 + 64 + 32 + 8
_POLICY_DIRECTIONS = {0: "in", 1: "out", 2: "fwd"}

_INFINITE = (1 << 64) - 1

_ALGORITHM = struct.Struct("=64sI")
_ALGORITHM_TRUNCATED = struct.Struct("=64sII")


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """The kernel's name of an algorithm and the key in it."""

    name: str
    key: bytes
    icv_bits: int = 0

    @property
    def key_bits(self) -> int:
        return len(self.key) * 8

    def __repr__(self) -> str:
        return f"Algorithm({self.name!r}, {self.key_bits} bits)"


NONE = Algorithm(name="", key=b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSa:
    """An SA as the kernel has it."""

    spi: int
    protocol: int
    source: str
    destination: str
    mode: str
    reqid: int
    soft_limit_s: int
    """Seconds after which the kernel asks for the next keys; 0 for never."""
    encryption: Algorithm
    integrity: Algorithm
    udp_encapsulation: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    sa: KernelSa


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """An SA that was deleted, or whose hard lifetime is over."""

    spi: int
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flushed:
    """All SAs of the network namespace went."""


Event = Added | Removed | Flushed


def parse_events(datagram: bytes) -> Iterator[Event]:
    """What a datagram of the groups SA and EXPIRE says."""
    for kind, body in _messages(datagram):
        if kind in (Message.NEWSA, Message.UPDSA):
            yield Added(sa=parse_sa(body))
        elif kind == Message.DELSA:
            destination, spi, family, _ = _USERSA_ID.unpack_from(body)
            yield Removed(spi=int.from_bytes(spi, "big"), destination=_address(destination, family))
        elif kind == Message.EXPIRE and body[_USERSA_SIZE]:
            sa = parse_sa(body[:_USERSA_SIZE])
            yield Removed(spi=sa.spi, destination=sa.destination)
        elif kind == Message.FLUSHSA:
            yield Flushed()


def parse_sa(body: bytes) -> KernelSa:
    """struct xfrm_usersa_info and its attributes."""
    destination, spi, protocol, source, soft_limit_s = _USERSA_INFO.unpack_from(body)
    _, reqid, family, mode, _, _ = _USERSA_TAIL.unpack_from(body, _USERSA_INFO.size)
    attributes = dict(_attributes(body[_USERSA_SIZE:]))

    integrity = NONE
    if (value := attributes.get(Attribute.ALG_AUTH_TRUNC)) is not None:
        integrity = _truncated(value)
    elif (value := attributes.get(Attribute.ALG_AUTH)) is not None:
        integrity = _algorithm(value)

    encryption = NONE
    if (value := attributes.get(Attribute.ALG_CRYPT)) is not None:
        encryption = _algorithm(value)
    elif (value := attributes.get(Attribute.ALG_AEAD)) is not None:
        encryption = _truncated(value)

    return KernelSa(
        spi=socket.ntohl(spi),
        protocol=protocol,
        source=_address(source, family),
        destination=_address(destination, family),
        mode=MODES.get(mode, str(mode)),
        reqid=reqid,
        soft_limit_s=0 if soft_limit_s == _INFINITE else soft_limit_s,
        encryption=encryption,
        integrity=integrity,
        udp_encapsulation=Attribute.ENCAP in attributes,
    )


def parse_policy(body: bytes) -> str:
    """A policy in words: ``out 192.0.2.1/32[udp/1701] to 192.0.2.2/32[udp/1701]``."""
    selector = _SELECTOR.unpack_from(body)
    destination, source, to_port, _, from_port, _, family, to_bits, from_bits, protocol = selector[
        :10
    ]
    direction = _POLICY_DIRECTIONS.get(body[_POLICY_DIRECTION], "socket")

    def end(address: bytes, bits: int, port: int) -> str:
        what = {17: "udp", 6: "tcp"}.get(protocol, str(protocol))
        return f"{_address(address, family)}/{bits}[{what}/{socket.ntohs(port)}]"

    return (
        f"{direction} {end(source, from_bits, from_port)} to {end(destination, to_bits, to_port)}"
    )


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + 16 <= len(datagram):
        length, kind = struct.unpack_from("=IH", datagram, offset)
        if length < 16:
            break
        yield kind, datagram[offset + 16 : offset + length]
        offset += (length + 3) & ~3


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        if length < 4:
            break
        yield kind & 0x3FFF, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def _address(data: bytes, family: int) -> str:
    if family == socket.AF_INET6:
        return str(IPv6Address(data))
    return str(IPv4Address(data[:4]))


def _name(data: bytes) -> str:
    return data.partition(b"\0")[0].decode()


def _algorithm(value: bytes) -> Algorithm:
    name, bits = _ALGORITHM.unpack_from(value)
    start = _ALGORITHM.size
    return Algorithm(name=_name(name), key=value[start : start + bits // 8])


def _truncated(value: bytes) -> Algorithm:
    name, bits, icv_bits = _ALGORITHM_TRUNCATED.unpack_from(value)
    start = _ALGORITHM_TRUNCATED.size
    return Algorithm(name=_name(name), key=value[start : start + bits // 8], icv_bits=icv_bits)


# Effects. Each function uses the network namespace of the calling thread.


def sas() -> tuple[KernelSa, ...]:
    """Every SA there is; those without algorithms are reservations of an SPI and are left out."""
    found = (parse_sa(body) for body in _dump(Message.GETSA, Message.NEWSA))
    return tuple(sa for sa in found if sa.encryption.name)


def policies() -> tuple[str, ...]:
    """Every policy there is, in words, without the bypass of charon's own sockets."""
    found = (parse_policy(body) for body in _dump(Message.GETPOLICY, Message.NEWPOLICY))
    return tuple(policy for policy in found if not policy.startswith("socket"))


def leftovers() -> tuple[str, ...]:
    """What charon should have removed at its end, in words."""
    return (
        *(f"SA {sa.spi:08x} {sa.source} to {sa.destination}" for sa in sas()),
        *(f"policy {policy}" for policy in policies()),
    )


def _dump(request: Message, answer: Message) -> Iterator[bytes]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM) as netlink:
        # An empty usersa_id or policy_id follows; the kernel ignores it for a dump.
        size = 16 + 64
        header = struct.pack("=IHHII", size, request, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0)
        netlink.send(header.ljust(size, b"\0"))

        while True:
            for kind, body in _messages(netlink.recv(1 << 16)):
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    (number,) = struct.unpack_from("=i", body)
                    raise KernelError("list", request.name[3:], os.strerror(-number))
                if kind == answer:
                    yield body
