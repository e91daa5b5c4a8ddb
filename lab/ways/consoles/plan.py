"""The model of a way home by other consoles."""

from __future__ import annotations

from dataclasses import dataclass

from lab.topology.consoles import INTER_CONSOLE_PORT, named
from lab.topology.model import Topology, Way


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolesPlan(Way):
    """A way home by whichever call-home server an agent's own console picks."""

    def environment(self, topology: Topology, agent: str) -> dict[str, str]:
        """Where the agent's own console takes requests."""
        console = named(topology.consoles, agent)
        told = {"LAB_CONSOLE": f"https://{console.addresses[0]}:{PORT}"}
        return told | ({"LAB_CONSOLE_ANONYMOUS": "yes"} if console.anonymous else {})


Plan = ConsolesPlan

PORT = INTER_CONSOLE_PORT


def plans(topology: Topology) -> tuple[ConsolesPlan, ...]:
    """The ways home by other consoles."""
    return tuple(way for way in topology.ways if isinstance(way, ConsolesPlan))
