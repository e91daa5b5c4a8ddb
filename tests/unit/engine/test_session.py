"""What is done while a program starts inside: nothing that the inside says or a user sends is lost by it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.engine.channel import Channel
from lab.engine.frames import ChannelFrame, FrameKind, FrameReader
from lab.engine.session import Program, Session

NUMBER = 1


class Inside:
    """The other end of a session's channel."""

    def __init__(self) -> None:
        self.end, theirs = socket.socketpair()
        self.end.setblocking(False)
        self.channel = Channel(theirs, theirs)
        self._reader = FrameReader()

    def said_to_it(self) -> list[ChannelFrame]:
        try:
            return [*self._reader.feed(self.end.recv(1 << 16))]
        except BlockingIOError:
            return []

    def say(self, kind: FrameKind, text: bytes) -> None:
        self.end.sendall(ChannelFrame(kind, NUMBER, text).encode())

    def close(self) -> None:
        self.end.close()
        self.channel.reader.close()


@pytest.fixture
def inside() -> Iterator[Inside]:
    made = Inside()
    yield made
    made.close()


def ask(inside: Inside, out: int) -> Session:
    return Session(inside.channel, lambda: EOFError("the inside has gone"), sinks=(out, out))


def test_what_is_done_meanwhile_begins_once_the_program_was_asked_for(
    inside: Inside, tmp_path: Path
) -> None:
    asked: list[ChannelFrame] = []

    def meanwhile() -> None:
        asked.extend(inside.said_to_it())
        inside.say(FrameKind.output, b"the lab is up\n")
        inside.say(FrameKind.exit, b"7")

    with (tmp_path / "out").open("wb") as out:
        program = Program(argv=("agent",), env={}, cwd="/")
        status = ask(inside, out.fileno()).run(program, stdin=False, meanwhile=meanwhile)

    assert [frame.kind for frame in asked] == [FrameKind.open, FrameKind.input]
    assert asked[0].data["argv"] == ["agent"]
    assert status == 7
    assert (tmp_path / "out").read_text() == "the lab is up\n"


def test_an_interrupt_meanwhile_is_passed_on(inside: Inside, tmp_path: Path) -> None:
    def meanwhile() -> None:
        inside.said_to_it()
        os.kill(os.getpid(), signal.SIGINT)
        # The inside ends only once it has been told.
        inside.end.setblocking(True)
        inside.say(FrameKind.output, b".")

    ended: list[int] = []

    class Answering(Session):
        def _on_signals(self, numbers: bytes) -> None:
            super()._on_signals(numbers)
            ended.extend(f.number for f in inside.said_to_it() if f.kind is FrameKind.signal)
            inside.say(FrameKind.exit, b"130")

    with (tmp_path / "out").open("wb") as out:
        session = Answering(inside.channel, lambda: EOFError(), sinks=(out.fileno(), out.fileno()))
        program = Program(argv=("agent",), env={}, cwd="/")
        status = session.run(program, stdin=False, meanwhile=meanwhile)

    assert status == 130
    assert ended == [signal.SIGINT]
