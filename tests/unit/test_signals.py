"""Signals that are held come as bytes, and whatever ends the block, all is as it was before."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.linux import signals

OPEN = Path("/proc/self/fd")
NUMBERS = (*signals.END, signal.SIGWINCH, signal.SIGUSR1)


def state() -> tuple[object, ...]:
    """What there is of signals, and how many descriptors."""
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    return wakeup, len([*OPEN.iterdir()]), *map(signal.getsignal, NUMBERS)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = state()
    yield
    assert state() == before


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def test_they_end_nothing_and_can_be_waited_for() -> None:
    with signals.held(signals.END, also=[signal.SIGWINCH]) as came:
        assert select.select([came], [], [], 0)[0] == []
        for number in (*signals.END, signal.SIGWINCH):
            send(number)
        assert select.select([came], [], [], 0)[0] == [came]
        assert [*os.read(came, 64)] == [*signals.END, signal.SIGWINCH]
        with pytest.raises(BlockingIOError):
            os.read(came, 64)


def test_what_heeds_them_may_end_the_block() -> None:
    heard: list[int] = []

    def heed(number: int, _: object) -> None:
        heard.append(number)
        raise InterruptedError

    def send_both() -> None:
        with signals.held([signal.SIGINT], heed, also=[signal.SIGUSR1]):
            send(signal.SIGUSR1)
            send(signal.SIGINT)

    with pytest.raises(InterruptedError):
        send_both()
    assert heard == [signal.SIGINT]


def test_one_within_the_other_gives_back_what_the_other_holds() -> None:
    with signals.held(signals.END) as outer:
        with signals.held(signals.END) as inner:
            send(signal.SIGTERM)
            assert [*os.read(inner, 64)] == [signal.SIGTERM]
        send(signal.SIGINT)
        assert [*os.read(outer, 64)] == [signal.SIGINT]


def test_what_cannot_be_held_leaves_the_rest_as_it_was() -> None:
    with pytest.raises(OSError, match="Invalid"), signals.held([signal.SIGINT, signal.SIGKILL]):
        raise AssertionError
