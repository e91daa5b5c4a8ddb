"""What a node's network holds right now: links, addresses and routes to show, and leftovers to count.

``take`` reads with pyroute2, for failure reports and as the tests' second opinion. ``leftovers`` is asked in
every node at every teardown (g6), and does without pyroute2, which would make a run a fifth dearer.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.errors import KernelError
from lab.linux import firewall, netlink, proc
from lab.linux.netlink import NetlinkSocket
from lab.linux.nodes import Node
from lab.names import count
from lab.topology import model

_RT_TABLE_MAIN = 254
_XFRM_STAT = "thread-self/net/xfrm_stat"
_XFRM_MSG_GETSA, _XFRM_MSG_GETPOLICY = 0x12, 0x15


@dataclass(frozen=True, slots=True)
class Inventory:
    """A network namespace, each part sorted."""

    links: tuple[str, ...]
    """``lan 02:ca:11:01:00:01 mtu 1500 up, netem holds 1000 packets``."""
    addresses: tuple[str, ...]
    """``lan 192.168.10.10/24``."""
    routes: tuple[str, ...]
    """The main table: ``default via 192.168.10.1 dev lan``, ``unreachable 129.42.160.48/32``."""

    def __str__(self) -> str:
        return "\n".join((*self.links, *self.addresses, *self.routes))


def take(node: Node) -> Inventory:
    """Look at a node's network."""
    # Not at the head, which every run imports, and not in the node's thread, which has a small stack.
    from pyroute2 import IPRoute, NetlinkError  # type: ignore[import-untyped]

    try:
        return node.call(_take, IPRoute)
    except NetlinkError as error:
        raise KernelError("list the network of", node.name, str(error)) from error


def leftovers(node: Node, topology: model.Topology) -> tuple[str, ...]:
    """What is in a node beside the wires that the model gives to the node, in sentences."""
    own = {"lo"}
    for interface in topology.node(node.name).interfaces:
        own |= {interface.name, topology.segment(interface.segment).port_of(interface.name)}
    found = node.call(_strangers, node.name, own)
    found += [f"nft {table}" for table in firewall.tables(node)]
    return tuple(f"{node.name}: {thing}" for thing in found)


# In the nodes' own threads.


def _take(connect: Callable[[], Any]) -> Inventory:
    with connect() as kernel:
        found = {link["index"]: link for link in kernel.get_links()}
        names = {index: link.get("ifname") for index, link in found.items()}
        shaped = {
            q["index"]: q.get("options") for q in kernel.get_qdiscs() if q.get("kind") == "netem"
        }
        links = (_link(link, shaped.get(index)) for index, link in found.items())
        addresses = (_address(address, names) for address in kernel.get_addr())
        routes = (_route(route, names) for route in kernel.get_routes(table=_RT_TABLE_MAIN))
        return Inventory(tuple(sorted(links)), tuple(sorted(addresses)), tuple(sorted(routes)))


def _link(link: Any, netem: Any) -> str:
    state = link.get("operstate").lower()
    # A PPP interface has no MAC address.
    words = (link.get("ifname"), link.get("address"), f"mtu {link.get('mtu')}", state)
    held = f", netem holds {netem['limit']} packets" if netem else ""
    return " ".join(filter(None, words)) + held


def _address(address: Any, names: Mapping[int, str]) -> str:
    # Of a point-to-point link ``address`` is the peer's; IPv6 has no ``local``.
    own = address.get("local") or address.get("address")
    return f"{names[address['index']]} {own}/{address['prefixlen']}"


def _route(route: Any, names: Mapping[int, str]) -> str:
    from pyroute2.netlink.rtnl import rt_type  # type: ignore[import-untyped]

    kind = "" if route["type"] == rt_type["unicast"] else f"{rt_type[route['type']]} "
    prefix = f"{route.get('dst')}/{route['dst_len']}" if route["dst_len"] else "default"
    via = f" via {gateway}" if (gateway := route.get("gateway")) else ""
    # An unreachable IPv4 prefix has no interface.
    dev = f" dev {names[index]}" if (index := route.get("oif")) else ""
    return f"{kind}{prefix}{via}{dev}"


def _strangers(name: str, own: set[str]) -> list[str]:
    found = [f"link {link}" for _, link in socket.if_nameindex() if link not in own]
    states, policies = _xfrm(name)
    if states:
        found.append(count(states, "IPsec SA"))
    if policies:
        found.append(count(policies, "IPsec policy", "IPsec policies"))
    return found


def _xfrm(name: str) -> tuple[int, int]:
    """How many IPsec SAs and policies there are: none in a kernel without IPsec.

    The bypass policies of charon's own sockets count, too.
    """
    try:
        sock = NetlinkSocket.open(netlink.NETLINK_XFRM)
    except OSError as error:
        if error.errno == errno.EPROTONOSUPPORT:
            return 0, 0
        raise
    with contextlib.closing(sock):
        states = sock.dump(_XFRM_MSG_GETSA, b"", f"{name}'s IPsec SAs")
        policies = sock.dump(_XFRM_MSG_GETPOLICY, b"", f"{name}'s IPsec policies")
        return len(states), len(policies)


def xfrm_errors() -> dict[str, int]:
    """The node's IPsec error counters that are not zero (CONFIG_XFRM_STATISTICS)."""
    try:
        lines = proc.read(_XFRM_STAT).splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.split() for line in lines)
    return {name: int(value) for name, value in pairs if int(value)}
