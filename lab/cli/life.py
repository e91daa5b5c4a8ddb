"""``lab life``: an agent lives through a script of events, in virtual time, and is judged by requirement."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab.cli import streams
from lab.engine.host import Clock, Engine
from lab.errors import UsageError
from lab.life import script_file, scripted
from lab.run.run import Run, resolved

DEFAULT_SCRIPT = "week"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "topology", nargs="?", default="", help="a name from `lab list`, or a file (default: the script's)"
    )  # fmt: skip
    parser.add_argument(
        "--script", default=DEFAULT_SCRIPT, metavar="NAME|FILE",
        help=f"what happens: {', '.join(script_file.names())}, or a file (default: {DEFAULT_SCRIPT})",
    )  # fmt: skip
    parser.add_argument(
        "--agent", metavar="COMMAND",
        help="your agent, a command for a shell, in the place of the lab's own",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, help="the run directory (default: runs/<topology>-<time>)"
    )
    parser.add_argument("--json", action="store_true", help="print verdict.json on standard output")
    parser.add_argument("--quiet", action="store_true", help="do not tell the story")


def run(args: argparse.Namespace) -> int:
    if args.agent is not None and not args.agent.strip():
        raise UsageError(
            "--agent names no command",
            hint="name one, or leave --agent away for the lab's own agent",
        )
    script = script_file.load(args.script)
    topology = args.topology or script.topology
    # Before a run directory is made.
    scripted.check(script, resolved(topology, ""), args.script)
    run = Run.prepare(topology, engine=Engine.auto, clock=Clock.virtual, out=args.out)
    streams.say(run.notes)
    status = run.live(script, args.agent or "", quiet=args.quiet)
    # Not at the head: judging imports much, and a user waits for the guest to start.
    from lab.life import report
    from lab.run import lived

    result, life = lived.judge(run, script.name)
    if args.json:
        print(run.verdict_text)
    elif life is not None:
        sys.stdout.write(report.text(life, result.findings, colour=streams.colourful()))
    if not args.quiet:
        print(f"\n{result.lab_s / 86400:.1f} days in {result.wall_s:.0f} s", file=sys.stderr)
        print(f"run directory: {run.shown_dir}", file=sys.stderr)
    if life is not None and life.given_up:
        print(f"lab: {life.given_up}", file=sys.stderr)
        print(f"  hint: logs/<host>/agent.log in {run.shown_dir} says why", file=sys.stderr)
    return status if status not in (0, 1) else result.exit_status
