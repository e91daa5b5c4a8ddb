"""Nodes: what their one thread is needed for, and what must not keep it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lab.charon import store
from lab.errors import KernelError
from lab.linux import furnishing, node_init
from lab.linux.nodes import Node
from lab.linux.process import PIPE
from lab.linux.worker import readable

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


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "shell"])
def test_what_has_left_its_session_ends_with_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiled: bool
) -> None:
    """Also what ignores SIGTERM, and what another program than the lab's own started."""
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "cache"))
    if compiled:
        node_init.build()
    script = "trap '' TERM HUP; echo $$ >numbers; setsid sleep 1000 & echo $! >>numbers; echo; wait"
    with Node.create_bare("n", tmp_path / "run") as node:
        popen = node.start(["sh", "-c", f"cd {tmp_path}; {script}"], stdout=PIPE)
        assert popen.stdout is not None
        popen.stdout.readline()
        # Numbers of the node's own: process 1, then these two, after the mount(8) of a shell.
        numbers = [int(word) for word in (tmp_path / "numbers").read_text().split()]
        assert numbers == ([2, 3] if compiled else [3, 4])
        first = node.run(["ps", "-p", "1", "-o", "comm="]).strip()
        assert first == ("node-init" if compiled else "sleep")
        assert len(node.strays()) == 2
        descriptors = [os.pidfd_open(pid) for pid in node.strays()]
        popen.stdout.close()
    try:
        assert len(readable(*descriptors).poll(0)) == 2
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def test_a_node_whose_proc_cannot_be_mounted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse = ("/bin/sh", "-c", "echo 'mount: not here' >&2; exit 1")
    monkeypatch.setattr(node_init, "argv", lambda: refuse)
    with pytest.raises(KernelError, match=r"mount /proc .*: mount: not here"):
        Node.create_bare("n", tmp_path / "run")


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


@pytest.mark.parametrize("there", [True, False], ids=["there already", "not there"])
def test_a_folder_outside_of_etc_is_the_nodes_own(tmp_path: Path, there: bool) -> None:
    """Nothing of it is seen outside, and the run directory beside it is the same as ever."""
    place, run_dir = tmp_path / "var", tmp_path / "var" / "run"
    folder = place / "l2tp"
    run_dir.mkdir(parents=True)
    (place / "neighbour").write_text("here")
    if there:
        folder.mkdir()
        (folder / "of-the-machine").write_text("secret")
    before = {path.name for path in place.iterdir()}

    with Node.create_bare("n", run_dir) as node:
        for _ in range(2):
            node.call(furnishing.give_folder, os.fspath(folder), run_dir)
        node.write(folder / "own", "own")
        script = f"cat {folder}/* {place}/neighbour; echo seen >{run_dir}/seen; echo >{place}/lost"
        assert node.run(["sh", "-c", script]) == "ownhere"

    assert (run_dir / "seen").read_text() == "seen\n"
    lost = {"lost"} if there else set()
    assert {path.name for path in place.iterdir()} - lost == before
    if there:
        assert [path.name for path in folder.iterdir()] == ["of-the-machine"]
