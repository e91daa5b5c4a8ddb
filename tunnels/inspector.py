"""A customer's proxy that breaks TLS open: the program ``lab.ways.proxy.inspector`` on the proxy's node."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.linux.nodes import Node
from lab.linux.process import Daemon
from lab.record.event import Tell
from lab.topology.proxy import HttpProxy
from lab.ways.proxy.events import Proxied

PROGRAM = "lab.ways.proxy.inspector"
CHAIN, AUTHORITY = "inspector.pem", "ca.pem"
"""In the run's ``keys``, where ``lab.ibm.authority`` writes them."""
START_S = 30.0


class Inspector:
    """One such proxy at work."""

    def __init__(self, node: Node, proxy: HttpProxy, keys: Path, tell: Tell) -> None:
        self._node = node
        self._proxy = proxy
        self._keys = keys
        self._tell = tell
        self._daemon: Daemon | None = None

    @property
    def alive(self) -> bool:
        return self._daemon is not None and self._daemon.alive

    def launch(self) -> None:
        """Start the program."""
        address, port = self._proxy.address, f"{self._proxy.port}"
        argv = [sys.executable, "-m", PROGRAM, address, port]
        self._daemon = self._node.spawn(
            [*argv, self._keys / CHAIN, self._keys / AUTHORITY, *self._proxy.destinations],
            name="inspector",
            env={"PYTHONPATH": ":".join(sys.path)},
        )

    def ready(self) -> None:
        """Wait until it listens."""
        assert self._daemon is not None, "launched"
        self._daemon.expect_line("^listening$", START_S)

    def check(self) -> None:
        """Nothing beside the daemon can break, and the node looks after that."""

    def stop(self) -> None:
        """End it, and tell what it has noted."""
        if self._daemon is None:
            return
        daemon, self._daemon = self._daemon, None
        self._node.stop(daemon)
        for line in daemon.log.text().splitlines():
            if line != "listening":
                self._tell(parse(line, self._node.name))


def parse(line: str, proxy: str) -> Proxied:
    """A line of the program's. Raises ValueError for anything else."""
    time, client, target, status, server, content = line.split(" ")
    return Proxied(
        source=proxy,
        time=float(time),
        client=client,
        method="CONNECT",
        target=target,
        status=int(status),
        server="" if server == "-" else server,
        content_bytes=int(content),
    )
