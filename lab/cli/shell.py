"""``lab shell``: a shell in a node of a lab that is up."""

from __future__ import annotations

import argparse
import os

from lab.cli.standing_options import add_lab_option


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", help="a node of the topology (`lab show`)")
    add_lab_option(parser)


def run(args: argparse.Namespace) -> int:
    from lab.cli.exec import run_in_node

    shell = os.environ.get("SHELL") or "/bin/sh"
    return run_in_node(args.lab, args.node, (shell,))
