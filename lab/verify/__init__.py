"""Judging a run: captures, record and model in, findings out.

    findings = verify.judge(verify.Case(topology, record, run_dir))

The checks stand in modules by noun; ``registry`` names them, ``diagnosis`` says what went wrong,
``verdict`` writes the result. Nothing here touches a lab that runs.
"""

from __future__ import annotations

from dataclasses import replace

from lab.verify.case import Case
from lab.verify.consequences import sort_out
from lab.verify.diagnosis import NOTHING, Diagnosis, diagnose
from lab.verify.finding import Evidence, Finding, Verdict
from lab.verify.registry import Requirement, find

__all__ = [
    "NOTHING",
    "Case",
    "Diagnosis",
    "Evidence",
    "Finding",
    "Verdict",
    "diagnose",
    "judge",
    "sort_out",
]


def judge(case: Case) -> tuple[Finding, ...]:
    """One finding for each requirement that the topology expects, in its order.

    Raises UsageError for a requirement that nobody can check.
    """
    kinds = dict.fromkeys(way.kind for way in case.topology.ways)
    entries = [find(requirement, kinds) for requirement in case.topology.expect]
    return tuple(_of_whom(case, entry, entry.check(case)) for entry in entries)


def _of_whom(case: Case, entry: Requirement, finding: Finding) -> Finding:
    """A way home that was not used does not fail."""
    if finding.verdict is not Verdict.failed:
        return finding
    if entry.way_home and case.left_down:
        why = case.why_left_down
    elif entry.always or not (why := _spared(case, entry)):
        return finding
    seen = f"{why}, so this was not put to the test"
    spared = replace(finding, seen=seen, verdict=Verdict.not_applicable, evidence=())
    return replace(spared, lacks=None, missing=(), wrong=False)


def _spared(case: Case, entry: Requirement) -> str:
    """Why a finding says nothing about ways that led no agent home, as others did."""
    names = [
        way.name
        for way in case.topology.own_ways
        if case.goes_by(entry.kind, way) and entry.carried in ("", way.kind)
    ]
    tries = [trial for trial in case.tried(entry.kind) if trial.way in names or not entry.carried]
    # Who has no way of the kind says nothing of it, also by a call home that failed.
    having = [a for a in case.topology.callers if {*a.ways} & {*names}] or case.topology.callers
    led = {agent.name: _led_home(case, agent.name, entry) for agent in having}
    failed = {call.agent for call in case.failed_calls}
    broke_off = any(not trial.up for trial in case.record.tries) and not all(led.values())
    if names and not tries and broke_off:
        return f"the run ended before {' and '.join(names)} {'was' if len(names) == 1 else 'were'} tried"
    if not names or failed & {*led} or not all(led.values()):
        return ""
    if any(own & {*names} for own in led.values()):
        return ""
    if any(trial.up for trial in tries) and not entry.at_end:
        return ""
    fate = "was not needed"
    if tries:
        fate = "was lost" if any(trial.up for trial in tries) else "gave no way home"
        if any(trial.taken_down for trial in tries):
            fate = "was taken down"
    used = {name for own in led.values() for name in own}
    others = (way.name for way in case.topology.ways if way.name in used - {*names})
    return f"{' and '.join(names)} {fate}: the calls went by {' and '.join(others)}"


def _led_home(case: Case, agent: str, entry: Requirement) -> set[str]:
    """The ways that a requirement is to be asked of for an agent: those that led it home.

    A backup that was tried and did not come up is to be asked, too, unless it is trials that are asked for.
    """
    settled = case.settled(agent)
    tries = [t for t in case.record.tries if t.agent == agent and t.backup]
    backups = {t.way for t in tries if t.up or not entry.at_end}
    return backups | ({settled.name} if settled is not None else set())
