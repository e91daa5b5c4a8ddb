"""The kernel's netlink messages, byte by byte, to SAs and events, and what is kept of them."""

from __future__ import annotations

import json
import socket
import stat
import struct
from pathlib import Path

import pytest

from tunnels import _xfrm
from tunnels._sas import KeyFile
from tunnels._xfrm import Added, Flushed, Removed, XfrmMessage

SPI = 0xC5574BA1
KEY = bytes(range(24))
MAC_KEY = bytes(range(100, 116))
NEVER = (1 << 64) - 1


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value.ljust((len(value) + 3) & ~3, b"\0")


def algorithm(name: str, key: bytes) -> bytes:
    return struct.pack("=64sI", name.encode(), len(key) * 8) + key


def truncated(name: str, key: bytes, bits: int) -> bytes:
    return struct.pack("=64sII", name.encode(), len(key) * 8, bits) + key


CRYPT = attribute(2, algorithm("cbc(des3_ede)", KEY))
MAC = attribute(20, truncated("hmac(md5)", MAC_KEY, 96))
ENCAP = attribute(4, bytes(24))


def usersa(
    *attributes: bytes,
    mode: int = 1,
    soft_limit_s: int = NEVER,
    protocol: int = socket.IPPROTO_ESP,
) -> bytes:
    """struct xfrm_usersa_info, field by field as linux/xfrm.h has it."""
    selector = bytes(56)
    identity = (
        socket.inet_aton("129.42.160.16").ljust(16, b"\0")
        + struct.pack(">I", SPI)
        + struct.pack("=B3x", protocol)
    )
    source = socket.inet_aton("192.168.10.10").ljust(16, b"\0")
    limits = struct.pack("=8Q", NEVER, NEVER, NEVER, NEVER, soft_limit_s, 2400, 0, 0)
    rest = bytes(32) + bytes(12)
    tail = struct.pack("=IIHBBB7x", 0, 7, socket.AF_INET, mode, 32, 0)
    info = selector + identity + source + limits + rest + tail
    assert len(info) == 224
    return info + b"".join(attributes)


def message(kind: int, body: bytes) -> bytes:
    header = struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0)
    return (header + body).ljust((16 + len(body) + 3) & ~3, b"\0")


def installed(body: bytes) -> Added:
    (added,) = _xfrm.parse_events(message(XfrmMessage.NEWSA, body))
    assert isinstance(added, Added)
    return added


def test_an_sa_is_read() -> None:
    sa = installed(usersa(CRYPT, MAC, ENCAP, soft_limit_s=1800)).sa

    assert (sa.spi, sa.source, sa.destination) == (SPI, "192.168.10.10", "129.42.160.16")
    assert (sa.mode, sa.rekey_after_s) == ("tunnel", 1800)
    assert (sa.encryption, sa.encryption_key_bits) == ("cbc(des3_ede)", 192)
    assert (sa.integrity, sa.integrity_key_bits, sa.integrity_icv_bits) == ("hmac(md5)", 128, 96)
    assert sa.udp_encapsulation


def test_an_sa_without_encapsulation_or_limit() -> None:
    sa = installed(usersa(CRYPT, MAC, mode=0)).sa

    assert (sa.mode, sa.udp_encapsulation, sa.rekey_after_s) == ("transport", False, 0)


@pytest.mark.parametrize(
    "body", [usersa(), usersa(CRYPT, MAC, protocol=socket.IPPROTO_AH)], ids=["reserved", "AH"]
)
def test_what_encrypts_nothing_is_no_sa_of_esp(body: bytes) -> None:
    assert list(_xfrm.parse_events(message(XfrmMessage.NEWSA, body))) == []


def test_the_truncated_form_of_the_mac_counts() -> None:
    untruncated = attribute(1, algorithm("hmac(md5)", MAC_KEY))

    assert installed(usersa(CRYPT, untruncated, MAC)).sa.integrity_icv_bits == 96


def test_keys_do_not_show_when_an_sa_is_printed() -> None:
    shown = repr(installed(usersa(CRYPT, MAC)))

    assert KEY.hex() not in shown
    assert repr(KEY) not in shown


def test_events_of_one_datagram_come_in_order() -> None:
    sa_id = (
        socket.inet_aton("129.42.160.16").ljust(16, b"\0")
        + struct.pack(">I", SPI)
        + struct.pack("=HBx", socket.AF_INET, socket.IPPROTO_ESP)
    )
    datagram = (
        message(XfrmMessage.NEWSA, usersa(CRYPT, MAC))
        + message(XfrmMessage.DELSA, sa_id)
        + message(XfrmMessage.FLUSHSA, b"\xff\0\0\0")
    )

    added, removed, flushed = _xfrm.parse_events(datagram)
    assert isinstance(added, Added)
    assert added.sa.spi == SPI
    assert removed == Removed(spi=SPI, destination="129.42.160.16")
    assert flushed == Flushed()


@pytest.mark.parametrize(("hard", "gone"), [(0, False), (1, True)])
def test_only_a_hard_limit_ends_an_sa(hard: int, gone: bool) -> None:
    datagram = message(XfrmMessage.EXPIRE, usersa() + struct.pack("=B7x", hard))

    wanted = [Removed(spi=SPI, destination="129.42.160.16")] if gone else []
    assert list(_xfrm.parse_events(datagram)) == wanted


def test_keys_are_kept_once_and_from_others(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys" / "esp.json")
    keys = installed(usersa(CRYPT, MAC, ENCAP)).keys

    file.add(keys)
    KeyFile(file.path).add(keys)

    (entry,) = json.loads(file.path.read_text())
    assert entry == {
        "spi": SPI,
        "source": "192.168.10.10",
        "destination": "129.42.160.16",
        "encryption": "cbc(des3_ede)",
        "encryption_key": KEY.hex(),
        "integrity": "hmac(md5)",
        "integrity_key": MAC_KEY.hex(),
        "icv_bits": 96,
        "encap": True,
    }
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
