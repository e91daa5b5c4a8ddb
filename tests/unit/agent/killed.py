"""A program that is killed: a child does what the service has to do, and dies at its n-th system call.

    python -m tests.unit.agent.killed FOLDER

reads lines ``SERIAL NUMBER`` and has a child of its own do each: the agent of that serial does all that is
due, and is killed by SIGKILL right before the n-th of ``STEPS``; number 0: it is not killed. The answer is a
line with the number of steps that were made, and how the child ended. Forking saves the imports.
In the place of a serial, ``ledger-NAME`` has a ledger of that name written until it has been shortened.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from lab.agent import settings
from lab.agent.book import Book, lines
from lab.agent.courier import Courier
from lab.agent.problems import CLOSED, OPEN, Problems
from lab.agent.standing import Standing
from lab.agent.state import AgentState

STEPS = {
    "posix": (
        "write",
        "pwrite",
        "fsync",
        "rename",
        "replace",
        "unlink",
        "remove",
        "splice",
        "ftruncate",
    ),
    "_ssl": ("write", "read"),
}
"""By which the agent changes anything outside of itself; and the wait for an answer to what it has sent."""
LEDGER_BYTES = 1000
EVENT = b'{"reference_code": "B3036620", "severity": 2, "text": "fan 3"}\n'


class _Killer:
    """A profile function (sys.setprofile) that counts, and kills before the n-th step."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.count = 0

    def __call__(self, frame: FrameType, event: str, callee: Any) -> None:
        if event != "c_call":
            return
        module = callee.__module__ or type(getattr(callee, "__self__", None)).__module__
        if callee.__name__ not in STEPS.get(module, ()):
            return
        self.count += 1
        if self.count == self._number:
            os.kill(os.getpid(), signal.SIGKILL)


def live(folder: Path, serial: str) -> None:
    """What the service does when it has just been started, once."""
    with AgentState(settings.load(folder / f"{serial}.toml")) as state:
        standing = Standing(state, Courier(state))
        events = standing._events
        assert events is not None
        events.open()
        standing.step()
        events.close()


def write_ledger(folder: Path) -> None:
    """Write until the ledger has been shortened; then close a problem, which is forgotten at once."""
    # A time has up to six decimals: with one less a line is shorter, and another run has fewer steps.
    book = Book(folder, limit_bytes=LEDGER_BYTES, now=lambda: 1_700_000_000.123456)
    known = [entry["n"] for entry in lines(book.path)]
    first = known[-1] + 1 if known else 0
    for number in range(first, first + 12):
        book.note(
            "acknowledged" if number == 0 else "step", kind="inventory", n=number, text="x" * 80
        )
    book.close()
    Problems(folder, 0.0).note("p", state=CLOSED)
    Problems(folder, 0.0).note("q", state=OPEN)


def child(folder: Path, serial: str, number: int, told: int) -> None:
    """Live, be killed perhaps, and tell how many steps there were."""
    killer = _Killer(number)
    sys.setprofile(killer)
    try:
        if serial.startswith("ledger-"):
            write_ledger(folder / serial)
        else:
            live(folder, serial)
    finally:
        sys.setprofile(None)
    os.write(told, str(killer.count).encode())


def main(folder: Path) -> None:
    held: dict[str, int] = {}
    for line in sys.stdin:
        serial, number = line.split()
        if serial not in held and not serial.startswith("ledger-"):
            # The hardware: it has told of one problem, and keeps the FIFO open.
            fifo = folder / f"{serial}.events"
            os.mkfifo(fifo)
            held[serial] = os.open(fifo, os.O_RDWR)
            os.write(held[serial], EVENT)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            child(folder, serial, int(number), writing)
            os._exit(0)
        os.close(writing)
        counted = os.read(reading, 100).decode() or "0"
        os.close(reading)
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{counted} {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
