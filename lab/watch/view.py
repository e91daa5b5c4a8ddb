"""One look at a lab that stands: ways, sessions, SAs, calls, counters, events."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lab.engine.registry import Entry
from lab.errors import LabError
from lab.run import standing
from lab.topology.model import Role
from lab.watch import node_seen
from lab.watch.node_seen import NodeSeen
from lab.watch.told import CallSeen, EventSeen, ToldSoFar
from lab.watch.ways_seen import look_at

if TYPE_CHECKING:
    from lab.topology.model import Topology

MOST_NODES = 24
"""So many are asked at each look: a fleet's hundreds would take seconds."""
EVENTS_IN_JSON = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LabView:
    """A standing lab; each node as it was when it was asked, by that node's clock.

    The nodes are asked one after another, and the lab goes on in between: by a virtual clock, for minutes.
    """

    name: str
    topology: str
    fault: str
    engine: str
    clock: str
    run_dir: str
    up_s: float
    """By this machine's clock."""
    started: float
    """By the lab's clock: from where the story counts; 0 if the lab has told nothing yet."""
    now: float
    """By the lab's clock, seconds since 1970, when the last node was asked; 0 if no node answered."""
    ways: tuple[dict[str, Any], ...]
    """As ``lab status --json`` has them."""
    nodes: tuple[NodeSeen, ...]
    not_asked: int
    """How many nodes more there are that may have SAs or rules."""
    calls: tuple[CallSeen, ...]
    events: tuple[EventSeen, ...]
    problem: str
    """Why something of it is not known; empty if nothing is."""

    def as_json(self) -> dict[str, Any]:
        """The same, with the last events."""
        return {**asdict(self), "events": [asdict(each) for each in self.events[-EVENTS_IN_JSON:]]}


def take(entry: Entry, told: ToldSoFar) -> LabView:
    """Ask the lab. Raises UsageError or GuestError if it has gone."""
    seen = look_at(entry)
    told.read_on()
    nodes: list[NodeSeen] = []
    problem, wanted = str(seen["problem"]), []
    if not problem:
        wanted = _of_interest(standing.model_of(entry))
        for name in wanted[:MOST_NODES]:
            try:
                nodes.append(node_seen.parse(name, standing.ask(entry, name, node_seen.QUESTION)))
            except LabError as error:
                # It goes up or down just now: what the others said is still worth showing.
                problem = error.message
                break
    return LabView(
        name=entry.name, topology=entry.topology, fault=str(seen["fault"]), engine=entry.engine,
        clock=entry.clock, run_dir=entry.run_dir, up_s=round(time.time() - entry.started, 1),
        started=told.origin,
        now=max((node.clock for node in nodes), default=0.0), ways=tuple(seen["ways"]),
        nodes=tuple(nodes), not_asked=max(0, len(wanted) - MOST_NODES),
        calls=tuple(told.standing_calls), events=tuple(told.events), problem=problem,
    )  # fmt: skip


def _of_interest(topology: Topology) -> list[str]:
    """The nodes in whose kernels there are SAs, PPP or rules: the customer's first."""
    leave_out = {Role.internet, Role.exchange}
    names: Sequence[str] = [node.name for node in topology.nodes if node.role not in leave_out]
    first = [*topology.agents, *([topology.firewall.node] if topology.firewall else [])]
    return list(dict.fromkeys([*first, *names]))
