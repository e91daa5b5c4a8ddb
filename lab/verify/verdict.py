"""``verdict.json`` and the summary on the terminal; findings hold no secrets, so nor do these."""

from __future__ import annotations

import json
import textwrap
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lab.record.record import Record
from lab.topology.model import Topology
from lab.verify.finding import Finding, Verdict

_COLOURS = {Verdict.held: "32", Verdict.failed: "31", Verdict.not_applicable: "33"}
_WIDTH = 100


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
    lab_broke: bool = False,
) -> Result:
    """Put a run's outcome together.

    ``lab_broke`` says that the run could not be made; a path that stays down is a failure only.
    """
    failed = (
        any(finding.verdict is Verdict.failed for finding in findings)
        or any(not call.succeeded for call in {c.agent: c for c in record.calls}.values())
        or record.blame is not None
    )
    return Result(
        topology=topology.name,
        profile=topology.profile,
        engine=engine,
        clock=clock,
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.started)),
        wall_s=round(wall_s, 3),
        lab_s=round(max(0.0, record.ended - record.started), 3),
        verdict="error" if lab_broke else "fail" if failed else "pass",
        findings=_explained(findings, diagnosis),
        fault=topology.fault,
        diagnosis=diagnosis,
    )


def _explained(findings: tuple[Finding, ...], diagnosis: str) -> tuple[Finding, ...]:
    """The first finding that failed says why it did; the later ones mostly follow from the same."""
    first = next((f for f in findings if f.verdict is Verdict.failed), None)
    if first is None or not diagnosis:
        return findings
    told = replace(first, seen=f"{first.seen}; {diagnosis}")
    return tuple(told if finding is first else finding for finding in findings)


def write(path: Path, outcome: Result) -> None:
    """Write ``verdict.json``; ``fault`` and ``diagnosis`` only where there is something to say."""
    content = asdict(outcome)
    if not outcome.fault:
        del content["fault"]
    if not outcome.diagnosis:
        del content["diagnosis"]
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def summary(outcome: Result, *, colour: bool) -> str:
    """One paragraph a finding, failures in full; for people."""
    lines = paragraphs(outcome.findings, colour=colour)
    if outcome.diagnosis:
        lines.append(_folded(f"diagnosis: {outcome.diagnosis}", 0))
    lines.append(closing_line(outcome, colour=colour))
    return "\n".join(lines) + "\n"


def paragraphs(findings: Sequence[Finding], *, colour: bool) -> list[str]:
    """The lines of one paragraph a finding, failures in full; for people."""
    width = max((len(f.requirement) for f in findings), default=0)
    lines = []
    for finding in findings:
        word = _painted(f"{finding.verdict.value:14}", _COLOURS[finding.verdict], colour)
        lines.append(f"{finding.requirement:{width}}  {word}  {_folded(finding.seen, width + 18)}")
        if finding.verdict is Verdict.failed:
            lines.append(f"{'':{width}}  {'expected':14}  {_folded(finding.expected, width + 18)}")
            for evidence in finding.evidence:
                numbers = ", ".join(map(str, evidence.frames))
                lines.append(f"{'':{width}}  {'frames':14}  {evidence.segment}: {numbers}")
    return lines


def failures(outcome: Result) -> str:
    """What failed, a paragraph each; empty if nothing did."""
    return "".join(
        f"{_folded(f'{finding.requirement} failed: {finding.seen}', 2)}\n"
        for finding in outcome.findings
        if finding.verdict is Verdict.failed
    )


def closing_line(outcome: Result, *, colour: bool) -> str:
    """The verdict, the counts, and how long it took by both clocks."""
    counts = {v: sum(f.verdict is v for f in outcome.findings) for v in Verdict}
    word = _painted(outcome.verdict, "32" if outcome.verdict == "pass" else "31", colour)
    fault = f" with fault {outcome.fault}" if outcome.fault else ""
    return (
        f"{outcome.topology}{fault}: {word}, {counts[Verdict.held]} held, "
        f"{counts[Verdict.failed]} failed, "
        f"{counts[Verdict.not_applicable]} not put to the test; {outcome.lab_s:.1f} s in the lab, "
        f"{outcome.wall_s:.1f} s on the wall"
    )


def _folded(text: str, indent: int) -> str:
    lines = textwrap.wrap(text, max(40, _WIDTH - indent), break_on_hyphens=False) or [""]
    return ("\n" + " " * indent).join(lines)


def _painted(text: str, code: str, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text
