"""``tools/loaded``: four busy loops beside a command, which end with the command, however that goes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.wait import wait_until

LOADED = Path(__file__).resolve().parents[2] / "tools" / "loaded"
DEADLINE_S = 20.0


def fields(pid: int | str) -> list[str]:
    """State, parent and so on of a process; none if it has gone (proc_pid_stat(5))."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def ticks(pid: int) -> int:
    """The processor time that it has had."""
    return sum(map(int, fields(pid)[11:13]))


def loops(parent: int) -> set[int]:
    found = (path.name for path in Path("/proc").glob("[0-9]*"))
    return {int(pid) for pid in found if fields(pid)[1:2] == [str(parent)]}


def have_gone(pids: set[int]) -> bool:
    return all(fields(pid)[:1] in ([], ["Z"]) for pid in pids)


@contextmanager
def beside_loops() -> Iterator[tuple[subprocess.Popen[bytes], set[int]]]:
    """A command that waits, and its loops; a group of its own, as a terminal makes it."""
    with subprocess.Popen([LOADED, "sleep", "100"], start_new_session=True) as popen:
        try:
            wait_until("the loops", lambda: len(loops(popen.pid)) == 4, DEADLINE_S)
            yield popen, loops(popen.pid)
        finally:
            popen.kill()


@contextmanager
def heard(number: signal.Signals) -> Iterator[None]:
    """What is started here does not ignore a signal, as it would below nohup(1)."""
    if number == signal.SIGKILL:
        yield
        return
    before = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_the_loops_take_time_and_the_status_is_the_commands() -> None:
    with beside_loops() as (popen, busy):
        wait_until("time", lambda: all(map(ticks, busy)), DEADLINE_S)
        assert popen.poll() is None
    wait_until("the end of the loops", lambda: have_gone(busy), DEADLINE_S)
    assert subprocess.run([LOADED, "sh", "-c", "exit 7"], check=False).returncode == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("send", [os.kill, os.killpg])
def test_a_signal_ends_them(send: Callable[[int, int], None], number: signal.Signals) -> None:
    with heard(number), beside_loops() as (popen, busy):
        send(popen.pid, number)
        assert popen.wait(DEADLINE_S) == -number
        wait_until("the end of the loops", lambda: have_gone(busy), DEADLINE_S)
