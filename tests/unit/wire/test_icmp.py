"""ICMP and ARP as scapy makes them."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from lab.wire import arp, decode, icmp
from lab.wire.icmp import IcmpError, Reason

NEAR, FAR, ROUTER = "192.0.2.1", "198.51.100.1", "192.0.2.254"
NEAR_6, FAR_6, ROUTER_6 = "2001:db8::1", "2001:db8::2", "2001:db8::fe"
SYN = IP(src=NEAR, dst=FAR) / TCP(sport=5000, dport=443, flags="S")
ENDS = (NEAR, FAR, 6, 5000, 443)
SYN_6 = IPv6(src=NEAR_6, dst=FAR_6) / TCP(sport=5000, dport=443, flags="S")
ENDS_6 = (NEAR_6, FAR_6, 6, 5000, 443)


def read(packet: Packet) -> decode.Packet:
    found = decode.parse_ip(bytes(packet))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("kind", "code", "reason"),
    [
        (3, 0, Reason.no_way),
        (3, 1, Reason.no_way),
        (3, 3, Reason.port_closed),
        (3, 4, Reason.too_big),
        (3, 13, Reason.forbidden),
        (11, 0, Reason.expired),
    ],
)
def test_errors_say_why_and_about_what(kind: int, code: int, reason: Reason) -> None:
    error = ICMP(type=kind, code=code, nexthopmtu=1400 if reason is Reason.too_big else 0)

    found = icmp.read_error(read(IP(src=ROUTER, dst=NEAR) / error / bytes(SYN)))

    assert found == IcmpError(ROUTER, reason, ENDS, 1400 if reason is Reason.too_big else 0)


@pytest.mark.parametrize(
    ("error", "reason", "mtu"),
    [
        (ICMPv6DestUnreach(code=4), Reason.port_closed, 0),
        (ICMPv6DestUnreach(code=1), Reason.forbidden, 0),
        (ICMPv6PacketTooBig(mtu=1280), Reason.too_big, 1280),
        (ICMPv6TimeExceeded(), Reason.expired, 0),
    ],
)
def test_errors_of_ipv6(error: Packet, reason: Reason, mtu: int) -> None:
    found = icmp.read_error(read(IPv6(src=ROUTER_6, dst=NEAR_6) / error / bytes(SYN_6)))

    assert found == IcmpError(ROUTER_6, reason, ENDS_6, mtu)


@pytest.mark.parametrize("quoted", [28, 24, 20])
def test_a_packet_of_which_little_is_quoted(quoted: int) -> None:
    udp = bytes(IP(src=NEAR, dst=FAR) / UDP(sport=7, dport=9) / Raw(b"x" * 99))
    error = ICMP(type=3, code=3)

    found = icmp.read_error(read(IP(src=FAR, dst=NEAR) / error / udp[:quoted]))

    assert found is not None
    assert found.about == (NEAR, FAR, 17, *((7, 9) if quoted >= 24 else (0, 0)))


@pytest.mark.parametrize(
    "packet",
    [
        SYN,
        IP(src=ROUTER, dst=NEAR) / ICMP(type=11, code=1) / bytes(SYN),
        IP(src=ROUTER, dst=NEAR) / ICMP(type=3, code=3) / bytes(SYN)[:19],
        IP(src=ROUTER, dst=NEAR) / ICMP(type=8) / bytes(SYN),
        IP(src=ROUTER, dst=NEAR, proto=1) / Raw(b"\x03"),
    ],
)
def test_what_says_nothing_of_another_packet(packet: Packet) -> None:
    assert icmp.read_error(read(packet)) is None


def test_echoes() -> None:
    ask, answer = (read(IP(src=NEAR, dst=FAR) / ICMP(type=kind, id=1)) for kind in (8, 0))

    assert (icmp.is_echo_request(ask), icmp.is_echo_reply(ask)) == (True, False)
    assert (icmp.is_echo_request(answer), icmp.is_echo_reply(answer)) == (False, True)


def test_questions_and_answers_of_arp() -> None:
    ask = Ether() / ARP(op=1, psrc=NEAR, pdst=ROUTER)
    answer = Ether() / ARP(op=2, psrc=ROUTER, pdst=NEAR)
    others = (Ether() / SYN, Ether(type=0x0806) / Raw(b"\0" * 20), Ether() / ARP(op=3, hwtype=7))
    frames = [
        decode.read_frame("lan", number, 1.0, bytes(each))
        for number, each in enumerate((ask, *others, answer), 1)
    ]

    found = [(one.is_answer, one.sender, one.target) for one in arp.read(frames)]

    assert found == [(False, NEAR, ROUTER), (True, ROUTER, NEAR)]
