"""What a way is brought up on: the nodes of a lab, what runs on them, and where events are noted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from lab.linux.nodes import Node
    from lab.record.record import Record
    from lab.record.story import Story
    from lab.topology.model import Topology


class NodeService(Protocol):
    """What runs on a node from the start until the lab goes down."""

    def check(self) -> None:
        """Raise LabError if it broke."""


@runtime_checkable
class MortalService(NodeService, Protocol):
    """A service in the lab's own process that can go as its node does, without power."""

    def die(self) -> None:
        """End at once, and tell no peer; ``check`` raises nothing for that."""


class Lender(NodeService, Protocol):
    """What runs on a partition of i5/OS."""

    def details(self) -> list[str]:
        """What it knows of its IPsec now, in lines for people. No secrets."""


class StartService(Protocol):
    """``start`` of the module that a role's traits name."""

    def __call__(self, ground: Ground, node: Node) -> AbstractContextManager[NodeService]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A lab that stands, as a way's ``bring_up`` sees it."""

    topology: Topology
    nodes: Mapping[str, Node]
    record: Record
    story: Story
    run_dir: Path
    services: dict[str, NodeService] = field(default_factory=dict)
    """By node: what runs there from the start, because of the node's role."""
    drivers: dict[str, WayDriver] = field(default_factory=dict)
    """By kind: what brings ways up, once every kind is ready; a way over another finds that one's here."""
    watched: list[NodeService] = field(default_factory=list)
    """What else can break."""

    def check(self) -> None:
        """Raise LabError if something of the lab's own broke: then a failure says nothing about the path.

        A daemon that a fault killed, or that has ended as it may, has not broken.
        """
        for service in (*self.services.values(), *self.watched):
            service.check()
        for node in self.nodes.values():
            node.check()


class WayDriver(Protocol):
    """What ``bring_up.start`` gives for all ways of one kind. Each verb is about one agent's way.

    A driver that is a subclass has what the first and the last three do for a kind without daemons and trials
    of its own.
    """

    def stand_by(self) -> None:
        """Start the far ends of all ways of the kind, for the user's own clients: the lab brings none up."""
        return

    def up(self, way: Any, agent: str) -> None:
        """Bring the way up, and route IBM's servers over it. Raises ProtocolError if it does not come."""

    def up_again(self, way: Any, agent: str) -> None:
        """Bring up again a way that was lost, by another gateway if there is one."""

    def give_up(self, way: Any, agent: str) -> None:
        """Take the way down, or what is left of it, so that another way can take its place."""

    def healthy(self, way: Any, agent: str) -> bool:
        """Whether everything that the way is made of is up now."""

    def lost(self, way: Any, agent: str) -> bool:
        """Whether the way has died: waits as long as its protocols may take to find out."""

    def take_down(self, way: Any, agent: str) -> None:
        """Take the way down by command: until ``up`` nothing of the agent's gets home by it.

        Where nothing stands that could be given up, what the way leads to is refused.
        """
        self.give_up(way, agent)

    def put_to_test(self, lab: Any, agents: Sequence[str]) -> None:
        """Try what no other kind of way can be tried with, once all calls home got through.

        ``lab`` is the ``RunningLab``; ``agents`` are those that use the kind and have not been tried yet.
        """
        return

    def ended_daemons(self) -> Iterable[tuple[str, str, int]]:
        """Daemons that are no node's own and have broken: node, program, and how it ended (``Popen``)."""
        return ()

    def details(self) -> dict[str, list[str]]:
        """What the daemons of each node know now, in lines for people. No secrets."""
        return {}


class Start(Protocol):
    """``bring_up.start`` of a kind."""

    def __call__(self, ground: Ground) -> AbstractContextManager[WayDriver]: ...
