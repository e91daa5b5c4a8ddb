"""A standing lab on the whole terminal: alternate screen, keys, size. The terminal is left as it was.

The lab's supervisor is waited for like a key, so that its end is seen at once.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from lab.engine.registry import Entry
from lab.errors import LabError
from lab.linux import signals
from lab.watch import lines, view
from lab.watch.lines import HEADING, SOFT, StyledLine
from lab.watch.told import ToldSoFar
from lab.watch.view import LabView

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
"""Alternate screen, no cursor, no wrapping; and back (xterm's control sequences)."""
FEWEST_EVENTS = 4
KEYS = {
    b"q": "quit", b"Q": "quit", b"\x03": "quit", b"r": "refresh", b"R": "refresh", b"?": "help", b"h": "help",
    b"\x1b[A": "up", b"\x1bOA": "up", b"k": "up", b"\x1b[B": "down", b"\x1bOB": "down", b"j": "down",
    b"\x1b[5~": "page up", b"\x1b[6~": "page down", b" ": "page down",
    b"\x1b[H": "top", b"\x1b[1~": "top", b"g": "top", b"\x1b[F": "end", b"\x1b[4~": "end", b"G": "end",
}  # fmt: skip
HELP = (
    "q, ^C         leave; the lab stays up",
    "arrow keys    go through the events, a line at a time; also k and j",
    "page up/down  a page at a time; also space",
    "home, end     the first events; the last ones, which new events follow",
    "r             ask the lab now",
    "?             this, and back",
)
FOOT = "q leave  arrows, page up/down: events  r refresh  ? help"


class WatchScreen:
    """What is on the terminal now, and which keys change it."""

    def __init__(self, entry: Entry, every_s: float) -> None:
        self._entry = entry
        self._every_s = every_s
        self._told = ToldSoFar(Path(entry.run_dir))
        self._view: LabView | None = None
        self._back = 0
        """How many lines of events are below the last one shown; 0 follows new ones."""
        self._helps = False
        self._page = 1

    def run(self) -> bool:
        """Show the lab until the user leaves (True) or the lab ends (False)."""
        ends = os.pidfd_open(self._entry.pid)
        try:
            with _whole_terminal(), _size_changes() as resized:
                return self._loop(ends, resized)
        finally:
            os.close(ends)

    def _loop(self, ends: int, resized: int) -> bool:
        ask_at, typed = 0.0, b""
        while True:
            if time.monotonic() >= ask_at:
                if not self._ask():
                    return False
                ask_at = time.monotonic() + self._every_s
            self._draw()
            patience_s = max(0.0, ask_at - time.monotonic())
            ready, _, _ = select.select([0, ends, resized], [], [], patience_s)
            if ends in ready:
                return False
            if resized in ready:
                os.read(resized, 64)
            if 0 in ready:
                # The terminal has gone: as if the user had left.
                names, typed = read_keys(typed + (os.read(0, 1024) or b"q"))
                if "quit" in names:
                    return True
                self._press(names)
                ask_at = 0.0 if "refresh" in names else ask_at

    def _ask(self) -> bool:
        try:
            before = len(self._told.events)
            self._view = view.take(self._entry, self._told)
            if self._back:
                # What the user reads stays where it is.
                self._back += max(0, len(self._told.events) - before)
        except LabError:
            return False
        return True

    def _press(self, names: Sequence[str]) -> None:
        for name in names:
            self._press_one(name)

    def _press_one(self, name: str) -> None:
        most = max(0, len(self._told.events) - self._page)
        steps = {"up": 1, "down": -1, "page up": self._page, "page down": -self._page}
        if name == "help":
            self._helps = not self._helps
        elif name == "top":
            self._back = most
        elif name == "end":
            self._back = 0
        elif name in steps:
            self._back = min(most, max(0, self._back + steps[name]))

    def _draw(self) -> None:
        size = os.get_terminal_size(1)
        shown = self._lines(size.columns, size.lines)
        colour = "NO_COLOR" not in os.environ
        text = "".join(
            f"\x1b[{row};1H\x1b[0m\x1b[K{painted(line, size.columns, colour=colour)}"
            for row, line in enumerate(shown, start=1)
        )
        sys.stdout.write(f"{text}\x1b[J" if len(shown) < size.lines else text)
        sys.stdout.flush()

    def _lines(self, width: int, height: int) -> list[StyledLine]:
        """What fits: the lab's state first, at least a few events, and the keys at the bottom."""
        foot = [StyledLine(lines.fit(FOOT, width), SOFT)]
        if self._helps or self._view is None:
            return [*(StyledLine(f"  {line}") for line in HELP), *foot][-height:]
        top = [*lines.head(self._view), *lines.body(self._view)]
        room = max(1, height - 2 - min(FEWEST_EVENTS, len(self._told.events)))
        if len(top) > room:
            more = f"  {len(top) - room + 1} lines more: a higher terminal, or lab watch --once"
            top = [*top[: room - 1], StyledLine(more, SOFT)]
        self._page = max(1, height - 2 - len(top))
        told = lines.events(self._told.events, self._view.started)
        last = len(told) - self._back
        seen = told[max(0, last - self._page) : last]
        back = f"Events ({self._back} more below)" if self._back else "Events"
        shown = [*top, StyledLine(back, HEADING), *seen]
        shown += [StyledLine("")] * (height - 1 - len(shown))
        return [*shown[: height - 1], *foot]


def painted(line: StyledLine, width: int, *, colour: bool) -> str:
    """A line as it is written."""
    text = lines.fit(line.text, width)
    # Bold and dim are no colours, and stay (https://no-color.org).
    if line.style and (colour or line.style in (HEADING, SOFT)):
        return f"\x1b[{line.style}m{text}\x1b[0m"
    return text


def read_keys(data: bytes) -> tuple[list[str], bytes]:
    """The names of the keys that were typed, and what is still of a key that is not whole."""
    names: list[str] = []
    while data:
        key = next((data[:n] for n in (4, 3, 1) if data[:n] in KEYS), b"")
        if not key and len(data) < 4 and any(each.startswith(data) for each in KEYS):
            return names, data
        if key:
            names.append(KEYS[key])
        data = data[len(key) or 1 :]
    return names, b""


@contextlib.contextmanager
def _whole_terminal() -> Iterator[None]:
    """The alternate screen and keys as they are typed; whatever ends the block, all is as before."""
    before = termios.tcgetattr(0)
    ended: tuple[int, ...] = (signal.SIGTERM, signal.SIGHUP)
    handlers: dict[int, object] = {}
    try:
        for number in ended:
            handlers[number] = signal.signal(number, _leave)
        tty.setcbreak(0)
        _write(_ENTER)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        # A terminal that has gone needs nothing.
        with contextlib.suppress(OSError):
            _write(_LEAVE)
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, before)


def _leave(*_: object) -> None:
    raise KeyboardInterrupt


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _size_changes() -> AbstractContextManager[int]:
    """A descriptor that can be read when the window has another size."""
    return signals.held([signal.SIGWINCH])
