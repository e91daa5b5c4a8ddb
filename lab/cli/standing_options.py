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
    from lab.runs import MODEL_FILE
    from lab.topology.model import Topology

    return codec.load(Topology, (Path(entry.run_dir) / MODEL_FILE).read_text())


def check_known(what: str, name: str, known: list[str]) -> None:
    """Raise UsageError, with what was perhaps meant, for a name that does not exist."""
    from difflib import get_close_matches

    from lab.errors import UsageError

    if name not in known:
        near = get_close_matches(name, known, n=1)
        raise UsageError(
            f"there is no {what} {name!r}",
            hint=f"perhaps {near[0]}?" if near else f"there are: {', '.join(known)}",
        )
