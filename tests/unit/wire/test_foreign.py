"""Captures of other machines, in each format and of each link, against tshark."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import CookedLinux, CookedLinuxV2, Dot1Q, Ether, Loopback
from scapy.packet import Packet, Raw
from scapy.utils import wrpcap

from lab.errors import UsageError
from lab.wire import foreign

CALL = TCP(sport=40_000, dport=443, flags="S")
V4, V6 = (
    IP(src="192.0.2.1", dst="192.0.2.2") / CALL,
    IPv6(src="2001:db8::1", dst="2001:db8::2") / CALL,
)
MAC = "02:00:00:00:00:01"
TAGGED = Ether(src=MAC, dst=MAC) / Dot1Q(vlan=7)
LINKS: dict[str, tuple[int, tuple[Packet, ...]]] = {
    "ethernet": (
        1,
        (Ether(src=MAC, dst=MAC, type=0x800) / V4, Ether(src=MAC, dst=MAC, type=0x86DD) / V6),
    ),
    "vlan": (1, (TAGGED / V4, TAGGED / Dot1Q(vlan=8) / V6)),
    "raw": (101, (V4, V6)),
    "cooked": (113, (CookedLinux(proto=0x800) / V4, CookedLinux(proto=0x86DD) / V6)),
    "cooked-2": (276, (CookedLinuxV2(proto=0x800) / V4, CookedLinuxV2(proto=0x86DD) / V6)),
    "loopback": (0, (Loopback(type=2) / V4, Loopback(type=24) / V6)),
}


def by_tshark(path: Path) -> list[list[str]]:
    fields = ["ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.dstport"]
    argv = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "separator=,"]
    argv += [word for field in fields for word in ("-e", field)]
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    return [[word for word in line.split(",") if word] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("kind", ["pcap", "nano", "pcapng"])
@pytest.mark.parametrize("link", LINKS)
def test_it_reads_what_tshark_reads(link: str, kind: str, tmp_path: Path) -> None:
    number, packets = LINKS[link]
    path = tmp_path / "capture"
    for at, packet in enumerate(packets):
        packet.time = 1_700_000_000.25 + at
    wrpcap(str(path), packets, linktype=number, nano=kind == "nano")
    if kind == "pcapng":
        argv = ["editcap", "-F", "pcapng", str(path), str(path) + ".ng"]
        subprocess.run(argv, stdin=subprocess.DEVNULL, check=True)
        path = Path(str(path) + ".ng")

    frames = foreign.read(path, "fw-inet")
    ours = [
        [frame.ip.source, frame.ip.destination, str(frame.ip.destination_port)]
        for frame in frames
        if frame.ip is not None
    ]
    assert len(ours) == 2
    assert ours == by_tshark(path)
    assert [frame.number for frame in frames] == [1, 2]
    assert [frame.time for frame in frames] == [1_700_000_000.25, 1_700_000_001.25]
    assert {frame.segment for frame in frames} == {"fw-inet"}


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nosuch cannot be read: No such file"):
        foreign.read(tmp_path / "nosuch", "lan")
    (tmp_path / "text").write_text("no capture at all, but long enough to have a head")
    with pytest.raises(UsageError, match="text is no capture"):
        foreign.read(tmp_path / "text", "lan")
    wrpcap(str(tmp_path / "usb"), [Raw(b"12345678")], linktype=189)
    with pytest.raises(UsageError, match="usb frame 1 is of link type 189"):
        foreign.read(tmp_path / "usb", "lan")


def test_a_frame_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    """What was not captured proves nothing."""
    path = tmp_path / "short"
    packet = Ether(src=MAC, dst=MAC, type=0x800) / V4
    packet.wirelen = len(packet) + 1000
    wrpcap(str(path), [packet])
    with pytest.raises(UsageError, match=r"short frame 1 was cut off .*: 54 of 1054 bytes") as told:
        foreign.read(path, "lan")
    assert told.value.hint == "capture whole packets: tcpdump -s 0"
