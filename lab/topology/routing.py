"""Ways through a network of nodes and links: who is next on the shortest way to whom. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from lab.topology.roles import TRAITS, Role


@dataclass(frozen=True, slots=True)
class Hop:
    """The first step of a way: over which link, to which neighbour."""

    link: str
    neighbour: str


class Network:
    """Nodes and the links that they are plugged into."""

    def __init__(self, roles: Mapping[str, Role], links: Mapping[str, Iterable[str]]) -> None:
        self.roles = dict(roles)
        self.links = {link: tuple(n for n in nodes if n in roles) for link, nodes in links.items()}
        # Links without an Internet node come first: IBM's inside goes before its outside.
        ordered = sorted(self.links, key=self.on_internet)
        self._links_of: dict[str, list[str]] = {node: [] for node in roles}
        for link in ordered:
            for node in self.links[link]:
                self._links_of[node].append(link)

        self._zones: dict[str, frozenset[str]] = {}
        self._uplinks: dict[str, tuple[str, ...]] = {}

    def with_role(self, role: Role) -> tuple[str, ...]:
        return tuple(node for node, its in self.roles.items() if its is role)

    def forwards(self, node: str) -> bool:
        return TRAITS[self.roles[node]].forwards

    def links_of(self, node: str) -> tuple[str, ...]:
        """A node's links, those without an Internet node first."""
        return tuple(self._links_of[node])

    def on_internet(self, link: str) -> bool:
        return any(self.roles[node] is Role.internet for node in self.links[link])

    def ways(
        self, start: str, *, closed: frozenset[str] = frozenset(), first: str | None = None
    ) -> dict[str, tuple[Hop, ...]]:
        """Every node that ``start`` reaches, with the hops to it, nearest first.

        Nodes in ``closed`` are reached but not passed; ``first`` fixes the first link.
        """
        found: dict[str, tuple[Hop, ...]] = {start: ()}
        seen: set[str] = set()  # a link's nodes are all found when it is first seen
        queue = deque([start])
        while queue:
            here = queue.popleft()
            passes = here not in closed and self.forwards(here)
            links = self._links_of[here] if passes or here == start else []
            for link in links if first is None or here != start else [first]:
                if link in seen:
                    continue
                seen.add(link)
                for node in self.links[link]:
                    if node not in found:
                        found[node] = (*found[here], Hop(link, node))
                        queue.append(node)

        del found[start]
        return found

    @cached_property
    def internet(self) -> frozenset[str]:
        return frozenset(self.with_role(Role.internet))

    def zone(self, node: str) -> frozenset[str]:
        """The nodes on the same side of the Internet, the node itself among them."""
        if node not in self._zones:
            seen, links, todo = {node}, set[str](), [] if node in self.internet else [node]
            while todo:
                for link in set(self._links_of[todo.pop()]) - links:
                    links.add(link)
                    fresh = set(self.links[link]) - seen - self.internet
                    seen |= fresh
                    todo += fresh
            zone = frozenset(seen)
            self._zones |= dict.fromkeys(zone, zone)

        return self._zones[node]

    def uplinks(self, node: str) -> tuple[str, ...]:
        """The links of a node that lead to the Internet; looked for once, as each rule asks for them."""
        if node not in self._uplinks:
            self._uplinks[node] = tuple(
                link
                for link in self.links_of(node)
                if not self.internet.isdisjoint(self.ways(node, first=link))
            )
        return self._uplinks[node]

    def links_behind(self, firewall: str) -> frozenset[str]:
        """The links that the Internet reaches through the firewall only."""
        open_nodes = {
            node for i in self.internet for node in self.ways(i, closed=frozenset({firewall}))
        }
        passing = {n for n in open_nodes if n != firewall and self.forwards(n)}
        outside = {link for n in passing | self.internet for link in self.links_of(n)}
        return frozenset(self.links) - outside
