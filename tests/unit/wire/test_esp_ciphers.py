"""ESP of every cipher and integrity algorithm of a topology, sealed by scapy and opened by the lab."""

from __future__ import annotations

import os
from itertools import product
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.ipsec import ESP as SCAPY_ESP
from scapy.layers.ipsec import SecurityAssociation
from scapy.packet import Raw

from lab.ways.vpn.proposal import CIPHERS, MACS
from lab.wire import decode, esp
from lab.wire.esp import IP_IN_IP, Key

SCAPYS = {"cbc(des3_ede)": "3DES", "cbc(aes)": "AES-CBC", "rfc4106(gcm(aes))": "AES-GCM"}
SCAPYS_MACS = {
    "md5": "HMAC-MD5-96",
    "sha1": "HMAC-SHA1-96",
    "sha256": "SHA2-256-128",
    "sha384": "SHA2-384-192",
    "sha512": "SHA2-512-256",
}
PLAIN = [name for name, suite in CIPHERS.items() if not suite.is_aead]
AEAD = [name for name, suite in CIPHERS.items() if suite.is_aead]
INNER = IP(src="192.168.10.10", dst="129.42.160.16") / UDP(sport=1701, dport=1701) / Raw(b"L2TP")


def sealed(cipher: str, mac: str) -> tuple[bytes, Key]:
    suite = CIPHERS[cipher]
    secret = os.urandom(suite.key_bits // 8)
    integrity = os.urandom(MACS[mac].key_bits // 8) if mac else b""
    associate: Any = SecurityAssociation
    made = associate(
        SCAPY_ESP,
        spi=0x1234,
        crypt_algo=SCAPYS[suite.kernel],
        crypt_key=secret,
        auth_algo=SCAPYS_MACS[mac] if mac else None,
        auth_key=integrity or None,
        tunnel_header=IP(src="192.0.2.1", dst="192.0.2.2"),
    )
    key = Key(
        spi=0x1234,
        source="192.0.2.1",
        destination="192.0.2.2",
        encryption=suite.kernel,
        encryption_key=secret,
        integrity=MACS[mac].kernel if mac else "",
        integrity_key=integrity,
        icv_bits=MACS[mac].icv_bits if mac else suite.icv_bits,
        encap=False,
    )
    return bytes(made.encrypt(INNER)), key


@pytest.mark.parametrize(
    ("cipher", "mac"), [*product(PLAIN, MACS), *((cipher, "") for cipher in AEAD)]
)
def test_what_scapy_seals_is_opened_and_what_is_altered_is_not(cipher: str, mac: str) -> None:
    data, key = sealed(cipher, mac)
    keys = {key.spi: [key]}
    outer = decode.parse_ip(data)
    assert outer is not None
    packet = esp.sealed(outer)
    assert packet is not None

    opened = esp.open_sealed(packet, keys)

    assert (opened.icv_good, opened.next_header) == (True, IP_IN_IP)
    assert opened.inner is not None
    assert (opened.inner.source, opened.inner.payload) == ("192.168.10.10", b"L2TP")
    for place in (0, 5, 9, len(packet.data) // 2, len(packet.data) - 1):
        altered = bytearray(packet.data)
        altered[place] ^= 1
        again = esp.Sealed(key.spi, packet.sequence, bytes(altered), False)
        assert not esp.open_sealed(again, keys).icv_good, place


@pytest.mark.parametrize("size", [8, 12, 16, 20, 23])
def test_an_aead_packet_that_is_cut_short_is_not_opened(size: int) -> None:
    data, key = sealed("aes128gcm16", "")
    outer = decode.parse_ip(data)
    assert outer is not None
    cut = esp.Sealed(key.spi, 1, outer.payload[:size], False)

    assert not esp.open_sealed(cut, {key.spi: [key]}).icv_good
