"""Whose a process is that lives in a node."""

from __future__ import annotations

import os

import pytest

from lab.inside.visitors import _is_labs
from lab.linux.process_table import Process, parse

DAEMON, INIT = 40, 41


@pytest.mark.parametrize(
    ("stat", "expected"),
    [
        ("61 (sh) S 1 61 61 0 -1 4194560", Process(61, 1, 61, "sh")),
        ("7 (a (b) c) R 6 7 5 0 -1", Process(7, 6, 5, "a (b) c")),
    ],
)
def test_a_line_of_proc_is_read_whatever_the_name(stat: str, expected: Process) -> None:
    assert parse(stat) == expected


@pytest.mark.parametrize(
    ("process", "is_labs"),
    [
        (Process(61, 1, 61, "agent"), False),
        (Process(61, 60, 61, "agent"), False),
        (Process(DAEMON, os.getpid(), DAEMON, "xl2tpd"), True),
        (Process(61, DAEMON, 61, "pppd"), True),
        (Process(61, 1, DAEMON, "orphan of xl2tpd"), True),
        (Process(61, os.getpid(), 61, "a program that the lab waits for"), True),
        (Process(61, INIT, 61, "an orphan in a node"), False),
    ],
)
def test_the_labs_are_its_daemons_and_what_these_start(process: Process, is_labs: bool) -> None:
    others = [Process(1, 0, 1, "init"), Process(60, 1, 60, "sh")]
    others += [
        Process(os.getpid(), 1, os.getpid(), "lab"),
        Process(DAEMON, os.getpid(), DAEMON, ""),
        Process(INIT, os.getpid(), INIT, "node-init"),
    ]
    table = {each.pid: each for each in others} | {process.pid: process}

    assert _is_labs(process.pid, table, {DAEMON}, {INIT}) is is_labs
