"""``verdict.json`` and the summary on the terminal; findings hold no secrets, so nor do these."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lab.paths import write_whole
from lab.record.record import Record
from lab.topology.model import Topology
from lab.verify.finding import Finding, Verdict
from lab.verify.findings_table import COLUMNS, FindingsTable, fold, painted


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A run, judged."""

    topology: str
    profile: str
    engine: str
    clock: str
    started: str
    """ISO 8601, on the lab's clock."""
    wall_s: float
    lab_s: float
    verdict: str
    """``pass``, ``fail`` or ``error``."""
    findings: tuple[Finding, ...]
    fault: str
    diagnosis: str
    broke_first: str = ""
    """The requirement of the finding that failed first, from which others follow; empty if none failed."""

    @property
    def exit_status(self) -> int:
        """design.md: 0 all held, 1 a check failed, 4 the lab itself broke."""
        return {"pass": 0, "fail": 1}.get(self.verdict, 4)


def result(
    topology: Topology,
    record: Record,
    findings: tuple[Finding, ...],
    *,
    engine: str,
    clock: str,
    wall_s: float,
    diagnosis: str,
    broke_first: str = "",
    lab_broke: bool = False,
) -> Result:
    """Put a run's outcome together.

    ``broke_first``: the requirement of the finding that explains others; without it, the first that failed.
    ``lab_broke`` says that the run could not be made; a path that stays down is a failure only.
    """
    bad = (
        any(finding.verdict is Verdict.failed for finding in findings)
        or any(not call.succeeded for call in {c.agent: c for c in record.calls}.values())
        or record.blame is not None
    )
    broke_first = broke_first or next(
        (finding.requirement for finding in findings if finding.verdict is Verdict.failed), ""
    )
    return Result(
        topology=topology.name,
        profile=topology.profile,
        engine=engine,
        clock=clock,
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.started)),
        wall_s=round(wall_s, 3),
        lab_s=round(max(0.0, record.ended - record.started), 3),
        verdict="error" if lab_broke else "fail" if bad else "pass",
        findings=_explained(findings, broke_first, diagnosis),
        fault=topology.fault,
        diagnosis=diagnosis,
        broke_first=broke_first,
    )


def _explained(
    findings: tuple[Finding, ...], broke_first: str, diagnosis: str
) -> tuple[Finding, ...]:
    """The finding that broke first says why it did."""
    if not diagnosis:
        return findings
    return tuple(
        replace(finding, seen=f"{finding.seen}; {diagnosis}")
        if finding.requirement == broke_first and finding.verdict is Verdict.failed
        else finding
        for finding in findings
    )


def entry(finding: Finding) -> dict[str, Any]:
    """A finding as JSON has it: what only failures have is left out elsewhere."""
    content = asdict(finding)
    for name in ("lacks", "missing", "wrong", "follows_from"):
        if not content[name]:
            del content[name]
    return content


def write(path: Path, outcome: Result) -> None:
    """Write ``verdict.json``; ``fault``, ``diagnosis`` and others only where there is something to say."""
    content = asdict(outcome) | {"findings": [entry(finding) for finding in outcome.findings]}
    for name in ("fault", "diagnosis", "broke_first"):
        if not content[name]:
            del content[name]
    write_whole(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def summary(
    outcome: Result,
    *,
    colour: bool,
    every: bool = False,
    option: str = "--all",
    columns: int = COLUMNS,
) -> str:
    """A run for people: why it failed, what broke first, and a table of all that was judged.

    Failures stand at the head, then what was not put to the test, then what held. What only follows from what
    broke first is counted in one line, unless ``every`` finding is wanted; ``option`` is what the command has
    for that. ``columns``: how wide the terminal is.
    """
    table = FindingsTable(outcome.findings, colour=colour, columns=columns)
    lines = []
    if outcome.diagnosis:
        lines.append(fold(f"diagnosis: {outcome.diagnosis}", 0, columns))
    lines.append(table.heading)
    lines += table.rows([_bare(finding, outcome) for finding in failed(outcome, every=every)])
    if not every and (rest := follow_line(outcome, option)):
        lines.append(fold(rest, 0, columns))
    for verdict in (Verdict.not_applicable, Verdict.held):
        lines += table.rows([f for f in outcome.findings if f.verdict is verdict])
    lines.append(closing_line(outcome, colour=colour, columns=columns))
    return "\n".join(lines) + "\n"


def failed(outcome: Result, *, every: bool = False) -> list[Finding]:
    """The findings that failed, the one that broke first at the head; without those that only follow."""
    bad = [f for f in outcome.findings if f.verdict is Verdict.failed]
    wanted = [f for f in bad if every or f.shown]
    return sorted(wanted, key=lambda finding: finding.requirement != outcome.broke_first)


def follow_line(outcome: Result, option: str = "--all") -> str:
    """``13 more follow from this: F-07, ...``; empty if none does."""
    rest = [f for f in outcome.findings if f.follows_from]
    if not rest:
        return ""
    causes = {finding.follows_from for finding in rest}
    whence = "this" if causes == {outcome.broke_first} else " and ".join(sorted(causes))
    verb = "follows" if len(rest) == 1 else "follow"
    names = ", ".join(finding.requirement for finding in rest)
    return f"{len(rest)} more {verb} from {whence}: {names} ({option} shows them)"


def _bare(finding: Finding, outcome: Result) -> Finding:
    """A finding without the diagnosis, which stands before it."""
    return replace(finding, seen=finding.seen.removesuffix(f"; {outcome.diagnosis}"))


def paragraphs(findings: Sequence[Finding], *, colour: bool, columns: int = COLUMNS) -> list[str]:
    """The lines of one paragraph a finding, failures in full; for people."""
    return FindingsTable(findings, colour=colour, columns=columns).rows(findings)


def failures(outcome: Result, *, every: bool = False) -> str:
    """What failed, a paragraph each, and a line on what only follows; empty if nothing did."""
    told = [f"{f.requirement} failed: {f.seen}" for f in failed(outcome, every=every)]
    if not every and (rest := follow_line(outcome)):
        told.append(rest)
    return "".join(f"{fold(text, 2)}\n" for text in told)


def closing_line(outcome: Result, *, colour: bool, columns: int = 0) -> str:
    """The verdict, the counts, and how long it took by both clocks."""
    counts = {v: sum(f.verdict is v for f in outcome.findings) for v in Verdict}
    fault = f" with fault {outcome.fault}" if outcome.fault else ""
    line = (
        f"{outcome.topology}{fault}: {outcome.verdict}, {counts[Verdict.held]} held, "
        f"{counts[Verdict.failed]} failed, "
        f"{counts[Verdict.not_applicable]} not put to the test; {outcome.lab_s:.1f} s in the lab, "
        f"{outcome.wall_s:.1f} s on the wall"
    )
    # A page of ours is as wide as a line of it may be: who reads it from a pipe has it whole.
    told = fold(line, 0, columns) if 0 < columns < COLUMNS else line
    code = "32" if outcome.verdict == "pass" else "31"
    return told.replace(f": {outcome.verdict},", f": {painted(outcome.verdict, code, colour)},", 1)
