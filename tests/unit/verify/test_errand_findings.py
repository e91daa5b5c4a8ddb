"""What the findings on errands say of runs in which not all was done."""

from __future__ import annotations

from dataclasses import replace

from lab.verify import Verdict
from lab.wire.decode import TCP
from tests.recordings.true_run import Recordings, TrueRun
from tests.unit.verify.errand_mutations import ECCGW, entry, is_fix_request, of


def refuse_fixes(run: TrueRun) -> None:
    """Each request for a fix was answered with 403, on the customer's access line."""
    old, new = b"HTTP/1.1 200 OK", b"HTTP/1.1 403 No"
    for frame in run.find("fw-inet", lambda p: p.source_port == 80 and old in p.payload):
        run.change(frame, frame.data.replace(old, new))


def test_a_system_that_is_refused_breaks_no_rule(recordings: Recordings) -> None:
    """OUT-42: enrolment first, or refusal."""
    run = recordings("traditional")
    run.drop("fw-inet", run.find("fw-inet", of(*ECCGW)))
    assert run.judge()["OUT-42"].verdict is Verdict.failed
    refuse_fixes(run)

    found = run.judge()["OUT-42"]

    assert found.verdict is Verdict.held
    assert "requests without an enrolment refused" in found.seen


def test_who_asks_for_nothing_proves_nothing(recordings: Recordings) -> None:
    run = recordings("traditional")
    ports = {f.ip.source_port for f in run.find("fw-inet", is_fix_request) if f.ip}
    asked = run.find("fw-inet", lambda p: bool({p.source_port, p.destination_port} & ports))
    run.drop("fw-inet", asked)

    found = run.judge()

    assert found["OUT-41"].verdict is Verdict.not_applicable
    assert found["OUT-42"].verdict is Verdict.not_applicable
    assert found["OUT-33"].verdict is Verdict.not_applicable


def test_a_blocked_port_keeps_data_and_fetches_the_configuration(recordings: Recordings) -> None:
    found = recordings("esa-linux.blocked-443").judge()

    assert found["OUT-33"].verdict is Verdict.held
    assert "not sent, and kept: inventory, problem and upload" in found["OUT-33"].seen
    assert found["OUT-32"].verdict is Verdict.held
    assert "1 by HTTP when HTTPS gave none" in found["OUT-32"].seen


def test_who_is_not_enrolled_and_got_no_fix_keeps_to_the_order(recordings: Recordings) -> None:
    """OUT-42, where no server is within reach."""
    run = recordings("traditional")
    for segment in ("lan", "fw-inet", "dmz"):
        run.drop(segment, run.find(segment, lambda p: p.protocol == TCP))
    run.record.ledger.clear()

    found = run.judge()

    assert found["OUT-42"].verdict is Verdict.held
    assert "nobody got a fix" in found["OUT-42"].seen


def test_a_server_behind_that_is_down_leaves_the_others(recordings: Recordings) -> None:
    found = recordings("simplified.back-end-down").judge()

    assert found["OUT-37"].verdict is Verdict.held
    assert "problems got" not in found["OUT-37"].seen
    assert found["OUT-33"].verdict is Verdict.held


def test_an_operation_of_the_receiver_is_handed_on_as_an_errand_is(recordings: Recordings) -> None:
    """OUT-37; a heartbeat is of any server, and the front end's own."""
    run = recordings("simplified")
    entry("problem", kind="service: access-key", status=201)(run)
    run.record.ledger.append(replace(run.record.ledger[0], kind="service: heartbeat", back_end=""))

    found = run.judge()["OUT-37"]

    assert found.verdict is Verdict.held
    assert "problems got problem" in found.seen


def test_under_a_fault_no_row_is_held_back(recordings: Recordings) -> None:
    run = recordings("ursf.ursf-blocked")

    assert run.judge()["F-16"].verdict is Verdict.not_applicable
    assert run.judge()["OUT-40"].verdict is Verdict.held
