"""The symptoms of errands keep silent where something else is wrong than what they tell of."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP

from lab.topology.servers import BACK_END_PORT
from lab.wire.decode import Packet
from tests.recordings.true_run import ETHERNET, Recordings, TrueRun
from tests.unit.verify.mutation import Change

BACK_END = "10.1.0.31"
URSF_PROBLEMS = "198.74.67.240"
PUBLIC = "198.51.100.2"


def answer_on_core(run: TrueRun) -> None:
    """The server behind the front end takes a connection."""
    asked = run.find("core", lambda p: p.is_bare_syn and p.destination == BACK_END)[0]
    assert asked.ip is not None
    ends = IP(src=BACK_END, dst=asked.ip.source)
    syn_ack = TCP(sport=BACK_END_PORT, dport=asked.ip.source_port, flags="SA")
    run.put("core", "problems", "sdc", bytes(ends / syn_ack), asked.time + 0.001)


def nobody_asks_on_core(run: TrueRun) -> None:
    run.drop("core", run.find("core", lambda p: BACK_END in (p.source, p.destination)))


def passes(run: TrueRun, first: Packet) -> None:
    """A SYN of the HMC's gets past the firewall."""
    packet = IP(src=PUBLIC, dst=first.destination) / TCP(
        sport=first.source_port, dport=first.destination_port, flags="S", seq=first.tcp_sequence
    )
    run.put("fw-inet", "firewall", "internet", bytes(packet), run.end)


def one_of_443_passes(run: TrueRun) -> None:
    frame = run.find("lan", lambda p: p.is_bare_syn and p.destination_port == 443)[0]
    assert frame.ip is not None
    passes(run, frame.ip)


def all_pass(run: TrueRun) -> None:
    for frame in run.find("lan", lambda p: p.is_bare_syn and p.destination_port in (443, 19285)):
        packet = IP(frame.data[ETHERNET:])
        packet.src = PUBLIC
        del packet.chksum
        run.put("fw-inet", "firewall", "internet", bytes(packet), frame.time + 0.001)


def one_problem_passes(run: TrueRun) -> None:
    frame = run.find("lan", lambda p: p.is_bare_syn and p.destination == URSF_PROBLEMS)[0]
    assert frame.ip is not None
    passes(run, frame.ip)


def all_is_sent(run: TrueRun) -> None:
    """The agent has done everything, whatever else failed."""
    for call in run.record.calls:
        call.unsent = ()


@pytest.mark.parametrize(
    ("recording", "change", "cause"),
    [
        ("simplified.back-end-down", answer_on_core, "back-end-silent"),
        ("simplified.back-end-down", nobody_asks_on_core, "back-end-silent"),
        ("esa-linux.blocked-443", one_of_443_passes, "port-blocked"),
        ("esa-linux.blocked-443", all_is_sent, "port-blocked"),
        ("ursf.ursf-blocked", one_problem_passes, "errand-blocked"),
        ("ursf.ursf-blocked", all_pass, "errand-blocked"),
        ("ursf.ursf-blocked", all_is_sent, "errand-blocked"),
    ],
)
def test_a_symptom_keeps_silent(
    recording: str, change: Change, cause: str, recordings: Recordings
) -> None:
    run = recordings(recording)
    assert run.diagnose().cause == cause
    change(run)

    assert run.diagnose().cause != cause


def test_what_is_not_fetched_is_not_said_to_be_kept(recordings: Recordings) -> None:
    run = recordings("esa-linux.blocked-443")
    for call in run.record.calls:
        call.unsent, call.unfetched = ("inventory", "problem", "upload"), ("configuration",)

    words = "TCP 80 passes; not sent, and kept: inventory, problem and upload; not fetched: configuration"
    assert words in run.diagnose().sentence


def test_the_port_is_to_blame_where_several_errands_fail(recordings: Recordings) -> None:
    """With 443 open to all but the servers of one errand, that errand's servers are told."""
    run = recordings("esa-linux.blocked-443")
    for call in run.record.calls:
        call.unsent = ("problem",)

    found = run.diagnose()

    assert found.cause == "errand-blocked"
    assert "129.42.26.224:443" in found.sentence
    assert "A-03 must be open for it" in found.hint
