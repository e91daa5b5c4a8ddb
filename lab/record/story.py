"""Tells what happens in a run: every event to ``events.jsonl``, its sentence to standard error.

Results do not come here.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from lab import codec
from lab.record.event import Event
from lab.record.look import PLAIN, Look

EVENTS = "events.jsonl"


class Story:
    """Lines such as ``   0.412 s  IKE  hmc and vpn1 agreed on 3DES_CBC``; none if silent."""

    def __init__(self, run_dir: Path, *, silent: bool = False, look: Look = PLAIN) -> None:
        self._events = run_dir / EVENTS
        self._silent = silent
        self._look = look
        self.started = time.time()
        """From where its times count, and those of the report."""
        self.also: Callable[[str], object] | None = None
        """Who else hears each sentence: the command that asked for what happens now."""

    def tell(self, event: Event) -> None:
        """Write the event down, and tell its sentence; raises TypeError for what JSON has no type for."""
        line = json.dumps(
            {"time": event.time, "source": event.source, "kind": event.kind(), **vars(event)},
            default=_refuse,
        )
        with self._events.open("a") as events:
            events.write(f"{line}\n")
        if self._silent or not event.sentence:
            return
        elapsed_s = event.time - self.started
        # As it is now: pytest puts another one there for each test.
        stream = sys.stderr
        print(self._look.line(elapsed_s, event), file=stream, flush=True)
        if (also := self.also) is not None:
            also(PLAIN.line(elapsed_s, event))

    def put_in_order(self) -> None:
        """Sort the file by the time of the events: some are noticed after others that came later."""
        if self._events.exists():
            lines = self._events.read_text().splitlines(keepends=True)
            lines.sort(key=lambda line: float(json.loads(line)["time"]))
            sorted_file = self._events.with_name(f"{EVENTS}.new")
            sorted_file.write_text("".join(lines))
            sorted_file.replace(self._events)


def read(run_dir: Path, *kinds: type[Event]) -> list[Event]:
    """The events of these kinds that a run has left, in their order; none if it left no file."""
    path = run_dir / EVENTS
    if not path.exists():
        return []
    known = {kind.kind(): kind for kind in kinds}
    entries = map(json.loads, path.read_text().splitlines())
    return [
        codec.build(known[kind], entry) for entry in entries if (kind := entry.pop("kind")) in known
    ]


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"a {type(value).__name__} is no part of an event")
