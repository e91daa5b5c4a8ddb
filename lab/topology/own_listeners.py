"""Where a program of the user's own has to listen in the place of the lab's. Pure."""

from __future__ import annotations

from typing import NamedTuple

from lab.topology.model import Topology
from lab.topology.roles import Role

IKE_PORT, NAT_T_PORT, L2TP_PORT = 500, 4500, 1701
"""RFC 2408 2.5.1, RFC 3947 4, RFC 2661 8.1."""


class Listener(NamedTuple):
    """A socket that takes what comes."""

    protocol: str
    """``tcp``, ``udp``."""
    address: str
    port: int


def wanted(topology: Topology, node: str) -> tuple[Listener, ...]:
    """What agents call on a node by their ways; what else the papers list may be left closed."""
    planned = topology.node(node)
    match planned.role:
        case Role.sdc:
            places = [(end.address, end.port) for end in topology.endpoints]
            return tuple(Listener("tcp", *each) for each in dict.fromkeys(places))
        case Role.vpn_gateway:
            ways = [way for way in topology.ways if node in way.tunnel_ends]
            if not ways:
                return ()
            # No NAT is on the way of a telephone call.
            behind_nat = topology.seen_address and not all(way.dials for way in ways)
            ports = (IKE_PORT, *((NAT_T_PORT,) if behind_nat else ()), L2TP_PORT)
            (address,) = planned.service_addresses
            return tuple(Listener("udp", address, port) for port in ports)
        case Role.user_target:
            entered = [each for each in topology.user_targets if each.node == node]
            targets = dict.fromkeys((each.address, each.port) for each in entered)
            return tuple(Listener("tcp", *each) for each in targets)
        case _:
            own = (each for each in topology.proxies if each.node == node)
            return tuple(Listener("tcp", each.address, each.port) for each in own)
