"""The agent's ways, in the order in which they are tried, and what makes the next one's turn (OUT-14).

A way is passed over when it is not configured (an empty slot for a proxy, no program ``lab-way``), busy (a
proxy that answers 503 for each server, a ``lab-way`` that does not come up) or unavailable (a reset, a
silence). A way of kind ``lab-way`` comes up when its turn comes; it is down before the next way's turn, and
at the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lab.agent import storage
from lab.agent.book import Book
from lab.agent.settings import WaySetting
from lab.errors import LabError

COMMAND = "lab-way"
"""On PATH: ``lab-way up NAME`` exits with 0 when the way is up, and says on standard error why it is not."""
DEADLINE_S = 600.0
"""For one call of it: a modem may dial several numbers."""
_UP = "way-up"
"""A file with the name of the way that is up: whoever comes after a kill takes it down."""


class Road:
    """A way, for as long as one sending lasts."""

    def __init__(self, setting: WaySetting) -> None:
        self.setting = setting
        self.name = setting.name
        self.closed = ""
        """Why it is passed over for the rest of the sending; empty while it may be tried."""
        self.opened = False


def run_lab_way(verb: str, way: str) -> tuple[int, str]:
    """Call the program; its exit status and its last line. Raises LabError if there is none."""
    from lab.linux import process  # Few agents have such a way.

    words = [COMMAND, verb, *([way] if way else [])]
    pipe = process.PIPE
    popen = process.spawn(words, env=dict(os.environ), stdin=pipe, stdout=pipe, stderr=pipe)
    ended = process.await_end(popen, DEADLINE_S)
    said = (ended.stderr or ended.stdout).strip().splitlines()
    return ended.status, said[-1] if said else f"exit status {ended.status}"


class Roads:
    """All ways of one sending; a context manager, at whose end no ``lab-way`` is left up."""

    def __init__(
        self,
        settings: Sequence[WaySetting],
        state: Path,
        book: Book,
        command: Callable[[str, str], tuple[int, str]] = run_lab_way,
    ) -> None:
        self.all = [Road(setting) for setting in settings]
        self._mark = state / _UP
        self._book = book
        self._command = command

    def __enter__(self) -> Roads:
        self.take_down_leftover()
        return self

    def __exit__(self, *_: object) -> None:
        for road in self.all:
            self._take_down(road)

    def take_down_leftover(self) -> None:
        """Take down what an agent that was killed has left up."""
        try:
            way = self._mark.read_text()
        except FileNotFoundError:
            return
        self._down(way, way)

    def usable(self) -> Iterator[Road]:
        """Each way in its turn; what is passed over is noted, once.

        While a ``lab-way`` is up, packets take it: so its turn comes first, and ways before it have none.
        """
        first = next((number for number, road in enumerate(self.all) if road.opened), 0)
        for road in self.all[first:]:
            if not road.closed:
                self._open(road)
            if not road.closed:
                yield road
                self._take_down(road)

    def close(self, road: Road, why: str) -> None:
        """A way is of no use any more: pass it over from now on."""
        road.closed = why
        self._book.note("way-passed-over", way=road.name, why=why)
        self._take_down(road)

    def _open(self, road: Road) -> None:
        setting = road.setting
        if setting.kind == "proxy" and setting.proxy is None:
            self.close(road, "not configured: the slot for a proxy is empty")
        elif setting.kind == "lab-way" and not road.opened:
            self._up(road)

    def _up(self, road: Road) -> None:
        way = road.setting.way
        # Noted before it is done: a way that is up is known, whenever the agent is killed.
        storage.write_whole(self._mark, way.encode())
        try:
            status, said = self._command("up", way)
        except LabError as error:
            storage.remove(self._mark)
            self.close(road, f"not configured: {error.message}")
            return
        if status:
            self._command("down", way)
            storage.remove(self._mark)
            self.close(road, f"busy or unavailable: {COMMAND} up {way}: {said}")
            return
        road.opened = True
        self._book.note("way-up", way=road.name)

    def _take_down(self, road: Road) -> None:
        if road.opened:
            self._down(road.name, road.setting.way)
            road.opened = False

    def _down(self, name: str, way: str) -> None:
        try:
            status, said = self._command("down", way)
        except LabError as error:
            status, said = 1, error.message
        if status:
            self._book.note("way-down-failed", way=name, why=f"{COMMAND} down {way}: {said}")
        else:
            self._book.note("way-down", way=name)
        storage.remove(self._mark)
