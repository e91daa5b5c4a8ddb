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
    chosen = [(fault, fault.survives) for fault in faults.known()]
    if args.topology:
        topology = resolve(load(args.topology), b"faults")
        chosen = [(fault, fault.survived_by(topology)) for fault in faults.applicable(topology)]

    if args.json:
        rows = [
            {
                "name": f.name,
                "summary": f.summary,
                "needs": f.need.text,
                "survives": survives,
            }
            for f, survives in chosen
        ]
        print(json.dumps(rows, indent=1))
        return 0

    width = max((len(fault.name) for fault, _ in chosen), default=0)
    for fault, survives in chosen:
        outcome = "survives" if survives else "fails"
        print(f"{fault.name:{width}}  {outcome:8}  {fault.summary}")
    if not chosen:
        print(f"no fault applies to {args.topology}")
    return 0
