"""``lab report``: the report of a run, made again from the run directory, as far as that is there."""

from __future__ import annotations

import argparse
from pathlib import Path


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_dir", metavar="RUN", type=Path, help="the folder of a run")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write it (default: RUN/report.html)"
    )


def run(args: argparse.Namespace) -> int:
    from lab.paths import shown
    from lab.report import html

    print(shown(html.remake(args.run_dir, args.out)))
    return 0
