"""Findings on the order in which ways home are tried: OUT-15 and R-01."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, zip_longest
from math import inf

from lab import ways
from lab.record.record import WayTry
from lab.topology.model import Agent, Way
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.step import Step


def check_out_15(case: Case) -> Finding:
    """Ways home are tried in the configured order."""
    wanted = (f"{agent.name} tries {', then '.join(agent.ways)}" for agent in case.topology.callers)
    check = Check("OUT-15", "; ".join(wanted))
    if not case.lab_tries:
        return check.not_tested("no way home was tried in this run")
    told, judged = [], False
    for agent in case.topology.callers:
        tries = [trial for trial in case.lab_tries if trial.agent == agent.name]
        told.append(f"{agent.name} tried {_told(case, tries)}")
        if tries and all(trial.chosen for trial in tries):
            continue
        judged = True
        for since, until, stretch in _stretches(tries):
            _judge_tries(check, agent, stretch)
            _judge_wires(case, check, agent, since, until)
    if not judged:
        return check.not_tested(f"each way was named by a command: {'; '.join(told)}")
    return check.finding("; ".join(told))


def _stretches(tries: list[WayTry]) -> Iterator[tuple[float, float, list[WayTry]]]:
    """The tries that the lab chose, from one command to the next: since when, until when, and which.

    A way that a command named, or took down, ends one and begins the next.
    """
    found: list[list[WayTry]] = []
    for before, trial in zip([None, *tries], tries, strict=False):
        if before is None or before.taken_down or before.chosen or trial.chosen:
            found.append([])
        found[-1].append(trial)
    for stretch, following in zip_longest(found or [[]], found[1:]):
        if not (stretch and stretch[0].chosen):
            until = following[0].started if following else inf
            yield (stretch[0].started if found and stretch is not found[0] else 0.0), until, stretch


def _judge_tries(check: Check, agent: Agent, tries: list[WayTry]) -> None:
    """What the lab noted: the first way first, and the next one only when the one before was given up."""
    if tries and tries[0].way != agent.ways[0]:
        check.object(f"{agent.name} tried {tries[0].way} first, and {agent.ways[0]} comes first")
    for before, after in pairwise(tries):
        if agent.ways.index(after.way) - agent.ways.index(before.way) not in (0, 1):
            check.object(f"{agent.name} tried {after.way} after {before.way}")
        if after.started < before.ended:
            check.object(f"{agent.name} tried {after.way} before {before.way} was given up")


def _judge_wires(case: Case, check: Check, agent: Agent, since: float, until: float) -> None:
    """What the wires and the telephone show: no way is used before the one before it is done with.

    Two ways of one kind look alike there, also where one runs over the other's, and only the record tells
    them apart.
    """
    own = case.topology.ways_of(agent.name)
    shown = {
        way.name: [at for at in _uses(case, way, agent.name) if since <= at < until] for way in own
    }
    for before, after in pairwise(own):
        alike = {*case.topology.kinds_of(before)} & {*case.topology.kinds_of(after)}
        if alike or not shown[after.name]:
            continue
        if not shown[before.name]:
            check.object(f"{after.name} is in use, and {before.name} is never")
        elif (late := shown[before.name][-1]) > (first := shown[after.name][0]):
            start = case.record.started
            check.object(
                f"{after.name} is in use at {first - start:.1f} s, and {before.name} is later, at "
                f"{late - start:.1f} s"
            )


def _uses(case: Case, way: Way, agent: str) -> list[float]:
    """When an agent used a way, by the captures, in order."""
    return sorted(ways.stage(way.kind, "wires").uses(case, agent))


def _told(case: Case, tries: list[WayTry]) -> str:
    start = case.record.started
    return ", then ".join(
        f"{trial.way} at {trial.started - start:.1f} s ({'up' if trial.up else 'not up'}"
        f""
        f"{', as the backup' if trial.backup else ''}{', as a command said' if trial.chosen else ''})"
        for trial in tries
    )


def check_r_01(case: Case) -> Finding:
    """The next way takes over when one is not available."""
    check = Check(
        "R-01",
        "when a way does not come up, or dies, the call home goes by the next one, as its connection on the "
        "wires shows",
    )
    if not case.lab_tries:
        return check.not_tested("no way home was tried in this run")
    taken = []
    for agent in case.topology.callers:
        used = case.settled(agent.name)
        if used is None:
            # Where another agent's way did not come up, the lab goes no further.
            if any(trial.agent == agent.name for trial in case.lab_tries):
                check.lack(Step.answer, f"{agent.name} has no way home")
        elif used.name != agent.ways[0] and not case.was_chosen(agent.name):
            failed = agent.ways[: agent.ways.index(used.name)]
            taken.append(f"{agent.name} by {used.name}, as {' and '.join(failed)} failed")
            _judge_takeover(case, check, agent, used)
    if not taken:
        backups = dict.fromkeys(t.way for t in case.lab_tries if t.backup and t.up)
        works = f"; {' and '.join(backups)} came up when tried as the backup" if backups else ""
        return check.not_tested(f"no way had to take the place of another in this run{works}")
    return check.finding(f"the call home came through: {'; '.join(taken)}")


def _judge_takeover(case: Case, check: Check, agent: Agent, used: Way) -> None:
    """A call got through by the way, as the wires show, after the ways before it had failed."""
    own = [call for call in case.record.calls if call.agent == agent.name]
    through = [call for call in own if call.succeeded and call.way == used.name]
    if not through:
        check.object(f"{agent.name} had the way {used.name}, and no call got through by it")
    for call in through:
        opened = ways.stage(used.kind, "wires").connections(case, call.agent)
        shown = [frame for frame in opened if call.started <= frame.time <= call.ended]
        check.show(shown)
        if not shown:
            check.object(
                f"{call.agent} got through by {used.name}, and no connection is on its wires"
            )

    earlier = case.topology.ways_of(agent.name)[: agent.ways.index(used.name)]
    names = {way.name for way in earlier}
    tries = [t for t in case.lab_tries if t.agent == agent.name]
    failures = [c.ended for c in own if c.way in names and not c.succeeded]
    failures += [t.ended for t in tries if t.way in names and not t.up]
    if not failures:
        check.object(f"{agent.name} went on to {used.name}, and no way before it had failed")
    elif used.kind not in [kind for way in earlier for kind in case.topology.kinds_of(way)]:
        _judge_moment(case, check, max(failures), used, agent.name)


def _judge_moment(case: Case, check: Check, failed: float, used: Way, agent: str) -> None:
    """The wires show nothing of a way before the ways before it had failed."""
    since = max((cut for cut in case.cuts(agent) if cut < failed), default=0.0)
    early = [time for time in _uses(case, used, agent) if since <= time < failed]
    if early:
        start = case.record.started
        check.object(
            f"{used.name} is in use at {early[0] - start:.1f} s, and what comes before it failed only at "
            f"{failed - start:.1f} s"
        )
