"""``lab run``: one topology, from nothing to a verdict."""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lab.cli import container_option, image_options, streams
from lab.engine.host import Clock, Engine
from lab.errors import UsageError
from lab.machine import hints
from lab.run.run import Run

if TYPE_CHECKING:
    from lab.run.run import PlanImage
    from lab.verify.verdict import Result


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topology", help="a name from `lab list`, or a file")
    parser.add_argument(
        "--clock", choices=[each.value for each in Clock], default=Clock.virtual.value,
        help="virtual: waiting costs nothing (default); real: for hands and benchmarks",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=[each.value for each in Engine], default=Engine.auto.value,
        help="where the kernel comes from (default: auto)",
    )  # fmt: skip
    parser.add_argument(
        "--node", default="", help="where the command runs (default: the agent's host)"
    )
    parser.add_argument(
        "--user", default="", help="as whom the command runs: a name or a number (default: root)"
    )
    parser.add_argument(
        "--out", type=Path, help="the run directory (default: runs/<topology>-<time>)"
    )
    image_options.configure(parser)
    container_option.configure(parser)
    parser.add_argument(
        "--memory", default="", metavar="SIZE",
        help="of the lab's own kernel, such as 4G (default: 2G); only what is used is taken",
    )  # fmt: skip
    parser.add_argument("--fault", default="", help="run with a fault from `lab faults`")
    parser.add_argument(
        "--no-path", action="store_true",
        help="leave the way home down, for a COMMAND that brings it up itself, as a dialler",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print verdict.json on standard output")
    parser.add_argument("--quiet", action="store_true", help="do not tell the story")
    parser.add_argument(
        "--all", action="store_true", help="tell also what only follows from what failed first"
    )
    parser.add_argument(
        "--next", action="store_true", help="end with what to try next, if the verdict is a pass"
    )  # fmt: skip
    parser.usage = "lab run [options] TOPOLOGY [-- COMMAND...]"


def run(args: argparse.Namespace) -> int:
    with image_options.chosen(args) as image:
        command = image.command(args.command, args.entrypoint) if image else tuple(args.command)
        given = image_options.environment(args)
        return _run(args, command, functools.partial(image.plan, given) if image else None)


def _run(args: argparse.Namespace, command: tuple[str, ...], image: PlanImage | None) -> int:
    if args.no_path and not command:
        raise UsageError(
            "--no-path is for a command of yours: the topology's own scenario needs its path",
            hint=f"lab run {args.topology} --no-path -- COMMAND",
        )
    if args.user and not command:
        raise UsageError(
            "--user is for a command of yours: the lab's own agent runs as root",
            hint=f"lab run --user {args.user} {args.topology} -- COMMAND",
        )
    run = Run.prepare(
        args.topology, fault=args.fault, engine=Engine(args.engine), clock=Clock(args.clock), out=args.out,
        node=args.node, command=command, user=args.user, image=image, memory_size=args.memory,
        containers=args.container,
    )  # fmt: skip
    streams.say(run.notes)
    status = run.carry_out(node=args.node, command=command, quiet=args.quiet, path=not args.no_path)
    # Not at the head: judging imports much, and a user waits for the guest to start.
    from lab.verify import verdict

    result = run.judge()
    # A command on a console whose remote service is tried is the user's own console: it is judged.
    stood_in = bool(command) and run.topology.is_stood_in(args.node)

    if args.json:
        print(run.verdict_text)
    elif not command or stood_in:
        sys.stdout.write(
            verdict.summary(
                result, colour=streams.colourful(), every=args.all, columns=streams.columns()
            )
        )
    else:
        _tell(run, result, status, quiet=args.quiet, every=args.all)
    if not args.quiet:
        if command and not stood_in:
            print(f"\n{verdict.closing_line(result, colour=False)}", end="", file=sys.stderr)
        print(f"\nrun directory: {run.shown_dir}", file=sys.stderr)
    if args.next and not result.exit_status:
        print(f"\n{hints.next_steps(args.topology)}", file=sys.stderr)

    if stood_in and not status:
        return result.exit_status
    if command or status not in (0, 1):
        return status
    return result.exit_status


def _tell(run: Run, result: Result, status: int, *, quiet: bool, every: bool) -> None:
    """What a user must know of a run with a command, also with ``--quiet``: on standard error."""
    from lab.verify import verdict

    record = run.record()
    if quiet and record is not None:
        for left in record.left_running:
            print(f"lab: {left.sentence}", file=sys.stderr)
    told = verdict.failures(result, every=every)
    if told:
        print(f"\n{told}", end="", file=sys.stderr)
    # The first finding that failed has the diagnosis.
    elif result.diagnosis and (status or result.exit_status):
        print(f"\ndiagnosis: {result.diagnosis}", file=sys.stderr)
