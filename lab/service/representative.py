"""IBM's representative, by whichever way: gets to a console, is let in, works, leaves (S4 2.2)."""

from __future__ import annotations

import contextlib
import socket
from typing import Protocol

from lab.linux.nodes import Node
from lab.record.event import Tell
from lab.service.events import ServiceTried
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


def look_at(place: Node, tell: Tell, source: str, host: str, address: str, port: int) -> str:
    """The first line that a TCP port says in a session; empty if nothing answers.

    ``place`` is where the representative's programs run, ``source`` the node to which that belongs.
    """
    answer = first_line(place, address, port)
    tell(ServiceTried(source=source, address=address, host=host, port=port, answer=answer))
    return answer


def first_line(node: Node, address: str, port: int) -> str:
    """What a TCP port says to a node first; empty if nothing answers."""
    return node.call(_first_line, address, port)


def _first_line(address: str, port: int) -> str:
    with socket.socket() as asker, contextlib.suppress(OSError):
        asker.settimeout(WORK_S)
        asker.connect((address, port))
        return asker.makefile("rb").readline().decode(errors="replace").strip()
    return ""
