"""Checksums as a receiver checks them: scapy makes right ones, and one bit makes each of them wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet as Layers
from scapy.packet import Raw

from lab.wire import decode
from tests import oracle
from tests.unit.verify.stage import START, write_capture
from tests.unit.verify.test_wire import needs_tshark

V4 = IP(src="203.0.113.10", dst="129.42.56.189")
V6 = IPv6(src="2001:db8:10::10", dst="2620:0:6c0:200:129:42:56:189")
TRANSPORTS = {
    "TCP": TCP(sport=1, dport=443),
    "UDP": UDP(sport=1, dport=443),
    "ICMP": ICMP(id=7),
    "TCP by IPv6": TCP(sport=1, dport=443),
    "UDP by IPv6": UDP(sport=1, dport=443),
    "ICMPv6": ICMPv6EchoRequest(id=7),
}
PLACES = {"TCP": 16, "UDP": 6, "ICMP": 2, "TCP by IPv6": 16, "UDP by IPv6": 6, "ICMPv6": 2}


def packet(name: str, data: bytes = b"") -> bytes:
    return bytes((V6 if "v6" in name else V4) / TRANSPORTS[name].copy() / Raw(data))


def flipped(raw: bytes, bit: int) -> bytes:
    at, mask = bit // 8, 1 << bit % 8
    return raw[:at] + bytes((raw[at] ^ mask,)) + raw[at + 1 :]


@pytest.mark.parametrize("name", TRANSPORTS)
@given(data=st.binary(max_size=50), chosen=st.integers(0, 10_000))
def test_one_bit_makes_a_right_checksum_wrong(name: str, data: bytes, chosen: int) -> None:
    raw = packet(name, data)
    body = 40 if raw[0] >> 4 == 6 else 20
    right = decode.parse_ip(raw)
    # Not in UDP's length, which says what belongs to it.
    bits = [
        n for n in range(8 * body, 8 * len(raw)) if "UDP" not in name or n // 8 - body not in (4, 5)
    ]

    wrong = decode.parse_ip(flipped(raw, bits[chosen % len(bits)]))

    assert right is not None
    assert right.is_intact
    assert wrong is not None
    assert not wrong.is_intact or wrong.body[6:8] == b"\0\0"


@given(bit=st.integers(0, 20 * 8 - 1))
def test_of_a_packet_whose_header_has_a_wrong_checksum_nothing_is_read(bit: int) -> None:
    assert decode.parse_ip(packet("TCP")) is not None
    assert decode.parse_ip(flipped(packet("TCP"), bit)) is None


def test_a_datagram_by_ipv4_may_do_without() -> None:
    without = decode.parse_ip(bytes(V4 / UDP(sport=1, dport=2, chksum=0) / Raw(b"hello")))
    by_ipv6 = decode.parse_ip(bytes(V6 / UDP(sport=1, dport=2, chksum=0) / Raw(b"hello")))

    assert without is not None
    assert without.is_intact
    assert by_ipv6 is not None
    assert not by_ipv6.is_intact


def test_what_has_no_checksum_that_we_know_is_intact() -> None:
    esp = decode.parse_ip(bytes(IP(src="10.0.0.1", dst="10.0.0.2", proto=50) / Raw(bytes(40))))

    assert esp is not None
    assert esp.is_intact


def test_an_error_quotes_a_packet_as_far_as_it_goes() -> None:
    """RFC 1812 4.3.2.3: up to 576 bytes of it in all; routers on the way may have changed its header."""
    long = bytes(V4 / UDP(sport=5000, dport=33434) / Raw(bytes(1400)))
    quoted = flipped(long[:548], 8 * 8)

    assert decode.parse_ipv4(quoted) is None
    about = decode.parse_quoted(quoted)
    assert about is not None
    assert about.ends == ("203.0.113.10", "129.42.56.189", decode.UDP, 5000, 33434)


@needs_tshark
def test_tshark_finds_the_same_wrong(tmp_path: Path) -> None:
    every: list[Layers] = [
        V4 / TCP(),
        V4 / TCP(chksum=0x1234),
        V4 / UDP() / Raw(b"hello"),
        V4 / UDP(chksum=0x1234),
        V4 / UDP(chksum=0),
        V4 / ICMP(),
        V4 / ICMP(chksum=0x1234),
        V6 / TCP(),
        V6 / UDP(chksum=0x1234),
        IP(src="203.0.113.10", dst="129.42.56.189", chksum=0x1234) / TCP(),
    ]
    path = tmp_path / "lan.pcapng"
    ether = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    write_capture(path, [(START + n, bytes(ether / each)) for n, each in enumerate(every)])

    fields = (
        "ip.checksum.status",
        "tcp.checksum.status",
        "udp.checksum.status",
        "icmp.checksum.status",
    )
    checked = [f"{layer}.check_checksum:TRUE" for layer in ("ip", "tcp", "udp")]
    rows = oracle.tshark(path, fields, *[word for name in checked for word in ("-o", name)])
    theirs = ["0" not in row for row in rows]

    assert [bool(f.ip and f.ip.is_intact) for f in decode.read(path)] == theirs
    assert theirs.count(False) == 5
