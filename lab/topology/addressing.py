"""Addresses that the user left out: of plugs, hardware, pools and a name server. Pure."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from lab.errors import UsageError
from lab.topology import check
from lab.topology.roles import PUBLIC, TRAITS, PoolPlan, Role
from lab.topology.spec import TopologySpec

HOSTS_FROM = 10
"""Where hosts start in a subnet that has the room; below are those that pass packets on."""

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
                source = low if TRAITS[spec.nodes[node].role].forwards else high
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
    earlier: Counter[Role] = Counter()
    for name, node in spec.nodes.items():
        traits = TRAITS[node.role]
        if traits.pool is None:
            continue
        most = node.modems if traits.answers_calls else check.callers(spec, name)
        prefix = node.pool or _free_pool(used, traits.pool, most, earlier[node.role])
        earlier[node.role] += 1
        used.append(prefix)
        own, *callers = map(str, ipaddress.ip_network(prefix).hosts())
        result[name] = (prefix, own, tuple(callers))

    return result


def _free_pool(used: Iterable[str], plan: PoolPlan, callers: int, earlier: int) -> str:
    """The start of the node's own block, or of the next one that overlaps nothing."""
    # Network, broadcast and PPP's own address go off; rounded up to a power of two.
    length = min(plan.prefix_length, 32 - (callers + 2).bit_length())
    taken = [ipaddress.IPv4Network(net) for net in used]
    blocks = _subnets(plan.nets, min(plan.block_length, length))
    for block in islice(blocks, plan.first + earlier, None):
        if not any(block.overlaps(net) for net in taken):
            return str(next(block.subnets(new_prefix=length)))

    raise UsageError("the links leave no addresses for PPP", hint="Give each gateway a pool.")


def _subnets(nets: Iterable[str], length: int) -> Iterator[ipaddress.IPv4Network]:
    return chain.from_iterable(ipaddress.IPv4Network(n).subnets(new_prefix=length) for n in nets)


def utility(spec: TopologySpec) -> str:
    """The address of a LIG's name server: host 53 of the first public subnet that has it free."""
    used = [link.subnet for link in spec.links.values()]
    used += [prefix for prefix, _, _ in pools(spec).values()]
    taken = [ipaddress.IPv4Network(net) for net in used]
    for subnet in _subnets(PUBLIC, 24):
        if not any(subnet[UTILITY_HOST] in net for net in taken):
            return str(subnet[UTILITY_HOST])

    raise UsageError("the links leave no address for AT&T's name server", hint="Narrow them.")
