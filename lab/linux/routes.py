"""Routes in the nodes: those of the model, those of an interface that comes later (``ppp0``), those in use.

Where a packet of a node may go; which wires there are is ``links``'s business.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping

from lab.linux import netlink, proc
from lab.linux.netlink import NetlinkRequest, attribute, u32
from lab.linux.nodes import Node
from lab.topology import model
from lab.topology.family import Family, family_of

_RTM_NEWROUTE, _RTM_DELROUTE = 24, 25
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY = 1, 4, 5, 6
_RT_TABLE_MAIN, _RTPROT_STATIC, _RTN_UNICAST, _RTN_UNREACHABLE = 254, 4, 1, 7
_RT_SCOPE_UNIVERSE, _RT_SCOPE_LINK = 0, 253
_RTF_REJECT = 0x200
_LAST_RESORT = 0xFFFFFFFF
"""The metric of a route that every other one goes before."""

_ROUTE = struct.Struct("=BBBBBBBBI")
_TABLE = "thread-self/net/route"


def add(node: Node, destinations: Iterable[str], interface: str) -> None:
    """Route prefixes over an interface that has come up later (``ppp0``)."""
    indexes = {interface: node.call(socket.if_nametoindex, interface)}
    added = (model.Route(destination=d, via="", interface=interface) for d in destinations)
    node.netlink.transact([request(node.name, indexes, route) for route in added])


def refuse(node: Node, destinations: Iterable[str]) -> None:
    """Have prefixes unreachable where no better route is: without it they would take the default one."""
    node.netlink.transact([_refusal(node.name, d) for d in destinations])


def allow(node: Node, destinations: Iterable[str]) -> None:
    """Take back what ``refuse`` did."""
    node.netlink.transact([_refusal(node.name, d, gone=True) for d in destinations])


def in_use(node: Node) -> list[str]:
    """A node's IPv4 routes: ``0.0.0.0/0 dev lan``. Of equal prefixes the first is the one that is used."""
    return node.call(lambda: list(_in_use(proc.read(_TABLE))))


def request(node_name: str, indexes: Mapping[str, int], route: model.Route) -> NetlinkRequest:
    """The message for a route; ``indexes`` has the node's interfaces by name."""
    scope = _RT_SCOPE_UNIVERSE if route.via else _RT_SCOPE_LINK
    everything = "::/0" if family_of(route.via) is Family.ipv6 else "0.0.0.0/0"
    body = _destination(route.destination.replace("default", everything), scope, _RTN_UNICAST)
    if route.via:
        body += attribute(_RTA_GATEWAY, ipaddress.ip_address(route.via).packed)
    body += u32(_RTA_OIF, indexes[route.interface])
    operation = f"add route {route.destination} via {route.via or route.interface} to"
    return _new(operation, node_name, body)


def _refusal(node_name: str, destination: str, *, gone: bool = False) -> NetlinkRequest:
    body = _destination(destination, _RT_SCOPE_UNIVERSE, _RTN_UNREACHABLE)
    body += u32(_RTA_PRIORITY, _LAST_RESORT)
    if gone:
        return NetlinkRequest(
            f"no longer refuse {destination} on", node_name, _RTM_DELROUTE, 0, body
        )
    return _new(f"refuse {destination} on", node_name, body)


def _destination(prefix: str, scope: int, kind: int) -> bytes:
    network = ipaddress.ip_network(prefix)
    length = network.prefixlen
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    body = _ROUTE.pack(family, length, 0, 0, _RT_TABLE_MAIN, _RTPROT_STATIC, scope, kind, 0)
    return body + attribute(_RTA_DST, network.network_address.packed) if length else body


def _new(operation: str, node_name: str, body: bytes) -> NetlinkRequest:
    return NetlinkRequest(operation, node_name, _RTM_NEWROUTE, netlink.CREATE | netlink.EXCL, body)


def _in_use(table: str) -> Iterator[str]:
    """The kernel's main table, whose addresses are hexadecimal in this processor's byte order."""
    for line in table.splitlines()[1:]:
        interface, destination, _, flags, _, _, _, mask, *_ = line.split()
        if not int(flags, 16) & _RTF_REJECT:
            address = int(destination, 16).to_bytes(4, sys.byteorder)
            yield f"{socket.inet_ntoa(address)}/{int(mask, 16).bit_count()} dev {interface}"
