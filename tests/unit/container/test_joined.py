"""Which container is which node, as a user says it; and which labs can have containers at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.container import attached, client, joined
from lab.container.client import RunningContainer
from lab.container.node import CA_FILE, ContainerNode, environment
from lab.container.proc_entry import ProcEntry
from lab.engine.host import Engine
from lab.errors import PrerequisiteError, UsageError
from lab.run.run import Run
from lab.topology.load import load
from lab.topology.resolve import resolve

DIRECT = resolve(load("direct"), bytes(32))


@pytest.fixture(autouse=True)
def containers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every container is there, and ``same`` is ``agent`` by another name."""
    entry = ProcEntry.of(os.getpid())
    assert entry is not None

    def find(name: str) -> RunningContainer:
        identity = name.replace("same", "agent")
        return RunningContainer(
            name=name,
            identity=identity,
            client="/bin/docker",
            entry=entry,
            by_daemon="podman" not in name,
        )

    monkeypatch.setattr(client, "find", find)
    monkeypatch.setattr(attached, "check_free", lambda _: None)


def test_without_a_node_it_is_the_first_agents_host() -> None:
    found = joined.find(["agent", "cec=other"], DIRECT)
    assert {node: c.name for node, c in found.containers.items()} == {
        "hmc": "agent",
        "cec": "other",
    }
    assert found.plans["cec"] is DIRECT.node("cec")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["hmx=agent"], "no node 'hmx'"),
        (["=agent"], "names no container"),
        (["hmc="], "names no container"),
        (["agent", "hmc=other"], "two containers are to be hmc"),
        (["agent", "cec=same"], "is to be two nodes"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        joined.find(words, DIRECT)
    assert caught.value.hint


def test_a_lab_with_a_kernel_of_its_own_has_none(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(UsageError, match="native engine") as caught:
        Run.prepare("direct", engine=Engine.uml, containers=["agent"], out=out)
    assert "--engine native" in caught.value.hint
    assert "--image docker:" in caught.value.hint
    assert not out.exists()


def test_an_image_and_a_container_exclude_each_other(tmp_path: Path) -> None:
    def plan(_: int) -> object:
        raise AssertionError("nothing is unpacked")

    with pytest.raises(UsageError, match="--image and --container"):
        Run.prepare("direct", containers=["agent"], image=plan, out=tmp_path / "run")  # type: ignore[arg-type]


def test_auto_takes_the_native_engine_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.machine.doctor.require", lambda *_: frozenset())
    run = Run.prepare("direct", containers=["agent"], out=tmp_path / "run", command=("in-it-only",))
    assert run.engine is Engine.native
    assert any("--engine native" in note for note in run.notes)
    assert '"identity": "agent"' in run.container_nodes()


def test_a_program_is_looked_for_in_the_container_only_where_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.machine.doctor.require", lambda *_: frozenset())
    with pytest.raises(UsageError, match="no program 'in-it-only'"):
        Run.prepare(
            "direct",
            containers=["agent"],
            out=tmp_path / "run",
            node="cec",
            command=("in-it-only",),
        )


def test_what_has_no_daemon_runs_no_command_of_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.machine.doctor.require", lambda *_: frozenset())
    out = tmp_path / "run"
    with pytest.raises(UsageError, match="Podman has no daemon") as caught:
        Run.prepare("direct", containers=["podmans"], out=out, command=("id",))
    assert "lab up direct --container hmc=podmans" in caught.value.hint
    assert not out.exists()
    assert Run.prepare("direct", containers=["podmans"], out=out).containers.containers


def test_the_command_line_is_the_clients() -> None:
    node = ContainerNode(name="agent", identity="12ab", client="/bin/podman")
    assert node.argv(["ls", "-l"], "/r/env", terminal=False) == [
        "/bin/podman", "exec", "--interactive", "--env-file", "/r/env", "12ab", "ls", "-l",
    ]  # fmt: skip
    other = ContainerNode(name="agent", identity="12ab", client="/bin/docker", user="agent")
    assert other.argv(["sh"], "/r/env", terminal=True) == [
        "/bin/docker", "exec", "--interactive", "--tty", "--user", "agent", "--env-file", "/r/env",
        "12ab", "sh",
    ]  # fmt: skip


def test_no_variable_names_a_file_that_a_container_has_not() -> None:
    told = {
        "LAB_NODE": "hmc",
        "LAB_RUN_DIR": "/r",
        "LAB_SHARED_DIR": "/r/shared",
        "LAB_CA_FILE": "/r/ca.pem",
    }
    assert environment(told, "/r") == {"LAB_NODE": "hmc", "LAB_CA_FILE": CA_FILE}


def test_a_container_of_elsewhere_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> RunningContainer:
        raise PrerequisiteError(f"docker cannot be asked for {name}", hint="start it")

    monkeypatch.setattr(client, "find", refuse)
    with pytest.raises(PrerequisiteError, match="cannot be asked"):
        Run.prepare("direct", engine=Engine.native, containers=["agent"])
