"""Where a program of the user's own has to listen in the place of the lab's. Pure."""

from __future__ import annotations

from typing import NamedTuple

from lab.topology.model import Topology
from lab.topology.roles import Role


class Listener(NamedTuple):
    """A socket that takes what comes."""

    protocol: str
    """``tcp``, ``udp``."""
    address: str
    port: int


def wanted(topology: Topology, node: str) -> tuple[Listener, ...]:
    """What agents call on a node by their ways; what else the papers list may be left closed."""
    match topology.node(node).role:
        case Role.sdc:
            places = [(end.address, end.port) for end in topology.endpoints]
            return tuple(Listener("tcp", *each) for each in dict.fromkeys(places))
        case _:
            return ()
