"""IBM's representative, by whichever way: gets to a console, is let in, works, leaves (S4 2.2)."""

from __future__ import annotations

import contextlib
import socket
from typing import Protocol

from lab.linux.nodes import Node
from lab.topology.model import RemoteService

WORK_S = 10.0
"""For a connection and its first line."""


class Representative(Protocol):
    """One session at a time; ``stop`` ends it, and whatever was begun."""

    said: str
    """What the entrance said to the last ``knock``, for people."""

    @property
    def connected(self) -> bool:
        """Whether a session stands."""

    @property
    def place(self) -> Node:
        """Where programs run that are to reach what the session reaches."""

    def knock(self) -> bool:
        """Get to the console's entrance; whether anything answered there."""

    def authenticate(self, service: RemoteService) -> bool:
        """Be let in, as ``service`` says by what and where to; whether a session stands."""

    def leave(self) -> None:
        """End the session, and leave the entrance. Does nothing if there is none."""

    def stop(self) -> None: ...


def first_line(node: Node, address: str, port: int, said: bytes = b"") -> str:
    """What a TCP port says to a node first, which may have ``said`` something; empty if nothing answers."""
    return node.call(_first_line, address, port, said)


def _first_line(address: str, port: int, said: bytes) -> str:
    with socket.socket() as asker, contextlib.suppress(OSError):
        asker.settimeout(WORK_S)
        asker.connect((address, port))
        asker.sendall(said)
        return asker.makefile("rb").readline().decode(errors="replace").strip()
    return ""
