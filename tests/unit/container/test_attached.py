"""What is written into a container, and that all of it is put back, whatever happens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab import codec
from lab.container import attached, before
from lab.container.client import RunningContainer
from lab.container.node import CA_FILE
from lab.container.proc_entry import ProcEntry
from lab.errors import KernelError, UsageError
from lab.linux.within_root import OtherRoot
from lab.topology.load import load
from lab.topology.model import Topology
from lab.topology.resolve import resolve

HOSTS = "127.0.0.1\tlocalhost\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a container whose first process we are; its network is left alone."""
    found = tmp_path / "proc" / "root"
    (found / "etc").mkdir(parents=True)
    (found / "usr").mkdir()
    (found / "etc" / "hosts").write_text(HOSTS)
    monkeypatch.setattr(ProcEntry, "path", os.fspath(found.parent))
    monkeypatch.setattr(ProcEntry, "links", lambda _: frozenset({"lo"}))
    monkeypatch.setattr(ProcEntry, "neighbours", lambda *_: [])
    there = before.NetworkBefore(
        lo_up=True, addresses=(), refusals=(), rules=(), tables=(), ipsec=False, sysctls={}
    )
    monkeypatch.setattr(before, "look", lambda _: there)
    monkeypatch.setattr(before, "put_back", lambda *_: None)
    return found


@pytest.fixture
def container() -> RunningContainer:
    entry = ProcEntry.of(os.getpid())
    assert entry is not None
    return RunningContainer(
        name="agent", identity="1", client="/usr/bin/docker", entry=entry, by_daemon=True
    )


@pytest.fixture
def topology() -> Topology:
    return resolve(load("direct"), bytes(32))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "keys").mkdir(parents=True)
    (folder / "ca.pem").write_text("the authority\n")
    return folder


def files(root: Path) -> dict[str, str]:
    """Path to text; a folder has none."""
    return {
        os.fspath(path.relative_to(root)): path.read_text() if path.is_file() else ""
        for path in sorted(root.rglob("*"))
    }


def test_all_is_there_meanwhile_and_back_afterwards(
    root: Path, container: RunningContainer, topology: Topology, run_dir: Path
) -> None:
    former, inode = files(root), (root / "etc" / "hosts").stat().st_ino
    plans = {"hmc": topology.node("hmc")}
    with attached.attach({"hmc": container}, plans, run_dir):
        hosts = (root / "etc" / "hosts").read_text()
        assert "hmc.customer.test hmc" in hosts
        assert os.fspath(run_dir) in hosts.splitlines()[0]
        assert (root / "etc" / "hosts").stat().st_ino == inode, "Docker's mount would not show it"
        assert (root / "etc" / "resolv.conf").read_text().startswith("nameserver ")
        assert (root / CA_FILE.lstrip("/")).read_text() == "the authority\n"
        assert ((run_dir / attached.NOTED).stat().st_mode & 0o777) == 0o600
        with pytest.raises(UsageError, match="is a node of the lab in") as caught:
            attached.check_free(container)
        assert f"lab gc {run_dir}" in caught.value.hint
    assert files(root) == former
    assert not (run_dir / attached.NOTED).exists()
    attached.check_free(container)


def test_an_error_of_the_lab_puts_back_too(
    root: Path, container: RunningContainer, topology: Topology, run_dir: Path
) -> None:
    former = files(root)
    with (
        pytest.raises(KeyError, match="broke"),
        attached.attach({"hmc": container}, {"hmc": topology.node("hmc")}, run_dir),
    ):
        raise KeyError("broke")
    assert files(root) == former


def test_after_a_lab_that_was_killed_gc_puts_back(
    root: Path, container: RunningContainer, topology: Topology, run_dir: Path
) -> None:
    former = files(root)
    killed = attached.attach({"hmc": container}, {"hmc": topology.node("hmc")}, run_dir)
    killed.__enter__()
    noted = (run_dir / attached.NOTED).read_text()
    killed.__exit__(None, None, None)
    # As it was in the middle.
    (root / "etc" / "hosts").write_text("the lab's")
    (root / "etc" / "resolv.conf").write_text("the lab's")
    (root / CA_FILE.lstrip("/")).parent.mkdir(parents=True)
    (root / CA_FILE.lstrip("/")).write_text("the lab's")
    (run_dir / attached.NOTED).write_text(noted)

    assert [*attached.put_back(run_dir)] == ["what was the lab's in the container agent"]
    assert files(root) == former
    assert [*attached.put_back(run_dir)] == []


def test_of_a_container_that_has_ended_gc_says_what_may_be_left(
    root: Path, container: RunningContainer, topology: Topology, run_dir: Path
) -> None:
    killed = attached.attach({"hmc": container}, {"hmc": topology.node("hmc")}, run_dir)
    killed.__enter__()
    path = run_dir / attached.NOTED
    noted = path.read_text().replace(f'"pid": {os.getpid()}', f'"pid": {2**22 + 1}')
    killed.__exit__(None, None, None)
    path.write_text(noted)
    (told,) = attached.put_back(run_dir)
    assert "has ended" in told
    assert CA_FILE in told
    assert not path.exists()


def test_what_cannot_be_put_back_is_told_and_left_to_gc(
    root: Path,
    container: RunningContainer,
    topology: Topology,
    run_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    former = files(root)

    def refuse(*_: object) -> None:
        raise KernelError("delete", "lan", "refused")

    attaching = attached.attach({"hmc": container}, {"hmc": topology.node("hmc")}, run_dir)
    with pytest.raises(KernelError, match="refused"), attaching:
        monkeypatch.setattr(before, "put_back", refuse)
    assert files(root) == former, "one failure stops nothing else"
    noted = codec.load(attached.Attachments, (run_dir / attached.NOTED).read_text())
    assert [each.container for each in noted.all] == ["agent"]


def test_a_container_whose_files_cannot_be_written(
    root: Path,
    container: RunningContainer,
    topology: Topology,
    run_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    former, write = files(root), OtherRoot.write

    def refuse(self: OtherRoot, path: str, text: str) -> None:
        if path == "/etc/resolv.conf" and text.startswith("nameserver"):
            raise OSError(30, "Read-only file system", path)
        write(self, path, text)

    monkeypatch.setattr(OtherRoot, "write", refuse)
    attaching = attached.attach({"hmc": container}, {"hmc": topology.node("hmc")}, run_dir)
    with pytest.raises(UsageError, match="cannot be written: Read-only") as caught, attaching:
        pytest.fail("it must not come so far")
    assert "--read-only" in caught.value.hint
    assert files(root) == former


def test_a_container_with_interfaces_is_none(
    root: Path, container: RunningContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProcEntry, "links", lambda _: frozenset({"lo", "eth0"}))
    with pytest.raises(UsageError, match="interfaces of its own: eth0") as caught:
        attached.check_free(container)
    assert "--network none" in caught.value.hint
