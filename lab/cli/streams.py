"""The standard streams of the command: always open, and able to take any text.

A terminal or a pipe that knows ASCII only gets the picture of a topology in ASCII, and every other character
as an escape.
"""

from __future__ import annotations

import codecs
import io
import os
import shutil
import sys
from collections.abc import Iterable

from lab.errors import PrerequisiteError

PAGE_COLUMNS = 100
"""Where there is no terminal."""
_DRAWN = str.maketrans({
    "●": "*", "◌": "o", "┃": "|", "│": "|", "┇": ":", "┐": ".", "┘": "'",
})  # fmt: skip


def hold() -> None:
    """Put /dev/null where a standard stream was closed, or the next socket would become one."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    # Python has none for a descriptor that was closed, and print() would fall back to another.
    for name, fd in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(fd, "r" if fd == 0 else "w", encoding="utf-8"))


def take_any_text() -> None:
    """Let no character end the command, whatever the encoding of the streams."""
    codecs.register_error("lab-drawn", _draw)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="lab-drawn")


def _draw(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    wrong = error.object[error.start : error.end].translate(_DRAWN)
    return wrong.encode("ascii", "backslashreplace").decode(), error.end


def colourful() -> bool:
    """Whether standard output shows colours (https://no-color.org)."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def columns() -> int:
    """How wide what goes to standard output may be: as the terminal, or as COLUMNS says; else a page."""
    if not sys.stdout.isatty():
        return PAGE_COLUMNS
    return shutil.get_terminal_size((PAGE_COLUMNS, 24)).columns


def not_written(error: OSError) -> PrerequisiteError:
    """A full disk or a read-only place, in words."""
    where = f"{error.filename}" if error.filename else "the output"
    return PrerequisiteError(
        f"{where} cannot be written: {error.strerror}",
        hint="make room there, or choose another place: --out DIR, XDG_CACHE_HOME, a > FILE elsewhere",
    )


def say(notes: Iterable[str]) -> None:
    """Tell what was decided for the user, on standard error."""
    for note in notes:
        print(f"lab: {note}", file=sys.stderr)


def let_go() -> None:
    """Leave nothing to be written at the interpreter's end, where a failure would be a traceback."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.close(devnull)
