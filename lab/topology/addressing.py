"""Addresses that the user left out: of plugs, hardware, pools and a name server. Pure."""

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
"""Where VPN gateways' pools are taken from if the user gives none."""

LIG_POOL_PREFIX = 28
PUBLIC = tuple(
    ipaddress.IPv4Network(n)
    for n in ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "198.18.0.0/15")
)
"""Where a LIG's pool and name server are taken from: public, as its callers are routed on the
Internet, and nobody's: the subnets for examples (RFC 5737) and for benchmarks (RFC 2544)."""
UTILITY_HOST = 53


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
    """Gateway or LIG to its pool: prefix, PPP's own address, the callers' addresses."""
    used = [link.subnet for link in spec.links.values()]
    used += [node.pool for node in spec.nodes.values() if node.pool is not None]
    result: dict[str, tuple[str, str, tuple[str, ...]]] = {}
    number = 0
    for name, node in spec.nodes.items():
        if node.role is Role.vpn_gateway:
            number += 1
            length = _pool_length(POOL_PREFIX, check.callers(spec, name))
            # 10.254.<number>.0/27, or the next one that overlaps nothing.
            prefix = node.pool or _free_pool(used, POOLS, length, min(24, length), number)
        elif node.role is Role.lig:
            length = _pool_length(LIG_POOL_PREFIX, node.modems)
            prefix = node.pool or _free_pool(used, PUBLIC, length, length)
        else:
            continue

        used.append(prefix)
        own, *callers = map(str, ipaddress.ip_network(prefix).hosts())
        result[name] = (prefix, own, tuple(callers))

    return result


def _pool_length(longest: int, callers: int) -> int:
    """Network, broadcast and PPP's own address go off; rounded up to a power of two."""
    return min(longest, 32 - (callers + 2).bit_length())


def _free_pool(
    used: Iterable[str],
    nets: Iterable[ipaddress.IPv4Network],
    prefix_length: int,
    block_length: int,
    skipped: int = 0,
) -> str:
    """The first subnet of a block that overlaps nothing, of the blocks after the skipped ones."""
    taken = [ipaddress.IPv4Network(net) for net in used]
    blocks = chain.from_iterable(net.subnets(new_prefix=block_length) for net in nets)
    for block in islice(blocks, skipped, None):
        if not any(block.overlaps(net) for net in taken):
            return str(next(block.subnets(new_prefix=prefix_length)))

    raise UsageError("the links leave no addresses for PPP", hint="Give each gateway a pool.")


def utility(spec: TopologySpec) -> str:
    """The address of a LIG's name server: host 53 of the first public subnet that has it free."""
    used = [link.subnet for link in spec.links.values()]
    used += [prefix for prefix, _, _ in pools(spec).values()]
    taken = [ipaddress.IPv4Network(net) for net in used]
    for subnet in chain.from_iterable(net.subnets(new_prefix=24) for net in PUBLIC):
        if not any(subnet[UTILITY_HOST] in net for net in taken):
            return str(subnet[UTILITY_HOST])

    raise UsageError("the links leave no address for AT&T's name server", hint="Narrow them.")
