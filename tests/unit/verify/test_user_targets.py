"""Targets that users enter (OUT-44): which packets are of a connection to one, in runs and in captures."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.packet import Packet as Layers
from scapy.packet import Raw

from lab.offload.events import TargetTried
from lab.topology.model import Topology
from lab.verify import Verdict
from lab.verify.outside import judge_outside
from lab.wire.decode import Frame, Packet
from tests.recordings.true_run import Recordings, TrueRun, failures

NAME, TARGET, OUTER, HMC = "user-target", "203.0.113.20", "198.51.100.2", "192.168.10.10"


@pytest.fixture
def run(recordings: Recordings) -> TrueRun:
    return recordings(NAME)


def unflagged(model: Topology) -> Topology:
    return replace(model, user_targets=())


def port_of(run: TrueRun) -> int:
    """From which the HMC offloaded, as the Internet sees it."""
    frame = run.find("fw-inet", lambda p: p.is_bare_syn and p.destination == TARGET)[0]
    assert frame.ip is not None
    return frame.ip.source_port


def too_big(quoted: Layers) -> bytes:
    """The firewall says to the target that its packet is too big (RFC 1191)."""
    return bytes(IP(src=OUTER, dst=TARGET) / ICMP(type=3, code=4) / Raw(bytes(quoted)))


def test_an_icmp_error_about_such_a_connection_is_of_it(run: TrueRun) -> None:
    """A link of the customer's with a smaller MTU has the firewall say so."""
    quoted = IP(src=TARGET, dst=OUTER) / TCP(sport=22, dport=port_of(run), flags="A")
    run.put("fw-inet", "firewall", "internet", too_big(quoted), run.end)

    assert failures(run.judge()) == set()


def test_an_icmp_error_about_another_one_is_not(run: TrueRun) -> None:
    quoted = IP(src=TARGET, dst=OUTER) / TCP(sport=23, dport=port_of(run), flags="A")
    run.put("fw-inet", "firewall", "internet", too_big(quoted), run.end)

    assert failures(run.judge()) == {"g1", "OUT-44"}


def test_a_syn_that_is_sent_again_is_of_the_same_connection(run: TrueRun) -> None:
    for segment in ("lan", "fw-inet"):
        frame = run.find(segment, lambda p: p.is_bare_syn and p.destination == TARGET)[0]
        run.add(segment, frame.data, frame.time + 0.001)

    assert failures(run.judge()) == set()


@pytest.mark.parametrize("whole", [True, False])
def test_a_capture_from_outside_knows_them_by_address_and_port(whole: bool, run: TrueRun) -> None:
    """Also where it begins in the middle; the wire of the agents is not asked for."""
    frames = [f for f in run.wire["fw-inet"] if whole or not _is_syn(f)]
    judged = judge_outside(run.topology, {"fw-inet": frames})

    assert not judged.failed
    held = {f.requirement: f for f in judged.findings if f.verdict is Verdict.held}
    assert held.keys() >= {"OUT-01", "OUT-03", "OUT-44", "g1"}
    assert held["OUT-44"].seen.startswith("1 connection to offload (203.0.113.20:22)")


def test_a_capture_from_outside_without_the_flag_fails_the_list(run: TrueRun) -> None:
    judged = judge_outside(unflagged(run.topology), {"fw-inet": run.wire["fw-inet"]})

    failed = {f.requirement for f in judged.findings if f.verdict is Verdict.failed}
    assert failed == {"OUT-01", "g1"}


def test_a_capture_from_outside_has_another_port_of_the_address_fail(run: TrueRun) -> None:
    syn = TCP(sport=4000, dport=2222, flags="S", seq=7)
    run.put("fw-inet", "firewall", "internet", bytes(IP(src=OUTER, dst=TARGET) / syn), run.end)
    judged = judge_outside(run.topology, {"fw-inet": run.wire["fw-inet"]})

    failed = {f.requirement for f in judged.findings if f.verdict is Verdict.failed}
    assert failed == {"OUT-01", "OUT-44", "g1"}


def test_what_nobody_connected_to_is_not_put_to_the_test(run: TrueRun) -> None:
    """As where a command of the user's own calls home and offloads nothing."""
    for segment in run.wire:
        run.drop(segment, [f for f in run.wire[segment] if f.ip and TARGET in _ends(f.ip)])
    run.unhear(lambda event: isinstance(event, TargetTried))
    found = run.judge()["OUT-44"]

    assert found.verdict is Verdict.not_applicable
    assert found.seen == "nobody connected to a target that a user has entered"


def test_a_target_that_the_list_has_is_none(run: TrueRun) -> None:
    """A profile may come to list what a user had entered before."""
    (target,) = run.topology.user_targets
    listed = replace(target, address=run.topology.endpoints[0].address)
    found = run.judge(replace(run.topology, user_targets=(listed,)))["OUT-44"]

    assert found.verdict is Verdict.failed
    assert "is listed: the list is about it" in found.seen


# -- what befell it, in words ---------------------------------------------------------------------


def untaken(run: TrueRun, *, connected: bool) -> None:
    run.events = [
        replace(e, taken=False, sent=0, connected=connected)
        if isinstance(e, TargetTried) and e.entered
        else e
        for e in run.events
    ]


def from_target(packet: Packet) -> bool:
    return packet.source == TARGET


def test_a_server_that_refuses_is_told(run: TrueRun) -> None:
    untaken(run, connected=False)
    syn = run.find("lan", lambda p: p.is_bare_syn and p.destination_port == 22)[0]
    assert syn.ip is not None
    run.drop("lan", run.find("lan", from_target))
    reset = IP(src=TARGET, dst=HMC) / TCP(sport=22, dport=syn.ip.source_port, flags="RA")
    run.put("lan", "firewall", "hmc", bytes(reset), syn.time + 0.02)
    found = run.diagnose()

    assert found.cause == "user-target-closed"
    assert "203.0.113.20:22 refuses the connection" in found.sentence


def test_a_server_that_breaks_off_is_told(run: TrueRun) -> None:
    untaken(run, connected=True)

    assert run.diagnose().cause == "user-target-breaks-off"


def test_a_silent_server_is_told(run: TrueRun) -> None:
    untaken(run, connected=False)
    run.drop("lan", run.find("lan", from_target))
    found = run.diagnose()

    assert found.cause == "user-target-silent"
    assert "files does not answer: 1 SYN on lan, 1 on fw-inet" in found.sentence


def test_a_trial_at_another_port_befalls_nobody(run: TrueRun) -> None:
    assert run.diagnose().cause == "nothing"


def _is_syn(frame: Frame) -> bool:
    return frame.ip is not None and (frame.ip.is_bare_syn or frame.ip.is_syn_ack)


def _ends(packet: Packet) -> set[str]:
    return {packet.source, packet.destination}
