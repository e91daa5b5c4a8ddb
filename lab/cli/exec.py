"""``lab exec``: a command in a node of a lab that is up."""

from __future__ import annotations

import argparse

from lab.engine import registry
from lab.errors import UsageError
from lab.inside.running import command_environment
from lab.names import check_known
from lab.run import standing


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "lab exec [--lab NAME] NODE -- COMMAND..."
    parser.add_argument("node", help="a node of the topology (`lab show`)")
    parser.add_argument("--lab", default="", help="which lab, if several are up (`lab status`)")


def run(args: argparse.Namespace) -> int:
    if not args.command:
        raise UsageError("no command is given", hint=f"lab exec {args.node} -- COMMAND")
    return run_in_node(args.lab, args.node, tuple(args.command))


def run_in_node(lab: str, node: str, command: tuple[str, ...]) -> int:
    """Run a command with what the design promises in its environment."""
    entry = registry.find(lab)
    topology = standing.model_of(entry)
    check_known("node", node, [each.name for each in topology.nodes])
    env = command_environment(topology, node, entry.run_dir)
    try:
        return standing.run_in(entry, node, command, env)
    except UsageError as error:
        from lab.machine import packages  # Not at the head: most programs are there.

        error.hint = packages.hint_for(command[0]) or error.hint
        raise
