"""``lab status``: which labs are up, and whether their ways home are."""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from itertools import groupby
from typing import Any

from lab.engine import native, registry
from lab.names import all_of
from lab.watch.ways_seen import look_at


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    up = registry.entries()
    if args.json:
        rows = [{**asdict(entry), **look_at(entry)} for entry in up]
        print(json.dumps(rows, indent=1))
        return 0
    if roots := native.of_root():
        print(f"(native labs of root, besides yours: {roots}; sudo lab status)", file=sys.stderr)
    if not up:
        print("no lab is up")
        return 0

    width = max(len(entry.name) for entry in up)
    for entry in up:
        minutes, seconds = divmod(int(time.time() - entry.started), 60)
        print(
            f"{entry.name:{width}}  up {minutes:3d}:{seconds:02d}  {entry.engine}, {entry.clock} clock  "
            f"{entry.run_dir}"
        )
        seen = look_at(entry)
        for problem in filter(
            None, (seen["fault"] and f"with fault {seen['fault']}", seen["problem"])
        ):
            print(f"{'':{width}}  {problem}")
        for told, same in groupby(seen["ways"], _told):
            print(f"{'':{width}}  {all_of([way['agent'] for way in same])}: {told}")
    return 0


def _told(way: dict[str, Any]) -> str:
    """How an agent's host is at home, and the state of each of its ways."""
    each = ", ".join(f"{name} {state}" for name, state in way["ways"].items())
    return f"{', '.join([*way['modems'], way['state']])} ({each})"
