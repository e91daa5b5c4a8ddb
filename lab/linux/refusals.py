"""Ways without anything that stands, closed by command: what such a way leads to has no route meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lab.linux import routes
from lab.linux.nodes import Node
from lab.topology.family import Family, family_of


class Refusals:
    """What each agent's host is refused, by one kind of way."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes
        self._refused: dict[str, tuple[str, ...]] = {}

    def close(self, agent: str, addresses: Iterable[str]) -> None:
        """Refuse an agent's host these addresses; a way that has a better route to them still leads there."""
        prefixes = tuple(dict.fromkeys(_prefix(address) for address in addresses))
        routes.refuse(self._nodes[agent], prefixes)
        self._refused[agent] = prefixes

    def open(self, agent: str) -> None:
        """Take back what was refused, if anything was."""
        if agent in self._refused:
            routes.allow(self._nodes[agent], self._refused.pop(agent))


def _prefix(address: str) -> str:
    return f"{address}/{32 if family_of(address) is Family.ipv4 else 128}"
