"""What a run did not put to the test is not said to have failed: no trial, no path, a call by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP

from lab import verify
from lab.record.record import CallHome, DialCause
from lab.verify import Finding, Verdict
from lab.ways.dial.plan import dialers, plans
from tests.unit.verify import fence_play
from tests.unit.verify.changes import change_dialers, note_tries
from tests.unit.verify.fence_play import DialScript
from tests.unit.verify.play import Script, play
from tests.unit.verify.stage import Stage, topology

NAMES = ("direct-snat", "vpn", "vpn-nat", "dial", "dial-two-hmcs")


def played(name: str) -> Stage:
    model = topology(name)
    return fence_play.play(model) if dialers(model) else play(model)


def judged(stage: Stage, run_dir: Path) -> dict[str, Finding]:
    stage.write(run_dir)
    found = verify.judge(stage.topology, stage.record, run_dir)
    return {finding.requirement: finding for finding in found}


def failures(findings: dict[str, Finding]) -> set[str]:
    return {name for name, finding in findings.items() if finding.verdict is Verdict.failed}


# No trial (OUT-02, OUT-04).


def make_no_attempt(stage: Stage) -> None:
    tried = {probe.destination for probe in stage.record.probes}
    stage.record.probes.clear()
    lan = stage.frames["lan"]
    lan[:] = [(time, data) for time, data in lan if IP(data[14:]).dst not in tried]


@pytest.mark.parametrize("name", ["direct", "vpn", "dial"])
def test_nobody_tries_to_get_in_after_a_call_home_that_failed(name: str, tmp_path: Path) -> None:
    stage = played(name)
    make_no_attempt(stage)
    stage.record.calls[0].succeeded = False

    findings = judged(stage, tmp_path)

    for requirement in {"OUT-02", "OUT-04"} & {*findings}:
        assert findings[requirement].verdict is Verdict.not_applicable
        assert findings[requirement].seen.startswith(
            "the lab's own agent did not get home, so nobody tried"
        )


@pytest.mark.parametrize("name", ["direct", "vpn", "dial"])
def test_an_agent_that_nobody_sent_did_not_fail(name: str, tmp_path: Path) -> None:
    """As after ``lab up`` and ``lab down``."""
    stage = played(name)
    make_no_attempt(stage)
    stage.record.calls.clear()
    stage.record.trials.clear()

    seen = [finding.seen for finding in judged(stage, tmp_path).values()]

    assert not [text for text in seen if "did not get home" in text]
    assert any("the lab's own agent was not sent in this run" in text for text in seen)


@pytest.mark.parametrize("name", ["direct", "vpn", "dial"])
def test_after_a_call_home_somebody_must_have_tried(name: str, tmp_path: Path) -> None:
    stage = played(name)
    make_no_attempt(stage)

    assert failures(judged(stage, tmp_path)) >= {"OUT-02", "OUT-04"} & {*stage.topology.expect}


def test_it_takes_the_calls_of_all_agents(tmp_path: Path) -> None:
    stage = played("dial-two-hmcs")
    make_no_attempt(stage)
    first, second = stage.record.calls
    assert "OUT-02" in failures(judged(stage, tmp_path))

    stage.record.calls = [first, replace(second, succeeded=False)]
    assert judged(stage, tmp_path)["OUT-02"].verdict is Verdict.not_applicable
    stage.record.calls = [first]
    assert judged(stage, tmp_path)["OUT-02"].verdict is Verdict.not_applicable


def test_what_speaks_against_it_does_so_also_when_the_call_home_failed(tmp_path: Path) -> None:
    stage = played("vpn")
    make_no_attempt(stage)
    stage.record.calls[0].succeeded = False
    syn = IP(src="129.42.160.16", dst="203.0.113.10") / TCP(sport=443, dport=22, flags="S")
    stage.put("lan", "firewall", "hmc", bytes(syn), stage.now)

    assert "OUT-02" in failures(judged(stage, tmp_path))


# No path.


@pytest.mark.parametrize("name", NAMES)
def test_a_way_home_that_was_left_down_fails_nothing(name: str, tmp_path: Path) -> None:
    stage = Stage(topology(name))
    stage.record.ended = stage.now

    findings = judged(stage, tmp_path)

    # Ports are asked for a modem also where nobody dials; here nobody asked.
    assert failures(findings) <= {"OUT-24"}
    found = verify.diagnose(stage.topology, stage.record, tmp_path)
    assert found.cause == verify.NOTHING
    assert "came up" not in found.sentence


@pytest.mark.parametrize("name", ["vpn", "dial"])
def test_one_that_was_tried_and_did_not_come_up_does_fail(name: str, tmp_path: Path) -> None:
    stage = Stage(topology(name))
    stage.record.ended, stage.record.error = stage.now, "hmc has no way home"
    note_tries(stage.topology, stage.record)

    assert {"OUT-21", "OUT-23"} & failures(judged(stage, tmp_path))
    assert verify.diagnose(stage.topology, stage.record, tmp_path).cause != verify.NOTHING


# By hand.


def by_hand(stage: Stage) -> Stage:
    """The same wires, and nothing of it was the lab's doing."""
    record = stage.record
    for facts in (
        record.tries,
        record.dialled,
        record.ppp,
        record.calls,
        record.ledger,
        record.trials,
    ):
        facts.clear()
    make_no_attempt(stage)
    record.path_up = 0.0
    return stage


def test_a_call_by_hand_is_no_failure(tmp_path: Path) -> None:
    findings = judged(by_hand(played("dial")), tmp_path)

    assert not failures(findings) & {"OUT-02", "OUT-23", "OUT-25", "OUT-26", "P-11", "P-12", "R-08"}
    assert findings["OUT-23"].verdict is Verdict.held
    assert findings["OUT-25"].seen == "the lab dialled nothing in this run"


def test_another_number_by_hand_is_none_either(tmp_path: Path) -> None:
    stage = by_hand(played("dial"))
    stage.topology = change_dialers(
        stage.topology, lambda dialer: replace(dialer, numbers=("18005550155",))
    )

    finding = judged(stage, tmp_path)["OUT-23"]

    assert finding.verdict is Verdict.not_applicable
    assert "left down" in finding.seen


def test_invariants_are_judged_of_what_is_done_by_hand(tmp_path: Path) -> None:
    stage = by_hand(played("dial"))
    syn = IP(src="198.51.100.2", dst="9.9.9.9") / TCP(dport=443, flags="S")
    stage.put("fw-inet", "firewall", "internet", bytes(syn), stage.now)

    assert failures(judged(stage, tmp_path)) >= {"g1", "g4"}


def test_a_second_call_by_hand_is_not_the_labs(tmp_path: Path) -> None:
    """On the HMC's other modem, by a program that left no trace of how it dialled."""
    stage = fence_play.play(topology("dial-two-hmcs"))
    record = stage.record
    record.dialled = [a for a in record.dialled if a.client == "hmc"]
    record.calls = [c for c in record.calls if c.agent == "hmc"]
    stage.told = [t for t in stage.told if t.line != "hmc-b" or "ATDT" not in str(t.data)]
    model = stage.topology
    assert model.telephone is not None
    lines = tuple(
        replace(line, node="hmc", device="/dev/modem1") if line.node == "hmc-b" else line
        for line in model.telephone.lines
    )
    stage.topology = replace(
        model,
        telephone=replace(model.telephone, lines=lines),
        ways=tuple(replace(way, dialers=way.dialers[:1]) for way in plans(model)),
    )

    finding = judged(stage, tmp_path)["OUT-23"]

    assert finding.verdict is Verdict.held, finding.seen


def test_who_was_not_dialled_for_is_told_so(tmp_path: Path) -> None:
    stage = fence_play.play(topology("dial-two-hmcs"), DialScript(busy=99))
    stage.record.dialled = [a for a in stage.record.dialled if a.client == "hmc"]

    seen = judged(stage, tmp_path)["OUT-23"].seen

    assert seen.startswith("no call of hmc got as far as IP; hmc-b dialled nothing")


def test_dialling_on_by_the_same_modem_is_a_users_own_matter(tmp_path: Path) -> None:
    stage = played("dial")
    stage.record.calls.clear()
    del stage.record.dialled[1:]  # he called again himself

    assert not failures(judged(stage, tmp_path)) & {"OUT-25", "R-08"}

    stage.record.calls = [
        CallHome(agent="hmc", started=stage.now, ended=stage.now, succeeded=True, attempts=())
    ]
    assert "OUT-25" in failures(judged(stage, tmp_path)), "the lab's scenario dials by the record"


@pytest.mark.parametrize(
    ("script", "why"),
    [(None, "the first number was enough"), (DialScript(busy=99), "")],
)
def test_why_no_next_number_was_dialled(
    script: DialScript | None, why: str, tmp_path: Path
) -> None:
    stage = fence_play.play(topology("dial"), script)
    if not why:
        del stage.record.dialled[1:]
        stage.record.dialled[0].result = "NO DIALTONE"
        stage.record.dialled[0].failure = why = "the line has no dial tone"
        stage.record.dialled[0].cause = DialCause.no_connection

    finding = judged(stage, tmp_path)["R-08"]

    assert finding.verdict is Verdict.not_applicable
    assert why in finding.seen


def test_a_vpn_by_hand_is_not_judged_by_records_that_the_lab_has_not(tmp_path: Path) -> None:
    stage = play(topology("vpn"), Script())
    record = stage.record
    kinds = record.ike, record.esp, record.l2tp, record.ppp, record.calls, record.trials
    for facts in (record.tries, *kinds):
        facts.clear()
    stage.keys.clear()
    make_no_attempt(stage)
    record.path_up = 0.0

    findings = judged(stage, tmp_path)

    assert failures(findings) == set()
    assert {findings[f"g{n}"].verdict for n in range(1, 7)} == {Verdict.held}
