"""``--container``, for the verbs that build a lab."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lab.container.node import env_file

if TYPE_CHECKING:
    from lab.run.run import Run


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--container", action="append", default=[], metavar="[NODE=]NAME",
        help="a container that runs, without a network of its own, is the node (default: the agent's host): "
        "`docker run --network none` or podman's; with --engine native, as root (again for more nodes)",
    )  # fmt: skip


def commands(run: Run) -> str:
    """How commands are run in the containers of a lab that is up: a line for each."""
    return "".join(
        f"  {container.client.rpartition('/')[2]} exec --env-file {run.shown_dir}/{env_file(node)} "
        f"{container.name} COMMAND\n"
        for node, container in run.containers.containers.items()
    )
