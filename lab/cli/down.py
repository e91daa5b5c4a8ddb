"""``lab down``: take a lab down, and judge what was seen."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab.cli import streams
from lab.engine import registry
from lab.engine.host import Clock, Engine
from lab.errors import UsageError
from lab.run import standing
from lab.run.run import Run


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", nargs="?", default="", help="which lab, if several are up")
    parser.add_argument(
        "--lab", dest="named", default="", help="the same, as other commands have it"
    )
    parser.add_argument("--all", action="store_true", help="every lab that is up")
    parser.add_argument(
        "--all-findings",
        action="store_true",
        help="tell also what only follows from what failed first",
    )
    parser.add_argument("--json", action="store_true", help="print verdict.json on standard output")


def run(args: argparse.Namespace) -> int:
    entries = registry.entries() if args.all else (registry.find(args.lab or args.named),)
    return max((_down(entry, args) for entry in entries), default=0)


def _down(entry: registry.Entry, args: argparse.Namespace) -> int:
    try:
        topology = standing.model_of(entry)
    except UsageError as error:
        standing.end(entry)
        print(f"{entry.name} is down, and not judged: {error.message}", file=sys.stderr)
        return error.exit_status
    standing.stop(entry)
    run = Run(topology, Path(entry.run_dir), Engine(entry.engine), Clock(entry.clock))
    run.began_at(entry.started)
    # Not at the head: judging imports much, and the lab may not be there.
    from lab.verify import verdict

    result = run.judge()
    if args.json:
        print(run.verdict_text)
    else:
        every = args.all_findings
        summary = verdict.summary(
            result, colour=streams.colourful(), every=every, option="--all-findings",
            columns=streams.columns(),
        )  # fmt: skip
        sys.stdout.write(summary)
        print(f"\nrun directory: {run.shown_dir}", file=sys.stderr)
    return result.exit_status
