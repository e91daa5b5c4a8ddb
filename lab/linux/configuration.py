"""What daemons and the kernel are told, with copies for people in the run directory (``etc``).

Everybody may read the copies, so what is written here holds no secret: secrets have files of their own.
"""

from __future__ import annotations

from pathlib import Path

from lab.linux.nodes import Node

FOLDER = "etc"


def write(node: Node, path: str, text: str, mode: int = 0o600) -> None:
    """Write a daemon's configuration file in a node, and keep a copy under its name."""
    node.write(path, text, mode)
    keep(node, Path(path).name, text)


def keep(node: Node, name: str, text: str) -> None:
    """Keep a copy of what was told by other means than a file; a later one takes its place."""
    path = node.run_dir / FOLDER / node.name / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
