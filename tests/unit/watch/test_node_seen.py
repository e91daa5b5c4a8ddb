"""What a node answers, read: as iproute2 and nft print it, with what may be missing."""

from __future__ import annotations

import json

from lab.watch import node_seen
from lab.watch.node_seen import CounterSeen, LinkSeen, NodeSeen

STATES = """\
src 192.168.10.10 dst 129.42.160.16
\tproto esp spi 0xcb70dbf7(3413171191) reqid 1(0x00000001) mode tunnel
\treplay-window 0 seq 0x00000000 flag af-unspec (0x00100000)
\tauth-trunc hmac(md5) <<Keys hidden>> (128 bits) 96
\tenc cbc(des3_ede) <<Keys hidden>> (192 bits)
\tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0
\tlifetime config:
\t  limit: soft (INF)(bytes), hard (INF)(bytes)
\t  expire add: soft 1879(sec), hard 2400(sec)
\t  expire use: soft 0(sec), hard 0(sec)
\tlifetime current:
\t  731(bytes), 11(packets)
\t  add 2026-11-30 17:29:54 use 2026-11-30 17:29:55
\tstats:
\t  replay-window 0 replay 0 failed 0
src 129.42.160.16 dst 192.168.10.10
\tproto esp spi 0x00000d59(3417) reqid 1(0x00000001) mode transport
\treplay-window 32 seq 0x00000000
\taead rfc4106(gcm(aes)) <<Keys hidden>> (160 bits) 128
\tlifetime config:
\t  expire add: soft 0(sec), hard 0(sec)
\tlifetime current:
\t  0(bytes), 0(packets)
\t  add 2026-11-30 17:29:44 use -
"""
LINKS = [
    {"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}]},
    {"ifname": "ppp0", "addr_info": [{"local": "10.254.1.2", "address": "10.254.1.1"}]},
    {"ifname": "ppp1", "addr_info": []},
]
COUNTERS = {
    "nftables": [
        {"metainfo": {"version": "1.0.6"}},
        {"counter": {"name": "allow-F-07-1", "comment": "F-07", "packets": 3, "bytes": 208}},
        {"counter": {"name": "lookups", "packets": 0, "bytes": 0}},
    ]
}
CLOCK = 1796059800.5
"""2026-11-30 17:30:00.5 UTC."""


def answer(**parts: str) -> str:
    whole = {
        "clock": f"{CLOCK:.9f}\n", "links": json.dumps(LINKS), "states": STATES,
        "counters": json.dumps(COUNTERS), **parts,
    }  # fmt: skip
    return "".join(f"=lab-watch={name}\n{text}" for name, text in whole.items())


def test_an_answer_is_read() -> None:
    seen = node_seen.parse("hmc", answer())

    assert seen.clock == CLOCK
    assert seen.links == (LinkSeen(interface="ppp0", own="10.254.1.2", peer="10.254.1.1"),)
    assert seen.counters == (
        CounterSeen(name="allow-F-07-1", requirement="F-07", packets=3, bytes=208),
        CounterSeen(name="lookups", requirement="", packets=0, bytes=0),
    )
    first, second = seen.sas
    assert (first.source, first.destination) == ("192.168.10.10", "129.42.160.16")
    assert (first.spi, first.mode, first.by_udp) == ("0xcb70dbf7", "tunnel", True)
    assert (first.age_s, first.rekey_in_s) == (6.5, 1872.5)
    assert (first.bytes, first.packets) == (731, 11)
    assert first.ciphers == "hmac(md5), cbc(des3_ede)"
    assert (second.mode, second.by_udp, second.age_s, second.rekey_in_s) == (
        "transport",
        False,
        16.5,
        None,
    )
    assert second.ciphers == "rfc4106(gcm(aes))"


def test_what_is_missing_is_missing() -> None:
    assert node_seen.parse("hmc", "") == NodeSeen(node="hmc", clock=0.0)
    seen = node_seen.parse("hmc", answer(states="", counters="Error: no nft\n", links=""))
    assert seen == NodeSeen(node="hmc", clock=CLOCK)


def test_no_key_is_ever_asked_for() -> None:
    (command,) = (line for line in node_seen.QUESTION[-1].splitlines() if "xfrm" in line)

    assert "state list nokeys" in command
