"""What the verbs for labs that are up have in common."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.engine.registry import Entry
    from lab.topology.model import Topology


def add_lab_option(parser: argparse.ArgumentParser) -> None:
    """``--lab``, for when several labs are up."""
    parser.add_argument("--lab", default="", help="which lab, if several are up (`lab status`)")


def model_of(entry: Entry) -> Topology:
    """The model of a lab that is up."""
    from pathlib import Path

    from lab import codec
    from lab.run.run import MODEL_FILE
    from lab.topology.model import Topology

    return codec.load(Topology, (Path(entry.run_dir) / MODEL_FILE).read_text())
