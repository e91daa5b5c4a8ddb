"""Undoing in reverse order, with nothing skipped and the first failure kept.

``contextlib.ExitStack`` lets a failing clean-up replace the exception of the body; here that stays
first, with what went wrong on the way down as notes, and several failures of the teardown alone come
as one ``ExceptionGroup``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")


class Teardown:
    """Register each undo right after what it undoes; leave the ``with`` block to run them all."""

    def __init__(self) -> None:
        self._steps: list[tuple[str, Callable[[], object]]] = []

    def add(self, what: str, undo: Callable[[], object]) -> None:
        """``what`` names the thing in the error message."""
        self._steps.append((what, undo))

    def enter(self, what: str, context: AbstractContextManager[T]) -> T:
        """Enter a context and leave it at the end."""
        value = context.__enter__()
        self.add(what, lambda: context.__exit__(None, None, None))
        return value

    def close(self) -> None:
        """Undo what was registered so far; a second call finds nothing to undo."""
        self.__exit__(None, None, None)

    def __enter__(self) -> Teardown:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        body: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        failures: list[Exception] = []
        while self._steps:
            what, undo = self._steps.pop()
            try:
                undo()
            # Every step must have its turn, whatever became of the others.
            except Exception as error:  # noqa: BLE001
                error.add_note(f"while taking down {what}")
                failures.append(error)

        if not failures:
            return
        if body is not None:
            for failure in failures:
                notes = "; ".join(failure.__notes__)
                body.add_note(f"and the teardown failed: {failure} ({notes})")
            return
        if len(failures) == 1:
            raise failures[0]
        raise ExceptionGroup("the teardown failed", failures)
