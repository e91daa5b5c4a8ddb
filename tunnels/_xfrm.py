"""The kernel's own account of IPsec, by netlink (``linux/xfrm.h``): layouts and parsing, no effects.

What becomes of an SA is written down by ``_sas``; what it means to a connection is for ``ipsec``.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address

from lab.linux.netlink import attributes

GROUP_EXPIRE = 2
GROUP_SA = 3

IPPROTO_ESP = 50


class XfrmMessage(IntEnum):
    """XFRM_MSG_*"""

    NEWSA = 0x10
    DELSA = 0x11
    EXPIRE = 0x18
    UPDSA = 0x1A
    FLUSHSA = 0x1C


class XfrmAttribute(IntEnum):
    """XFRMA_*"""

    ALG_AUTH = 1
    ALG_CRYPT = 2
    ENCAP = 4
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
        if kind in (XfrmMessage.NEWSA, XfrmMessage.UPDSA):
            yield Added(sa=parse_sa(body))
        elif kind == XfrmMessage.DELSA:
            destination, spi, family, _ = _USERSA_ID.unpack_from(body)
            yield Removed(spi=int.from_bytes(spi, "big"), destination=_address(destination, family))
        elif kind == XfrmMessage.EXPIRE and body[_USERSA_SIZE]:
            sa = parse_sa(body[:_USERSA_SIZE])
            yield Removed(spi=sa.spi, destination=sa.destination)
        elif kind == XfrmMessage.FLUSHSA:
            yield Flushed()


def parse_sa(body: bytes) -> KernelSa:
    """struct xfrm_usersa_info and its attributes."""
    destination, spi, protocol, source, soft_limit_s = _USERSA_INFO.unpack_from(body)
    _, _, family, mode, _, _ = _USERSA_TAIL.unpack_from(body, _USERSA_INFO.size)
    found = attributes(body, _USERSA_SIZE)
    return KernelSa(
        spi=socket.ntohl(spi),
        protocol=protocol,
        source=_address(source, family),
        destination=_address(destination, family),
        mode=MODES.get(mode, str(mode)),
        soft_limit_s=0 if soft_limit_s == _INFINITE else soft_limit_s,
        encryption=_algorithm(found, XfrmAttribute.ALG_CRYPT, XfrmAttribute.ALG_AEAD),
        integrity=_algorithm(found, XfrmAttribute.ALG_AUTH_TRUNC, XfrmAttribute.ALG_AUTH),
        udp_encapsulation=XfrmAttribute.ENCAP in found,
    )


def _messages(datagram: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + 16 <= len(datagram):
        length, kind = struct.unpack_from("=IH", datagram, offset)
        if length < 16:
            break
        yield kind, datagram[offset + 16 : offset + length]
        offset += (length + 3) & ~3


def _address(data: bytes, family: int) -> str:
    if family == socket.AF_INET6:
        return str(IPv6Address(data))
    return str(IPv4Address(data[:4]))


def _algorithm(found: Mapping[int, bytes], *kinds: XfrmAttribute) -> Algorithm:
    """What the first of these attributes says that is there."""
    kind = next((kind for kind in kinds if kind in found), None)
    if kind is None:
        return NONE
    plain = kind in (XfrmAttribute.ALG_AUTH, XfrmAttribute.ALG_CRYPT)
    layout = _ALGORITHM if plain else _ALGORITHM_TRUNCATED
    name, bits, *icv_bits = layout.unpack_from(found[kind])
    key = found[kind][layout.size : layout.size + bits // 8]
    return Algorithm(name=name.partition(b"\0")[0].decode(), key=key, icv_bits=sum(icv_bits))
