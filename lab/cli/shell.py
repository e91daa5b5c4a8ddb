"""``lab shell``: a shell in a node of a lab that is up."""

from __future__ import annotations

import argparse
import os

from lab.cli.exec import run_in_node


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("node", help="a node of the topology (`lab show`)")
    parser.add_argument("--lab", default="", help="which lab, if several are up (`lab status`)")


def run(args: argparse.Namespace) -> int:
    shell = os.environ.get("SHELL") or "/bin/sh"
    return run_in_node(args.lab, args.node, (shell,))
