"""The supervisor of a lab that is up, where there is no room for another client."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.engine.channel import Channel
from lab.engine.frames import ChannelFrame, FrameKind, FrameReader
from lab.engine.supervisor import MAIN_SESSION, Supervisor
from lab.errors import LabBroke

ROOM = 40
"""Descriptors that are left: fewer than wait at the listener at most."""


class StandIn:
    """Stands for an inside: a lab that answers every session with its exit."""

    def __init__(self, far: socket.socket) -> None:
        self.channel = Channel(far, far)

    def death(self) -> LabBroke:
        return LabBroke("the inside has gone")


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """A soft limit that leaves room for some."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as held:
        # Numbers that are free below would make room for more than a listener's queue holds.
        for _ in range(used):
            held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        highest = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + ROOM, hard))
        yield
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def own_signal() -> Iterator[None]:
    """The supervisor lets no second SIGTERM through."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def crowd(path: str) -> Iterator[None]:
    """As many clients as there is room for: both ends are in this process."""
    with contextlib.ExitStack() as clients:
        with contextlib.suppress(OSError):
            while True:
                client = clients.enter_context(socket.socket(socket.AF_UNIX))
                client.connect(path)
        yield


class Listener(socket.socket):
    """Notes that there was no descriptor left for a client."""

    full: threading.Event

    def accept(self) -> tuple[socket.socket, object]:
        try:
            return super().accept()
        except OSError as error:
            if error.errno == errno.EMFILE:
                self.full.set()
            raise


def wait_for_signal(near: socket.socket) -> bool:
    """Whether the supervisor tells the inside to end."""
    reader = FrameReader()
    while data := near.recv(4096):
        if any(frame.kind is FrameKind.signal for frame in reader.feed(data)):
            return True
    return False


@pytest.mark.usefixtures("few_descriptors", "own_signal")
def test_who_comes_when_there_is_no_room_is_served_when_others_have_left(tmp_path: Path) -> None:
    near, far = socket.socketpair()
    starter, waiting = socket.socketpair()
    path = f"{tmp_path}/socket"
    halted: list[bool] = []
    serves = threading.Event()

    def come_and_go() -> None:
        try:
            # The supervisor has all that it needs itself, before the crowd takes the rest.
            near.sendall(ChannelFrame(FrameKind.output, MAIN_SESSION, b"up").encode())
            assert serves.wait(20.0)
            with socket.socket(socket.AF_UNIX) as late:
                with crowd(path):
                    late.connect(path)
                    assert listener.full.wait(20.0)
                late.sendall(ChannelFrame(FrameKind.halt, 0, b"").encode())
                near.settimeout(20.0)
                halted.append(wait_for_signal(near))
        finally:
            near.sendall(ChannelFrame(FrameKind.exit, MAIN_SESSION, b"0").encode())

    with Listener(socket.AF_UNIX) as listener, near, far, starter, waiting:
        listener.full = threading.Event()
        listener.bind(path)
        listener.listen(2 * ROOM)
        inside, herald = StandIn(far), lambda *_: serves.set()
        supervisor = Supervisor(inside, listener, herald, starter)  # type: ignore[arg-type]
        guests = threading.Thread(target=come_and_go)
        guests.start()
        assert supervisor.serve() == 0
        guests.join()
    assert halted == [True]
