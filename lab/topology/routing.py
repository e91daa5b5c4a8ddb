"""Ways through a network of nodes and links: who is next on the shortest way to whom. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lab.topology.model import Role

FORWARDING = frozenset({Role.firewall, Role.internet, Role.vpn_gateway})
"""The roles that pass packets on. An agent's host never does (OUT-04), nor does a server."""


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

    def with_role(self, role: Role) -> tuple[str, ...]:
        return tuple(node for node, its in self.roles.items() if its is role)

    def links_of(self, node: str) -> tuple[str, ...]:
        """A node's links, those without an Internet node first: inside goes before outside."""
        links = [link for link, nodes in self.links.items() if node in nodes]
        return tuple(sorted(links, key=self.on_internet))

    def on_internet(self, link: str) -> bool:
        return any(self.roles[node] is Role.internet for node in self.links[link])

    def _neighbours(self, node: str) -> Iterator[Hop]:
        for link in self.links_of(node):
            yield from (Hop(link, other) for other in self.links[link] if other != node)

    def ways(
        self, start: str, *, closed: frozenset[str] = frozenset(), first: str | None = None
    ) -> dict[str, tuple[Hop, ...]]:
        """Every node that ``start`` reaches, with the hops to it, nearest first.

        Nodes in ``closed`` are reached but not passed; ``first`` fixes the first link.
        """
        found: dict[str, tuple[Hop, ...]] = {}
        queue: deque[tuple[str, tuple[Hop, ...]]] = deque([(start, ())])
        while queue:
            here, hops = queue.popleft()
            if hops and (here in closed or self.roles[here] not in FORWARDING):
                continue

            for hop in self._neighbours(here):
                if hop.neighbour == start or hop.neighbour in found:
                    continue
                if not hops and first is not None and hop.link != first:
                    continue
                found[hop.neighbour] = (*hops, hop)
                queue.append((hop.neighbour, found[hop.neighbour]))

        return found

    @property
    def internet(self) -> frozenset[str]:
        return frozenset(self.with_role(Role.internet))

    def zone(self, node: str) -> frozenset[str]:
        """The nodes on the same side of the Internet, the node itself among them."""
        seen, todo = {node}, [] if node in self.internet else [node]
        while todo:
            for hop in self._neighbours(todo.pop()):
                if hop.neighbour not in seen and self.roles[hop.neighbour] is not Role.internet:
                    seen.add(hop.neighbour)
                    todo.append(hop.neighbour)

        return frozenset(seen)

    def uplinks(self, node: str) -> tuple[str, ...]:
        """The links of a node that lead to the Internet."""
        return tuple(
            link for link in self.links_of(node) if self.internet & set(self.ways(node, first=link))
        )

    def links_behind(self, firewall: str) -> frozenset[str]:
        """The links that the Internet reaches through the firewall only."""
        open_nodes = {
            node for i in self.internet for node in self.ways(i, closed=frozenset({firewall}))
        }
        passing = {n for n in open_nodes if n != firewall and self.roles[n] in FORWARDING}
        outside = {link for n in passing | self.internet for link in self.links_of(n)}
        return frozenset(self.links) - outside
