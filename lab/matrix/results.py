"""Writes what a matrix found: matrix.html, junit.xml and verify.json, whole or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab.matrix import junit, page
from lab.matrix.job import JobOutcome
from lab.paths import write_whole

PAGE, JUNIT, DATA = "matrix.html", "junit.xml", "verify.json"
VERSION = 1
"""Of verify.json."""


def write(
    out: Path, outcomes: Sequence[JobOutcome], *, wall_s: float, at_once: int, interrupted: bool
) -> None:
    """Write all three into ``out``. Raises OSError."""
    data = _data(outcomes, wall_s=wall_s, at_once=at_once, interrupted=interrupted)
    texts: dict[str, Callable[[], str]] = {
        DATA: lambda: json.dumps(data, indent=1, ensure_ascii=False) + "\n",
        JUNIT: lambda: junit.document(outcomes),
        PAGE: lambda: page.document(outcomes, wall_s=wall_s, interrupted=interrupted),
    }
    for name, text in texts.items():
        write_whole(out / name, text())


def _data(
    outcomes: Sequence[JobOutcome], *, wall_s: float, at_once: int, interrupted: bool
) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for each in outcomes:
        counts[each.came] = counts.get(each.came, 0) + 1
    return {
        "version": VERSION,
        "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "wall_s": round(wall_s, 3),
        "jobs": at_once,
        "interrupted": interrupted,
        "counts": counts,
        "runs": [_run(each) for each in outcomes],
    }


def _run(outcome: JobOutcome) -> dict[str, Any]:
    job = outcome.job
    fault = {
        "fault": job.fault, "cause_expected": job.cause, "must_hold": job.unharmed,
        "must_come_home": job.survives,
        "objections": list(outcome.objections) if outcome.verdict else [],
    }  # fmt: skip
    return {
        "topology": job.topology,
        "ways": job.ways,
        **(fault if job.fault else {}),
        "run_dir": job.folder,
        "came": outcome.came,
        "exit_status": outcome.exit_status,
        "verdict": outcome.verdict.get("verdict"),
        "cause": outcome.cause,
        "diagnosis": outcome.diagnosis,
        "problem": outcome.problem,
        "wall_s": outcome.wall_s,
        "findings": {each["requirement"]: each["verdict"] for each in outcome.findings},
    }
