"""Nodes: what their one thread is needed for, and what must not keep it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lab.nodes import Node

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root and namespaces"),
]


def test_a_node_can_be_called_while_a_program_of_it_runs(tmp_path: Path) -> None:
    """As the modems of AT&T's gateway do while a command runs there."""
    begun, pipe = tmp_path / "begun", tmp_path / "pipe"
    for path in (begun, pipe):
        os.mkfifo(path)
    script = f"echo begun >{begun}; read word <{pipe}; echo $word"
    said: list[str] = []
    with Node.create_bare("n", tmp_path / "run") as node:
        waiting = threading.Thread(target=lambda: said.append(node.run(["sh", "-c", script])))
        waiting.start()
        assert begun.read_text() == "begun\n"
        # It ends only when this has been written, which is done in the node.
        end = os.open(pipe, os.O_RDWR)
        node.call(os.write, end, b"at once\n")
        waiting.join(5)
        os.close(end)
    assert said == ["at once\n"]
