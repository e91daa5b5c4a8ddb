"""Whose a process is that lives in a node."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess

import pytest

from lab.inside import visitors
from lab.inside.visitors import _is_labs
from lab.linux.process_table import Process, parse

DAEMON, INIT = 40, 41


@pytest.mark.parametrize(
    ("stat", "expected"),
    [
        ("61 (sh) S 1 61 61 0 -1 4194560", Process(61, 1, 61, 61, "sh", ended=False)),
        ("7 (a (b) c) Z 6 7 5 0 -1", Process(7, 6, 7, 5, "a (b) c", ended=True)),
    ],
)
def test_a_line_of_proc_is_read_whatever_the_name(stat: str, expected: Process) -> None:
    assert parse(stat) == expected


def process(pid: int, parent: int, session: int, program: str) -> Process:
    return Process(pid, parent, session, session, program, ended=False)


@pytest.mark.parametrize(
    ("of", "is_labs"),
    [
        (process(61, 1, 61, "agent"), False),
        (process(61, 60, 61, "agent"), False),
        (process(DAEMON, os.getpid(), DAEMON, "xl2tpd"), True),
        (process(61, DAEMON, 61, "pppd"), True),
        (process(61, 1, DAEMON, "orphan of xl2tpd"), True),
        (process(61, os.getpid(), 61, "a program that the lab waits for"), True),
        (process(61, INIT, 61, "an orphan in a node"), False),
    ],
)
def test_the_labs_are_its_daemons_and_what_these_start(of: Process, is_labs: bool) -> None:
    others = [process(1, 0, 1, "init"), process(60, 1, 60, "sh")]
    others += [
        process(os.getpid(), 1, os.getpid(), "lab"),
        process(DAEMON, os.getpid(), DAEMON, ""),
        process(INIT, os.getpid(), INIT, "node-init"),
    ]
    table = {each.pid: each for each in others} | {of.pid: of}

    assert _is_labs(of.pid, table, {DAEMON}, {INIT}) is is_labs


def test_a_shell_is_ended_before_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes come in the order in which they were started, whatever numbers their handles have."""
    with contextlib.ExitStack() as stack:
        started = [subprocess.Popen(["sleep", "1000"]) for _ in range(20)]
        for each in started:
            stack.callback(each.wait)
            stack.callback(each.kill)
        handles: dict[int, int] = {}
        told: list[int] = []
        opened, send = os.pidfd_open, signal.pidfd_send_signal

        def note_handle(pid: int) -> int:
            handle = opened(pid)
            later_is_less = fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, 500 - 10 * len(handles))
            os.close(handle)
            handles[later_is_less] = pid
            return later_is_less

        def note_signal(handle: int, number: int) -> None:
            if number == signal.SIGTERM:
                told.append(handles[handle])
            send(handle, number)

        monkeypatch.setattr(os, "pidfd_open", note_handle)
        monkeypatch.setattr(signal, "pidfd_send_signal", note_signal)
        visitors._stop(each.pid for each in started)
        # Nobody has reaped one yet, so no other signal was needed.
        assert [each.wait() for each in started] == [-signal.SIGTERM] * len(started)

    assert told == [each.pid for each in started]
