"""The thread of all consoles: it waits for as long as there is nothing to do."""

from __future__ import annotations

import os
import selectors
from math import inf
from types import SimpleNamespace
from typing import cast

from lab.consoles.service import ConsoleAtWork, Discovery
from lab.teardown import Teardown


def test_when_every_console_is_dead_the_thread_still_waits_to_be_told() -> None:
    """A managed system has nothing to do by itself, ever."""
    with Teardown() as teardown:
        discovery = Discovery(lambda event: None, teardown)
        discovery._answered.set()
        dead = SimpleNamespace(is_dead=True, next_due=0.0, tick=lambda now: None)
        system = SimpleNamespace(is_dead=False, next_due=inf, tick=lambda now: None)
        discovery.ends = [cast("ConsoleAtWork", end) for end in (dead, system)]
        told = os.eventfd(1, os.EFD_CLOEXEC)
        teardown.add("its descriptor", lambda: os.close(told))
        selector = teardown.enter("its selector", selectors.DefaultSelector())
        selector.register(told, selectors.EVENT_READ)

        assert discovery._turn(selector) is False
