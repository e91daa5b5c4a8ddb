"""The kernel's own account of IPsec, by netlink (``linux/xfrm.h``): layouts and parsing, no effects.

What becomes of an SA is written down by ``_sas``; what it means to a connection is for ``ipsec``.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from lab.linux.netlink import attributes
from lab.record.record import EspSa

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


# XFRMA_*
_ALG_AUTH = 1
_ALG_CRYPT = 2
_ENCAP = 4
_ALG_AEAD = 18
_ALG_AUTH_TRUNC = 20

MODES = {0: "transport", 1: "tunnel", 2: "route-optimisation", 3: "in-trigger", 4: "beet"}

# struct xfrm_usersa_info: selector 56, id (daddr 16, spi, proto, 3 pad) 24, saddr 16, lifetime
# configuration 64 (with the soft limit in seconds) and state 32, statistics 12; then seq and reqid 8,
# family, mode; window, flags and padding 9.
_USERSA_INFO = struct.Struct("=56x 16s4sB3x 16s 32xQ24x 32x 12x 8x HB 9x")

# struct xfrm_usersa_id: daddr 16, spi, family, proto, pad.
_USERSA_ID = struct.Struct("=16s4sHBx")

_INFINITE = (1 << 64) - 1

# struct xfrm_algo, and the layout that xfrm_algo_auth and xfrm_algo_aead have: name, bits of the key,
# bits of the ICV. The key follows.
_ALGORITHM = struct.Struct("=64sI")
_ALGORITHM_WITH_ICV = struct.Struct("=64sII")


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """An ESP SA that the kernel has installed."""

    sa: EspSa
    """Without node and time, which the kernel does not say."""
    keys: dict[str, str | int | bool] = field(repr=False)
    """The SA's entry in ``keys/esp.json``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """An SA that was deleted, or whose hard lifetime is over."""

    spi: int
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flushed:
    """All SAs of the network namespace went."""


Event: TypeAlias = Added | Removed | Flushed


def parse_events(datagram: bytes) -> Iterator[Event]:
    """What a datagram of the groups SA and EXPIRE says."""
    for kind, body in _messages(datagram):
        if kind in (XfrmMessage.NEWSA, XfrmMessage.UPDSA):
            yield from _added(body)
        elif kind == XfrmMessage.DELSA:
            destination, spi, family, _ = _USERSA_ID.unpack_from(body)
            yield _removed(destination, spi, family)
        elif kind == XfrmMessage.EXPIRE and body[_USERSA_INFO.size]:
            destination, spi, _, _, _, family, _ = _USERSA_INFO.unpack_from(body)
            yield _removed(destination, spi, family)
        elif kind == XfrmMessage.FLUSHSA:
            yield Flushed()


def _added(body: bytes) -> Iterator[Added]:
    """struct xfrm_usersa_info and its attributes; an SPI that is only reserved has no encryption yet."""
    destination, spi, protocol, source, soft_limit_s, family, mode = _USERSA_INFO.unpack_from(body)
    found = attributes(body, _USERSA_INFO.size)
    encryption, key, own_icv_bits = _algorithm(found.get(_ALG_CRYPT), found.get(_ALG_AEAD))
    integrity, mac_key, icv_bits = _algorithm(found.get(_ALG_AUTH), found.get(_ALG_AUTH_TRUNC))
    icv_bits = icv_bits or own_icv_bits
    if protocol != IPPROTO_ESP or not encryption:
        return

    sa = EspSa(
        node="",
        spi=int.from_bytes(spi, "big"),
        source=_address(source, family),
        destination=_address(destination, family),
        mode=MODES.get(mode, str(mode)),
        encryption=encryption,
        encryption_key_bits=len(key) * 8,
        integrity=integrity,
        integrity_key_bits=len(mac_key) * 8,
        integrity_icv_bits=icv_bits,
        udp_encapsulation=_ENCAP in found,
        added=0.0,
        rekey_after_s=0 if soft_limit_s == _INFINITE else soft_limit_s,
    )
    keys: dict[str, str | int | bool] = {
        "spi": sa.spi,
        "source": sa.source,
        "destination": sa.destination,
        "encryption": encryption,
        "encryption_key": key.hex(),
        "integrity": integrity,
        "integrity_key": mac_key.hex(),
        "icv_bits": icv_bits,
        "encap": sa.udp_encapsulation,
    }
    yield Added(sa=sa, keys=keys)


def _removed(destination: bytes, spi: bytes, family: int) -> Removed:
    return Removed(spi=int.from_bytes(spi, "big"), destination=_address(destination, family))


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


def _algorithm(plain: bytes | None, with_icv: bytes | None) -> tuple[str, bytes, int]:
    """Name, key and bits of the ICV, by the attribute that says more; empty if there is neither."""
    attribute, layout = (with_icv, _ALGORITHM_WITH_ICV) if with_icv else (plain, _ALGORITHM)
    if attribute is None:
        return "", b"", 0
    name, bits, *icv_bits = layout.unpack_from(attribute)
    key = attribute[layout.size : layout.size + bits // 8]
    return name.partition(b"\0")[0].decode(), key, sum(icv_bits)
