"""A scan's packets against scapy, what captures leave out of them, and how answers are read."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet as Scapy
from scapy.packet import Raw

from lab.linux import syscalls
from lab.service import marks, scan
from lab.service.events import spans
from lab.service.marks import IDENTIFICATION, Purpose
from lab.wire import craft

US, HOST, ROUTER = "192.0.2.1", "203.0.113.10", "198.51.100.2"
ATTACK, CONTROL = int(Purpose.attack), int(Purpose.control)


def test_every_port_and_protocol_is_tried_once() -> None:
    raw = [packet for row in scan.rows(US, HOST, Purpose.attack) for packet in row]
    assert len(raw) == len({*raw}) == 2 * 65_535 + 254
    sample = [IP(packet) for packet in raw[:: 65_535 // 50]]
    assert all((p.src, p.dst, p.id) == (US, HOST, IDENTIFICATION) for p in sample)
    ports = {
        kind: [p[kind].dport for p in map(IP, raw[at : at + 3])]
        for kind, at in ((TCP, 0), (UDP, 65_535))
    }
    assert ports == {TCP: [1, 2, 3], UDP: [1, 2, 3]}
    others = [IP(packet) for packet in raw[2 * 65_535 :]]
    assert [p.proto for p in others] == [n for n in range(256) if n not in (6, 17)]
    assert ICMP in others[1]
    assert {len(bytes(p)) for p in others} == {marks.BARE_BYTES}


@pytest.mark.parametrize("port", [1, 22, 255, 256, 443, 32_768, 65_535])
def test_checksums_are_those_of_scapy(port: int) -> None:
    packet = scan.rows(US, HOST, Purpose.attack)[0][port - 1]
    ours = IP(packet)
    theirs = ours.copy()
    del theirs.chksum, theirs[TCP].chksum
    assert bytes(theirs) == packet
    assert (ours[TCP].flags, ours[TCP].sport, ours[TCP].dport) == ("S", ATTACK, port)


# What captures leave out.

FRAGMENT = IP(src=US, dst=HOST, id=IDENTIFICATION, frag=1) / Raw(bytes(40))
SYN, DATAGRAM = TCP(sport=ATTACK, dport=22), UDP(sport=ATTACK, dport=22)


def marked(payload: Scapy, ident: int = IDENTIFICATION, **fields: Any) -> IP:
    return IP(src=US, dst=HOST, id=ident, **fields) / payload


@pytest.mark.parametrize(
    ("packet", "is_taken"),
    [
        (marked(SYN), False),
        (marked(DATAGRAM), False),
        (marked(SYN, options=bytes(4)), False),
        (marked(Raw(bytes(8)), proto=50), False),
        (marked(ICMP()), False),
        # Not the lab's: another identification, port or length.
        (marked(SYN, 1), True),
        (marked(TCP(sport=40_000, dport=22)), True),
        (marked(Raw(bytes(9)), proto=50), True),
        (marked(Raw(bytes(8)), 1, proto=50), True),
        (marked(ICMP() / Raw(bytes(56))), True),
        (FRAGMENT, True),
        # An answer to an attack is what is looked for, and one to a control is not.
        (IP(src=HOST, dst=US, id=0) / TCP(sport=22, dport=ATTACK, flags="SA"), True),
        (IP(src=HOST, dst=US) / UDP(sport=22, dport=ATTACK), True),
        (IP(src=HOST, dst=US) / TCP(sport=22, dport=CONTROL, flags="SA"), False),
        (marked(TCP(sport=CONTROL, dport=22), 7), False),
        # Cut off, or not IPv4.
        (Raw(bytes(marked(SYN))[:22]), True),
        (Raw(bytes(marked(SYN))[:19]), True),
        (Raw(b""), True),
        (ARP(psrc=US, pdst=HOST), True),
        (IPv6(src="2001:db8::1", dst="2001:db8::2") / SYN, True),
    ],
)  # fmt: skip
def test_captures_leave_out_scans_and_nothing_else(packet: Scapy, is_taken: bool) -> None:
    kind: dict[str, Any] = {} if isinstance(packet, ARP | IPv6 | IP) else {"type": 0x0800}
    frame = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", **kind) / packet)
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with sender, receiver:
        syscalls.attach_filter(receiver, marks.left_out())
        receiver.setblocking(False)
        sender.send(frame)
        if is_taken:
            assert receiver.recv(2048) == frame
        else:
            with pytest.raises(BlockingIOError):
                receiver.recv(2048)


COUNTED = """
import json, socket, subprocess, sys
rules, packets = json.load(sys.stdin)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sender:
    for packet in packets:
        sender.sendto(bytes.fromhex(packet), ("127.0.0.1", 0))
listed = subprocess.run(["nft", "-j", "list", "counters"], capture_output=True, check=True).stdout
found = [each["counter"] for each in json.loads(listed)["nftables"] if "counter" in each]
print(json.dumps({each["name"]: each["packets"] for each in found}))
"""
"""In a network of its own: what the kernel counts of packets to itself."""


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace and nft need root")
def test_counters_count_scans_and_nothing_that_looks_like_them() -> None:
    """Somebody else's ICMP error or ESP may have the same identification."""

    def own(payload: Scapy, **fields: Any) -> str:
        packet = IP(src="127.0.0.1", dst="127.0.0.1", **{"id": IDENTIFICATION} | fields) / payload
        return bytes(packet).hex()

    scanned = [own(SYN), own(DATAGRAM), own(ICMP()), own(Raw(bytes(8)), proto=50)]
    others = [
        own(SYN, id=1), own(TCP(sport=40_000, dport=22)), own(Raw(bytes(8)), proto=50, id=1),
        own(ICMP(type=3, code=3) / Raw(bytes(28))), own(Raw(bytes(40)), proto=50),
    ]  # fmt: skip
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", COUNTED],
        input=json.dumps([marks.counters(), [*scanned, *others]]),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"scan-tcp": 1, "scan-udp": 1, "scan-other": 2}


# How answers are read.


def read(*packets: Scapy | bytes) -> scan.Answers:
    answers, reader = scan.Answers(), scan._Reader(US, HOST, Purpose.attack)
    for packet in packets:
        reader.note(bytes(packet), answers)
    return answers


def test_answers_are_told_apart() -> None:
    def back(payload: Scapy) -> IP:
        return IP(src=HOST, dst=US) / payload

    probe = craft.syn(US, HOST, (ATTACK, 22), ident=IDENTIFICATION)
    found = read(
        back(TCP(sport=22, dport=ATTACK, flags="SA")),
        back(TCP(sport=23, dport=ATTACK, flags="RA")),
        back(UDP(sport=2300, dport=ATTACK)),
        back(ICMP(type=0)),
        IP(src=ROUTER, dst=US) / ICMP(type=3, code=13) / Raw(probe),
        # Of others, to others, about others; cut off.
        bytes(back(TCP(sport=24, dport=ATTACK, flags="SA")))[:32],
        bytes(back(UDP(sport=25, dport=ATTACK)))[:21],
        IP(src=ROUTER, dst=US) / TCP(sport=80, dport=ATTACK, flags="SA"),
        back(TCP(sport=81, dport=40_000, flags="SA")),
        IP(src=ROUTER, dst=US) / ICMP(type=3, code=1) / Raw(craft.syn(US, HOST, (4_000, 22))),
    )  # fmt: skip
    assert found == scan.Answers(tcp={22}, refused={23}, udp={2300}, protocols={1}, errors=1)


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        (set(), ""),
        ({22}, "22"),
        ({443, 22, 23}, "22-23, 443"),
        ({*range(1, 65_536)}, "1-65535"),
        ((9090, 30_000, 30_001, 30_002), "9090, 30000-30002"),
    ],
)
def test_ports_are_told_as_spans(numbers: set[int], told: str) -> None:
    assert spans(numbers) == told
