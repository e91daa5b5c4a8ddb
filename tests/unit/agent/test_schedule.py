"""When tasks are due, with clocks that leap."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from lab.agent.schedule import Schedule

DAY = 86400.0
DAILY = {"heartbeat": DAY}
START = 1.8e9


def test_a_week_has_seven_heartbeats_and_four_weeks_four_inventories() -> None:
    """E-14, E-15."""
    schedule = Schedule({"heartbeat": DAY, "inventory": 7 * DAY}, {}, START, 0.0)
    ran: list[str] = []
    now = 0.0
    while now < 28 * DAY:
        for task in schedule.due(START + now, now):
            ran.append(task)
            schedule.done(task, START + now, now)
        now += schedule.wait_s(START + now, now)
    assert ran.count("heartbeat") == 28
    assert ran.count("inventory") == 4


def test_what_ran_is_known_to_the_next_program() -> None:
    first = Schedule(DAILY, {}, START, 0.0)
    first.done("heartbeat", START, 0.0)
    later = Schedule(DAILY, first.as_dict(), START + DAY - 60, 5.0)
    assert later.due(START + DAY - 60, 5.0) == []
    assert later.wait_s(START + DAY - 60, 5.0) == 60
    assert later.due(START + DAY, 65.0) == ["heartbeat"]
    assert later.number("heartbeat") == 1


def test_damaged_stored_times_are_no_times() -> None:
    for stored in ({"heartbeat": 3}, {"heartbeat": {"at": "x"}}, {"other": {"at": 1.0}}):
        assert Schedule(DAILY, stored, START, 0.0).due(START, 0.0) == ["heartbeat"]


def test_a_leap_forwards_brings_a_task_once() -> None:
    schedule = Schedule(DAILY, {"heartbeat": {"at": START, "run": 1}}, START, 0.0)
    assert schedule.due(START + 30 * DAY, 60.0) == ["heartbeat"]
    schedule.done("heartbeat", START + 30 * DAY, 60.0)
    assert schedule.due(START + 30 * DAY, 61.0) == []
    assert schedule.wait_s(START + 30 * DAY, 61.0) == DAY - 1


def test_a_clock_that_is_set_back_delays_nothing() -> None:
    schedule = Schedule(DAILY, {"heartbeat": {"at": START, "run": 1}}, START, 0.0)
    assert schedule.due(START - 300 * DAY, DAY - 1) == []
    assert schedule.due(START - 300 * DAY, DAY) == ["heartbeat"]


def test_a_program_that_starts_with_a_clock_behind_the_last_run_runs_it_once() -> None:
    schedule = Schedule(DAILY, {"heartbeat": {"at": START, "run": 1}}, START - 9 * DAY, 0.0)
    assert schedule.due(START - 9 * DAY, 0.0) == ["heartbeat"]
    schedule.done("heartbeat", START - 9 * DAY, 0.0)
    assert schedule.due(START - 9 * DAY, 1.0) == []


LEAPS = st.lists(
    st.tuples(st.floats(1.0, 2 * DAY), st.floats(-400 * DAY, 400 * DAY), st.booleans()), max_size=12
)


@given(LEAPS)
def test_no_storm_and_no_silence_whatever_the_clock_does(
    leaps: list[tuple[float, float, bool]],
) -> None:
    """At most a day of true time is between two heartbeats, and there are no more than days and leaps."""
    schedule = Schedule(DAILY, {}, START, 0.0)
    true, offset, runs, leapt = 0.0, 0.0, [], 0

    def look() -> None:
        for task in schedule.due(START + true + offset, true):
            runs.append(true)
            schedule.done(task, START + true + offset, true)

    def pass_time(until: float) -> None:
        nonlocal true
        while True:
            look()
            wait = schedule.wait_s(START + true + offset, true)
            if true + wait >= until:
                break
            true += wait
        true = until

    for after, leap, restarts in leaps:
        pass_time(true + after)
        offset += leap
        leapt += 1
        if restarts:
            schedule = Schedule(DAILY, schedule.as_dict(), START + true + offset, true)
            leapt += 1
    pass_time(true + 3 * DAY)

    gaps = [later - earlier for earlier, later in itertools.pairwise(runs)]
    restarted = any(restarts for *_, restarts in leaps)
    # After a restart with another clock, what the first program waited is not known.
    assert max(gaps, default=0.0) <= (2 if restarted else 1) * DAY + 1.0
    assert len(runs) <= true / DAY + 1 + leapt
