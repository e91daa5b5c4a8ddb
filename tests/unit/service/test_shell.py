"""A session's bytes between line and terminal: nothing is lost, little is held, and each end is noticed."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import tty
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from lab.service.shell import CHUNK_BYTES, Ending, carry
from lab.wait import comes_true

DEADLINE_S = 20.0


@dataclass
class Session:
    """A line and a terminal, each a pseudo-terminal, and what is carried between the two."""

    line: int
    """The representative's end."""
    port: int
    """The console's."""
    shell: int
    """The console's end of the shell's terminal."""
    program: int
    """The end of the shell's programs."""
    ended: int
    told: int
    endings: list[Ending] = field(default_factory=list)

    def carry(self, first: bytes = b"") -> threading.Thread:
        def work() -> None:
            self.endings.append(carry(self.port, self.shell, self.ended, self.told, first))

        thread = threading.Thread(target=work)
        thread.start()
        return thread


@pytest.fixture
def session() -> Iterator[Session]:
    with contextlib.ExitStack() as undo:
        line, port = os.openpty()
        shell, program = os.openpty()
        events = ended, told = os.eventfd(0), os.eventfd(0)
        found = Session(line, port, shell, program, ended, told)
        for descriptor in (found.port, found.program):
            tty.setraw(descriptor)
        for descriptor in (port, shell):
            os.set_blocking(descriptor, False)
        for descriptor in (port, shell, program, *events):
            undo.callback(os.close, descriptor)
        undo.callback(_close_if_open, line)
        yield found


def _close_if_open(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)


def read(descriptor: int, count: int) -> bytes:
    """Exactly so many bytes."""
    data = b""
    while len(data) < count:
        data += os.read(descriptor, count - len(data))
    return data


class TestCarry:
    def test_bytes_go_both_ways_and_what_came_first_comes_first(self, session: Session) -> None:
        thread = session.carry(b"first ")
        os.write(session.line, b"then")
        assert read(session.program, 10) == b"first then"
        os.write(session.program, b"answer\xff\0~")
        assert read(session.line, 9) == b"answer\xff\0~"
        os.eventfd_write(session.told, 1)
        thread.join(DEADLINE_S)
        assert session.endings == [Ending.told]

    def test_the_line_goes(self, session: Session) -> None:
        thread = session.carry()
        os.write(session.line, b"x")
        assert read(session.program, 1) == b"x"
        os.close(session.line)
        thread.join(DEADLINE_S)
        assert session.endings == [Ending.line_gone]

    def test_the_line_goes_while_nobody_reads(self, session: Session) -> None:
        """The terminal is full, and so nothing is read from the line."""
        thread = session.carry(b"x" * 100_000)
        os.close(session.line)
        thread.join(DEADLINE_S)
        assert session.endings == [Ending.line_gone]

    def test_the_last_words_of_a_shell_come_through(self, session: Session) -> None:
        words = b"good-bye " * 300
        os.write(session.program, words)
        os.eventfd_write(session.ended, 1)
        thread = session.carry()
        assert read(session.line, len(words)) == words
        thread.join(DEADLINE_S)
        assert session.endings == [Ending.left]

    def test_it_does_not_read_on_while_nobody_takes_it(self, session: Session) -> None:
        thread = session.carry()
        os.set_blocking(session.line, False)
        written = 0
        while written < 2_000_000 and comes_true("room", lambda: room(session.line), 0.5):
            with contextlib.suppress(BlockingIOError):
                written += os.write(session.line, b"x" * CHUNK_BYTES)
        os.eventfd_write(session.told, 1)
        thread.join(DEADLINE_S)
        assert written < 2_000_000
        assert session.endings == [Ending.told]


def room(descriptor: int) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLOUT)
    return bool(poller.poll(0))
