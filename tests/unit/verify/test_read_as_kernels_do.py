"""Runs judged as kernels read packets: fragments are of one datagram, a wrong checksum ends a packet.

And by the packets alone: who has other rules than the lab's is judged by what passes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.packet import Packet as Layers
from scapy.packet import Raw

from lab.linux import fence
from lab.verify import Verdict
from lab.verify.firewall import OWN_COUNTERS
from lab.wire import decode
from lab.wire.calls import Carried
from tests.recordings.true_run import ETHERNET, Recordings, TrueRun, failures
from tests.unit.verify.mutation import LISTED, SYN, UNLISTED, Change, enters, leaves
from tests.unit.verify.vpn_mutations import echo

IP_IN_PPP = b"\xff\x03\x00\x21"
PIECE_BYTES = 24
"""Of a transport header that is the ports, and not all of the rest."""
LISTED_BY_PHONE = "129.42.160.48"
HMC, POOL = "203.0.113.10", "203.0.113.130"


def verdicts(run: TrueRun) -> dict[str, Verdict]:
    return {name: found.verdict for name, found in run.judge().items()}


# -- every packet in fragments --------------------------------------------------------------------


def in_fragments(raw: bytes) -> list[bytes]:
    """An IP packet in fragments, the same on both sides of whatever passes it on whole."""
    ident = zlib.crc32(raw[-64:])
    if raw[0] >> 4 == 6:
        cut: Any = fragment6  # scapy has no types for it
        packet = IPv6(raw)
        whole = IPv6(src=packet.src, dst=packet.dst) / IPv6ExtHdrFragment(id=ident)
        whole = whole / Raw(raw[40:])
        whole[IPv6ExtHdrFragment].nh = packet.nh
        return [bytes(each) for each in cut(whole, 56 + PIECE_BYTES)]
    old = IP(raw)
    body = raw[old.ihl * 4 : old.len]
    head = {"src": old.src, "dst": old.dst, "ttl": old.ttl, "proto": old.proto}
    return [
        bytes(
            IP(
                **head,
                id=ident & 0xFFFF,
                frag=at // 8,
                flags="MF" if at + PIECE_BYTES < len(body) else 0,
            )
            / Raw(body[at : at + PIECE_BYTES])
        )
        for at in range(0, len(body), PIECE_BYTES)
    ]


def fragment_wires(run: TrueRun) -> int:
    """Every IP packet of every wire goes in fragments; how many there were."""
    done = 0
    for segment, frames in run.wire.items():
        found: list[decode.Frame] = []
        for frame in frames:
            if frame.ip is None or frame.ip.is_fragment or frame.ip.length <= 40 + PIECE_BYTES:
                found.append(frame)
                continue
            done += 1
            head = frame.data[:ETHERNET]
            raw = frame.data[ETHERNET:]
            found += [
                decode.read_frame(segment, 0, frame.time, head + each) for each in in_fragments(raw)
            ]
        run.wire[segment] = found
    return done


def fragment_lines(run: TrueRun) -> None:
    """What telephone lines carry goes in the same fragments."""
    for item in [i for i in run.carried if i.data and i.data.length > 40 + PIECE_BYTES]:
        content = item.frame.data
        if not content.startswith(IP_IN_PPP):
            continue
        run.unsay([item])
        for each in in_fragments(content[len(IP_IN_PPP) :]):
            run.say(item, IP_IN_PPP + each, item.frame.time)


@pytest.mark.parametrize(
    "name", ["direct-snat", "direct-ipv6", "direct-names", "vpn", "vpn-nat", "vpn-nat.tampered-esp"]
)
def test_fragments_change_no_verdict(name: str, recordings: Recordings) -> None:
    run, before = recordings(name), verdicts(recordings(name))

    assert fragment_wires(run) > 20

    assert verdicts(run) == before


def test_nor_do_they_by_telephone(recordings: Recordings) -> None:
    """The fence counts datagrams: conntrack has put them together by then."""
    run, before = recordings("dial"), verdicts(recordings("dial"))

    assert fragment_wires(run) > 20
    fragment_lines(run)

    assert verdicts(run) == before


def leaves_in_fragments(far: str, payload: Layers, kept: slice = slice(None)) -> Change:
    """A datagram leaves the customer in fragments, or some of them do."""

    def change(run: TrueRun) -> None:
        for each in in_fragments(bytes(IP(src=HMC, dst=far) / payload))[kept]:
            run.put("fw-inet", "firewall", "internet", each, run.end)

    return change


def enters_in_fragments(run: TrueRun) -> None:
    for each in in_fragments(bytes(IP(src=LISTED, dst=HMC) / SYN / Raw(bytes(40)))):
        run.put("lan", "firewall", "hmc", each, run.end)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (leaves_in_fragments(UNLISTED, SYN / Raw(bytes(40))), {"OUT-01", "F-03", "g1", "g4"}),
        (
            leaves_in_fragments(LISTED, TCP(dport=22, flags="S") / Raw(bytes(40))),
            {"OUT-01", "F-03", "g4"},
        ),
        (
            leaves_in_fragments(LISTED, UDP(sport=500, dport=500) / Raw(bytes(40))),
            {"OUT-01", "F-03", "g4"},
        ),
        (leaves_in_fragments(LISTED, TCP(dport=22) / Raw(bytes(40)), slice(1)), {"F-03", "g4"}),
        (leaves_in_fragments(UNLISTED, SYN / Raw(bytes(40)), slice(1, None)), {"F-03", "g1", "g4"}),
        (enters_in_fragments, {"F-03", "g2", "OUT-02"}),
    ],
    ids=["unlisted", "SSH", "IKE", "the first for SSH", "unlisted, unread", "a SYN enters"],
)
def test_what_is_wrong_is_wrong_in_fragments_too(
    change: Change, wrong: set[str], recordings: Recordings
) -> None:
    run = recordings("direct")
    change(run)

    assert failures(run.judge()) == wrong


def test_a_fragment_without_its_first_is_told_and_fails_nothing(recordings: Recordings) -> None:
    run = recordings("direct")
    leaves_in_fragments(LISTED, TCP(dport=443) / Raw(bytes(40)), slice(1, None))(run)

    findings = run.judge()

    assert failures(findings) == set()
    assert "beside 2 fragments unread" in findings["F-03"].seen
    assert "2 of TCP, unread as its first fragment is missing" in findings["g4"].seen


# -- wrong checksums ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["direct-snat", "vpn", "dial"])
def test_a_packet_whose_header_has_a_wrong_checksum_is_nobodys(
    name: str, recordings: Recordings
) -> None:
    """A copy of every packet whose bits have flipped, in the address of the other end."""
    run, before = recordings(name), verdicts(recordings(name))
    for segment, frames in run.wire.items():
        for frame in [f for f in frames if f.ip and f.ethertype == decode.ETHERTYPE_IPV4]:
            run.add(segment, spoilt(frame.data, ETHERNET + 17), frame.time)
    for item in [i for i in run.carried if i.data]:
        run.say(
            item,
            spoilt(item.frame.data, len(item.frame.data) - len(bytes_of(item)) + 17),
            item.frame.time,
        )

    assert verdicts(run) == before


def bytes_of(item: Carried) -> bytes:
    assert item.ppp is not None
    return item.ppp.body


def spoilt(data: bytes, at: int) -> bytes:
    return data[:at] + bytes((data[at] ^ 0x10,)) + data[at + 1 :]


def syns_of(**fields: Any) -> Change:
    """SYNs of the HMC's to a listed server on its own wire, which go no further."""

    def change(run: TrueRun) -> None:
        ttl = fields.pop("ttl", 64)
        syn = TCP(sport=4009, dport=443, flags="S", **fields)
        run.put("lan", "hmc", "firewall", bytes(IP(src=HMC, dst=LISTED, ttl=ttl) / syn), run.end)

    return change


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (syns_of(chksum=0x1234), set()),
        (syns_of(ttl=2), set()),
        (syns_of(), {"R-09"}),
    ],
    ids=["checksum", "TTL", "a good one"],
)
def test_a_server_owes_no_answer_to_what_cannot_come_to_it(
    change: Change, wrong: set[str], recordings: Recordings
) -> None:
    run = recordings("direct")
    change(run)

    assert failures(run.judge()) == wrong


# -- AT&T's fence ---------------------------------------------------------------------------------


def before_trials(run: TrueRun) -> float:
    """A moment at which the call stands and is quiet."""
    return run.record.trials[0].started - 1


def calls_out(run: TrueRun, packet: Layers) -> None:
    """A caller's packet, which the fence lets out by its address, and counts."""
    raw, at = bytes(packet), before_trials(run)
    item = run.lines(lambda i: i.outgoing and bool(i.data) and i.frame.time < at)[-1]
    run.say(item, IP_IN_PPP + raw, at)
    if decode.parse_ip(raw) is not None:
        run.put("lig-inet", "lig", "internet", raw, at + 0.1)
        run.record.counters["lig"][fence.LISTED] += 1


def answers(run: TrueRun, packet: Layers, *, heard: bool) -> None:
    """A server's packet for the caller."""
    raw, at = bytes(packet), before_trials(run) + 0.2
    run.put("lig-inet", "internet", "lig", raw, at)
    if heard:
        item = run.lines(lambda i: not i.outgoing and bool(i.data) and i.frame.time < at)[-1]
        run.say(item, IP_IN_PPP + raw, at + 0.1)
    run.record.counters["lig"][fence.REPLY if heard else fence.UNSOLICITED] += 1


def ours(**fields: Any) -> IP:
    return IP(src=POOL, dst=LISTED_BY_PHONE, id=4711, **fields)


def theirs(**fields: Any) -> IP:
    return IP(src=LISTED_BY_PHONE, dst=POOL, id=4712, **fields)


def to_any_port(run: TrueRun) -> None:
    """As traceroute sends, and the server refuses: long, so that the error quotes a part of it."""
    asked = ours() / UDP(sport=40000, dport=33434) / Raw(bytes(1000))
    calls_out(run, asked)
    answers(run, theirs() / ICMP(type=3, code=3) / Raw(bytes(asked)[:548]), heard=True)


def by_wrong_checksum(run: TrueRun) -> None:
    """pppd's demand dialling makes such a packet."""
    calls_out(run, ours(chksum=0x1234) / ICMP(id=9))


def answer_of_wrong_checksum(run: TrueRun) -> None:
    calls_out(run, ours() / UDP(sport=40001, dport=443) / Raw(b"hello"))
    answers(run, theirs() / UDP(sport=443, dport=40001, chksum=0x1234) / Raw(b"x"), heard=False)


def answer_to_no_connection(run: TrueRun) -> None:
    """As ``nmap -sX`` has it: conntrack takes the flags for no beginning, and the reset for no answer."""
    calls_out(run, ours() / TCP(sport=40002, dport=443, flags="FPU"))
    answers(run, theirs() / TCP(sport=443, dport=40002, flags="RA"), heard=False)


def answered_timestamp(run: TrueRun) -> None:
    calls_out(run, ours() / ICMP(type=13, id=9))
    answers(run, theirs() / ICMP(type=14, id=9), heard=True)


RIGHT = [
    to_any_port,
    by_wrong_checksum,
    answer_of_wrong_checksum,
    answer_to_no_connection,
    answered_timestamp,
]


@pytest.mark.parametrize("change", RIGHT)
def test_what_callers_may_send_fails_nothing(
    change: Callable[[TrueRun], None], recordings: Recordings
) -> None:
    run = recordings("dial")
    change(run)

    assert failures(run.judge()) == set()


def ike_by_telephone(run: TrueRun) -> None:
    calls_out(
        run, IP(src=POOL, dst="129.42.160.16", id=4711) / UDP(sport=500, dport=500) / Raw(bytes(40))
    )


def unasked(run: TrueRun) -> None:
    answers(run, theirs() / UDP(sport=443, dport=40009) / Raw(b"hello"), heard=True)


def error_about_nothing(run: TrueRun) -> None:
    quoted = bytes(ours() / UDP(sport=40010, dport=443))
    answers(run, theirs() / ICMP(type=3, code=3) / Raw(quoted), heard=True)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (ike_by_telephone, {"g4"}),
        (unasked, {"L-05", "L-06", "L-07"}),
        (error_about_nothing, {"L-05", "L-06", "L-07"}),
    ],
)
def test_what_callers_may_not_send_or_hear_fails(
    change: Callable[[TrueRun], None], wrong: set[str], recordings: Recordings
) -> None:
    run = recordings("dial")
    change(run)

    assert failures(run.judge()) == wrong


# -- by the packets -------------------------------------------------------------------------------


def with_own_rules(run: TrueRun) -> None:
    """Somebody has put other rules in the place of the lab's: their counters are gone."""
    run.record.counters["firewall"] = {}


@pytest.mark.parametrize(
    "name", ["direct", "direct-snat", "vpn", "vpn-nat", "proxy", "dial", "esa-aix"]
)
def test_rules_of_ones_own_are_judged_by_what_passes(name: str, recordings: Recordings) -> None:
    run, before = recordings(name), verdicts(recordings(name))
    with_own_rules(run)

    assert verdicts(run) == before


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (leaves(UNLISTED, SYN), {"OUT-01", "F-03", "g1", "g4"}),
        (leaves(LISTED, TCP(dport=80, flags="S")), {"OUT-01", "F-03", "g4"}),
        (enters(IP(src=UNLISTED) / UDP(sport=53, dport=5353)), {"F-03"}),
    ],
    ids=["unlisted", "another port", "inwards"],
)
def test_own_rules_that_let_too_much_through_fail(
    change: Change, wrong: set[str], recordings: Recordings
) -> None:
    run = recordings("direct")
    with_own_rules(run)
    change(run)

    assert failures(run.judge()) == wrong


def test_the_labs_own_rules_must_have_counted(recordings: Recordings) -> None:
    """Where they are there at the end, their counters are a second witness."""
    run = recordings("direct")
    run.record.counters["firewall"] = dict.fromkeys(OWN_COUNTERS, 0)

    findings = run.judge()

    assert failures(findings) == {"F-03"}
    assert "the firewall has no counter for F-03" in findings["F-03"].seen


# -- scans ----------------------------------------------------------------------------------------


def scan_of_protocols(run: TrueRun) -> None:
    """``nmap -sO``: no header behind IP's."""
    for protocol in (50, 51, 47):
        packet = bytes(IP(src=HMC, dst=LISTED, proto=protocol))
        run.put("lan", "hmc", "firewall", packet, run.end)


def ike_to(far: str) -> Change:
    def change(run: TrueRun) -> None:
        packet = IP(src=HMC, dst=far) / UDP(sport=500, dport=500) / Raw(bytes(40))
        run.put("lan", "hmc", "firewall", bytes(packet), run.end)

    return change


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (scan_of_protocols, set()),
        (ike_to(LISTED), set()),
        (ike_to("129.42.160.16"), {"g4"}),
        (leaves(LISTED, TCP(sport=4100, dport=443, flags="A")), set()),
        (leaves(UNLISTED, TCP(sport=4100, dport=443, flags="A")), {"OUT-01", "F-03", "g1", "g4"}),
    ],
    ids=[
        "protocols",
        "IKE to a server",
        "IKE to a VPN gateway",
        "an ACK",
        "an ACK to who is not listed",
    ],
)
def test_a_scan_is_no_way_home(change: Change, wrong: set[str], recordings: Recordings) -> None:
    run = recordings("direct")
    change(run)

    assert failures(run.judge()) == wrong


def error_about_a_lookup(run: TrueRun) -> None:
    """The resolver's answer came twice, and the second time to a port that was closed by then."""
    answer = run.find("fw-inet", lambda p: p.uses_udp(53) and p.source_port == 53)[0]
    packet = IP(answer.data[ETHERNET:])
    error = IP(src=packet.dst, dst=packet.src) / ICMP(type=3, code=3) / Raw(bytes(packet))
    run.put("fw-inet", "firewall", "internet", bytes(error), run.end)


def test_an_error_about_a_lookup_is_part_of_it(recordings: Recordings) -> None:
    run = recordings("direct")
    error_about_a_lookup(run)
    assert failures(run.judge()) == set()

    leaves("198.18.0.54", ICMP(type=3, code=3) / Raw(bytes(IP(dst=LISTED) / SYN)))(run)
    assert failures(run.judge()) == {"g1"}


# -- what is altered on its way -------------------------------------------------------------------


def altered(run: TrueRun, *wires: str) -> None:
    """An ESP packet is altered, and is so on the wires from there on."""
    item = echo(run)
    sealed = decode.read_frame("", 0, 0.0, item.frame.data).ip
    assert sealed is not None
    for segment in wires:
        for frame in run.find(segment, lambda p: p.payload[:8] == sealed.payload[:8]):
            run.change(frame, spoilt(frame.data, len(frame.data) - 1))


def counted(run: TrueRun, name: str, number: int = 1) -> None:
    run.record.xfrm.setdefault("vpn1", {})[name] = number


@pytest.mark.parametrize(
    ("name", "number", "wrong"),
    [
        ("XfrmInStateProtoError", 1, set()),
        ("XfrmInStateSeqError", 1, set()),
        ("XfrmInStateProtoError", 0, {"P-05", "P-22"}),
        ("XfrmInStateProtoError", 2, {"P-22"}),
    ],
)
def test_what_was_altered_and_dropped_says_nothing_against_the_icv(
    name: str, number: int, wrong: set[str], recordings: Recordings
) -> None:
    """Corrupted on the way, without any fault of the lab's: the diagnosis calls it altered, too."""
    run = recordings("vpn")
    altered(run, "fw-inet", "dmz")
    counted(run, name, number)

    findings = run.judge()

    assert failures(findings) == wrong
    if not wrong:
        assert "1 packet altered on the way" in findings["P-05"].seen


def test_a_wrong_icv_that_mends_on_the_way_is_not_altered(recordings: Recordings) -> None:
    run = recordings("vpn")
    altered(run, "fw-inet")
    counted(run, "XfrmInStateProtoError")

    assert "P-05" in failures(run.judge())


def test_esp_of_an_sa_that_the_receiver_does_not_know_either_is_a_probe(
    recordings: Recordings,
) -> None:
    run = recordings("vpn")
    leaves("129.42.160.16", Raw(bytes(range(101, 141))), 50)(run)
    assert failures(run.judge()) == {"P-04"}

    counted(run, "XfrmInNoStates")
    assert failures(run.judge()) == set()


def pieces(run: TrueRun) -> Iterator[bytes]:
    yield from in_fragments(
        run.find("fw-inet", lambda p: p.protocol == decode.ESP)[0].data[ETHERNET:]
    )


def test_esp_of_which_a_fragment_is_lost_is_unread(recordings: Recordings) -> None:
    run = recordings("vpn")
    frame = run.find("fw-inet", lambda p: p.protocol == decode.ESP)[0]
    for each in list(pieces(run))[:-1]:
        run.add("fw-inet", frame.data[:ETHERNET] + each, run.end)

    assert failures(run.judge()) == set()
