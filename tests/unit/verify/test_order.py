"""OUT-15 and R-01: the next way takes over. What else can be wrong with the order: ``order_mutations``."""

from __future__ import annotations

import pytest

from lab.verify import Verdict
from tests.recordings.true_run import Recordings, TrueRun
from tests.unit.verify.mutation import Change, facts
from tests.unit.verify.order_mutations import lose_what_left


def test_the_next_way_takes_over(recordings: Recordings) -> None:
    findings = recordings("failover").judge()

    assert findings["OUT-15"].verdict is findings["R-01"].verdict is Verdict.held
    assert findings["OUT-15"].seen.startswith("hmc tried vpn at 0.0 s (not up), then modem at 4")
    assert "hmc by modem, as vpn failed" in findings["R-01"].seen


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (facts("calls", succeeded=False), "hmc had the way modem, and no call got through by it"),
        (facts("tries", 1, up=False), "hmc has no way home"),
        (facts("tries", 0, up=True), "hmc went on to modem, and no way before it had failed"),
    ],
)
def test_no_way_home_fails(change: Change, seen: str, recordings: Recordings) -> None:
    run = recordings("failover")
    change(run)

    finding = run.judge()["R-01"]

    assert finding.verdict is Verdict.failed
    assert finding.seen == seen


def test_nothing_was_tried(recordings: Recordings) -> None:
    run = recordings("failover")
    run.record.tries.clear()
    run.record.calls.clear()
    run.record.path_up = 0.0

    findings = run.judge()

    assert findings["OUT-15"].verdict is findings["R-01"].verdict is Verdict.not_applicable


def as_backup(run: TrueRun) -> None:
    """The VPN was up and sound, and the modem was tried as the backup."""
    run.record.tries[0].up = True
    run.record.tries[1].backup = True


def test_a_backup_that_works_has_not_taken_over(recordings: Recordings) -> None:
    run = recordings("failover")
    as_backup(run)

    findings = run.judge()

    assert findings["OUT-15"].verdict is Verdict.held
    assert findings["OUT-15"].seen.endswith("(up, as the backup)")
    assert findings["R-01"].verdict is Verdict.not_applicable
    assert findings["R-01"].seen.endswith("; modem came up when tried as the backup")
    assert findings["OUT-26"].verdict is findings["L-07"].verdict is Verdict.held
    assert findings["P-10"].verdict is Verdict.failed, (
        "the VPN was up, and its wires say no such thing"
    )


def test_a_backup_that_does_not_come_up_is_judged(recordings: Recordings) -> None:
    run = recordings("failover")
    as_backup(run)
    run.record.tries[1].up = False
    run.carried.clear()
    run.record.calls[0].way = "vpn"

    findings = run.judge()

    assert findings["OUT-23"].verdict is Verdict.failed, "a backup that does not work is a fault"
    fence = {name: found for name, found in findings.items() if name.startswith("L-")}
    assert Verdict.failed not in {found.verdict for found in fence.values()}
    spared = [found for found in fence.values() if found.verdict is Verdict.not_applicable]
    assert spared
    assert {found.seen for found in spared} == {
        "modem gave no way home: the calls went by vpn, so this was not put to the test"
    }


def no_trial(run: TrueRun) -> None:
    run.record.trials.clear()


def trial_of_another_way(run: TrueRun) -> None:
    """The rule was tried while the VPN was in use, and not on the telephone."""
    as_backup(run)
    facts("trials", time=run.record.tries[0].ended)(run)


@pytest.mark.parametrize("change", [no_trial, trial_of_another_way])
def test_each_way_has_a_trial_of_its_own(change: Change, recordings: Recordings) -> None:
    run = recordings("failover")
    change(run)

    finding = run.judge()["OUT-26"]

    assert finding.verdict is Verdict.failed
    assert finding.seen.startswith("no rule was tried on hmc")


def by_command(run: TrueRun) -> None:
    """Commands brought the VPN up, took it down, and named the modem."""
    first, second = run.record.tries
    first.up, second.chosen = True, True
    first.taken_down = second.started


def test_a_way_that_a_command_named_is_in_no_order(recordings: Recordings) -> None:
    run = recordings("failover")
    by_command(run)

    findings = run.judge()

    assert findings["OUT-15"].verdict is Verdict.held
    assert "(up, as a command said)" in findings["OUT-15"].seen
    assert findings["R-01"].verdict is Verdict.not_applicable


def test_commands_named_every_way(recordings: Recordings) -> None:
    run = recordings("failover")
    by_command(run)
    run.record.tries[0].chosen = True
    run.record.tries.reverse()

    finding = run.judge()["OUT-15"]

    assert finding.verdict is Verdict.not_applicable
    assert finding.seen.startswith("each way was named by a command: hmc tried modem")


def test_a_way_that_was_taken_down_is_no_way_home(recordings: Recordings) -> None:
    run = recordings("failover")
    modem = run.record.tries[1]
    modem.taken_down = modem.ended + 1.0

    case = run.case()

    assert case.way_of("hmc", modem.ended) == case.topology.way("modem")
    assert case.way_of("hmc", modem.ended + 1.0) is None
    assert case.settled("hmc") == case.topology.way("modem")


def test_the_first_way_after_a_command_is_the_first_of_all(recordings: Recordings) -> None:
    """What the lab chooses after a way was taken down is in order again."""
    run = recordings("failover")
    run.record.tries[0].taken_down = run.record.tries[1].started

    finding = run.judge()["OUT-15"]

    assert finding.verdict is Verdict.failed
    assert finding.seen.startswith("hmc tried modem first, and vpn comes first")


def test_of_a_way_that_gave_none_the_firewall_is_not_put_to_the_test(
    recordings: Recordings,
) -> None:
    """No packet of the VPN, and none to change the address of: the call went by telephone."""
    run = recordings("failover")
    before = run.judge()
    lose_what_left(run)

    findings = run.judge()

    changed = {n for n, f in findings.items() if f.verdict is not before[n].verdict}
    assert changed == {"F-08", "OUT-03"}
    assert findings["F-08"].verdict is findings["OUT-03"].verdict is Verdict.not_applicable
    assert findings["F-08"].seen.endswith("and the calls went by modem")
    assert "past no NAT of the customer's" in findings["OUT-03"].seen


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        # Whoever had a VPN up sent packets through the firewall.
        (facts("tries", 0, up=True), "F-08"),
        (facts("tries", 1, up=False), "F-08"),
        (facts("calls", succeeded=False), "F-08"),
        (facts("calls", succeeded=False), "OUT-03"),
        (facts("tries", 1, up=False), "OUT-03"),
    ],
)
def test_a_way_that_was_needed_is_put_to_the_test(
    change: Change, failed: str, recordings: Recordings
) -> None:
    run = recordings("failover")
    lose_what_left(run)
    change(run)

    assert run.judge()[failed].verdict is Verdict.failed


def test_where_nothing_else_left_the_servers_still_tell_who_called(recordings: Recordings) -> None:
    run = recordings("failover")
    lose_what_left(run)
    facts("ledger", peer_ip="10.99.99.99")(run)

    assert run.judge()["OUT-03"].verdict is Verdict.failed
