"""``lab requirements``: what of the papers is covered, by what, and how it came out."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lab.names import count

if TYPE_CHECKING:
    from lab.coverage.covering import Covering
    from lab.coverage.inventory import PaperRequirement
    from lab.coverage.outcomes import RequirementOutcome

    Line = tuple[PaperRequirement, RequirementOutcome, Covering]

_WIDTH = 110
_NAMED = 3
"""Of what covers a requirement, so many are named; the rest is counted."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "lab requirements [--json] [RUN...]"
    parser.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN",
        help="run directories, folders of them, or what `lab verify --json` printed; "
        "without: what the program can judge",
    )  # fmt: skip
    parser.add_argument(
        "--json", action="store_true", help="print all as JSON, with all that covers"
    )


def run(args: argparse.Namespace) -> int:
    """Exit status 1 if a requirement is refuted."""
    from lab.coverage import covering, outcomes
    from lab.coverage.inventory import inventory

    runs = outcomes.read(args.runs)
    lines: list[Line] = []
    for requirement in inventory().values():
        own = covering.of(requirement)
        judged = outcomes.judge(requirement, runs, covered=own.judges(requirement))
        lines.append((requirement, judged, own))
    print(_as_json(lines) if args.json else _as_text(lines, with_runs=bool(runs)))
    return int(any(each.state is outcomes.CoverageState.refuted for _, each, _ in lines))


def _as_json(lines: list[Line]) -> str:
    content = [
        {**asdict(requirement), **asdict(outcome), "covered_by": asdict(own)}
        for requirement, outcome, own in lines
    ]
    return json.dumps(content, indent=1, ensure_ascii=False)


def _as_text(lines: list[Line], *, with_runs: bool) -> str:
    told = []
    for requirement, outcome, own in lines:
        head = f"{requirement.id:7} {outcome.state.value:16}"
        told += textwrap.wrap(
            f"{head}{requirement.text}", _WIDTH, subsequent_indent=" " * 24, break_on_hyphens=False
        )
        if by := _by(outcome, own, with_runs=with_runs):
            told += textwrap.wrap(
                by, _WIDTH, initial_indent=" " * 24, subsequent_indent=" " * 26,
                break_on_hyphens=False,
            )  # fmt: skip
    counts = Counter(outcome.state.value for _, outcome, _ in lines)
    told.append(f"{len(lines)} requirements: " + ", ".join(f"{n} {s}" for s, n in counts.items()))
    return "\n".join(told)


def _by(outcome: RequirementOutcome, own: Covering, *, with_runs: bool) -> str:
    """What covers it, in a line: where it failed, where it held, or else what can show it."""
    parts = []
    if outcome.failed:
        parts.append(f"failed in {_few(outcome.failed)}")
    if outcome.held:
        parts.append(f"held in {_few(outcome.held)}")
    if not with_runs or not parts:
        parts += [own.check] if own.check else []
        parts += [f"topologies {_few(own.topologies)}"] if own.topologies else []
        parts += [f"lives {_few(own.lives)}"] if own.lives else []
        parts += [count(len(own.tests), "module of tests", "modules of tests")] if own.tests else []
    return "; ".join(parts)


def _few(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
