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
    """The model of a lab that is up.

    Raises UsageError if the lab's run directory was removed, or is of another version of the lab.
    """
    from pathlib import Path

    from lab import codec
    from lab.run.run import MODEL_FILE
    from lab.topology.model import Topology

    try:
        return codec.load(Topology, (Path(entry.run_dir) / MODEL_FILE).read_text())
    except (KeyError, TypeError, ValueError) as error:
        from lab.errors import UsageError

        raise UsageError(
            f"{entry.name} was brought up by another version of the lab",
            hint=f"lab down {entry.name} takes the lab down",
        ) from error
    except OSError as error:
        from lab.errors import UsageError

        raise UsageError(
            f"the run directory of {entry.name} cannot be read: {error.strerror}",
            hint=f"lab down {entry.name} takes the lab down",
        ) from error
