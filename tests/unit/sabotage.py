"""Lets every step of a start fail in its turn, and sees that nothing is left open.

A step is a call by which our code leaves itself: to the system, or to the standard library.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any

REPO = Path(__file__).resolve().parents[2]
_OURS = tuple(f"{REPO / folder}/" for folder in ("lab", "tunnels", "tests"))
_LINUX = f"{REPO}/lab/linux/syscalls.py"
"""As good as the system: what has no name in Python."""
_SYSTEM = frozenset(("posix", "termios", "fcntl", "select", "_socket", "_thread", "io"))
_SURE = frozenset(("close", "inotify_rm_watch", "__enter__"))
"""Undoing, and what only returns the object: if these failed, nobody could leave nothing behind."""


class Sabotaged(Exception):
    """A step that failed because it was to."""


class _Saboteur:
    """A profile function (sys.setprofile) that lets the n-th step fail."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.steps: list[str] = []

    def __call__(self, frame: FrameType, event: str, callee: Any) -> None:
        if event == "c_call" and _is_ours(frame):
            owner = getattr(callee, "__self__", None)
            module = callee.__module__ or type(owner).__module__
            name = callee.__name__ if module in _SYSTEM else ""
        elif event == "call" and frame.f_back and _is_ours(frame.f_back) and not _is_ours(frame):
            foreign = frame.f_code.co_filename != contextlib.__file__
            name = frame.f_code.co_qualname if foreign else ""
        else:
            return
        if not name or name.rpartition(".")[2] in _SURE:
            return
        self.steps.append(name)
        if len(self.steps) == self._number:
            raise Sabotaged(name)


def _is_ours(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return file.startswith(_OURS) and file != _LINUX


def possessions() -> Counter[str]:
    """Our open descriptors, threads and children, in words."""
    found = [thread.name for thread in threading.enumerate()]
    for link in Path("/proc/self/fd").iterdir():
        # The descriptor by which the folder was read is closed by now.
        with contextlib.suppress(FileNotFoundError):
            found.append(f"{link.name}: {link.readlink()}")
    for children in Path("/proc/self/task").glob("*/children"):
        # A thread may end meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += [f"child {pid}" for pid in children.read_text().split()]
    return Counter(found)


def steps_that_fail(start: Callable[[], AbstractContextManager[object]]) -> list[str]:
    """Start again and again, each time with another step that fails; the names of the steps."""
    with start():
        pass  # What is done at the first time only, such as imports, is done by now.
    steps: list[str] = []
    for number in count(1):
        before = possessions()
        context, saboteur = start(), _Saboteur(number)
        gc.disable()  # It calls whoever asked for it, and finalizers, in between.
        sys.setprofile(saboteur)
        try:
            context.__enter__()
        except Sabotaged:
            steps.append(saboteur.steps[-1])
            # What an earlier test left behind may go meanwhile: it is nobody's step.
            left = possessions() - before
            assert not left, f"left open when step {number} fails, {steps[-1]}: {[*left]}"
        else:
            sys.setprofile(None)
            context.__exit__(None, None, None)
            left = possessions() - before
            assert not left, f"left open after an end without failures: {[*left]}"
            assert saboteur.steps == steps, "a step was left out, or its failure told nobody"
            return steps
        finally:
            sys.setprofile(None)
            gc.enable()
    raise AssertionError("it never starts")
