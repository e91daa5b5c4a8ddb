"""`lab charon`: fetch a charon that knows IKEv1, where the installed one does not, or say what there is."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from lab.charon import status


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="fetch|status")
    fetching = verbs.add_parser("fetch", help="fetch one into the user's cache, if one is needed")
    fetching.add_argument(
        "--from", dest="source", type=Path, metavar="FOLDER",
        help="take the distribution's packages (*.deb) from a folder, not from the network",
    )  # fmt: skip
    stating = verbs.add_parser("status", help="say which one is used; exit status 3 if none can be")
    stating.add_argument("--json", action="store_true", help="as JSON on stdout")


def run(args: argparse.Namespace) -> int:
    return _fetch(args) if args.verb == "fetch" else _status(args)


def _fetch(args: argparse.Namespace) -> int:
    from lab.charon.fetcher import fetch

    print(fetch(lambda text: print(text, file=sys.stderr, flush=True), args.source))
    return 0


def _status(args: argparse.Namespace) -> int:
    found = status()
    if args.json:
        path = os.fspath(found.path) if found.path else None
        own = found.own is not None
        print(json.dumps({"path": path, "own": own, "why": found.why, **found.facts}, indent=2))
    elif found.path is None:
        print(f"no charon that knows IKEv1: {found.why}")
        if found.hint:
            print(f"  {found.hint}", file=sys.stderr)
    else:
        version = f"strongSwan {found.facts['version']}, " if "version" in found.facts else ""
        print(f"{found.path}: {version}{found.why}")
    return 0 if found.path else 3
