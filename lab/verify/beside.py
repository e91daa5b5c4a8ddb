"""What comes about beside the ways home: consoles discover each other, an Events Manager reaches consoles.

Each of these has steps of its own, and each step is of one node: what one console lacks says nothing of
another one's. Which findings only follow from what stopped a node says ``consequences``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.verify.case import Case


class Beside(StrEnum):
    """Of one node; each after the ones before that are of the same subject."""

    heard = "heard"
    """Discovery: datagrams of other consoles, and of systems, come in to a console."""
    reached = "reached"
    """Events: a console answers the Events Manager by TCP."""
    registered = "registered"
    """Events: the console knows its Events Manager, who has asked to be known."""

    visited = "visited"
    """Remote service: IBM's server lets the representative get to a session, and the lab's trials begin."""

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {step: number for number, step in enumerate(Beside)}


@dataclass(frozen=True, slots=True)
class Missing:
    """One step of one node that did not come about."""

    step: Beside
    of: str
    """The node."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why every attempt of a node, or at a node, broke."""

    cause: str
    """As the diagnosis has it."""
    at: Beside
    """The first step that did not come about."""


def stopped(case: Case) -> dict[str, Stopped]:
    """Each node beside the ways at which nothing got past a step, for one known cause."""
    found: dict[str, Stopped] = {}
    if case.topology.consoles:
        from lab.verify import console_symptoms

        deaf = dict.fromkeys(
            console_symptoms.deaf(case), Stopped(console_symptoms.DEAF, Beside.heard)
        )
        found |= deaf
    if case.topology.events is not None:
        from lab.verify import event_symptoms

        shut = event_symptoms.shut(case)
        found |= dict.fromkeys(shut, Stopped(event_symptoms.SHUT, Beside.reached))
    if case.topology.service is not None:
        from lab.verify import service_symptoms

        away = service_symptoms.turned_away(case)
        found |= dict.fromkeys(away, Stopped(service_symptoms.TURNED_AWAY, Beside.visited))
    return found
