"""The contract of remote service: its clauses on true runs, and what does not hold."""

from __future__ import annotations

from collections import Counter

import pytest

from lab.cli import service
from lab.relay.events import PortAsked, PortsAsked, WaitedAtRelay
from lab.service.events import ServiceTried
from lab.service.marks import Purpose
from lab.verify.contract import (
    ANSWERED,
    DENIED,
    LET_IN,
    NONE,
    UNANSWERED,
    UNPROVEN,
    Clause,
    clauses,
)
from tests.recordings.true_run import Recordings
from tests.unit.verify.mutation import Change
from tests.unit.verify.service_mutations import LISTED, changed, scanned, session_scan
from tests.unit.verify.terminal_mutations import replay_accepted


def of(recordings: Recordings, name: str) -> tuple[Clause, ...]:
    return clauses(recordings(name).case())


def test_where_nobody_is_let_in_nothing_answers_from_outside(recordings: Recordings) -> None:
    found = of(recordings, "service-off")
    assert {clause.state for clause in found} == {"off"}
    assert all(clause.holds for clause in found)
    inside = [clause.expected for clause in found if clause.source == "console"]
    assert inside == ["1-65535", "1-65535", "1"]
    outside = [clause for clause in found if clause.source in ("internet", "sdc")]
    assert Counter(clause.seen for clause in outside) == {NONE: 6}
    (call,) = (clause for clause in found if clause.what == "call")
    assert (call.expected, call.seen) == (UNANSWERED, UNANSWERED)


def test_a_session_is_a_life(recordings: Recordings) -> None:
    found = of(recordings, "service-modem")
    assert all(clause.holds for clause in found)
    calls = [(clause.state, clause.seen) for clause in found if clause.what == "call"]
    assert calls == [
        ("off", UNANSWERED), ("session", ANSWERED), ("over", UNANSWERED), ("session", ANSWERED),
    ]  # fmt: skip
    of_console = [clause for clause in found if clause.target == "hmc, by 10.253.0.1"]
    open_ports = [(clause.state, clause.what, clause.seen) for clause in of_console]
    assert open_ports == [
        ("session", "TCP", LISTED), ("session", "UDP", LISTED), ("session", "other IP protocols", NONE),
        ("closed", "TCP", NONE), ("closed", "UDP", NONE), ("closed", "other IP protocols", NONE),
    ]  # fmt: skip
    partitions = [c for c in found if c.target.startswith("lpar-")]
    allowed = {c.target: c.expected for c in partitions if c.expected == ANSWERED}
    assert allowed == {"lpar-1, by 10.253.0.3": ANSWERED}
    assert {c.seen for c in partitions if c.target.startswith("lpar-2")} == {NONE, UNANSWERED}


def test_a_terminal_has_log_ins(recordings: Recordings) -> None:
    found = of(recordings, "service-ds8000")
    assert all(clause.holds for clause in found)
    log_ins = [(clause.what, clause.seen) for clause in found if clause.what.startswith("log-in")]
    assert log_ins == [
        ("log-in, wrong response", DENIED), ("log-in, all right", LET_IN),
        ("log-in, earlier response", DENIED), ("log-in, all right", LET_IN),
    ]  # fmt: skip
    (partition,) = (clause for clause in found if clause.target.startswith("image-1"))
    assert (partition.expected, partition.seen) == (UNANSWERED, UNANSWERED)
    locked_out = of(recordings, "service-ds8000.third-wrong-try")
    assert all(clause.holds for clause in locked_out)
    assert [clause.what for clause in locked_out][-5:] == [
        "call", "log-in, wrong user ID or password", "log-in, wrong user ID or password",
        "log-in, wrong response", "call",
    ]  # fmt: skip


def test_a_replay_that_is_let_in_does_not_hold(recordings: Recordings) -> None:
    run = recordings("service-ds8000")
    replay_accepted(run)
    broken = [clause for clause in clauses(run.case()) if not clause.holds]
    assert [(c.what, c.expected, c.seen) for c in broken] == [
        ("log-in, earlier response", DENIED, LET_IN)
    ]


@pytest.mark.parametrize("name", ["service-aos", "service-internet"])
def test_a_session_by_internet_is_a_life(name: str, recordings: Recordings) -> None:
    found = of(recordings, name)
    assert all(clause.holds for clause in found)
    codes = [(clause.state, clause.seen) for clause in found if clause.what == "a code"]
    assert codes == [
        ("off", UNANSWERED), ("session", ANSWERED), ("over", UNANSWERED), ("session", ANSWERED),
    ]  # fmt: skip
    ports = Counter(clause.seen for clause in found if clause.what.startswith("TCP "))
    assert ports == {ANSWERED: 19 + 2, UNANSWERED: 2}
    (survey,) = (clause for clause in found if "asked for" in clause.what)
    assert survey.seen == "22-23, 443, 2125, 2300, 8443, 9090, 9735, 9940, 30000-30009"
    outside = [clause for clause in found if clause.source in ("internet", "sdc", "relay")]
    assert Counter(clause.seen for clause in outside) == {NONE: 18}


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (changed(PortAsked, answer="open"), {"TCP 1"}),
        (changed(PortsAsked, opened="22"), {"TCP, 102 ports asked for"}),
        (changed(WaitedAtRelay, 0, result="joined"), {"a code"}),
        (changed(WaitedAtRelay, 1, result="nobody"), {"a code"}),
        (changed(ServiceTried, 0, answer=""), {"TCP 22"}),
    ],
)
def test_what_is_wrong_with_a_session_by_internet_does_not_hold(
    change: Change, broken: set[str], recordings: Recordings
) -> None:
    run = recordings("service-aos")
    change(run)
    assert {clause.what for clause in clauses(run.case()) if not clause.holds} == broken


@pytest.mark.parametrize(
    ("fault", "broken"),
    [
        ("inbound-not-enabled", set()),
        ("stale-session", set()),
        ("lockdown-forgets-udp", {"UDP"}),
    ],
)
def test_what_a_fault_breaks_does_not_hold(
    fault: str, broken: set[str], recordings: Recordings
) -> None:
    found = of(recordings, f"service-modem.{fault}")
    assert {clause.what for clause in found if not clause.holds} == broken


def test_what_does_not_hold_is_marked_in_the_table(recordings: Recordings) -> None:
    run = recordings("service-modem")
    session_scan("10.253.0.1", tcp=f"{LISTED}, 5000")(run)
    lines = service._table(clauses(run.case()))
    (marked,) = (line for line in lines if line.endswith("FAILS"))
    assert f"{LISTED}, 5000" in marked
    assert [line for line in lines if line and not line.startswith(" ")] == [
        "nobody is let in", "a session is let in", "the session is over", "a session is let in",
        "a session is let in, but not to the console",
    ]  # fmt: skip


def test_a_scan_that_did_not_arrive_proves_no_clause(recordings: Recordings) -> None:
    run = recordings("service-off")
    scanned(Purpose.attack, at_firewall=(65_535, 65_534, 254))(run)
    broken = [clause for clause in clauses(run.case()) if not clause.holds]
    assert {(clause.source, clause.seen) for clause in broken} == {("internet", UNPROVEN)}
    assert len(broken) == 3


def test_a_topology_without_remote_service_has_no_contract(recordings: Recordings) -> None:
    assert of(recordings, "direct") == ()
