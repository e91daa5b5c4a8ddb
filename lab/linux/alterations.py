"""How a node is not as the lab made it: links, addresses, routes, packet rules, the name server."""

from __future__ import annotations

import fcntl
import json
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lab.linux import nft, proc
from lab.linux.nodes import Node
from lab.linux.resolving import RESOLV_CONF
from lab.names import count
from lab.record.command_event import NodeAltered, NodePart
from lab.topology import model

_SIOCGIFFLAGS, _SIOCGIFADDR, _SIOCGIFMTU = 0x8913, 0x8915, 0x8921
_IFF_UP = 0x1
_ROUTES = "thread-self/net/route"


class Before(NamedTuple):
    """What of a node the model does not say, before a command."""

    resolver: str
    """The text of resolv.conf, in which PPP may have put a name server."""
    tables: frozenset[str]
    """Of packet rules: ``table inet lab``."""


def look(node: Node) -> Before:
    """Look at a node that no command has changed yet."""
    return node.call(lambda: Before(_resolver(), frozenset(nft.run("list tables").splitlines())))


def taken_over(before: Before, since: Before, until: Before) -> Before:
    """What a command's doings are compared with, once the lab itself has changed the node between two looks.

    What the command had changed by then stays a change.
    """
    resolver = until.resolver if since.resolver == before.resolver else before.resolver
    return Before(resolver, before.tables | (until.tables - since.tables))


def find(
    node: Node, planned: model.NodePlan, mtus: dict[str, int], before: Before
) -> list[NodeAltered]:
    """Everything, in words; ``mtus`` is what the model gives to each segment."""
    found = node.call(lambda: list(_found(planned, mtus, before)))
    return [NodeAltered(source=node.name, part=part, words=words) for part, words in found]


def _found(
    planned: model.NodePlan, mtus: dict[str, int], before: Before
) -> Iterator[tuple[NodePart, str]]:
    for interface in planned.interfaces:
        name = interface.name
        flags = _ask(_SIOCGIFFLAGS, name)
        if flags is None or not struct.unpack_from("H", flags, 16)[0] & _IFF_UP:
            yield NodePart.link, f"{name} is {'down' if flags else 'gone'}"
            continue
        address = _ask(_SIOCGIFADDR, name)
        if interface.ip and (not address or socket.inet_ntoa(address[20:24]) != interface.ip):
            yield NodePart.address, f"{name} does not have {interface.ip} any more"
        mtu = _ask(_SIOCGIFMTU, name)
        if mtu and (now := struct.unpack_from("i", mtu, 16)[0]) != mtus[interface.segment]:
            yield NodePart.mtu, f"the MTU of {name} is {now}, and was {mtus[interface.segment]}"
    yield from _lost_routes(planned)
    if (own := _resolver()) != before.resolver:
        words = [line.split()[1] for line in own.splitlines() if line.startswith("nameserver ")]
        yield NodePart.resolver, f"{RESOLV_CONF} names {' and '.join(words) or 'no name server'}"
    for table, rules in _own_rules(before.tables).items():
        yield (
            NodePart.rules,
            f"it has packet rules of the user's own: {count(rules, 'rule')} in {table}",
        )


def _resolver() -> str:
    """The text of resolv.conf in the calling thread's node; empty if there is none."""
    try:
        return Path(RESOLV_CONF).read_text()
    except OSError:
        return ""


def _ask(request: int, name: str) -> bytes | None:
    """An answer of netdevice(7) about an interface; None if there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            return fcntl.ioctl(sock, request, struct.pack("16s24x", name.encode()))
        except OSError:
            return None


def _lost_routes(planned: model.NodePlan) -> Iterator[tuple[NodePart, str]]:
    lines = (line.split() for line in proc.read(_ROUTES).splitlines()[1:])
    defaults = {(words[0], _dotted(words[2])) for words in lines if words[1] == "00000000"}
    for route in planned.routes:
        is_default = route.destination == "default" and ":" not in route.via
        if is_default and (route.interface, route.via) not in defaults:
            yield NodePart.route, f"the default route by {route.via} is gone"


def _dotted(text: str) -> str:
    return socket.inet_ntoa(struct.pack("=I", int(text, 16)))


def _own_rules(others: frozenset[str]) -> Counter[str]:
    """How many rules are in tables that were not there before; a chain that drops by its policy is one.

    iptables' rules are there, too; its legacy ones are not looked for.
    """
    found: Counter[str] = Counter()
    for entry in json.loads(nft.run("list ruleset", json=True) or "{}").get("nftables", []):
        rule, chain = entry.get("rule"), entry.get("chain", {})
        one = rule or (chain if chain.get("policy") == "drop" else None)
        table = f"table {one['family']} {one['table']}" if one else ""
        if table and table not in others:
            found[table] += 1
    return found
