"""``lab verify``: every path, one verdict each."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from lab.engine.host import Engine


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topologies", nargs="*", metavar="TOPOLOGY", help="default: all")
    parser.add_argument("--engine", type=Engine, choices=list(Engine), default=Engine.auto)
    parser.add_argument("--out", type=Path, help="a folder for the run directories (default: runs)")
    parser.add_argument("--json", action="store_true", help="print all verdicts as JSON")


def run(args: argparse.Namespace) -> int:
    from lab.runs import Run
    from lab.topology.load import names

    worst, verdicts = 0, []
    for name in args.topologies or names():
        out = args.out / Path(name).stem if args.out else None
        run = Run.prepare(name, engine=args.engine, out=out)
        run.carry_out(quiet=True)
        judged = run.judge()
        verdicts.append(json.loads(judged.text))
        worst = max(worst, judged.exit_status)

        held = sum(f.verdict == "pass" for f in judged.outcome.findings)
        failed = [f.requirement for f in judged.outcome.findings if f.verdict == "fail"]
        line = f"{run.topology.name:16} {judged.outcome.verdict:6} {held:3d} held"
        if failed:
            line += f", failed: {', '.join(failed)}"
        print(line if not args.json else f"{line}", file=sys.stderr if args.json else sys.stdout)

    if args.json:
        print(json.dumps(verdicts, indent=1))
    return worst
