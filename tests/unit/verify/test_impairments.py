"""Findings and diagnoses where a link damages, repeats or reorders packets: that is nobody's fault."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scapy.layers.inet import ICMP, IP, UDP

from lab.record.cause import PppCause
from lab.topology.model import Topology
from lab.topology.segment import Impairment
from lab.verify.finding import Verdict
from lab.wire import esp, isakmp, ppp
from lab.wire.decode import Frame
from tests.recordings import sealing
from tests.recordings.true_run import Recordings, TrueRun, with_payload

ETHERNET = 14
WIRES = "lan", "fw-inet", "dmz"


def twins(run: TrueRun) -> list[Frame]:
    """One ESP packet that the HMC sends, on each wire of its way."""
    first = next(s for s in run.case().esp_on("lan") if s.outgoing and s.opened.inner)
    return [
        sighting.frame
        for segment in WIRES
        for sighting in run.case().esp_on(segment)
        if sighting.sealed.data == first.sealed.data
    ]


def refuse(run: TrueRun, packets: int = 1) -> None:
    """The gateway's kernel counts packets whose ICV is wrong."""
    run.record.xfrm.setdefault("vpn1", {})["XfrmInStateProtoError"] = packets


def flip(run: TrueRun, frame: Frame, place: int, bits: int = 1) -> None:
    """Bits of the byte at a place of the ESP packet."""
    assert frame.ip is not None
    sealed = esp.sealed(frame.ip)
    assert sealed is not None
    data = bytearray(sealed.data)
    data[place] ^= bits
    run.change(frame, with_payload(frame, sealed, bytes(data)))


@pytest.mark.parametrize(("finding", "place"), [("P-05", -1), ("P-05", 20), ("P-04", 1)])
def test_what_was_damaged_between_two_wires_says_nothing_of_its_sender(
    finding: str, place: int, recordings: Recordings
) -> None:
    """A bit of the ICV, of the ciphertext, of the SPI: the wire before has it right."""
    run = recordings("vpn")
    _, *later = twins(run)
    for frame in later:
        flip(run, frame, place)
    refuse(run)
    assert run.judge()[finding].verdict is Verdict.held


@pytest.mark.parametrize(("bits", "verdict"), [(1, Verdict.held), (3, Verdict.failed)])
@pytest.mark.parametrize(("finding", "place"), [("P-05", -1), ("P-05", 20), ("P-04", 1)])
def test_what_is_wrong_on_every_wire_is_its_senders_unless_it_is_right_but_for_a_bit(
    finding: str, place: int, bits: int, verdict: Verdict, recordings: Recordings
) -> None:
    """One bit is what a line flips, or tc at the sender's plug; nobody computes such an ICV."""
    run = recordings("vpn")
    for frame in twins(run):
        flip(run, frame, place, bits)
    refuse(run)
    assert run.judge()[finding].verdict is verdict


def test_a_damaged_sequence_number_that_is_another_packets_excuses_and_accuses_nobody(
    recordings: Recordings,
) -> None:
    """The third packet's number from the first's by one bit, on the wire behind the damage."""
    run = recordings("vpn")
    _, *later = twins(run)
    for frame in later:
        flip(run, frame, 7, 2)
    refuse(run)
    assert run.judge()["P-05"].verdict is Verdict.held


@pytest.mark.parametrize("place", [-1, 20])
def test_an_icv_that_is_right_at_the_receiver_alone_was_not_damaged_on_the_way(
    place: int, recordings: Recordings
) -> None:
    run = recordings("vpn")
    _, outside, _ = twins(run)
    flip(run, outside, place)
    refuse(run)
    finding = run.judge()["P-05"]
    assert finding.verdict is Verdict.failed
    assert "1 of them came to the receiver with a right one" in finding.seen


def test_where_every_icv_is_wrong_no_link_is_the_excuse(recordings: Recordings) -> None:
    run = recordings("vpn")
    for segment in WIRES:
        for sighting in run.case().esp_on(segment):
            flip(run, sighting.frame, -1)
    refuse(run, 1000)
    assert run.judge(with_link(run.topology, "lan", corrupt=0.05))["P-05"].verdict is Verdict.failed


def test_tampering_is_not_its_senders(recordings: Recordings) -> None:
    run = recordings("vpn-nat.tampered-esp")
    assert run.judge()["P-05"].verdict is Verdict.held


@pytest.mark.parametrize(("recording", "finding"), [("vpn", "OUT-19"), ("vpn-nat", "OUT-20")])
def test_a_message_of_ike_that_is_damaged_is_read_by_nobody(
    recording: str, finding: str, recordings: Recordings
) -> None:
    """Its checksum of UDP is wrong; who sent it sends it again."""
    run = recordings(recording)
    last = run.find("fw-inet", lambda p: isakmp.message(p) is not None)[5]
    run.add("fw-inet", last.data[:-1] + bytes([last.data[-1] ^ 1]), last.time - 0.001)
    assert run.judge()[finding].verdict is Verdict.held


def test_ipcp_that_overtakes_success_was_sent_after_it(recordings: Recordings) -> None:
    """ESP numbers what the gateway sends."""
    run = recordings("vpn")
    (success,) = run.inside(
        lambda i: not i.outgoing and i.ppp and (i.ppp.protocol, i.ppp.code) == (ppp.CHAP, 3)
    )
    first = run.inside(lambda i: not i.outgoing and i.ppp and i.ppp.protocol == ppp.IPCP)[0]
    run.retime(first, success.frame.time - 0.001)
    assert run.judge()["P-09"].verdict is Verdict.held


def test_a_success_that_is_lost_and_not_repeated_was_sent_all_the_same(
    recordings: Recordings,
) -> None:
    """Another gateway's counts then; without a missing number IPCP would be too early."""
    run = recordings("vpn")
    (success,) = run.inside(
        lambda i: not i.outgoing and i.ppp and (i.ppp.protocol, i.ppp.code) == (ppp.CHAP, 3)
    )
    run.unseal([success])
    run.unseal(run.inside(lambda i: i.outgoing and i.ppp and i.ppp.protocol == ppp.IPCP))
    seen = run.judge()["P-09"].seen
    assert "1 right responses, 0 accepted" in seen
    assert "IPCP" not in seen


def test_a_success_that_is_lost_was_sent_before_ipcp(recordings: Recordings) -> None:
    """The gateway repeats it, after IPCP: the number before that of IPCP is missing."""
    run = recordings("vpn")
    (success,) = run.inside(
        lambda i: not i.outgoing and i.ppp and (i.ppp.protocol, i.ppp.code) == (ppp.CHAP, 3)
    )
    first = run.inside(lambda i: not i.outgoing and i.ppp and i.ppp.protocol == ppp.IPCP)[0]
    assert success.l2tp is not None
    run.seal(success, sealing.in_l2tp(success, success.l2tp.ppp), first.frame.time + 0.001)
    run.unseal([success])
    assert run.judge()["P-09"].verdict is Verdict.held


def with_link(
    topology: Topology,
    name: str,
    *,
    loss: float = 0.0,
    duplicate: float = 0.0,
    corrupt: float = 0.0,
) -> Topology:
    bad = Impairment(
        jitter_s=0.0, loss=loss, duplicate=duplicate, corrupt=corrupt, reorder=0.0, seed=0
    )
    segments = tuple(
        replace(each, impairment=bad) if each.name == name else each for each in topology.segments
    )
    return replace(topology, segments=segments)


@pytest.mark.parametrize(
    ("recording", "key", "before", "after"),
    [
        ("vpn-nat.replayed-esp", "duplicate", "replayed-esp", "duplicated-esp"),
        ("vpn-nat.tampered-esp", "corrupt", "tampered-esp", "corrupted-esp"),
    ],
)
def test_a_link_that_does_it_is_told_in_the_place_of_somebody(
    recording: str, key: str, before: str, after: str, recordings: Recordings
) -> None:
    """Only the link on which it happened, between fw-inet and dmz."""
    run = recordings(recording)
    other = run.diagnose(with_link(run.topology, "lan", **{key: 0.05}))
    own = run.diagnose(with_link(run.topology, "dmz", **{key: 0.05}))

    assert (other.cause, own.cause) == (before, after)
    assert "dmz, a link that" in own.sentence
    assert "5%" in own.sentence
    assert "nothing is wrong with the way home" in own.hint


def late_answer(run: TrueRun, *, port: int = 53) -> None:
    """The firewall says of an answer to its lookup that nobody waits for it any more."""
    answers = run.find("fw-inet", lambda p: p.source_port == 53 and p.protocol == 17)
    answer = IP(answers[0].data[ETHERNET:])
    answer[UDP].sport = port
    said = IP(src=answer.dst, dst=answer.src) / ICMP(type=3, code=3) / bytes(answer)[:28]
    run.put("fw-inet", "firewall", "internet", bytes(said), answers[0].time + 0.001)


def test_an_answer_that_comes_twice_is_answered_by_icmp(recordings: Recordings) -> None:
    """By RFC 792; this is no packet to somebody who is not listed."""
    run = recordings("direct")
    late_answer(run)
    assert run.judge()["g1"].verdict is Verdict.held
    assert run.judge()["OUT-03"].verdict is Verdict.held


def test_other_icmp_is_still_a_packet_to_who_is_not_listed(recordings: Recordings) -> None:
    run = recordings("direct")
    late_answer(run, port=54)
    assert run.judge()["g1"].verdict is Verdict.failed


@pytest.mark.parametrize(
    ("closed_s", "loss", "cause", "words"),
    [
        (-1.0, 0.0, "no-session", "PPP of hmc with vpn1 (129.42.160.16) did not come up: the peer"),
        (
            -1.0,
            0.1,
            "no-session",
            "did not come up, over lan, a link that loses 10% of all packets: ",
        ),
        (+1.0, 0.1, "gateway-died", "vpn1 (129.42.160.16) ceased to answer in mid-session"),
    ],
)
def test_a_gateway_whose_ppp_never_opened_and_that_spoke_on_has_not_died(
    closed_s: float, loss: float, cause: str, words: str, recordings: Recordings
) -> None:
    """The session ends before the gateway's last word, or after it."""
    run = recordings("vpn")
    (session,) = run.record.ppp
    ends = run.case().connections("hmc")[0]
    far = ends.gateway_address
    last = max(f.time for f in run.case().inside_frames if f.ip and f.ip.source == far)
    # What the HMC says after that is left unanswered.
    run.retime(run.inside(lambda item: item.outgoing)[-1], last + 30.0)
    assert run.case().silence(ends)
    run.record.gateway_in_use["hmc"] = "vpn2"
    session.opened, session.closed, session.cause = 0.0, last + closed_s, PppCause.ended_by_peer

    found = run.diagnose(with_link(run.topology, "lan", loss=loss))
    assert (found.cause, words in found.sentence) == (cause, True), found.sentence
    assert found.sentence.endswith("; vpn2 took over") or cause == "gateway-died"
