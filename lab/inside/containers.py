"""Nodes that are containers, as the running lab has them: their networks, commands in them, their end."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from lab.container import doors
from lab.container.node import ContainerNode, env_file, environment
from lab.errors import ExpectationFailed
from lab.linux.process import MARK, Popen, attended
from lab.record.container_event import ContainerEnded
from lab.record.record import Record
from lab.record.story import Story

_OWNER_ONLY = 0o600
"""A proxy's password may be among the variables."""


class Containers:
    """By the names of their nodes."""

    def __init__(self, by_node: Mapping[str, ContainerNode]) -> None:
        self._by_node = by_node

    def has(self, node: str) -> bool:
        """Whether a node is a container."""
        return node in self._by_node

    def network(self, node: str) -> str:
        """The path of the network namespace that the node takes; empty if it gets a new one."""
        return doors.network(node) if node in self._by_node else ""

    def attended(
        self, run_dir: Path, node: str, argv: Sequence[str], told: Mapping[str, str]
    ) -> AbstractContextManager[Popen[bytes]]:
        """A command on our own standard streams, by the client of the container's engine."""
        path = _write(run_dir, node, told)
        terminal = os.isatty(0) and os.isatty(1)
        words = self._by_node[node].argv(argv, os.fspath(path), terminal=terminal)
        return attended(doors.outside(words), os.environ, lambda start: start())

    def tell_commands(
        self, run_dir: Path, environment_of: Callable[[str], Mapping[str, str]]
    ) -> None:
        """Write down for ``docker exec --env-file`` what commands in each node are told."""
        for node in self._by_node:
            _write(run_dir, node, environment_of(node))

    def tell_of_ends(self, record: Record, story: Story) -> None:
        """Tell of those that do not run any more, which fails the run."""
        for node, each in self._by_node.items():
            if not doors.lives(node):
                client = Path(each.client).name
                ended = ContainerEnded(source=node, container=each.name, client=client)
                story.tell(ended)
                record.fail(ExpectationFailed(ended.sentence))


NO_CONTAINERS = Containers({})


def _write(run_dir: Path, node: str, told: Mapping[str, str]) -> Path:
    lines = environment(told, os.fspath(run_dir)) | {MARK: os.fspath(run_dir)}
    path = run_dir / env_file(node)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
    with os.fdopen(descriptor, "w") as file:
        file.write("".join(f"{key}={value}\n" for key, value in lines.items()))
    return path
