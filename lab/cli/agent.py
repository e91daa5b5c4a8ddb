"""``lab agent``: the reference agent as a program, with a configuration file and commands."""

from __future__ import annotations

import argparse
import sys

from lab.agent import commands


def configure(parser: argparse.ArgumentParser) -> None:
    commands.configure(parser)


def run(args: argparse.Namespace) -> int:
    return commands.run(args, lambda line: print(f"agent: {line}", file=sys.stderr, flush=True))
