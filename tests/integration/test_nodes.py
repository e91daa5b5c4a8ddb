"""Nodes: what their one thread is needed for, and what must not keep it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lab.charon import store
from lab.linux.nodes import Node

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


def test_a_charon_of_ones_own_takes_the_place_of_the_installed_in_one_node(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    program, library = tree / store.PROGRAM[1:], tree / store.LIBRARIES[1:] / "libown.so"
    for path, text in ((program, "#!/bin/sh\necho the own\n"), (library, "")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
        path.chmod(0o755)
    with Node.create_bare("n", tmp_path / "run") as node, Node.create_bare("m", tmp_path) as other:
        node.call(store.cover, tree)
        assert node.run([store.PROGRAM]) == "the own\n"
        assert node.run(["ls", store.LIBRARIES]) == "libown.so\n"
        assert "libown.so" not in other.run(["ls", store.LIBRARIES])
    assert not Path(store.LIBRARIES, "libown.so").exists()
