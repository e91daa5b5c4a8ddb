"""``lab path``: bring a way home of a lab that is up, up or down."""

from __future__ import annotations

import argparse

from lab.engine import registry
from lab.engine.inside import PATH_DOWN, PATH_UP
from lab.errors import UsageError
from lab.run import standing

_VERBS = {
    "up": (PATH_UP, "bring it up: the one that is named, or each agent's in their order"),
    "down": (PATH_DOWN, "take it down, as a person would who hangs up"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="path", metavar="up|down", required=True)
    for name, (order, summary) in _VERBS.items():
        sub = verbs.add_parser(
            name, help=summary, description=summary[0].upper() + summary[1:] + "."
        )
        sub.add_argument("way", nargs="?", default="", help="a way of the topology (`lab show`)")
        sub.add_argument("--lab", default="", help="which lab, if several are up (`lab status`)")
        sub.add_argument("--agent", default="", help="of this host alone, if there are several")
        sub.set_defaults(order=order)


def run(args: argparse.Namespace) -> int:
    entry = registry.find(args.lab)
    topology = standing.model_of(entry)
    known = [way.name for way in topology.own_ways]
    if args.way and args.way not in known:
        problem = f"{entry.name} has no way {args.way!r}"
        raise UsageError(problem, hint=f"known: {', '.join(known)}")
    print(standing.move_path(entry, args.order, args.way, args.agent))
    return 0
