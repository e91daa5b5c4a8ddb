"""What is found out about a run once, however many agents are judged by it.

A view is a function of a ``Case``; ``Case.during`` gives another case, with views of its own. Nobody changes
what a view has returned.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from lab.verify.case import Case

T = TypeVar("T")


def once(view: Callable[[Case], T]) -> Callable[[Case], T]:
    """Have a view made when a case is first asked for it, and kept with the case."""

    @functools.wraps(view)
    def kept(case: Case) -> T:
        views: dict[object, T] = case.views
        if kept not in views:
            views[kept] = view(case)
        return views[kept]

    return kept
