"""What consoles of one customer do for each other, from the start of a lab to the end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.consoles.inter_console import LabOfConsoles
    from lab.ways.ground import Ground, NodeService


@contextlib.contextmanager
def start(ground: Ground, lab: LabOfConsoles) -> Iterator[Consoles]:
    """Discovery, and the Events Manager, where a topology has them; each is imported there alone."""
    with contextlib.ExitStack() as undo:
        found = Consoles()
        if ground.topology.consoles:
            from lab.consoles import service

            found.parts.append(undo.enter_context(service.start(ground, lab)))
        if ground.topology.events is not None:
            from lab.events_manager import service as events

            found.parts.append(undo.enter_context(events.start(ground, lab.environment)))
        yield found


class Consoles:
    """All of it; made by ``start``."""

    def __init__(self) -> None:
        self.parts: list[NodeService] = []

    def check(self) -> None:
        """Raise LabError if one of them broke."""
        for each in self.parts:
            each.check()
