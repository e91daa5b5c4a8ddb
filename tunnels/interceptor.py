"""A customer's firewall that breaks TLS open: the program ``lab.ways.direct.interceptor`` on its node."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from lab.linux.nodes import Node
from lab.linux.process import Daemon
from tunnels.inspector import AUTHORITY, CHAIN, START_S

PROGRAM = "lab.ways.direct.interceptor"


class Interceptor:
    """The program at work; what it notes of each connection is in its log."""

    def __init__(self, node: Node, port: int, addresses: Iterable[str], keys: Path) -> None:
        self._node = node
        self._port = port
        self._addresses = tuple(addresses)
        self._keys = keys
        self._daemon: Daemon | None = None

    @property
    def alive(self) -> bool:
        return self._daemon is not None and self._daemon.alive

    def launch(self) -> None:
        """Start the program."""
        argv = [sys.executable, "-m", PROGRAM, f"{self._port}"]
        self._daemon = self._node.spawn(
            [*argv, self._keys / CHAIN, self._keys / AUTHORITY, *self._addresses],
            name="interceptor",
            env={"PYTHONPATH": ":".join(sys.path)},
        )

    def ready(self) -> None:
        """Wait until it listens."""
        assert self._daemon is not None, "launched"
        self._daemon.expect_line("^listening$", START_S)

    def stop(self) -> None:
        """End the program."""
        if self._daemon is not None:
            daemon, self._daemon = self._daemon, None
            self._node.stop(daemon)
