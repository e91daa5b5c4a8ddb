"""``lab exec``: a command in a node of a lab that is up."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from lab.cli import image_options
from lab.engine import registry
from lab.engine.host import Engine, memory_bytes
from lab.engine.session import NO_PROGRAM
from lab.errors import UsageError
from lab.inside.environment import command_environment
from lab.names import check_known
from lab.run import standing

if TYPE_CHECKING:
    from lab.engine.registry import Entry
    from lab.image.found import FoundImage


def configure(parser: argparse.ArgumentParser) -> None:
    parser.usage = "lab exec [--lab NAME] [--user USER] [--image IMAGE] NODE [-- COMMAND...]"
    parser.add_argument("node", help="a node of the topology (`lab show`)")
    parser.add_argument(
        "--user", default="", help="as whom the command runs: a name or a number (default: root)"
    )
    parser.add_argument("--lab", default="", help="which lab, if several are up (`lab status`)")
    image_options.configure(parser)


def run(args: argparse.Namespace) -> int:
    with image_options.chosen(args) as image:
        if image is not None:
            return _run_in_image(args, image)
    if not args.command:
        raise UsageError("no command is given", hint=f"lab exec {args.node} -- COMMAND")
    return run_in_node(args.lab, args.node, tuple(args.command), args.user)


def _run_in_image(args: argparse.Namespace, image: FoundImage) -> int:
    """As ``docker exec``: a command is run without the entrypoint; without one, the image's is."""
    entry, told = _place(args.lab, args.node)
    given = tuple(args.command)
    entrypoint = "" if given and args.entrypoint is None else args.entrypoint
    command = image.command(given, entrypoint)
    plan = image.plan(
        image_options.environment(args), memory_bytes(Engine(entry.engine), entry.memory)
    )
    # As docker run has it: a user of the image.
    plan = replace(plan, user=args.user or plan.user)
    argv = tuple(plan.argv(entry.run_dir, command))
    return standing.run_in(entry, args.node, argv, plan.environment(told))


def _place(lab: str, node: str) -> tuple[Entry, dict[str, str]]:
    """The lab, and what it tells a command in a node; raises UsageError if there is no such node."""
    entry = registry.find(lab)
    topology = standing.model_of(entry)
    check_known("node", node, [each.name for each in topology.nodes])
    return entry, command_environment(topology, node, entry.run_dir)


def run_in_node(lab: str, node: str, command: tuple[str, ...], user: str = "") -> int:
    """Run a command with what the design promises in its environment; as root, or as a user of the node."""
    entry, env = _place(lab, node)
    try:
        return standing.run_in(entry, node, command, env, user=user)
    except UsageError as error:
        from lab.machine import packages  # Not at the head: most programs are there.

        if error.hint == NO_PROGRAM:
            error.hint = packages.hint_for(command[0]) or error.hint
        raise
