"""The native engine, inside the lab's own kernel, which has all that it needs: we are root there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration import native_labs
from tests.integration.labs import DEADLINE_S, ROOT, Runs
from tests.integration.users import User

pytestmark = pytest.mark.kernel

TOPOLOGIES = ("direct", "vpn-nat", "dial")


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    return User.settle(tmp_path_factory.mktemp("home"))


def inside(user: User, out: str, *command: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command on the agent's host of a lab, which has the checkout and this interpreter."""
    env = {**user.env, "PYTHONPATH": os.pathsep.join([os.fspath(ROOT), *filter(None, sys.path)])}
    words = ("run", "direct", "--no-path", "--quiet", "--out", out, "--", *command)
    return subprocess.run(
        user.argv(*words), env=env, cwd=user.home, capture_output=True,
        stdin=subprocess.DEVNULL, timeout=DEADLINE_S, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def facts(user: User) -> dict[str, Any]:
    done = inside(user, "out-labs", sys.executable, native_labs.__file__, "/srv/labs")
    assert done.returncode == 0, done.stderr.decode()
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_both_engines_find_the_same(user: User, runs: Runs, name: str) -> None:
    out = f"out-{name}"
    native = f"{user.home}/{out}/native"
    lab = (
        sys.executable,
        "-m",
        "lab",
        "run",
        name,
        "--engine",
        "native",
        "--quiet",
        "--out",
        native,
    )
    done = inside(user, out, *lab)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    verdict = json.loads(Path(native, "verdict.json").read_text())
    assert (verdict["engine"], verdict["verdict"]) == ("native", "pass")

    found = [(finding["requirement"], finding["verdict"]) for finding in verdict["findings"]]
    ran = runs.get(name)
    assert ran.verdict["engine"] == "uml", ran.told
    assert found == [(f["requirement"], f["verdict"]) for f in ran.verdict["findings"]]
    assert len(found) > 5


def test_up_lets_go_of_the_output(facts: dict[str, Any]) -> None:
    """Otherwise reading it to the end would have waited for the end of the lab."""
    assert facts["up"] == ["vpn-nat", "direct"]


def test_two_labs_side_by_side_can_be_told(facts: dict[str, Any]) -> None:
    assert facts["status"] == ["vpn-nat", "direct"]
    assert facts["names"] == [
        name for name in ("lab-first", "lab-keeper", "lab-main") for _ in range(2)
    ]
    assert "charon-systemd" in facts["marked"]
    assert facts["exec"] == "/srv/labs/runs/second\n"


def test_gc_removes_what_a_killed_lab_left(facts: dict[str, Any]) -> None:
    told = "\n".join(facts["gc"])
    for what in (
        "the entry of vpn-nat", "/runs/first/control.sock", "/runs/first/.uml-1234",
        "/runs/first/wire/lan.pcapng.part", "/runs/first/wire/frames.spool",
    ):  # fmt: skip
        assert what in told
    assert len(facts["gc"]) == 5
    assert facts["gc again"] == ""
    assert facts["stale"] == []


def test_gc_leaves_look_alikes_and_labs_that_live(facts: dict[str, Any]) -> None:
    assert facts["lost"] == []
    assert facts["second"] == "alive\n"
    assert facts["down"] == 0, facts["down said"]


def test_two_labs_leave_the_machine_as_it_was(facts: dict[str, Any]) -> None:
    """Namespaces, links, addresses, routes, mounts and every setting of the kernel."""
    assert facts["changed"] == {}
    assert facts["settings"] > 500
    assert facts["network"] > 10


def test_a_run_by_sudo_belongs_to_its_caller(facts: dict[str, Any]) -> None:
    assert facts["owners"] == [native_labs.CALLER]
