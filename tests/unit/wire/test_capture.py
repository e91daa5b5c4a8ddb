"""A capture that comes up half-way only: whatever fails, neither ring nor file nor thread stays open."""

from __future__ import annotations

import mmap
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from lab.linux.nodes import Node
from lab.wire import capture, pcapng
from lab.wire.capture import start_capture
from lab.wire.ring import Block
from tests.unit.sabotage import steps_that_fail


class FakeRing:
    """A ring without a kernel: one block, which is never full."""

    def __init__(self) -> None:
        self.socket, self._kernel = socket.socketpair()
        self.memory = mmap.mmap(-1, 4096)

    @classmethod
    def open(cls, taken: bytes) -> FakeRing:
        return cls()

    def full(self) -> Iterator[Block]:
        yield from ()

    def stop(self) -> Iterator[Block]:
        yield Block(0, 64)

    def lost(self) -> int:
        return 3

    def close(self) -> None:
        self.memory.close()
        self.socket.close()
        self._kernel.close()


class Wires:
    """A node that is here."""

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)


@pytest.fixture(autouse=True)
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "Ring", FakeRing)


def test_whatever_fails_on_the_way_up_nothing_is_left_open(tmp_path: Path) -> None:
    steps = steps_that_fail(lambda: start_capture({1: "lan"}, cast(Node, Wires()), tmp_path))

    assert {"open", "write", "eventfd", "Thread.start"} <= {*steps}


def test_what_is_left_in_the_ring_is_written_also_when_the_lab_breaks(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="a defect"),
        start_capture({1: "lan"}, cast(Node, Wires()), tmp_path) as caught,
    ):
        raise RuntimeError("a defect")

    assert caught.lost == 3
    written = (tmp_path / pcapng.SPOOL).read_bytes()
    assert written == pcapng.spool_header({1: "lan"}) + bytes(64) + pcapng.spool_trailer(3)
