"""``lab gc``: remove what labs that were killed left behind, and nothing else."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab.engine import gc


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders", nargs="*", type=Path, metavar="FOLDER",
        help="where run directories are, besides those of labs that were up (default: runs)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    usual = Path("runs")
    folders = args.folders or ([usual] if usual.is_dir() else [])
    some = False
    for what in gc.collect(folders):
        some = True
        print(f"removed {what}")
    if not some:
        print("nothing is left of a killed lab", file=sys.stderr)
    return 0
