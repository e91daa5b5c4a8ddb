"""``lab faults``: what a topology can be run with."""

from __future__ import annotations

import argparse
import json

from lab.topology.load import load
from lab.topology.resolve import resolve
from lab.ways import faults


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topology", nargs="?", default="", help="only those that apply to it")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    chosen = list({fault.name: fault for fault in reversed(faults.known())}.values())[::-1]
    survives = {fault.name: fault.survives for fault in chosen}
    if args.topology:
        topology = resolve(load(args.topology), b"faults")
        chosen = list(faults.applicable(topology))
        survives = {fault.name: fault.survived_by(topology) for fault in chosen}

    if args.json:
        rows = [
            {
                "name": f.name,
                "summary": f.summary,
                "needs": f.need.text,
                "survives": survives[f.name],
            }
            for f in chosen
        ]
        print(json.dumps(rows, indent=1))
        return 0

    width = max((len(fault.name) for fault in chosen), default=0)
    for fault in chosen:
        outcome = "survives" if survives[fault.name] else "fails"
        print(f"{fault.name:{width}}  {outcome:8}  {fault.summary}")
    if not chosen:
        print(f"no fault applies to {args.topology}")
    return 0
