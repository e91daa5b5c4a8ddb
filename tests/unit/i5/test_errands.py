"""What blocks, done elsewhere and answered here."""

from __future__ import annotations

import threading

import pytest

from lab.errors import ThreadBroke
from lab.i5.errands import Outbox, Runner
from lab.linux.worker import Broke, readable
from lab.wait import wait_until


def test_answers_come_in_order_to_the_thread_that_asked() -> None:
    outbox, broke, seen = Outbox(), Broke("errands"), []
    runner = Runner("errands", outbox, broke)
    runner.start()
    for number in range(3):
        runner.give(
            lambda number=number: (number, threading.get_ident()),  # type: ignore[misc]
            lambda result: seen.append((result, threading.get_ident())),
        )
    while len(seen) < 3:
        assert readable(outbox).poll(60_000)
        for answer in outbox.take():
            answer()
    runner.end()
    broke.check()
    outbox.close()
    assert [result[0] for result, _ in seen] == [0, 1, 2]
    assert all(worker != here == threading.get_ident() for (_, worker), here in seen)


def test_what_has_not_begun_is_not_done_any_more() -> None:
    outbox, broke, done = Outbox(), Broke("errands"), []
    runner = Runner("errands", outbox, broke)
    begun, go_on = threading.Event(), threading.Event()

    def first() -> None:
        begun.set()
        go_on.wait()
        done.append("first")

    runner.start()
    runner.give(first, lambda _: None)
    runner.give(lambda: done.append("second"), lambda _: None)
    begun.wait()
    runner.drop()
    go_on.set()
    runner.end()
    outbox.close()
    assert done == ["first"]


def test_what_breaks_an_errand_is_told_once() -> None:
    outbox, broke = Outbox(), Broke("errands")
    runner = Runner("errands", outbox, broke)
    runner.start()
    runner.give(lambda: 1 // 0, lambda _: None)
    wait_until("the errand has broken", lambda: broke.error, 60)
    runner.end()
    outbox.close()
    with pytest.raises(ThreadBroke):
        broke.check()
    broke.check()
