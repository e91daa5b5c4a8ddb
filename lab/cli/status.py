"""``lab status``: which labs are up."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    from lab.engine import registry

    up = registry.entries()
    if args.json:
        print(json.dumps([asdict(entry) for entry in up], indent=1))
        return 0
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
    return 0
