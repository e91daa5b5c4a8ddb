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
_MOST = 12
"""Of what one run has beside the other, so many things are told of each subject."""


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
        "differences": [{**asdict(each), "sentence": each.sentence} for each in found],
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
    lines = [f"A: {names[0]}", f"B: {names[1]}"]
    for about in dict.fromkeys(each.about for each in found):
        own = [each for each in found if each.about == about]
        lines += ["", about]
        lines += [line for each in own if not each.only for line in _wrapped(each.sentence, 2)]
        for side, texts in (
            ("A", [each.first for each in own if each.only and each.first]),
            ("B", [each.second for each in own if each.only and each.second]),
        ):
            shown = texts if len(texts) <= _MOST + 1 else texts[:_MOST]
            lines += [f"  only in {side}:"] if texts else []
            lines += [line for text in shown for line in _wrapped(text, 4)]
            if more := len(texts) - len(shown):
                lines.append(f"    and {more} more; lab diff --json has all")
    return "\n".join(lines)


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2),
        break_on_hyphens=False, break_long_words=False,
    )  # fmt: skip
