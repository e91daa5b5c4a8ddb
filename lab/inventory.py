"""What exists in a node's network right now: links, addresses, routes, IPsec state, nft tables.

For the check that a teardown left nothing (g6), and for ``lab status``. It only looks: what ought
to be there is the caller's knowledge, but for a node's own wires, which the model knows.
"""

from __future__ import annotations

import errno
import socket
import struct
from dataclasses import dataclass

from lab import netlink
from lab.names import count
from lab.netlink import Channel, Message, attributes, string
from lab.nodes import Node
from lab.topology import model

_RTM_GETLINK, _RTM_GETADDR, _RTM_GETROUTE = 18, 22, 26
_RT_TABLE_MAIN = 254
_RTN_UNICAST = 1
_IFLA_IFNAME = 3
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_TABLE = 1, 4, 5, 15
_XFRM_MSG_GETSA, _XFRM_MSG_GETPOLICY = 0x12, 0x15
_NFT_MSG_GETTABLE = (10 << 8) | 1
_NFTA_TABLE_NAME = 1
_NFT_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}

_LINK_BYTES = 16
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_NFGEN_BYTES = 4
_U32 = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that a network namespace holds, in words, sorted."""

    links: tuple[str, ...]
    addresses: tuple[str, ...]
    """``lan 192.168.10.10/24``."""
    routes: tuple[str, ...]
    """Of the main table, unicast: ``default via 192.168.10.1 dev lan``."""
    xfrm_states: int
    xfrm_policies: int
    """Those of sockets (charon's own bypasses) are among them."""
    tables: tuple[str, ...]
    """``inet lab``."""


def take(node: Node) -> Inventory:
    """Look at a node's network."""
    return node.call(_take, node.name)


def leftovers(node: Node, planned: model.Node | None) -> tuple[str, ...]:
    """What is in a node beside its own wires, in sentences; ``planned`` is None for ``wires``."""
    seen = take(node)
    own = {"lo"} | ({i.name for i in planned.interfaces} if planned else set())
    found = [f"{node.name}: link {link}" for link in seen.links if link not in own]
    if seen.xfrm_states:
        found.append(f"{node.name}: {count(seen.xfrm_states, 'IPsec SA')}")
    if seen.xfrm_policies:
        found.append(f"{node.name}: {count(seen.xfrm_policies, 'IPsec policy', 'IPsec policies')}")
    found.extend(f"{node.name}: nft table {table}" for table in seen.tables)
    return tuple(found)


def _take(name: str) -> Inventory:
    with Channel.open(netlink.NETLINK_ROUTE) as route:
        messages = route.dump(_RTM_GETLINK, bytes(_LINK_BYTES), f"{name}'s links")
        links = dict(map(_link, messages))
        addresses = [
            _address(message, links)
            for message in route.dump(_RTM_GETADDR, bytes(_ADDRESS.size), f"{name}'s addresses")
        ]
        routes = [
            _route(message, links)
            for message in route.dump(_RTM_GETROUTE, bytes(_ROUTE.size), f"{name}'s routes")
        ]

    return Inventory(
        links=tuple(sorted(links.values())),
        addresses=tuple(sorted(addresses)),
        routes=tuple(sorted(filter(None, routes))),
        xfrm_states=len(_dump(netlink.NETLINK_XFRM, _XFRM_MSG_GETSA, f"{name}'s IPsec SAs")),
        xfrm_policies=len(
            _dump(netlink.NETLINK_XFRM, _XFRM_MSG_GETPOLICY, f"{name}'s IPsec policies")
        ),
        tables=tuple(
            sorted(
                f"{_NFT_FAMILIES.get(message.body[0], message.body[0])} "
                + string(attributes(message.body, _NFGEN_BYTES)[_NFTA_TABLE_NAME])
                for message in _dump(
                    netlink.NETLINK_NETFILTER,
                    _NFT_MSG_GETTABLE,
                    f"{name}'s nft tables",
                    bytes(_NFGEN_BYTES),
                )
            )
        ),
    )


def _dump(protocol: int, kind: int, what: str, body: bytes = b"") -> list[Message]:
    """A list from a part of the kernel that may not be there, and then holds nothing."""
    try:
        channel = Channel.open(protocol)
    except OSError as error:
        if error.errno == errno.EPROTONOSUPPORT:
            return []
        raise

    with channel:
        return channel.dump(kind, body, what)


def _link(message: Message) -> tuple[int, str]:
    (index,) = struct.unpack_from("=i", message.body, 4)
    return index, string(attributes(message.body, _LINK_BYTES)[_IFLA_IFNAME])


def _address(message: Message, links: dict[int, str]) -> str:
    family, prefix, _, _, index = _ADDRESS.unpack_from(message.body)
    found = attributes(message.body, _ADDRESS.size)
    packed = found.get(_IFA_LOCAL) or found[_IFA_ADDRESS]
    return f"{links[index]} {socket.inet_ntop(family, packed)}/{prefix}"


def _route(message: Message, links: dict[int, str]) -> str:
    family, length, _, _, table, _, _, kind, _ = _ROUTE.unpack_from(message.body)
    found = attributes(message.body, _ROUTE.size)
    if _RTA_TABLE in found:
        (table,) = _U32.unpack(found[_RTA_TABLE])
    if table != _RT_TABLE_MAIN or kind != _RTN_UNICAST:
        return ""

    destination = "default"
    if length:
        destination = f"{socket.inet_ntop(family, found[_RTA_DST])}/{length}"
    via = f" via {socket.inet_ntop(family, found[_RTA_GATEWAY])}" if _RTA_GATEWAY in found else ""
    (index,) = _U32.unpack(found[_RTA_OIF])
    return f"{destination}{via} dev {links[index]}"
