"""Fragments, put together as a kernel does it: against scapy's and tshark's reading of the same packets."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import Ether
from scapy.packet import Packet as Layers
from scapy.packet import Raw

from lab.wire import calls, decode, fragments
from lab.wire.decode import Frame, Packet
from tests import oracle
from tests.unit.verify.stage import START, write_capture
from tests.unit.verify.test_wire import needs_tshark

NEAR, FAR = "203.0.113.10", "129.42.56.189"
NEAR6, FAR6 = "2001:db8:10::10", "2620:0:6c0:200:129:42:56:189"
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
SYN = TCP(sport=40000, dport=443, flags="S", seq=7, options=[("MSS", 1460)])
DATAGRAM = UDP(sport=4500, dport=4500) / Raw(bytes(range(256)) * 12)


def by_ipv4(payload: Layers, size: int, ident: int = 7) -> list[bytes]:
    cut: Any = fragment  # scapy has no types for it
    return [bytes(each) for each in cut(IP(src=NEAR, dst=FAR, id=ident) / payload, fragsize=size)]


def by_ipv6(payload: Layers, size: int, ident: int = 7) -> list[bytes]:
    cut: Any = fragment6
    whole = IPv6(src=NEAR6, dst=FAR6) / IPv6ExtHdrFragment(id=ident) / payload
    return [bytes(each) for each in cut(whole, size)]


def put_together(*pieces: bytes, every_s: float = 0.0) -> list[Packet]:
    """What a host makes of packets that come one after the other."""
    read = [decode.parse_ip(piece) for piece in pieces]
    return fragments.put_together(
        [("lan", START + every_s * n, each) for n, each in enumerate(read) if each]
    )


def wholes(found: list[Packet]) -> list[Packet]:
    return [each for each in found if not each.is_fragment]


@given(
    data=st.binary(max_size=400),
    size=st.integers(1, 40).map(lambda eights: eights * 8),
    chosen=st.randoms(use_true_random=False),
    repeated=st.booleans(),
)
def test_a_datagram_is_the_same_whatever_its_fragments_and_their_order(
    data: bytes, size: int, chosen: Any, repeated: bool
) -> None:
    payload = TCP(sport=1000, dport=443, flags="PA", seq=9) / Raw(data)
    pieces = by_ipv4(payload, size)
    alone = decode.parse_ip(bytes(IP(src=NEAR, dst=FAR, id=7) / payload))
    chosen.shuffle(pieces)
    if repeated and len(pieces) > 1:
        pieces.insert(1, pieces[0])

    found = put_together(*pieces)

    assert wholes(found) == [alone]
    assert not found[-1].is_fragment, "it stands where the last of its fragments came"
    assert {each.ends for each in found} == {(NEAR, FAR, decode.TCP, 1000, 443)}
    assert {each.payload for each in found[:-1]} <= {b""}, "nothing is read twice"
    assert sum(each.tcp_flags for each in found) == 0x18


@pytest.mark.parametrize(
    "behind", [DATAGRAM, IPv6ExtHdrDestOpt() / DATAGRAM], ids=["UDP", "options"]
)
def test_by_ipv6_the_headers_behind_the_fragment_header_are_of_the_datagram(behind: Layers) -> None:
    alone = decode.parse_ip(bytes(IPv6(src=NEAR6, dst=FAR6) / behind))
    pieces = by_ipv6(behind, 1280)
    assert len(pieces) == 3

    found = put_together(*pieces)

    (whole,) = wholes(found)
    assert alone is not None
    assert (whole.ends, whole.payload, whole.length) == (alone.ends, alone.payload, alone.length)
    assert (whole.body, whole.is_intact) == (alone.body, True)
    assert {each.ends for each in found} == {alone.ends}


def test_the_parts_of_a_syn_are_of_its_flow_and_no_syn_themselves() -> None:
    """As ``nmap -f`` sends it: the flags are in the second of three fragments."""
    found = put_together(*by_ipv4(SYN, 8))

    assert [each.is_bare_syn for each in found] == [False, False, True]
    assert {each.destination_port for each in found} == {443}


@pytest.mark.parametrize(
    ("kept", "why", "port"),
    [
        (slice(0, 2), fragments.GAP, 4500),
        (slice(0, 3, 2), fragments.GAP, 4500),
        (slice(1, 3), fragments.NO_FIRST, 0),
        (slice(2, 3), fragments.NO_FIRST, 0),
    ],
)
@pytest.mark.parametrize("cut", [by_ipv4, by_ipv6])
def test_what_has_a_gap_is_unread_and_says_why(cut: Any, kept: slice, why: str, port: int) -> None:
    found = put_together(*cut(DATAGRAM, 1280)[kept])

    assert {(each.unread, each.destination_port, each.payload) for each in found} == {
        (why, port, b"")
    }


def test_fragments_that_overlap_are_unread_altogether() -> None:
    """The kernel drops them, lest two readers read two datagrams (RFC 5722; Linux by IPv4, too)."""
    body = bytes(SYN / Raw(bytes(28)))
    first = IP(src=NEAR, dst=FAR, id=7, flags="MF", proto=6) / Raw(body[:24])
    second = IP(src=NEAR, dst=FAR, id=7, frag=2, proto=6) / Raw(b"\x01\xbb" * 18)

    found = put_together(bytes(first), bytes(second))

    assert [(each.unread, each.destination_port) for each in found] == [(fragments.OVERLAP, 0)] * 2


def test_one_that_says_otherwise_how_long_it_is_spoils_a_datagram() -> None:
    pieces = by_ipv4(DATAGRAM, 1400)
    longer = IP(src=NEAR, dst=FAR, id=7, frag=1000, proto=17) / Raw(bytes(64))

    found = put_together(pieces[0], pieces[-1], bytes(longer))

    assert {each.unread for each in found} == {fragments.OVERLAP}


@pytest.mark.parametrize(("cut", "kept_s"), [(by_ipv4, 30), (by_ipv6, 60)])
def test_what_comes_too_late_belongs_to_nothing(cut: Any, kept_s: int) -> None:
    first, *_, last = cut(SYN / Raw(bytes(1400)), 1280)

    in_time = put_together(first, last, every_s=kept_s - 1)
    late = put_together(first, last, every_s=kept_s + 1)

    assert [each.is_bare_syn for each in in_time] == [False, True]
    assert [each.unread for each in late] == [fragments.GAP, fragments.NO_FIRST]


def test_an_identification_that_is_used_again_is_another_datagram() -> None:
    again = UDP(sport=9, dport=9) / Raw(bytes(100))

    found = put_together(*by_ipv4(SYN, 8), *by_ipv4(again, 48))

    assert [each.ends[2:] for each in wholes(found)] == [(6, 40000, 443), (17, 9, 9)]
    assert not any(each.unread for each in found)


def test_what_is_in_no_fragment_stays_as_it_is() -> None:
    ping = decode.parse_ip(bytes(IP(src=NEAR, dst=FAR) / ICMP()))
    assert ping is not None

    assert fragments.put_together([("lan", START, ping)])[0] is ping
    frames = [Frame("lan", 1, START, b"", b"", b"", decode.ETHERTYPE_IPV4, ping)]
    assert fragments.joined(frames) is frames


def test_on_a_wire_each_sender_has_its_own() -> None:
    """Behind a router on the same wire the same fragments are there a second time."""
    pieces = by_ipv4(SYN, 8)
    senders = ETHER, Ether(src="02:00:00:00:00:03", dst="02:00:00:00:00:04")
    frames = [
        decode.read_frame("lan", number, START, bytes(ether / IP(piece)))
        for number, (piece, ether) in enumerate((p, e) for p in pieces for e in senders)
    ]

    found = fragments.joined(frames)

    assert [f.ip.is_bare_syn for f in found if f.ip] == [False] * 4 + [True] * 2
    assert [f.number for f in found] == [f.number for f in frames]


def test_on_a_telephone_line_each_direction_has_its_own() -> None:
    pieces = [b"\xff\x03\x00\x21" + piece for piece in by_ipv4(SYN, 8)]
    said = [
        calls.read_carried(n, START + n, content, 1, "hmc-lig-1", outgoing=out)
        for n, content in enumerate(pieces)
        for out in (True, False)
    ]

    found = calls.joined(said)

    assert [item.data.is_bare_syn for item in found if item.data] == [False] * 4 + [True] * 2
    assert [item.outgoing for item in found] == [item.outgoing for item in said]


@needs_tshark
def test_tshark_puts_the_same_together(tmp_path: Path) -> None:
    """It shows a datagram where the last of its fragments is, too, and no ports where it cannot."""
    pieces = [
        *by_ipv4(SYN, 8),
        *reversed(by_ipv4(DATAGRAM, 1400, ident=8)),
        *by_ipv4(DATAGRAM, 1400, ident=9)[1:],
        *by_ipv4(DATAGRAM, 1400, ident=10)[:2],
        bytes(IP(src=NEAR, dst=FAR) / SYN),
        *by_ipv6(DATAGRAM, 1280, ident=11),
        *by_ipv6(SYN / Raw(bytes(1400)), 1280, ident=12),
    ]
    path = tmp_path / "lan.pcapng"
    layers = [IP(piece) if piece[0] >> 4 == 4 else IPv6(piece) for piece in pieces]
    write_capture(path, [(START + n / 8, bytes(ETHER / each)) for n, each in enumerate(layers)])

    theirs = oracle.tshark(path, ("tcp.dstport", "udp.dstport"))
    ours = [_ports(frame.ip) for frame in fragments.joined(decode.read(path)) if frame.ip]

    assert ours == theirs
    assert [theirs[n] for n in (1, 2)] == [("", ""), ("443", "")]


def _ports(packet: Packet) -> tuple[str, str]:
    port = "" if packet.is_fragment else str(packet.destination_port)
    return (port, "") if packet.protocol == decode.TCP else ("", port)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40), st.booleans()), max_size=8))
def test_no_fragments_break_the_reader(shapes: list[tuple[int, int, bool]]) -> None:
    pieces = [
        IP(src=NEAR, dst=FAR, id=7, frag=at, flags="MF" if more else 0, proto=17) / Raw(bytes(size))
        for at, size, more in shapes
    ]

    found = put_together(*map(bytes, pieces))

    assert len(found) == len(shapes)
    assert all(each.unread or each.destination_port == 0 for each in found)
    assert all(a is not b for a, b in pairwise(found))
