"""IPv6 packets: read as scapy and tshark read them, behind any extension headers, and in fragments."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    fragment6,
)
from scapy.layers.l2 import Ether
from scapy.packet import Packet as Layers
from scapy.packet import Raw

from lab.wire import craft, decode
from tests import oracle
from tests.unit.verify.stage import START, write_capture
from tests.unit.verify.test_wire import needs_tshark

NEAR, FAR = "2001:db8:10::10", "2620:0:6c0:200:129:42:56:189"
HEADERS = {
    "hop-by-hop": IPv6ExtHdrHopByHop(),
    "routing": IPv6ExtHdrRouting(addresses=["2001:db8::1"], segleft=0),
    "destination": IPv6ExtHdrDestOpt(),
}
chains = st.lists(st.sampled_from(sorted(HEADERS)), max_size=4, unique=True)


def packet(*headers: str, payload: Layers) -> Layers:
    built = IPv6(src=NEAR, dst=FAR)
    for name in headers:
        built /= HEADERS[name].copy()
    return built / payload


@given(headers=chains, port=st.integers(0, 65535), data=st.binary(max_size=60))
def test_extension_headers_are_passed(headers: list[str], port: int, data: bytes) -> None:
    raw = bytes(packet(*headers, payload=TCP(sport=port, dport=443, flags="S", seq=7) / Raw(data)))

    found = decode.parse_ip(raw)

    theirs = IPv6(raw)[TCP]
    assert found is not None
    assert found.ends == (NEAR, FAR, decode.TCP, theirs.sport, theirs.dport)
    assert (found.tcp_sequence, found.is_bare_syn, found.payload) == (7, True, data)
    assert (found.length, found.version, found.ttl) == (len(raw), 6, 64)


@given(cut=st.integers(0, 200), headers=chains)
def test_a_packet_that_is_cut_short_is_none(cut: int, headers: list[str]) -> None:
    raw = bytes(packet(*headers, payload=UDP(sport=1, dport=2) / Raw(bytes(8))))

    assert (decode.parse_ip(raw[:cut]) is None) == (cut < len(raw))


@given(st.binary(max_size=80), st.integers(0, 255))
def test_no_chain_of_headers_breaks_the_reader(data: bytes, first: int) -> None:
    raw = bytes(IPv6(src=NEAR, dst=FAR, nh=first) / Raw(data))

    found = decode.parse_ip(raw)

    assert found is not None
    assert len(found.payload) <= len(data)


def fragments(size: int = 3000) -> list[Layers]:
    whole = packet(
        payload=IPv6ExtHdrFragment(id=77) / UDP(sport=4500, dport=4500) / Raw(bytes(size))
    )
    return list(fragment6(whole, 1280))  # type: ignore[no-untyped-call]


def test_only_the_first_fragment_has_ports() -> None:
    found = [decode.parse_ip(bytes(piece)) for piece in fragments()]

    assert len(found) == 3
    assert [p and (p.source_port, p.protocol) for p in found] == [
        (4500, decode.UDP),
        (0, decode.UDP),
        (0, decode.UDP),
    ]
    assert [p and p.more_fragments for p in found] == [True, True, False]
    assert [p and (p.fragment_offset > 0) for p in found] == [False, True, True]
    assert {p.identification for p in found if p} == {77}


@needs_tshark
def test_tshark_agrees(tmp_path: Path) -> None:
    every = [
        packet(payload=TCP(sport=1000, dport=443, flags="S")),
        packet("hop-by-hop", "routing", "destination", payload=UDP(sport=53, dport=54)),
        packet("destination", payload=ICMPv6EchoRequest()),
        *fragments(),
    ]
    path = tmp_path / "lan.pcapng"
    ether = Ether(src="02:ca:11:01:00:01", dst="02:ca:11:01:00:02")
    write_capture(path, [(START + n, bytes(ether / each)) for n, each in enumerate(every)])

    fields = ("ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport")
    theirs = oracle.tshark(path, fields, "-o", "ipv6.defragment:FALSE")

    assert [_row(frame) for frame in decode.read(path)] == theirs


def _row(frame: decode.Frame) -> tuple[str, ...]:
    found = frame.ip
    assert found is not None
    ports = (str(found.source_port), str(found.destination_port))
    has_ports = found.fragment_offset == 0
    tcp = ports if has_ports and found.protocol == decode.TCP else ("", "")
    udp = ports if has_ports and found.protocol == decode.UDP else ("", "")
    return (found.source, found.destination, *tcp, *udp)


NEIGHBOUR = IPv6(src=NEAR, dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt="2001:db8:10::1")
REPORT = IPv6(src="fe80::10", dst="ff02::16", hlim=1) / IPv6ExtHdrHopByHop() / ICMPv6MLReport2()


@pytest.mark.parametrize(
    ("what", "stays"),
    [
        pytest.param(NEIGHBOUR, True, id="a neighbour"),
        pytest.param(REPORT, True, id="a report"),
        pytest.param(IPv6(src=NEAR, dst=FAR, hlim=255) / ICMPv6EchoRequest(), False, id="a ping"),
        pytest.param(
            IPv6(src=NEAR, dst=FAR, hlim=254) / ICMPv6ND_NS(tgt=FAR), False, id="of a router"
        ),
        pytest.param(
            IPv6(src=NEAR, dst=FAR, hlim=1) / ICMPv6MLReport2(), False, id="a report to a host"
        ),
        pytest.param(IPv6(src=NEAR, dst=FAR, hlim=255) / UDP(sport=135), False, id="a datagram"),
    ],
)
def test_what_stays_on_its_link_is_no_packet(what: Layers, stays: bool) -> None:
    """No router passes it on, so what a router has passed on is a packet of somebody's."""
    ether = Ether(src="02:ca:11:01:00:01", dst="02:ca:11:01:00:02")

    frame = decode.read_frame("lan", 1, START, bytes(ether / what))

    assert (frame.ip is None) is stays


def test_a_crafted_syn_is_one_to_scapy() -> None:
    frame = craft.tcp_syn(
        ("02:ca:11:01:00:01", "02:ca:11:01:00:02"), (NEAR, FAR), (40000, 22), sequence=1
    )

    read = Ether(frame)[IPv6]
    assert (read.src, read.dst, read.plen) == (NEAR, FAR, 20)
    assert (read[TCP].sport, read[TCP].dport, str(read[TCP].flags)) == (40000, 22, "S")
    told = read[TCP].chksum
    del read[TCP].chksum
    assert IPv6(bytes(read))[TCP].chksum == told
    source, destination, protocol = craft.HEADERS[0x86DD]
    assert (frame[source], frame[destination]) == (bytes(read)[8:24], bytes(read)[24:40])
    assert frame[protocol] == decode.TCP
