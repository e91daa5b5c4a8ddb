"""A life that was lived, on the host: read, judged, and written down in the run directory."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from lab import codec
from lab import report as evidence
from lab.life import judging, reading, report
from lab.life.chronicle import Chronicle
from lab.machine import sudo
from lab.record.record import Record
from lab.run.run import VERDICT_FILE, Run
from lab.verify import verdict
from lab.verify.case import Case
from lab.verify.verdict import Result

LIFE_FILE = "life.json"
"""In the run directory: the chronicle."""


class Lived(NamedTuple):
    """What became of a life."""

    result: Result
    life: Chronicle | None
    """None if it never began."""


def judge(run: Run, script: str) -> Lived:
    """Judge a life, and write ``life.json``, ``verdict.json``, ``report.txt`` and the evidence."""
    run.collect_captures()
    record = run.record()
    life = None
    if record is not None and not record.broke_off:
        life = reading.read(run.topology, record, run.run_dir, script)
    findings = judging.findings(life) if life is not None else ()
    given_up = life.given_up if life is not None else ""
    result = verdict.result(
        run.topology,
        record or Record(),
        findings,
        engine=run.engine.value,
        clock=run.clock.value,
        wall_s=run.wall_s,
        diagnosis=record.error if record is not None and record.broke_off else given_up,
        lab_broke=life is None or (record is not None and record.frames_lost > 0),
    )
    if given_up and result.verdict == "pass":
        # Nothing was put to the test of an agent that was not there.
        result = replace(result, verdict="fail")
    verdict.write(run.run_dir / VERDICT_FILE, result)
    if life is not None:
        (run.run_dir / LIFE_FILE).write_text(codec.dump(life) + "\n")
        (run.run_dir / report.REPORT_FILE).write_text(report.text(life, findings))
    evidence.write(Case(run.topology, record or Record(), run.run_dir), result)
    sudo.give_back([run.run_dir])
    return Lived(result, life)
