"""``lab diff``: what two runs differ in, in words."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lab.paths import shown

if TYPE_CHECKING:
    from lab.compare.differences import RunDifference
    from lab.compare.traits import RunTraits

_WIDTH = 100


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "lab diff [--json] RUN RUN"
    parser.add_argument("first", type=Path, metavar="RUN", help="a run directory")
    parser.add_argument("second", type=Path, metavar="RUN", help="another one")
    parser.add_argument("--json", action="store_true", help="print the differences as JSON")


def run(args: argparse.Namespace) -> int:
    """Exit status 0: they differ in nothing; 1: in something, or not all of them can be compared."""
    from lab.compare import differences, traits
    from lab.report.kept import KeptRun

    # Both first: a wrong name must not wait for captures to be read.
    kept = [KeptRun.read(path) for path in (args.first, args.second)]
    first, second = (traits.of(run) for run in kept)
    found = differences.find(first, second)
    names = [shown(path) for path in (args.first, args.second)]
    print(
        _as_json(names, first, second, found)
        if args.json
        else _as_text(names, first, second, found)
    )
    for problem in first.lacking + second.lacking:
        print(f"lab: {problem}", file=sys.stderr)
    return int(bool(found or first.lacking or second.lacking))


def _as_json(
    names: list[str], first: RunTraits, second: RunTraits, found: tuple[RunDifference, ...]
) -> str:
    content = {
        "runs": names,
        "same": not (found or first.lacking or second.lacking),
        "differences": [asdict(each) for each in found],
        "not_compared": [*first.lacking, *second.lacking],
    }
    return json.dumps(content, indent=1, ensure_ascii=False)


def _as_text(
    names: list[str], first: RunTraits, second: RunTraits, found: tuple[RunDifference, ...]
) -> str:
    if not found and (first.lacking or second.lacking):
        return f"{names[0]} and {names[1]} differ in nothing that can be compared"
    if not found:
        return f"{names[0]} and {names[1]} differ in nothing but what is random"
    lines = [f"first run: {names[0]}", f"second run: {names[1]}"]
    about = ""
    for each in found:
        if each.about != about:
            lines += ["", each.about]
            about = each.about
        lines += textwrap.wrap(
            each.sentence, _WIDTH, initial_indent="  ", subsequent_indent="    ",
            break_on_hyphens=False,
        )  # fmt: skip
    return "\n".join(lines)
