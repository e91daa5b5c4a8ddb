"""`lab show`: a picture of a topology, as text, SVG or JSON. Secrets are in none of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from lab import codec
from lab.errors import UsageError
from lab.linux import process
from lab.machine import packages
from lab.topology import dot, draw, load, resolve
from lab.topology.model import Topology

DOT_DEADLINE_S = 30


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topology", metavar="TOPOLOGY", help="a name of lab list, or a .yaml file")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--svg", metavar="FILE", help="as an SVG image to FILE, or - for stdout")
    form.add_argument("--json", action="store_true", help="the whole model, without its secrets")


def run(args: argparse.Namespace) -> int:
    # The seed only matters for secrets, and those are not shown.
    topology = resolve.resolve(load.load(args.topology), b"")
    if args.json:
        print(codec.dump(topology))
    elif args.svg is not None:
        packages.require("dot", "lab show --svg")
        if args.svg == "-":
            print(svg(topology), end="")
            return 0
        _write(Path(args.svg), svg(topology))
    else:
        print(draw.text(topology), end="")

    return 0


def svg(topology: Topology) -> str:
    """The network as an SVG image; needs graphviz."""
    return process.run(["dot", "-Tsvg"], input=dot.render(topology), deadline_s=DOT_DEADLINE_S)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the picture cannot be written to {path}: {error.strerror}",
            hint="Name another with --svg FILE.",
        ) from error
