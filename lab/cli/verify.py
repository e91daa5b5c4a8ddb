"""``lab verify``: every path, one verdict each."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cli import streams
from lab.engine.host import Engine
from lab.run.run import Run
from lab.topology.load import names

if TYPE_CHECKING:
    from lab.verify.verdict import Result


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topologies", nargs="*", metavar="TOPOLOGY", help="default: all")
    parser.add_argument(
        "--engine", choices=[each.value for each in Engine], default=Engine.auto.value
    )
    parser.add_argument("--out", type=Path, help="a folder for the run directories (default: runs)")
    parser.add_argument("--json", action="store_true", help="print all verdicts as JSON")
    parser.add_argument(
        "--all", action="store_true", help="tell also what only follows from what failed first"
    )


def run(args: argparse.Namespace) -> int:
    worst, verdicts = 0, []
    for name in args.topologies or names():
        out = args.out / Path(name).stem if args.out else None
        run = Run.prepare(name, engine=Engine(args.engine), out=out)
        streams.say(run.notes)
        status = run.carry_out(quiet=True)
        judged = run.judge()
        verdicts.append(json.loads(run.verdict_text))
        worst = max(worst, judged.exit_status if status in (0, 1) else status)

        print(
            _line(run, judged, every=args.all),
            file=sys.stderr if args.json else sys.stdout,
            flush=True,
        )

    if args.json:
        print(json.dumps(verdicts, indent=1))
    return worst


def _line(run: Run, outcome: Result, *, every: bool) -> str:
    from lab.verify import verdict

    """One path in one line, and below it what failed and why."""
    counts = Counter(finding.verdict.value for finding in outcome.findings)
    line = (
        f"{run.topology.name:14} {outcome.verdict:5} {counts['pass']:3d} held, "
        f"{counts['fail']} failed, {counts['not-applicable']} not put to the test  {run.shown_dir}"
    )
    if outcome.diagnosis and outcome.verdict != "pass":
        line += f"\n  diagnosis: {outcome.diagnosis}"
    for failure in verdict.failed(outcome, every=every):
        seen = failure.seen.removesuffix(f"; {outcome.diagnosis}")
        line += f"\n  {failure.requirement} failed: {seen}"
    if not every and (rest := verdict.follow_line(outcome)):
        line += f"\n  {rest}"
    return line
