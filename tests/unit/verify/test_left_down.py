"""What a run did not put to the test is not said to have failed: no trial, no path, a call by hand."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP

from lab import verify
from lab.errors import ProtocolError
from lab.record.cause import DialCause
from lab.record.record import CallHome, Record
from lab.telephony.events import TerminalSaid
from lab.topology.model import Topology
from lab.verify import Verdict
from lab.verify.telephone_calls import dials
from lab.ways.dial.plan import plans
from tests.recordings.true_run import Recordings, TrueRun, failures
from tests.unit.verify.changes import change_dialers, note_tries
from tests.unit.verify.mutation import enters, forget_attempts
from tests.unit.verify.stage import Stage, topology

NAMES = ("direct-snat", "vpn", "vpn-nat", "dial", "dial-two-hmcs")


# No trial (OUT-02, OUT-04).


def make_no_attempt(run: TrueRun) -> None:
    ends = attrgetter("address", "destination", "port")
    tried = {*map(ends, run.record.probes), *map(ends, run.record.forward_probes)}
    forget_attempts(run.record)
    for segment, frames in run.wire.items():
        run.drop(segment, [
            f for f in frames
            if f.ip and (f.ip.source, f.ip.destination, f.ip.destination_port) in tried
        ])  # fmt: skip


@pytest.mark.parametrize("name", ["direct", "vpn", "dial"])
def test_nobody_tries_to_get_in_after_a_call_home_that_failed(
    name: str, recordings: Recordings
) -> None:
    run = recordings(name)
    make_no_attempt(run)
    run.record.calls[0].succeeded = False

    findings = run.judge()

    for requirement in {"OUT-02", "OUT-04"} & {*findings}:
        assert findings[requirement].verdict is Verdict.not_applicable
        assert findings[requirement].seen.startswith(
            "the lab's own agent did not get home, so nobody tried"
        )


@pytest.mark.parametrize("name", ["direct", "vpn", "dial"])
def test_an_agent_that_nobody_sent_did_not_fail(name: str, recordings: Recordings) -> None:
    """As after ``lab up`` and ``lab down``."""
    run = recordings(name)
    make_no_attempt(run)
    run.record.calls.clear()
    run.record.trials.clear()

    seen = [finding.seen for finding in run.judge().values()]

    assert not [text for text in seen if "did not get home" in text]
    assert any("the lab's own agent was not sent in this run" in text for text in seen)


@pytest.mark.parametrize("name", ["direct", "vpn", "dial"])
def test_after_a_call_home_somebody_must_have_tried(name: str, recordings: Recordings) -> None:
    run = recordings(name)
    make_no_attempt(run)

    assert failures(run.judge()) >= {"OUT-02", "OUT-04"} & {*run.topology.expect}


def test_it_takes_the_calls_of_all_agents(recordings: Recordings) -> None:
    run = recordings("dial-two-hmcs")
    make_no_attempt(run)
    first, second = run.record.calls
    assert "OUT-02" in failures(run.judge())

    run.record.calls = [first, replace(second, succeeded=False)]
    assert run.judge()["OUT-02"].verdict is Verdict.not_applicable
    run.record.calls = [first]
    assert run.judge()["OUT-02"].verdict is Verdict.not_applicable


def test_what_speaks_against_it_does_so_also_when_the_call_home_failed(
    recordings: Recordings,
) -> None:
    run = recordings("vpn")
    make_no_attempt(run)
    run.record.calls[0].succeeded = False
    enters(IP(src="129.42.160.16") / TCP(sport=443, dport=22, flags="S"))(run)

    assert "OUT-02" in failures(run.judge())


# No path.


def left_down(model: Topology, folder: Path) -> tuple[Record, Path]:
    """What a lab leaves that did nothing."""
    stage = Stage(model)
    stage.record.ended = stage.now
    return stage.record, stage.write(folder)


def failing(model: Topology, record: Record, run_dir: Path) -> set[str]:
    return failures({f.requirement: f for f in verify.judge(verify.Case(model, record, run_dir))})


@pytest.mark.parametrize("name", NAMES)
def test_a_way_home_that_was_left_down_fails_nothing(name: str, tmp_path: Path) -> None:
    model = topology(name)
    record, run_dir = left_down(model, tmp_path)

    # Ports are asked for a modem also where nobody dials; here nobody asked.
    assert failing(model, record, run_dir) <= {"OUT-24"}
    found = verify.diagnose(verify.Case(model, record, run_dir))
    assert found.cause == verify.NOTHING
    assert "came up" not in found.sentence


@pytest.mark.parametrize("name", ["vpn", "dial"])
def test_one_that_was_tried_and_did_not_come_up_does_fail(name: str, tmp_path: Path) -> None:
    model = topology(name)
    record, run_dir = left_down(model, tmp_path)
    record.fail(ProtocolError("hmc has no way home"))
    note_tries(model, record)

    assert {"OUT-21", "OUT-23"} & failing(model, record, run_dir)
    assert verify.diagnose(verify.Case(model, record, run_dir)).cause != verify.NOTHING


# By hand.


def by_hand(run: TrueRun) -> TrueRun:
    """The same wires, and nothing of it was the lab's doing."""
    record = run.record
    kinds = (record.tries, record.dialled, record.ppp, record.calls, record.ledger, record.trials)
    for facts in kinds:
        facts.clear()
    make_no_attempt(run)
    record.path_up = 0.0
    return run


def test_a_call_by_hand_is_no_failure(recordings: Recordings) -> None:
    findings = by_hand(recordings("dial")).judge()

    lab_s = {"OUT-02", "OUT-23", "OUT-25", "OUT-26", "P-11", "P-12", "R-08"}
    assert not failures(findings) & lab_s
    assert findings["OUT-23"].verdict is Verdict.held
    assert findings["OUT-25"].seen == "the lab dialled nothing in this run"


def test_another_number_by_hand_is_none_either(recordings: Recordings) -> None:
    run = by_hand(recordings("dial"))
    model = change_dialers(run.topology, lambda d: replace(d, numbers=("18005550155",)))

    finding = run.judge(model)["OUT-23"]

    assert finding.verdict is Verdict.not_applicable
    assert "left down" in finding.seen


def test_invariants_are_judged_of_what_is_done_by_hand(recordings: Recordings) -> None:
    run = by_hand(recordings("dial"))
    syn = IP(src="198.51.100.2", dst="9.9.9.9") / TCP(dport=443, flags="S")
    run.put("fw-inet", "firewall", "internet", bytes(syn), run.end)

    assert failures(run.judge()) >= {"g1", "g4"}


def test_a_second_call_by_hand_is_not_the_labs(recordings: Recordings) -> None:
    """On the HMC's other modem, by a program that left no trace of how it dialled."""
    run = recordings("dial-two-hmcs")
    record, model = run.record, run.topology
    record.dialled = [a for a in record.dialled if a.source == "hmc"]
    record.calls = [c for c in record.calls if c.agent == "hmc"]
    run.unhear(
        lambda event: isinstance(event, TerminalSaid) and event.line == "hmc-b" and dials(event)
    )
    assert model.telephone is not None
    lines = tuple(
        replace(line, node="hmc", device="/dev/modem1") if line.node == "hmc-b" else line
        for line in model.telephone.lines
    )
    ways = tuple(replace(way, dialers=way.dialers[:1]) for way in plans(model))
    model = replace(model, telephone=replace(model.telephone, lines=lines), ways=ways)

    finding = run.judge(model)["OUT-23"]

    assert finding.verdict is Verdict.held, finding.seen


def test_who_was_not_dialled_for_is_told_so(recordings: Recordings) -> None:
    run = recordings("dial.lines-taken")
    other = recordings("dial-two-hmcs")
    run.record.tries.clear()

    seen = run.judge(replace(other.topology, expect=("OUT-23",)))["OUT-23"].seen

    assert seen.startswith("no call of hmc got as far as IP; hmc-b dialled nothing")


def test_dialling_on_by_the_same_modem_is_a_users_own_matter(recordings: Recordings) -> None:
    run = recordings("dial")
    run.record.calls.clear()
    del run.record.dialled[1:]  # he called again himself

    assert not failures(run.judge()) & {"OUT-25", "R-08"}

    now = run.end
    run.record.calls = [CallHome(agent="hmc", started=now, ended=now, succeeded=True, attempts=())]
    assert "OUT-25" in failures(run.judge()), "the lab's scenario dials by the record"


def test_the_first_number_was_enough(recordings: Recordings) -> None:
    finding = recordings("dial").judge()["R-08"]

    assert finding.verdict is Verdict.not_applicable
    assert "the first number was enough" in finding.seen


def test_no_next_number_is_dialled_on_a_dead_line(recordings: Recordings) -> None:
    run = recordings("dial.no-dialtone")
    (attempt,) = run.record.dialled
    assert attempt.cause is DialCause.no_dialtone

    finding = run.judge()["R-08"]

    assert finding.verdict is Verdict.not_applicable
    assert "the line has no dial tone" in finding.seen


def test_a_vpn_by_hand_is_not_judged_by_records_that_the_lab_has_not(
    recordings: Recordings,
) -> None:
    run = recordings("vpn")
    record = run.record
    kinds = record.esp, record.l2tp, record.ppp, record.calls, record.trials
    for facts in (record.tries, record.ike, *kinds):
        facts.clear()
    run.keys = {}
    make_no_attempt(run)
    record.path_up = 0.0

    findings = run.judge()

    assert failures(findings) == set()
    assert {findings[f"g{n}"].verdict for n in range(1, 7)} == {Verdict.held}
