"""Routes in the nodes: those of the model, and those over an interface that comes up later (``ppp0``).

Where a packet of a node may go; which wires there are is ``links``'s business.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable, Mapping

from lab import netlink
from lab.netlink import Channel, Request, attribute, u32
from lab.nodes import Node
from lab.topology import model

_RTM_NEWROUTE, _RTM_DELROUTE = 24, 25
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY = 1, 4, 5, 6
_RT_TABLE_MAIN, _RTPROT_STATIC, _RTN_UNICAST, _RTN_UNREACHABLE = 254, 4, 1, 7
_RT_SCOPE_UNIVERSE, _RT_SCOPE_LINK = 0, 253
_LAST_RESORT = 0xFFFFFFFF
"""The metric of a route that every other one goes before."""

_ROUTE = struct.Struct("=BBBBBBBBI")


def add(node: Node, destinations: Iterable[str], interface: str) -> None:
    """Route prefixes over an interface that has come up later (``ppp0``)."""
    node.call(_add, node.name, tuple(destinations), interface)


def refuse(node: Node, destinations: Iterable[str]) -> None:
    """Have prefixes unreachable where no better route is: without it they would take the default one."""
    node.call(_refuse, node.name, tuple(destinations))


def allow(node: Node, destinations: Iterable[str]) -> None:
    """Take back what ``refuse`` did."""
    node.call(_allow, node.name, tuple(destinations))


def request(node_name: str, indexes: Mapping[str, int], route: model.Route) -> Request:
    """The message for a route; ``indexes`` has the node's interfaces by name."""
    everything = route.destination == "default"
    network = ipaddress.IPv4Network("0.0.0.0/0" if everything else route.destination)
    scope = _RT_SCOPE_UNIVERSE if route.via else _RT_SCOPE_LINK
    body = _ROUTE.pack(
        2, network.prefixlen, 0, 0, _RT_TABLE_MAIN, _RTPROT_STATIC, scope, _RTN_UNICAST, 0
    )
    if network.prefixlen:
        body += attribute(_RTA_DST, network.network_address.packed)
    if route.via:
        body += attribute(_RTA_GATEWAY, ipaddress.IPv4Address(route.via).packed)
    body += u32(_RTA_OIF, indexes[route.interface])
    return Request(
        f"add route {route.destination} via {route.via or route.interface} to",
        node_name,
        _RTM_NEWROUTE,
        netlink.CREATE | netlink.EXCL,
        body,
    )


def _refusal(node_name: str, destination: str, *, gone: bool = False) -> Request:
    network = ipaddress.IPv4Network(destination)
    body = (
        _ROUTE.pack(
            2, network.prefixlen, 0, 0, _RT_TABLE_MAIN, _RTPROT_STATIC, _RT_SCOPE_UNIVERSE,
            _RTN_UNREACHABLE, 0,
        )
        + attribute(_RTA_DST, network.network_address.packed)
        + u32(_RTA_PRIORITY, _LAST_RESORT)
    )  # fmt: skip
    if gone:
        return Request(f"no longer refuse {destination} on", node_name, _RTM_DELROUTE, 0, body)
    return Request(
        f"refuse {destination} on", node_name, _RTM_NEWROUTE, netlink.CREATE | netlink.EXCL, body
    )


# In the nodes' own threads.


def _add(name: str, destinations: Iterable[str], interface: str) -> None:
    indexes = {interface: socket.if_nametoindex(interface)}
    routes = [model.Route(destination=d, via="", interface=interface) for d in destinations]
    with Channel.open(netlink.NETLINK_ROUTE) as channel:
        channel.transact([request(name, indexes, route) for route in routes])


def _refuse(name: str, destinations: Iterable[str]) -> None:
    with Channel.open(netlink.NETLINK_ROUTE) as channel:
        channel.transact([_refusal(name, destination) for destination in destinations])


def _allow(name: str, destinations: Iterable[str]) -> None:
    with Channel.open(netlink.NETLINK_ROUTE) as channel:
        channel.transact([_refusal(name, destination, gone=True) for destination in destinations])
