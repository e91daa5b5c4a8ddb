"""`lab setup`: the packages, the kernel and perhaps the charon that labs need, as far as they are missing."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from lab import charon
from lab.cli.progress import Lines, shown
from lab.engine import host, trial
from lab.kernel import build
from lab.machine import doctor, hints, packages, setup


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "packages", nargs="*", metavar="PACKAGE",
        help="only these of the lab's packages (default: all that every lab needs, and the kernel)",
    )  # fmt: skip
    parser.add_argument("--without-kernel", action="store_true", help="build no kernel")
    parser.add_argument(
        "--with-tests", action="store_true", help="also what only few commands and the tests need"
    )
    parser.add_argument(
        "--install-only", action="store_true",
        help="only packages and kernel, and no look at the machine: all that needs no Python package",
    )  # fmt: skip
    parser.add_argument(
        "--quiet", action="store_true", help="say nothing if nothing is missing, and do not look further"
    )  # fmt: skip
    parser.add_argument(
        "--stamp", type=Path, metavar="FILE",
        help="write down what this relied on, so that tools/setup can see that nothing has changed",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    lines = Lines(sys.stderr)
    began_ns = time.time_ns()
    if args.packages:
        setup.install(packages.named(args.packages), lines)
        return 0

    building = not args.without_kernel and setup.kernel_wanted()
    wanted = setup.wanted_packages(building=building, tests=args.with_tests)
    changed = setup.install(wanted, lines)
    if building:
        with shown(sys.stderr) as progress:
            build(progress)
    if args.install_only:
        return 0
    fetching = charon.status().can_fetch
    if fetching:
        from lab.charon.fetcher import fetch

        fetch(lines.note)
    if args.stamp is not None:
        setup.write_stamp(args.stamp, wanted, began_ns)
    if args.quiet and not (changed or building or fetching):
        return 0
    return _conclude(without_kernel=args.without_kernel)


def _conclude(*, without_kernel: bool) -> int:
    """Say in one line what `lab doctor` would conclude; the exit status that follows."""
    report = doctor.examine(boot=None if host.inside() or without_kernel else trial.boot)
    if without_kernel and report.engine is None:
        print(
            hints.typed("set up, without a kernel; lab doctor says what a lab needs"),
            file=sys.stderr,
        )
        return 0
    missing = ", ".join(outcome.check.name for outcome in report.missing)
    engine = f"engine: {report.engine or 'none'} ({report.why})"
    rest = f"; missing: {missing}; lab doctor says more" if missing else ""
    print(hints.typed(engine + rest), file=sys.stderr)
    return 0 if report.engine else 3
