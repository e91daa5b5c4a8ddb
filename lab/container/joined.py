"""The containers that a user has named as nodes: read, found, and joined to a lab."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from lab import names
from lab.container import attached, client
from lab.container.client import RunningContainer
from lab.container.node import ContainerNode, ContainerNodes, env_file
from lab.container.proc_entry import ProcEntry
from lab.errors import UsageError
from lab.topology.model import NodePlan, Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedContainers:
    """Containers by the names of their nodes."""

    containers: Mapping[str, RunningContainer]
    plans: Mapping[str, NodePlan]

    @property
    def entries(self) -> dict[str, ProcEntry]:
        """Their first processes."""
        return {node: container.entry for node, container in self.containers.items()}

    def nodes(self, user: str) -> ContainerNodes:
        """What the inside is told; ``user``: as whom commands run."""
        return ContainerNodes(
            by_node={
                node: ContainerNode(name=c.name, identity=c.identity, client=c.client, user=user)
                for node, c in self.containers.items()
            }
        )

    def check_command(self, node: str, topology: str) -> None:
        """Raise UsageError for a container in which the inside of a lab cannot run commands.

        The inside has process numbers of its own, and setns(2) leads to none beside them.
        """
        container = self.containers.get(node)
        if container is not None and not container.by_daemon:
            name = container.name
            raise UsageError(
                f"no command of a lab runs in the container {name}: Podman has no daemon that would enter it",
                hint=f"lab up {topology} --container {node}={name}, then podman exec --env-file "
                f"RUN/{env_file(node)} {name} COMMAND",
            )

    def attach(self, run_dir: Path) -> AbstractContextManager[None]:
        """As ``attached.attach``; the run directory has the lab's authority already."""
        return attached.attach(self.containers, self.plans, run_dir)


NONE = JoinedContainers(containers={}, plans={})


def find(words: Iterable[str], topology: Topology) -> JoinedContainers:
    """Containers by ``NODE=NAME``, or ``NAME`` for the first agent's host.

    Raises UsageError for a node that is not there or is named twice, else as ``client.find``.
    """
    containers: dict[str, RunningContainer] = {}
    for word in words:
        before, equals, after = word.partition("=")
        node, name = (before, after) if equals else (topology.agents[0], word)
        if not node or not name:
            raise UsageError(
                f"--container {word!r} names no container", hint="--container NODE=NAME"
            )
        names.check_known("node", node, [each.name for each in topology.nodes])
        if node in containers:
            raise UsageError(
                f"two containers are to be {node}", hint="--container NODE=NAME for each"
            )
        found = client.find(name)
        if any(found.identity == other.identity for other in containers.values()):
            raise UsageError(
                f"the container {name} is to be two nodes", hint="start a container for each node"
            )
        attached.check_free(found)
        containers[node] = found
    return JoinedContainers(
        containers=containers, plans={node: topology.node(node) for node in containers}
    )
