"""What a failing test shows of the library's own frames: none, where the library says what is wrong itself.

A LabError names the thing, the place and the fix, so that the test's own line and the message suffice. Any
other exception out of the library is a defect of the library, and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import pytest

from lab.errors import LabError

_HERE = Path(__file__).resolve().parents[1]
_LIBRARY = _HERE, _HERE.parent / "tunnels"


@contextmanager
def shortened(call: pytest.CallInfo[None], item: pytest.Item) -> Iterator[None]:
    """While inside, a LabError's traceback ends where the test, or a helper of the test, called the library.

    Afterwards all of it is there again, for ``--pdb``.
    """
    whole = call.excinfo
    if whole is None or not isinstance(error := whole.value, LabError):
        yield
        return

    cause, suppressed = error.__cause__, error.__suppress_context__
    call.excinfo = pytest.ExceptionInfo.from_exc_info((whole.type, error, _cut(whole.tb, item)))
    # pytest would show the traceback of every cause as well: the exceptions at the library's seams.
    error.__cause__, error.__suppress_context__ = None, True
    try:
        yield
    finally:
        call.excinfo = whole
        error.__cause__, error.__suppress_context__ = cause, suppressed


def _cut(whole: TracebackType, item: pytest.Item) -> TracebackType:
    """A copy that ends before the library's first frame; the whole, if nothing is before that."""
    parts = [whole]
    while (following := parts[-1].tb_next) is not None:
        parts.append(following)
    first = next((n for n, part in enumerate(parts) if _is_library(part, item)), len(parts))
    copy = None
    for part in reversed(parts[:first]):
        copy = TracebackType(copy, part.tb_frame, part.tb_lasti, part.tb_lineno)
    return copy or whole


def _is_library(part: TracebackType, item: pytest.Item) -> bool:
    """Whether a frame runs the library's code; the scenarios' tests live in its folder."""
    path = Path(part.tb_frame.f_code.co_filename).resolve()
    return path != item.path and any(path.is_relative_to(folder) for folder in _LIBRARY)
