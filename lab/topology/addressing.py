"""Addresses that the user left out, hardware addresses, and the gateways' pools. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from lab.errors import UsageError
from lab.topology import check
from lab.topology.model import Role
from lab.topology.routing import FORWARDING
from lab.topology.spec import TopologySpec

HOSTS_FROM = 10
"""Where hosts start in a subnet that has the room; below are those that pass packets on."""

POOL_PREFIX = 27
"""The size of a pool that the user did not give, if that is enough."""
POOLS = tuple(ipaddress.IPv4Network(n) for n in ("10.254.0.0/16", "172.31.0.0/16", "100.64.0.0/10"))
"""Where pools are taken from if the user gives none."""


def interface_addresses(spec: TopologySpec) -> dict[tuple[str, str], str]:
    """(link, node) to address with prefix length: what the user wrote, and the rest filled up."""
    result: dict[tuple[str, str], str] = {}
    for name, link in spec.links.items():
        subnet = ipaddress.IPv4Network(link.subnet)
        taken = {ipaddress.IPv4Address(a) for a in link.nodes.values() if a is not None}
        low, high = _free(subnet, taken, 1), _free(subnet, taken, HOSTS_FROM)
        for node, address in link.nodes.items():
            if address is None:
                source = low if spec.nodes[node].role in FORWARDING else high
                free = next(source, None) or next(low)
                taken.add(free)
                address = str(free)
            result[name, node] = f"{address}/{subnet.prefixlen}"

    return result


def _free(
    subnet: ipaddress.IPv4Network, taken: set[ipaddress.IPv4Address], start: int
) -> Iterator[ipaddress.IPv4Address]:
    """The addresses of a subnet that are not taken when asked for, without its first and last."""
    for offset in range(start, subnet.num_addresses - 1):
        if subnet[offset] not in taken:
            yield subnet[offset]


def mac(link: int, node: int) -> str:
    """A locally administered address that tells link and node by their numbers in the file."""
    return f"02:ca:11:{link:02x}:{node >> 8:02x}:{node & 0xFF:02x}"


def pools(spec: TopologySpec) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    """Gateway to its pool: prefix, PPP's own address, the callers' addresses."""
    used = [link.subnet for link in spec.links.values()]
    used += [node.pool for node in spec.nodes.values() if node.pool is not None]
    # network, broadcast and PPP's own address go off; bit_length rounds up to a power of two
    prefix_length = min(POOL_PREFIX, 32 - (check.callers(spec) + 2).bit_length())
    result: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    gateways = (name for name, node in spec.nodes.items() if node.role is Role.vpn_gateway)
    for number, name in enumerate(gateways, 1):
        prefix = spec.nodes[name].pool or _free_pool(used, number, prefix_length)
        used.append(prefix)
        own, *callers = map(str, ipaddress.ip_network(prefix).hosts())
        result[name] = (prefix, own, tuple(callers))

    return result


def _free_pool(used: Iterable[str], number: int, prefix_length: int) -> str:
    """10.254.<number>.0/27, or the next one that overlaps nothing."""
    nets = [ipaddress.IPv4Network(net) for net in used]
    block_length = min(24, prefix_length)
    blocks = chain.from_iterable(net.subnets(new_prefix=block_length) for net in POOLS)
    for block in islice(blocks, number, None):
        if not any(block.overlaps(net) for net in nets):
            return str(next(block.subnets(new_prefix=prefix_length)))

    raise UsageError("the links leave no addresses for PPP", hint="Give each gateway a pool.")
