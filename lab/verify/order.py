"""Findings on the order in which ways home are tried: OUT-15 and R-01."""

from __future__ import annotations

from itertools import pairwise
from math import inf

from lab import ways
from lab.record.record import WayTry
from lab.topology.model import Agent
from lab.verify.case import Case
from lab.verify.finding import Check, Finding


def check_out_15(case: Case) -> Finding:
    """Ways home are tried in the configured order."""
    wanted = (f"{agent.name} tries {', then '.join(agent.ways)}" for agent in case.topology.callers)
    check = Check("OUT-15", "; ".join(wanted))
    if not case.record.tries:
        return check.not_tested("no way home was tried in this run")
    told = []
    for agent in case.topology.callers:
        tries = [trial for trial in case.record.tries if trial.agent == agent.name]
        _judge_tries(check, agent, tries)
        told.append(f"{agent.name} tried {_told(case, tries)}")
    if len(case.topology.callers) == 1:
        _judge_wires(case, check, case.topology.callers[0])
    return check.finding("; ".join(told))


def _judge_tries(check: Check, agent: Agent, tries: list[WayTry]) -> None:
    """What the lab noted: the first way first, and the next one only when the one before was given up."""
    if tries and tries[0].way != agent.ways[0]:
        check.object(f"{agent.name} tried {tries[0].way} first, and {agent.ways[0]} comes first")
    for before, after in pairwise(tries):
        if agent.ways.index(after.way) - agent.ways.index(before.way) not in (0, 1):
            check.object(f"{agent.name} tried {after.way} after {before.way}")
        if after.started < before.ended:
            check.object(f"{agent.name} tried {after.way} before {before.way} was given up")


def _judge_wires(case: Case, check: Check, agent: Agent) -> None:
    """What the wires and the telephone show: no way is used before the ones that come before it."""
    own = case.topology.ways_of(agent.name)
    began = {way.name: ways.stage(way.kind, "wires").began(case) for way in own}
    for before, after in pairwise(agent.ways):
        if began[after] < began[before]:
            first = "is never" if began[before] == inf else "is later"
            check.object(f"{after} is in use, and {before} {first}")


def _told(case: Case, tries: list[WayTry]) -> str:
    start = case.record.started
    return ", then ".join(
        f"{trial.way} at {trial.started - start:.1f} s ({'up' if trial.up else 'not up'})"
        for trial in tries
    )


def check_r_01(case: Case) -> Finding:
    """The next way takes over when one is not available."""
    check = Check(
        "R-01", "when a way does not come up, or dies, the call home goes by the next one"
    )
    if not case.record.tries:
        return check.not_tested("no way home was tried in this run")
    taken = []
    for agent in case.topology.callers:
        used = case.way_of(agent.name)
        if used is None:
            check.object(f"{agent.name} has no way home")
        elif used.name != agent.ways[0]:
            failed = agent.ways[: agent.ways.index(used.name)]
            taken.append(f"{agent.name} by {used.name}, as {' and '.join(failed)} failed")
            calls = [call for call in case.record.calls if call.agent == agent.name]
            if not any(call.succeeded and call.way == used.name for call in calls):
                check.object(f"{agent.name} had the way {used.name}, and no call got through by it")
    if not taken:
        return check.not_tested("no way had to take the place of another in this run")
    return check.finding(f"the call home came through: {'; '.join(taken)}")
