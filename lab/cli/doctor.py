"""`lab doctor`: what this machine can run, what is missing, and the one command that fixes it."""

from __future__ import annotations

import argparse
import json
import sys

from lab.engine import host, trial
from lab.machine import doctor, hints

MISSING = 3


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON on stdout")


def run(args: argparse.Namespace) -> int:
    report = doctor.examine(boot=None if host.inside() else trial.boot)
    if args.json:
        print(json.dumps(_as_data(report), indent=2))
    else:
        _show(report)
    return MISSING if report.missing or report.engine is None else 0


def _as_data(report: doctor.Report) -> dict[str, object]:
    return {
        "engine": report.engine,
        "why": report.why,
        "command": report.command,
        "checks": [
            {
                "name": outcome.check.name,
                "ok": outcome.ok,
                "needed": report.needed(outcome),
                "purpose": outcome.check.purpose,
                "engines": outcome.check.engines,
                "found": outcome.found,
                "hint": outcome.hint,
            }
            for outcome in report.outcomes
        ],
    }


def _show(report: doctor.Report) -> None:
    width = max(len(outcome.check.name) for outcome in report.outcomes)
    for outcome in report.outcomes:
        word = "ok" if outcome.ok else "MISSING" if report.needed(outcome) else "not here"
        print(f"{word:8}  {outcome.check.name:{width}}  {outcome.check.purpose}")
        if not outcome.ok or outcome.check.name == "boot":
            for line in outcome.found.splitlines():
                print(f"{'':8}  {'':{width}}  {line}")

    print(f"\nengine: {report.engine or 'none'} ({report.why})")
    others = [
        o.hint for o in report.missing if not o.check.package and o.hint not in report.command
    ]
    for hint in dict.fromkeys(filter(None, others)):
        print(f"  {hints.typed(hint)}", file=sys.stderr)
    if report.command:
        print(f"\nThis fixes it:\n\n  {hints.typed(report.command)}\n")
