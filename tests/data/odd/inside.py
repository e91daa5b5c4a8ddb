"""What people do in a lab, one thing after the other: ``inside.py TABLE TOPOLOGY [THING]``.

Runs on the agent's host. Of a row, ``packets NAME...`` sends what ``PACKETS`` has, as scapy makes it;
``sockets NAME`` does what ``SOCKETS`` has; all else goes to a shell. ``done.tsv`` of the run directory gets a
line for each thing: its name, and when it began and ended.
"""

from __future__ import annotations

import csv
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import GRE
from scapy.packet import Packet, Raw

FAR = os.environ.get("LAB_PROBE", "")
"""A listed server, or what answers for one."""
SIX = ":" in FAR
UNLISTED = "2001:db8:ffff::1" if SIX else "198.18.77.1"
ETH_P_IP = 0x0800
GAP_S = 0.2
"""After each packet, for the answer."""
QUESTION = b"\x124\x01\0\0\x01\0\0\0\0\0%c\x08esupport\x03ibm\x03com\0\0\x01\0\x01"
EDNS = b"\0\0\x29\x10\0\0\0\x80\0\0\0"
SEEN_BY_S = 1.0


# -- packets --------------------------------------------------------------------------------------


def near(far: str = FAR) -> str:
    """The address from which this host sends to somebody."""
    family = socket.AF_INET6 if SIX else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect((far, 9))
        return str(asking.getsockname()[0])


def head(far: str = FAR, **fields: Any) -> Packet:
    """An IP header; of IPv4 with these fields."""
    return IPv6(src=near(far), dst=far) if SIX else IP(src=near(far), dst=far, **fields)


def tcp(flags: str, **fields: Any) -> Packet:
    return TCP(sport=41000 + sum(map(ord, flags)), dport=443, flags=flags, seq=7, **fields)


def udp(port: int, size: int, **fields: Any) -> Packet:
    return UDP(sport=40000, dport=port, **fields) / Raw(bytes(size))


def echo(size: int = 8) -> Packet:
    return ICMPv6EchoRequest(id=77, data=bytes(size)) if SIX else ICMP(id=77) / Raw(bytes(size))


def cut(payload: Packet, size: int, ident: int, far: str = FAR, **fields: Any) -> list[Packet]:
    """Fragments of so many bytes each."""
    if SIX:
        whole = IPv6(src=near(far), dst=far) / IPv6ExtHdrFragment(id=ident) / payload
        return list(fragment6(whole, size + 56))
    return list(fragment(head(far, id=ident, **fields) / payload, fragsize=size))


def by_ttl(payload: Packet, **fields: Any) -> list[Packet]:
    """As traceroute sends."""
    if SIX:
        return [IPv6(src=near(), dst=FAR, hlim=ttl) / payload for ttl in range(1, 6)]
    return [head(ttl=ttl, id=ttl, **fields) / payload for ttl in range(1, 6)]


def overlapping() -> list[Packet]:
    body = bytes(tcp("S") / Raw(bytes(28)))
    first = head(id=905, flags="MF", proto=6) / Raw(body[:24])
    return [first, head(id=905, frag=2, proto=6) / Raw(body[16:])]


def syn() -> Packet:
    return tcp("S", options=[("MSS", 1460)])


def first_twice() -> list[Packet]:
    first, *rest = cut(syn(), 8, 906)
    return [first, first, *rest]


PACKETS: dict[str, Callable[[], Iterable[Packet | bytes]]] = {
    "traceroute-U": lambda: by_ttl(udp(33434, 32)),
    "traceroute-I": lambda: by_ttl(echo()),
    "traceroute-T": lambda: by_ttl(tcp("S")),
    "tracepath": lambda: by_ttl(udp(44444, 1200), flags="DF"),
    "syn": lambda: cut(syn(), 8, 901),
    "syn-backwards": lambda: cut(syn(), 8, 902)[::-1],
    "first-alone": lambda: cut(tcp("S") / Raw(bytes(40)), 24, 903)[:1],
    "last-alone": lambda: cut(tcp("S") / Raw(bytes(40)), 24, 904)[-1:],
    "overlapping": overlapping,
    "first-twice": first_twice,
    "big-datagram": lambda: cut(udp(443, 4000), 1200, 907),
    "big-echo": lambda: cut(echo(3000), 1200, 908),
    "unlisted": lambda: cut(syn(), 8, 909, UNLISTED),
    "esp": lambda: cut(Raw(bytes(range(100)) * 20), 1200, 910, proto=50),
    "wrong-ip": lambda: [bytes(head(far, chksum=0x1234) / tcp("S")) for far in (FAR, UNLISTED)],
    "wrong-tcp": lambda: [head() / tcp("S", chksum=0x1234)],
    "wrong-udp": lambda: [head() / udp(443, 9, chksum=0x1234)],
    "wrong-icmp": lambda: [head() / ICMP(id=77, chksum=0x1234)],
    "ack": lambda: [head() / tcp("A", ack=8)],
    "fin": lambda: [head() / tcp("F")],
    "reset": lambda: [head() / tcp("R")],
    "xmas": lambda: [head() / tcp("FPU")],
    "null": lambda: [head() / tcp("")],
    "syn-fin": lambda: [head() / tcp("SF")],
    "syn-with-data": lambda: [head() / tcp("S") / Raw(b"hello")],
    "syn-thrice": lambda: [head() / tcp("SU")] * 3,
    "syn-with-ecn": lambda: [head() / tcp("SEC")],
    "syn-with-options": lambda: [head(options=b"\x07\x07\x04\0\0\0\0\0") / tcp("SP")],
    "timestamp": lambda: [head() / ICMP(type=13, id=77)],
    "mask": lambda: [head() / ICMP(type=17, id=77)],
    "ip-in-ip": lambda: [head(proto=4) / head(UNLISTED) / tcp("S")],
    "gre": lambda: [head(proto=47) / GRE(proto=ETH_P_IP) / head(UNLISTED) / tcp("S")],
    "sctp": lambda: [
        head(proto=132) / Raw(bytes.fromhex("9c4001bb000000000000000001000014") + bytes(16))
    ],
    "dccp": lambda: [head(proto=33) / Raw(bytes.fromhex("9c4001bb04000000") + bytes(16))],
    "esp-of-nobody": lambda: [head(proto=50) / Raw(bytes(range(100)))],
}


def send(packet: Packet | bytes) -> None:
    """Send it; bytes as they are, as a raw socket would make IPv4's checksum right."""
    raw = bytes(packet)
    if raw[0] >> 4 == 6:
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as out:
            out.sendto(raw, (socket.inet_ntop(socket.AF_INET6, raw[24:40]), 0))
    elif isinstance(packet, Packet):
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as out:
            out.sendto(raw, (socket.inet_ntoa(raw[16:20]), 0))
    else:
        interface, hardware = next_hop(socket.inet_ntoa(raw[16:20]))
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as out:
            out.sendto(raw, (interface, ETH_P_IP, 0, 0, hardware))


def next_hop(address: str) -> tuple[str, bytes]:
    """Where packets for an address go: the interface, and on a wire the neighbour's hardware address."""
    words = subprocess.check_output(["ip", "route", "get", address], text=True).split()
    interface = words[words.index("dev") + 1]
    if "via" not in words:
        return interface, b""
    via = words[words.index("via") + 1]
    subprocess.run(["ping", "-c", "1", "-W", "1", via], stdout=subprocess.DEVNULL, check=False)
    seen = subprocess.check_output(["ip", "neigh", "show", via], text=True).split()
    return interface, bytes.fromhex(seen[seen.index("lladdr") + 1].replace(":", ""))


# -- sockets --------------------------------------------------------------------------------------


def connected() -> socket.socket:
    return socket.create_connection((FAR, 443), timeout=30)


def stay() -> None:
    """A connection on which nobody says a word, until the server has had enough."""
    with connected() as talking:
        talking.settimeout(None)
        assert not talking.recv(1)


def reset() -> None:
    with connected() as talking:
        talking.send(b"x")
        talking.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def urgent() -> None:
    with connected() as talking:
        talking.send(b"x", socket.MSG_OOB)


def keep_alive() -> None:
    with connected() as talking:
        talking.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        talking.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
        talking.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        talking.settimeout(None)
        assert not talking.recv(1)


def fast_open() -> None:
    with socket.socket() as opening:
        opening.sendto(b"x", socket.MSG_FASTOPEN, (FAR, 443))


def resolver() -> tuple[str, int]:
    return Path("/etc/resolv.conf").read_text().split()[1], 53


def ask_by_tcp() -> None:
    question = QUESTION % 0
    with socket.create_connection(resolver(), timeout=5) as asking:
        asking.send(struct.pack("!H", len(question)) + question)
        asking.recv(1000)


def ask_by_edns() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        asking.sendto(QUESTION % 1 + EDNS, resolver())
        asking.recv(4096)


SOCKETS = {
    "stay": stay,
    "reset": reset,
    "urgent": urgent,
    "keep-alive": keep_alive,
    "fast-open": fast_open,
    "ask-by-tcp": ask_by_tcp,
    "ask-by-edns": ask_by_edns,
}


# -- the table ------------------------------------------------------------------------------------


def do(command: str) -> None:
    kind, *names = command.split()
    if kind == "packets":
        for packet in (each for name in names for each in PACKETS[name]()):
            send(packet)
            time.sleep(GAP_S)
    elif kind == "sockets":
        for name in names:
            SOCKETS[name]()
    else:
        subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, check=False)


def main(table: str, topology: str, only: str = "") -> None:
    done = Path(os.environ["LAB_RUN_DIR"], "done.tsv")
    with Path(table).open() as file, done.open("w") as told:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if topology not in row["topologies"].split() or only not in ("", row["thing"]):
                continue
            began = time.time()
            print(f"== {row['thing']}", flush=True)
            do(row["command"])
            time.sleep(SEEN_BY_S)
            told.write(f"{row['thing']}\t{began}\t{time.time()}\n")
            told.flush()


main(*sys.argv[1:])
