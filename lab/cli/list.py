"""`lab list`: the topologies that there are."""

from __future__ import annotations

import argparse
import json
from typing import Any

from lab.topology import load


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON on stdout")


def run(args: argparse.Namespace) -> int:
    entries = [_entry(name) for name in load.names()]
    if args.json:
        print(json.dumps(entries, indent=1))
        return 0

    for entry in entries:
        entry["ways"] = ", ".join(entry["ways"].values())
    columns = ("name", "ways", "profile", "summary")
    widths = {c: max(len(c), *(len(str(e[c])) for e in entries)) for c in columns[:-1]}
    for row in ({c: c.upper() for c in columns}, *entries):
        cells = [f"{row[c]:<{widths[c]}}" for c in columns[:-1]]
        print("  ".join([*cells, str(row["summary"])]))

    return 0


def _entry(name: str) -> dict[str, Any]:
    spec = load.load(name)
    return {
        "name": name,
        "ways": {name: way.kind for name, way in spec.ways.items()},
        "profile": spec.profile,
        "agents": {agent: list(own) for agent, own in spec.agents.items()},
        "expect": list(spec.expect),
        "summary": spec.summary,
    }
