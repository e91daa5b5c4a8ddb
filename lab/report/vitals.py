"""What each node of a run did: whether it sent, was silent, stopped, or kept a call home's packets.

Facts of captures and events; which of them explains a failure is for the diagnosis to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from lab.names import count
from lab.record import story
from lab.record.container_event import ContainerEnded
from lab.record.daemon_event import DaemonEnded
from lab.record.event import NodeDied
from lab.report.conversation import WayConversation
from lab.report.messages import LINES, SeenMessage
from lab.verify.case import Case


class Pulse(StrEnum):
    """How a node is marked; the name of a style."""

    ok = "ok"
    silent = "silent"
    broken = "broken"
    idle = "idle"


@dataclass(frozen=True, slots=True)
class Vitals:
    """One node."""

    pulse: Pulse
    word: str
    """With a shape: ``✓ sent 42 packets``."""
    sent: int
    """Packets that it put on a wire or a line: its own, and those that it passed on."""
    received: int


def read(
    case: Case, messages: Iterable[SeenMessage], conversations: Iterable[WayConversation]
) -> dict[str, Vitals]:
    """Every node, by name."""
    sent, received = Counter[str](), Counter[str]()
    exchange = case.topology.telephone.node if case.topology.telephone is not None else ""
    for message in messages:
        for hop in message.hops:
            sent[hop.sender] += 1
            received[hop.receiver] += 1
            if hop.segment == LINES and exchange:
                received[exchange] += 1
                sent[exchange] += 1
    kept = Counter(
        message.lost_at
        for conversation in conversations
        for row in (*conversation.rows, *conversation.later)
        for message in row.messages
        if message.lost_at
    )
    ended = _ended(case)
    guard = case.topology.firewall.node if case.topology.firewall is not None else ""
    return {
        node.name: _of(
            node.name, sent[node.name], received[node.name], kept[node.name], ended, guard
        )
        for node in case.topology.nodes
    }


def _ended(case: Case) -> dict[str, str]:
    """Node to what stopped there."""
    found: dict[str, str] = {}
    for event in story.read(case.run_dir, NodeDied, DaemonEnded, ContainerEnded):
        if isinstance(event, NodeDied):
            found[event.source] = "died"
        elif isinstance(event, DaemonEnded):
            found.setdefault(event.source, f"{event.program} ended")
        elif isinstance(event, ContainerEnded):
            found.setdefault(event.source, "the container ended")
    return found


def _of(
    name: str, sent: int, received: int, kept: int, ended: dict[str, str], guard: str
) -> Vitals:
    """``guard``: the customer's firewall, which is there to keep packets back."""
    if name in ended:
        return Vitals(Pulse.broken, f"✕ {ended[name]}", sent, received)
    if kept:
        return Vitals(Pulse.broken, f"✕ kept or changed {count(kept, 'packet')}", sent, received)
    if sent:
        return Vitals(Pulse.ok, f"✓ sent {count(sent, 'packet')}", sent, received)
    if received and name == guard:
        return Vitals(Pulse.idle, f"◌ let none of {received} through", sent, received)
    if received:
        return Vitals(Pulse.silent, f"○ silent: {received} came", sent, received)
    return Vitals(Pulse.idle, "◌ nothing came", sent, received)
