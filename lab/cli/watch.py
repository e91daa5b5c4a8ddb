"""``lab watch``: a lab that stands, as it is now and as it goes on."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from lab.cli import streams
from lab.engine import registry
from lab.errors import UsageError
from lab.paths import shown
from lab.watch import lines, screen, view
from lab.watch.told import ToldSoFar

EVENTS_ONCE = 20


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lab", nargs="?", default="", help="which lab, if several are up")
    parser.add_argument(
        "--lab", dest="named", default="", help="the same, as other commands have it"
    )
    parser.add_argument("--once", action="store_true", help="print one view as text, and end")
    parser.add_argument("--json", action="store_true", help="print one view as JSON, and end")
    parser.add_argument(
        "--every", type=float, default=2.0, metavar="S", help="seconds between two looks (default: 2)"
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    entry = registry.find(args.lab or args.named)
    if args.every < 0.1:
        raise UsageError(f"--every {args.every:g} is too often", hint="--every 1 asks each second")
    if not (args.once or args.json):
        if not (os.isatty(0) and os.isatty(1)) or os.environ.get("TERM", "dumb") == "dumb":
            raise UsageError(
                "lab watch fills a terminal, and this is none", hint="lab watch --once, or --json"
            )
        left = screen.WatchScreen(entry, args.every).run()
        word = "is still up" if left else "went down"
        print(f"{entry.name} {word}; run directory: {shown(Path(entry.run_dir))}", file=sys.stderr)
        return 0

    seen = view.take(entry, ToldSoFar(Path(entry.run_dir)))
    if args.json:
        print(json.dumps(seen.as_json(), indent=1, ensure_ascii=False))
        return 0
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 1000
    for line in lines.whole(seen, width, EVENTS_ONCE):
        print(screen.painted(line, width, colour=True) if streams.colourful() else line.text)
    return 0
