"""`lab kernel`: build the lab's own kernel, or say what there is."""

from __future__ import annotations

import argparse
import json
import os
import sys

from lab.kernel import build, status
from lab.machine import hints


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="build|status")
    building = verbs.add_parser("build", help="build it, if it is not there yet")
    building.add_argument("--again", action="store_true", help="build it even if it is there")
    stating = verbs.add_parser("status", help="say what is there; exit status 3 if there is none")
    stating.add_argument("--json", action="store_true", help="as JSON on stdout")


def run(args: argparse.Namespace) -> int:
    return _build(args) if args.verb == "build" else _status(args)


def _build(args: argparse.Namespace) -> int:
    from lab.cli.progress import shown

    with shown() as progress:
        kernel = build(progress, again=args.again)
    print(kernel)
    return 0


def _status(args: argparse.Namespace) -> int:
    found = status()
    if args.json:
        path = os.fspath(found.path) if found.path else None
        report = {"path": path, "current": found.current, "why": found.why, **found.facts}
        print(json.dumps(report, indent=2))
    elif found.path is None:
        print(f"no kernel: {found.why}")
        print(hints.typed(f"  {found.hint}"), file=sys.stderr)
    else:
        print(f"{found.path}: Linux {found.facts.get('version', '?')}, {found.why}")
        for option in found.facts.get("lost", ()):
            print(f"  without {option}", file=sys.stderr)
    return 0 if found.path else 3
