"""The server that a user enters at an agent: it takes whatever comes, and keeps nothing (RFC 863, by TCP).

Which protocol a user's function speaks, is the user's matter; the lab needs somebody who takes the data. One
thread has all connections. The sockets are opened inside the node.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.linux import listening
from lab.linux.worker import Broke, readable, start_worker
from lab.offload.events import DataTaken
from lab.record.event import Tell

if TYPE_CHECKING:
    from lab.linux.nodes import Node
    from lab.ways.ground import Ground

MOST_CALLERS = 64
"""A caller more is turned away."""
STACK_BYTES = 256 * 1024
_BACKLOG = 64
_BYTES_AT_ONCE = 1 << 16


@contextlib.contextmanager
def start(ground: Ground, node: Node) -> Iterator[OffloadServer]:
    """The server, on its node, at every port that the topology has users enter."""
    own = [each for each in ground.topology.user_targets if each.node == node.name]
    places = list(dict.fromkeys((each.address, each.port) for each in own))
    with serving(node, places, ground.story.tell) as server:
        yield server


@contextlib.contextmanager
def serving(node: Node, places: list[tuple[str, int]], tell: Tell) -> Iterator[OffloadServer]:
    """A server at these addresses and ports, while the ``with`` block runs."""
    with contextlib.ExitStack() as undo:
        hint = "another program of the node has the port"
        listeners = node.call(listening.by_tcp, node.name, places, _BACKLOG, hint)
        for listener in listeners:
            undo.enter_context(listener)
        server = OffloadServer(node.name, listeners, tell)
        undo.callback(server.close)
        worker = start_worker(server.run, f"{node.name}'s server", stack_bytes=STACK_BYTES)
        undo.enter_context(worker)
        yield server


@dataclass(slots=True)
class OffloadCaller:
    """A connection."""

    socket: socket.socket
    peer: tuple[str, int]
    taken: int = 0


class OffloadServer:
    """Made by ``start``."""

    def __init__(self, name: str, listeners: list[socket.socket], tell: Tell) -> None:
        self._name = name
        self._listeners = {listener.fileno(): listener for listener in listeners}
        self._tell = tell
        self._callers: dict[int, OffloadCaller] = {}
        self._broke = Broke(f"{name}'s server")
        self.check = self._broke.check

    @property
    def callers(self) -> int:
        """How many connections there are."""
        return len(self._callers)

    def run(self, told: int) -> None:
        """Take data until ``told`` is readable."""
        with self._broke:
            while True:
                callers = [caller.socket for caller in self._callers.values()]
                ready = [d for d, _ in readable(told, *self._listeners, *callers).poll()]
                if told in ready:
                    return
                for descriptor in ready:
                    if descriptor in self._callers:
                        self._take(descriptor)
                    else:
                        self._accept(self._listeners[descriptor])

    def close(self) -> None:
        """Let go of connections that have not ended."""
        for descriptor in [*self._callers]:
            self._end(descriptor, whole=False)

    def _accept(self, listener: socket.socket) -> None:
        # Who called may be gone again.
        with contextlib.suppress(OSError):
            while True:
                connection, peer = listener.accept()
                if len(self._callers) == MOST_CALLERS:
                    connection.close()
                    continue
                connection.setblocking(False)
                self._callers[connection.fileno()] = OffloadCaller(connection, peer[:2])

    def _take(self, descriptor: int) -> None:
        caller = self._callers[descriptor]
        try:
            came = caller.socket.recv(_BYTES_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            self._end(descriptor, whole=False)
            return
        caller.taken += len(came)
        if not came:
            self._end(descriptor, whole=True)

    def _end(self, descriptor: int, *, whole: bool) -> None:
        caller = self._callers.pop(descriptor)
        address, peer_port = caller.peer
        told = DataTaken(
            source=self._name,
            port=caller.socket.getsockname()[1],
            peer=address,
            peer_port=peer_port,
            taken=caller.taken,
            whole=whole,
        )
        # Told first: who sees the end of the connection may ask for what was told.
        self._tell(told)
        caller.socket.close()
