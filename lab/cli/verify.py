"""``lab verify``: every path, one verdict each, and all of them on one page."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections import Counter
from pathlib import Path

from lab.cli import streams
from lab.engine.host import Engine, choose
from lab.engine.run_dir import fresh_dir
from lab.errors import UsageError
from lab.linux import signals
from lab.machine import sudo
from lab.matrix import board, crew, planned, results
from lab.matrix.job import EXIT_INTERRUPTED, Came, Job, JobOutcome
from lab.paths import shown
from lab.topology.load import names


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topologies", nargs="*", metavar="TOPOLOGY", help="default: all")
    parser.add_argument(
        "--faults", action="store_true", help="with every fault of each, which must be told as what it is"
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, default=0, metavar="N",
        help="how many runs at a time (default: as many as there are processors to use)",
    )  # fmt: skip
    parser.add_argument(
        "--engine", choices=[each.value for each in Engine], default=Engine.auto.value
    )
    parser.add_argument(
        "--out", type=Path,
        help="a folder for matrix.html, junit.xml, verify.json and the run directories "
        "(default: runs/verify-<time>)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print all verdicts as JSON")
    parser.add_argument(
        "--all", action="store_true", help="tell also what only follows from what failed first"
    )


def run(args: argparse.Namespace) -> int:
    if args.jobs < 0:
        raise UsageError(f"--jobs {args.jobs} is less than one", hint="--jobs 1 runs one at a time")
    engine = Engine(args.engine)
    if engine is not Engine.native:
        engine = choose(engine)
    jobs = planned.plan(args.topologies or names(), with_faults=args.faults)
    # Every run needs what judges it: loaded once, and not in each process.
    importlib.import_module("lab.verify.verdict")

    out = fresh_dir("verify", args.out)
    at_once = min(args.jobs or crew.processors(), max(1, len(jobs)))
    began = time.monotonic()
    working = crew.Crew(jobs, out, engine, at_once)
    counts = board.Counts(len(jobs), at_once, lambda each: _tell(each, args))
    # Also while the results are written and told: who ends us then must not lose what is done.
    with signals.held(signals.END):
        with board.shown(counts, sys.stderr) as watching:
            done = working.carry_out(watching)
            counts.flush()
        left = crew.not_begun(jobs, done, out)
        outcomes = sorted([*done, *left], key=lambda each: each.job.number)
        results.write(
            out, outcomes, wall_s=time.monotonic() - began, at_once=at_once, interrupted=working.interrupted
        )  # fmt: skip
        sudo.give_back([out])
        if args.json:
            print(json.dumps([each.verdict for each in outcomes if each.verdict], indent=1))
        _close(outcomes, jobs, out)
    if working.interrupted:
        return EXIT_INTERRUPTED
    return max((each.exit_status for each in outcomes), default=0)


def _close(outcomes: list[JobOutcome], jobs: tuple[Job, ...], out: Path) -> None:
    counts = Counter(each.came for each in outcomes)
    told = ", ".join(f"{counts[came]} {board.WORDS[came]}" for came in Came if counts[came])
    print(f"\n{len(jobs)} runs: {told or 'none'}", file=sys.stderr)
    print(f"matrix: {shown(out / results.PAGE)}", file=sys.stderr)


def _tell(outcome: JobOutcome, args: argparse.Namespace) -> None:
    """One run in one line, and below it what failed and why."""
    stream = sys.stderr if args.json else sys.stdout
    colour = streams.colourful() and not args.json
    print(line(outcome, colour=colour, every=args.all), file=stream, flush=True)


def line(outcome: JobOutcome, *, colour: bool = False, every: bool = False) -> str:
    """One run for people: ``direct  pass  22 held, ...``."""
    counts = Counter(each["verdict"] for each in outcome.findings)
    job = outcome.job
    word = _word(outcome)
    painted = f"\x1b[{_CODES[outcome.came]}m{word:7}\x1b[0m" if colour else f"{word:7}"
    told = (
        f"{job.topology:14} {painted} {counts['pass']:3d} held, {counts['fail']} failed, "
        f"{counts['not-applicable']} not put to the test  {shown(outcome.run_dir)}"
    )
    if job.fault:
        told = f"{job.topology:14} {job.fault:23} {painted} {shown(outcome.run_dir)}"
    return "".join([told, *(f"\n  {each}" for each in _reasons(outcome, every=every))])


_CODES = {
    Came.right: "32", Came.wrong: "31", Came.unmet: "33", Came.broke: "1;31", Came.ended: "33",
}  # fmt: skip


def _word(outcome: JobOutcome) -> str:
    """``pass``, ``fail`` and ``error`` as verdict.json has them; of a fault how it came out."""
    if outcome.came is Came.broke:
        return "error"
    if outcome.job.fault or outcome.came is Came.ended:
        return board.WORDS[outcome.came]
    return str(outcome.verdict["verdict"])


def _reasons(outcome: JobOutcome, *, every: bool) -> list[str]:
    """The cause first, then what failed; what only follows from that is counted."""
    if outcome.came in (Came.right, Came.unmet, Came.ended) or not outcome.verdict:
        return [outcome.problem] if outcome.problem else []
    from lab import codec
    from lab.verify import verdict

    found = [f"diagnosis: {outcome.diagnosis}"] if outcome.diagnosis else []
    if outcome.job.fault:
        return [*outcome.objections, *found]
    if outcome.problem and outcome.problem != outcome.diagnosis:
        found.append(outcome.problem)
    result = codec.build(verdict.Result, {"fault": "", "diagnosis": "", **outcome.verdict})
    for failure in verdict.failed(result, every=every):
        seen = failure.seen.removesuffix(f"; {outcome.diagnosis}")
        found.append(f"{failure.requirement} failed: {seen}")
    if not every and (rest := verdict.follow_line(result)):
        found.append(rest)
    return found
