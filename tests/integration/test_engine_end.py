"""However a run ends, it ends at once, says so in its exit status, and leaves nothing on the host."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from lab.wait import wait_until
from tests.integration.labs import DEADLINE_S, SYSTEM_PYTHON
from tests.integration.users import (
    Surroundings,
    User,
    end,
    interrupt,
    kernel,
    kernels,
    processes,
    read_until,
    wait_gone,
)

pytestmark = pytest.mark.kernel

STORY = rb"path +\S"
"""The scenario goes on after this line."""
LONG = ("run", "direct", "--clock", "real", "--fault", "slow-server")
"""A scenario that ends by itself after a minute: its agent waits for an answer."""

# Writes where process 1 is about to go on: it dies by SIGSEGV, which no kernel outlives.
KILL_INIT = """
import os, re
# Below the node's own /proc is the guest's, whose process 1 is not the node's.
assert os.system("umount /proc") == 0
with open("/proc/1/maps") as maps, open("/proc/1/mem", "r+b", buffering=0) as memory:
    for line in maps:
        found = re.match("([0-9a-f]+)-([0-9a-f]+) r-xp", line)
        if found and "vdso" not in line:
            low, high = (int(word, 16) for word in found.groups())
            memory.seek(low)
            memory.write(bytes(high - low))
"""


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    return User.settle(tmp_path_factory.mktemp("home"))


def one_that_waits(user: User, out: Path, *options: str) -> subprocess.Popen[bytes]:
    """A run whose command waits for input for ever, with its path up."""
    words = ("run", "direct", "--quiet", "--out", os.fspath(out), *options)
    process = user.start(*words, "--", "sh", "-c", "echo up; read word", stdin=subprocess.PIPE)
    read_until(process, b"up\n")
    return process


# Interrupts.


@pytest.mark.parametrize("whole_group", [False, True], ids=["process", "group"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_in_a_scenario(
    user: User, tmp_path: Path, number: signal.Signals, status: int, whole_group: bool
) -> None:
    out = tmp_path / "run"
    process = user.start(*LONG, "--out", os.fspath(out))
    try:
        read_until(process, STORY, errors=True)
        os.killpg(process.pid, number) if whole_group else process.send_signal(number)
        process.communicate(timeout=DEADLINE_S)
        # 128 and the signal, as a shell would say it, although everything was taken down in order.
        assert process.returncode == status
        assert not processes(os.fspath(out))
        record = json.loads((out / "record.json").read_text())
        assert record["calls"] == [], (
            "it was taken down in order, and the answer was not waited for"
        )
    finally:
        end(process)


def test_a_command_that_is_deaf_to_the_signal(user: User, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ("run", "direct", "--quiet", "--out", os.fspath(out))
    script = 'trap "" TERM; echo here; while :; do sleep 1; done'
    process = user.start(*words, "--", "sh", "-c", script)
    try:
        read_until(process, b"here\n")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 143
        # The lab ends it in the end, and does not take it for something that a daemon has left.
        assert json.loads((out / "record.json").read_text())["leftovers"] == []
    finally:
        end(process)


def test_signal_while_it_boots(user: User, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = user.start(*LONG, "--out", os.fspath(out))
    try:
        wait_until("the kernel", lambda: kernels(out), DEADLINE_S)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 130
        assert not processes(os.fspath(out))
    finally:
        end(process)


def test_the_program_decides_about_an_interrupt(user: User, tmp_path: Path) -> None:
    script = "trap 'echo caught; exit 5' INT; echo up; while :; do sleep 1; done"
    words = ("run", "direct", "--clock", "real", "--quiet", "--", "sh", "-c", script)
    process = user.start(*words)
    try:
        read_until(process, b"up\n")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=DEADLINE_S)
        assert (out, process.returncode) == (b"caught\n", 5)
    finally:
        end(process)


def test_who_insists_is_heard(user: User) -> None:
    script = "trap '' INT TERM; echo up; while :; do sleep 1; done"
    words = ("run", "direct", "--clock", "real", "--quiet", "--", "sh", "-c", script)
    process = user.start(*words)
    try:
        read_until(process, b"up\n")
        interrupt(process, times=3)
        process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 130
    finally:
        end(process)


def test_interrupt_while_nobody_reads_the_output(user: User, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = user.start("run", "direct", "--quiet", "--out", os.fspath(out), "--", "yes")
    try:
        read_until(process, b"y\n")
        interrupt(process, times=3)
        # Our own end of the pipe stays full.
        assert process.wait(timeout=DEADLINE_S) == 130
        assert not processes(os.fspath(out))
    finally:
        end(process)


# Killed.


@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_kill(user: User, tmp_path: Path, clock: str) -> None:
    before = Surroundings.look(user)
    out = tmp_path / "run"
    process = one_that_waits(user, out, "--clock", clock)
    try:
        guest = kernels(out)
        assert len(guest) > 2, "the kernel and the processes that it traces"
        process.kill()
        wait_gone(os.fspath(out))
        assert not any(Path(f"/proc/{pid}/cwd").exists() for pid in guest)
        assert not before.changes(user)
    finally:
        end(process)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_end_of_a_program_that_spins(
    user: User, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    # In virtual time nobody else runs then, not even who would pass a signal on.
    out = tmp_path / "run"
    words = ("run", "direct", "--quiet", "--out", os.fspath(out))
    process = user.start(*words, "--", "sh", "-c", ": > $LAB_RUN_DIR/spins; while :; do :; done")
    try:
        wait_until("the loop", (out / "spins").exists, DEADLINE_S)
        process.send_signal(number)
        assert process.wait(timeout=DEADLINE_S) == status
        wait_gone(os.fspath(out))
    finally:
        end(process)


def test_a_run_leaves_nothing(user: User) -> None:
    before = Surroundings.look(user)
    assert user.lab("run", "direct", "--out", "out-nothing").returncode == 0
    assert not before.changes(user)
    assert not list((user.home / "out-nothing").glob(".uml*"))
    assert not (user.home / ".uml").exists()
    assert not processes(os.fspath(user.home / "out-nothing"))


# The kernel dies.


def test_panic(user: User, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = user.lab("run", "direct", "--out", os.fspath(out), "--", SYSTEM_PYTHON, "-c", KILL_INIT)
    assert done.returncode == 4, done.stderr
    message = done.stderr.decode()
    assert "Kernel panic - not syncing: Attempted to kill init!" in message
    assert "    | " in message, "its last lines"
    assert "Traceback" not in message
    assert not processes(os.fspath(out))
    assert not list(out.glob("core*"))


def test_a_killed_kernel(user: User, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = one_that_waits(user, out)
    try:
        os.kill(kernel(out), signal.SIGKILL)
        _, errors = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 4
        assert b"the lab's kernel died: it ended by SIGKILL" in errors
        wait_gone(os.fspath(out))
    finally:
        end(process)


# Two at a time.


def test_two_at_a_time(user: User, tmp_path: Path) -> None:
    both = [one_that_waits(user, tmp_path / name) for name in ("a", "b")]
    try:
        used = [processor(kernel(tmp_path / name)) for name in ("a", "b")]
        # On one each; that it is another one, as long as there is one, is test_cpus' matter: whoever
        # else runs labs on this machine now counts, too.
        assert all(cpus.isdecimal() for cpus in used), used
        for process in both:
            process.communicate(b"word\n", timeout=DEADLINE_S)
            assert process.returncode == 0
    finally:
        for process in both:
            end(process)


def processor(pid: int) -> str:
    """Where a process may run."""
    status = Path(f"/proc/{pid}/status").read_text()
    return status.split("Cpus_allowed_list:")[1].split()[0]
