"""What is made of L2TP in clear: whose call is whose, and what is told of a partition that fails."""

from __future__ import annotations

import struct

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw

from lab.verify import passed_on
from lab.verify.finding import Verdict
from lab.verify.passed_on import SeenCall
from lab.wire import arp
from lab.wire.decode import ESP, Frame
from lab.wire.l2tp import Avp, ControlType
from tests.recordings.true_run import Recordings, TrueRun
from tests.unit.verify.test_impairments import with_link

RUN = "pass-through-vpn"
I5 = "203.0.113.20"
ETHERNET = 14


def silenced(run: TrueRun) -> TrueRun:
    """Nothing of the partition's is on UDP 1701 of the HMC's wire, and nobody has come home."""
    run.drop("i5-lan", run.find("i5-lan", lambda p: p.source == I5 and p.uses_udp(1701)))
    run.record.calls.clear()
    run.record.path_up = 0.0
    return run


def test_the_other_direction_of_udp_1701_looks_like_a_silent_partition(
    recordings: Recordings,
) -> None:
    """Whether the HMC's packets get to the partition is on no wire: the hint names both (OUT-28)."""
    found = silenced(recordings("pass-through-vpn.udp-1701-one-way")).diagnose()

    assert found.cause == "i5-silent"
    assert "i5 sent no IKE packet" in found.sentence
    assert "whether i5 runs, and whether UDP 1701 of hmc gets to it (OUT-28)" in found.hint


def test_a_partition_that_is_not_on_the_wire_gets_no_l2tp_and_is_silent_all_the_same(
    recordings: Recordings,
) -> None:
    """It was gone before anybody asked for its address, as one that is to help out may be."""
    run = silenced(recordings("pass-through-vpn.udp-1701-one-way"))
    answers = {id(m.frame) for m in arp.read(run.wire["i5-lan"]) if m.sender == I5}
    run.drop("i5-lan", [f for f in run.wire["i5-lan"] if id(f) in answers])
    sent = run.find("i5-lan", lambda p: p.uses_udp(1701))
    run.drop("i5-lan", sent)
    found = run.diagnose()

    assert found.cause == "i5-silent"
    assert "i5 (203.0.113.20) is not on i5-lan: hmc asked for its address by ARP" in found.sentence
    assert "no L2TP packet was sent; i5 sent no IKE packet" in found.sentence


def test_a_partition_that_sent_ike_is_not_said_to_have_sent_none(recordings: Recordings) -> None:
    found = silenced(recordings(RUN)).diagnose()

    assert found.cause == "i5-silent"
    assert "i5 sent 7 IKE packets" in found.sentence


def test_what_ends_at_a_gateway_is_not_the_partitions_end(recordings: Recordings) -> None:
    """The gateways fall silent in mid-session; the partition goes on to pass the HMC's PPP on."""
    run = recordings(RUN)
    case = run.case()
    since = case.data("hmc")[0][0].frame.time

    def of_gateway(frame: Frame) -> bool:
        return frame.ip is not None and frame.time > since and frame.ip.source in case.gateways

    back = {s.frame.data for s in case.clear if not s.outgoing and s.ppp and s.frame.time > since}
    for segment in ("fw-inet", "dmz", "i5-lan"):
        gone = [f for f in run.wire[segment] if of_gateway(f) or f.data in back]
        run.drop(segment, gone)
    run.record.calls[-1].succeeded = False

    assert run.diagnose().cause != "i5-died"


def test_each_call_in_esp_has_the_hmcs_that_it_carries(recordings: Recordings) -> None:
    case = recordings(RUN).case()

    (call,) = case.passed_calls
    (near,) = case.clear_calls
    assert (call.ends, call.client, call.near) == (("i5", "vpn1"), "hmc", near)
    assert near.ends == ("hmc", "i5")
    assert near.began < call.began < call.ended
    carried = [(i.outgoing, i.ppp.body) for i in call.frames if i.ppp]
    assert sorted(carried) == sorted((s.outgoing, s.ppp.body) for s in near.frames if s.ppp)
    assert {item.client for item in call.items} == {"hmc"}
    # Of the tunnel nothing says for whom it is.
    own = {id(item) for item in call.items}
    assert {item.client for item in case.all_insides if id(item) not in own} == {"i5"}


def test_a_call_that_carries_nothing_of_an_hmc_is_nobodys(recordings: Recordings) -> None:
    case = recordings(RUN).case()

    (call,) = passed_on.passed_calls(case.all_insides, [SeenCall(("hmc", "i5"))])

    assert call.client == ""


def test_calls_are_told_apart_also_if_a_number_is_used_again(recordings: Recordings) -> None:
    """A session's number is free again after CDN (RFC 2661 5.2)."""
    clear = recordings(RUN).case().clear

    first, second = passed_on.clear_calls([*clear, *clear])

    assert len(first.items) == len(second.items)
    assert first.items[0] is second.items[0]


def test_a_firewall_that_says_that_the_partition_is_gone_lets_nobody_out(
    recordings: Recordings,
) -> None:
    """By ICMP, from the firewall's own address, to the gateway whose packet had nowhere to go."""
    run = recordings(RUN)
    esp = run.find("fw-inet", lambda p: p.destination == I5 and p.protocol == ESP)[-1]
    packet = IP(esp.data[ETHERNET:])
    said = IP(src="198.51.100.2", dst=packet.src) / ICMP(type=3, code=1) / bytes(packet)[:28]
    run.put("fw-inet", "firewall", "internet", bytes(said), run.end)
    assert run.judge()["OUT-29"].verdict is Verdict.held

    said = IP(src="198.51.100.2", dst=packet.src) / ICMP(type=8)
    run.put("fw-inet", "firewall", "internet", bytes(said), run.end)
    assert run.judge()["OUT-29"].verdict is Verdict.failed


def test_what_a_firewall_says_of_a_dead_partition_is_its_own_word(recordings: Recordings) -> None:
    """Its ICMP errors leave with its own address, and are no packet of a stranger's (OUT-03)."""
    run = recordings("pass-through-vpn.i5-dies")
    case = run.case()
    own = [p for _, p in case.leaving if p.source == case.public_address]
    assert own
    assert {packet.protocol for packet in own} == {1}

    assert case.public_address not in run.judge()["OUT-03"].seen


def test_what_a_link_doubles_the_partition_passes_on_twice(recordings: Recordings) -> None:
    run = recordings(RUN)
    back = [s for s in run.case().clear if s.ppp and not s.outgoing][-1]
    run.add("i5-lan", back.frame.data, back.frame.time + 0.000001)

    assert run.judge()["OUT-27"].verdict is Verdict.failed
    doubling = with_link(run.topology, "i5-lan", duplicate=0.05)
    assert run.judge(doubling)["OUT-27"].verdict is Verdict.held
    losing = with_link(run.topology, "i5-lan", loss=0.05)
    assert run.judge(losing)["OUT-27"].verdict is Verdict.failed


@pytest.mark.parametrize("fault", ["i5-silent", "udp-1701-one-way"])
def test_no_gateway_is_called_silent_that_no_partition_was_asked_to_try(
    recordings: Recordings, fault: str
) -> None:
    finding = recordings(f"{RUN}.{fault}").judge()["R-07"]

    assert finding.verdict is Verdict.not_applicable, finding.seen
    assert finding.seen.endswith("hmc asked i5 for no call, so i5 tried no VPN server")


def test_a_partition_that_tries_no_second_gateway_is_blamed_for_that(
    recordings: Recordings,
) -> None:
    """It was asked for a call: its IKE with the second gateway is gone from the wires."""
    run = recordings(f"{RUN}.vpn1-silent")
    vpn2 = "207.25.252.196"
    for segment in ("i5-lan", "fw-inet", "dmz"):
        run.drop(segment, run.find(segment, lambda p: vpn2 in (p.source, p.destination)))

    finding = run.judge()["R-07"]

    assert finding.verdict is Verdict.failed
    assert "vpn1 was silent, and i5 did not try vpn2" in finding.seen


BARE = "L2TP of hmc has no UDP checksum on i5-lan, a link that corrupts 5% of all packets"


def cleared_for(run: TrueRun, words: bytes) -> TrueRun:
    """The partition clears the HMC's call after ICCN, as RFC 2661 4.4.2 has it, and nothing comes after."""
    (call,) = run.case().clear_calls
    icrp, iccn = (
        next(i for i in call.items if i.l2tp.control_type == kind)
        for kind in (ControlType.ICRP, ControlType.ICCN)
    )
    for segment, frames in run.wire.items():
        run.drop(segment, [frame for frame in frames if frame.time > iccn.frame.time])
    head = icrp.packet.payload
    avps = struct.pack("!4H", 0x8008, 0, Avp.message_type, ControlType.CDN)
    avps += struct.pack("!5H", 0x8000 | 10 + len(words), 0, Avp.result_code, 2, 3) + words
    message = head[:2] + struct.pack("!H", 12 + len(avps)) + head[4:8]
    message += struct.pack("!HH", icrp.l2tp.sequence + 1, iccn.l2tp.sequence + 1) + avps
    packet = IP(icrp.frame.data[ETHERNET:])
    packet[UDP].payload = Raw(message)
    del packet.len, packet.chksum, packet[UDP].len, packet[UDP].chksum
    run.put("i5-lan", "i5", "hmc", bytes(packet), iccn.frame.time + 0.001)
    run.record.calls.clear()
    run.record.ppp.clear()
    run.record.path_up = 0.0
    return run


def test_a_call_that_is_cleared_for_a_damaged_message_is_told_with_the_link(
    recordings: Recordings,
) -> None:
    """No packet of ESP is damaged, but that would not be the reason."""
    run = cleared_for(recordings(RUN), b"Framing Type (19) is 33")
    found = run.diagnose(with_link(run.topology, "i5-lan", corrupt=0.05))

    assert found.cause == "corrupted-l2tp"
    assert found.sentence == (
        f"{BARE}, so nobody notices what is damaged there; i5 clears the call of hmc: result 2, error 3: "
        "Framing Type (19) is 33"
    )
    assert found.hint == "take corrupt: off i5-lan, and see whether the failure stays"
    assert run.diagnose().cause != "corrupted-l2tp"


def test_a_way_that_did_not_come_up_for_no_other_reason_is_told_with_the_link(
    recordings: Recordings,
) -> None:
    run = cleared_for(recordings(RUN), b"")
    found = run.diagnose(with_link(run.topology, "i5-lan", corrupt=0.05))

    assert found.cause == "corrupted-l2tp"
    assert found.sentence == f"{BARE}, so nobody notices what is damaged there"
    run.record.path_up = run.record.started
    run.record.blame = None
    run.record.command_status = 7
    assert run.diagnose(with_link(run.topology, "i5-lan", corrupt=0.05)).cause != "corrupted-l2tp"


def test_what_the_hmc_sends_has_no_checksum_and_what_the_partition_sends_has_one(
    recordings: Recordings,
) -> None:
    clear = recordings(RUN).case().clear
    bare = {(s.packet.source == I5, s.packet.body[6:8] == bytes(2)) for s in clear}

    assert bare == {(False, True), (True, False)}


def test_a_password_is_not_blamed_alone_where_damage_may_have_changed_it(
    recordings: Recordings,
) -> None:
    run = recordings("pass-through-modem.wrong-pap-password")
    before = run.diagnose()
    after = run.diagnose(with_link(run.topology, "i5-lan", corrupt=0.05))
    other = run.diagnose(with_link(run.topology, "dmz", corrupt=0.05))

    assert (before.cause, after.cause) == ("wrong-pap-password", "wrong-pap-password")
    assert after.sentence == f"{before.sentence}; {BARE}, so nobody notices what is damaged there"
    assert after.hint.startswith(
        "take corrupt: off i5-lan, and see whether the failure stays; then "
    )
    assert other == before


@pytest.mark.parametrize(
    "recording", ["pass-through-vpn.wrong-psk", "pass-through-modem.no-answer"]
)
def test_what_damage_of_l2tp_in_clear_cannot_bring_about_is_told_alone(
    recording: str, recordings: Recordings
) -> None:
    run = recordings(recording)

    assert run.diagnose(with_link(run.topology, "i5-lan", corrupt=0.05)) == run.diagnose()
