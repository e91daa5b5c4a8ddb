"""What several parts of a model are made from: a spec, and what follows from it. Pure.

Addresses that the user left out are chosen here: of plugs, of pools and of a name server.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from itertools import chain, islice

from lab.errors import UsageError
from lab.secret import Secret
from lab.topology import catalogue, check, check_profile
from lab.topology.catalogue import Address, Profile, Region, Variant
from lab.topology.errand_kinds import DOWNLOADS, ErrandKind
from lab.topology.model import HTTP_PORT, Endpoint, Errand, PppAccount
from lab.topology.part import WaySpec
from lab.topology.roles import PUBLIC, TRAITS, PoolPlan, Role
from lab.topology.spec import TopologySpec

CUSTOMER_DOMAIN = "customer.test"
TLS_PORT = 443

HOSTS_FROM = 10
"""Where hosts start in a subnet that has the room; below are those that pass packets on."""

UTILITY_HOST = 53


class Site:
    """A spec, its network and its addresses. Secrets come from ``seed`` alone."""

    def __init__(self, spec: TopologySpec, seed: bytes) -> None:
        self.spec = spec
        self.profile: Profile = spec.known_profile or catalogue.profile(spec.profile)
        self.network = check.network(spec)
        self._seed = seed

    def secret(self, *purpose: str) -> Secret:
        """A secret for one purpose: 160 bits of HMAC-SHA256, as letters and digits without quoting."""
        digest = hmac.new(self._seed, "\0".join(purpose).encode(), hashlib.sha256).digest()
        return Secret(base64.b32encode(digest[:20]).decode().lower())

    @cached_property
    def addresses(self) -> dict[tuple[str, str], str]:
        """(link, node) to address with prefix length: what the user wrote, and the rest filled up."""
        result: dict[tuple[str, str], str] = {}
        for name, link in self.spec.links.items():
            subnet = IPv4Network(link.subnet)
            taken = {IPv4Address(a) for a in link.nodes.values() if a is not None}
            low, high = _free(subnet, taken, 1), _free(subnet, taken, HOSTS_FROM)
            for node, address in link.nodes.items():
                if address is None:
                    source = low if TRAITS[self.spec.nodes[node].role].forwards else high
                    free = next(source, None) or next(low)
                    taken.add(free)
                    address = str(free)
                result[name, node] = f"{address}/{subnet.prefixlen}"

        return result

    @cached_property
    def pools(self) -> dict[str, tuple[str, str, tuple[str, ...]]]:
        """Gateway or LIG to its pool: prefix, PPP's own address, the callers' addresses."""
        used = [link.subnet for link in self.spec.links.values()]
        used += [node.pool for node in self.spec.nodes.values() if node.pool is not None]
        result: dict[str, tuple[str, str, tuple[str, ...]]] = {}
        earlier: Counter[Role] = Counter()
        for name, node in self.spec.nodes.items():
            traits = TRAITS[node.role]
            if traits.pool is None:
                continue
            most = node.modems if traits.answers_calls else check.callers(self.spec, name)
            prefix = node.pool or _free_pool(used, traits.pool, most, earlier[node.role])
            earlier[node.role] += 1
            used.append(prefix)
            own, *callers = map(str, IPv4Network(prefix).hosts())
            result[name] = (prefix, own, tuple(callers))

        return result

    @cached_property
    def utility(self) -> str:
        """The address of a LIG's name server: host 53 of the first public subnet that has it free."""
        used = [link.subnet for link in self.spec.links.values()]
        taken = [IPv4Network(n) for n in (*used, *(prefix for prefix, _, _ in self.pools.values()))]
        for subnet in _subnets(PUBLIC, 24):
            if not any(subnet[UTILITY_HOST] in net for net in taken):
                return str(subnet[UTILITY_HOST])

        raise UsageError("the links leave no address for AT&T's name server", hint="Narrow them.")

    @cached_property
    def customers(self) -> frozenset[str]:
        """The nodes on the agents' side of the Internet."""
        return frozenset[str]().union(*map(self.network.zone, self.spec.agents))

    @cached_property
    def gateways(self) -> dict[str, Address]:
        """The VPN gateways of the file, as the profile lists them."""
        listed = check_profile.gateway_addresses(self.profile)
        standing = self.network.with_role(Role.vpn_gateway)
        return {name: address for name, address in listed.items() if name in standing}

    def ip(self, link: str, node: str) -> str:
        return self.addresses[link, node].partition("/")[0]

    def uplink_ip(self, node: str) -> str:
        """A node's address on its way to the Internet."""
        return self.ip(self.network.uplinks(node)[0], node)

    def account(self, client: str) -> PppAccount:
        """A customer's PPP account at IBM's gateways (P-09)."""
        user = f"{client}.{CUSTOMER_DOMAIN}"
        return PppAccount(user=user, secret=self.secret("ppp", user))

    def service_account(self, client: str) -> PppAccount:
        """A customer's account there for remote service by VPN (Q-05)."""
        return self.account(f"service.{client}")

    def endpoints(self, variant: Variant, *regions: Region) -> tuple[Endpoint, ...]:
        """The listed HTTPS servers of regions (default: the topology's), in the tables' order."""
        found: dict[tuple[str, str], Endpoint] = {}
        for region in regions or [self.spec.region]:
            for a in self.profile.servers(region, variant):
                if a.version == 4 and a.offers("tcp", TLS_PORT):
                    one = Endpoint(name=a.host, address=a.address, port=TLS_PORT, row=a.row.id)
                    found.setdefault((a.host, a.address), one)  # a server of two purposes is one
        return tuple(found.values())

    def errands(self, way: WaySpec, name: str = "") -> tuple[Errand, ...]:
        """What agents do by a way, each at the servers that the tables list for it (OUT-38)."""
        variant = Variant(way.address_set)
        has_two = any(row.variant for row in self.profile.rows)
        return tuple(
            Errand(
                kind=kind,
                way=name,
                variant=str(variant) if has_two else "",
                endpoints=tuple(
                    sorted(self._places(kind, variant), key=lambda end: end.port == HTTP_PORT)
                ),
            )
            for kind in way.errands_done
        )

    def _places(self, kind: ErrandKind, variant: Variant) -> Iterator[Endpoint]:
        """Where an errand is done. A fix comes by HTTP, where that is listed (OUT-41); other downloads fall
        back on it, and nothing else uses it (OUT-32, OUT-33)."""
        rows = [a for a in self.profile.servers(self.spec.region, variant) if a.version == 4]
        for address in rows:
            if kind not in address.row.serves:
                continue
            row = address.row
            ports = {each.port for each in (*row.services, *row.optional) if each.protocol == "tcp"}
            if kind is ErrandKind.fix:
                ports &= {HTTP_PORT} if HTTP_PORT in ports else ports
            elif kind not in DOWNLOADS:
                ports -= {HTTP_PORT}
            for port in sorted(ports, reverse=True):
                yield Endpoint(name=address.host, address=address.address, port=port, row=row.id)


def _free(subnet: IPv4Network, taken: set[IPv4Address], start: int) -> Iterator[IPv4Address]:
    """The addresses of a subnet that are not taken when asked for, without its first and last."""
    for offset in range(start, subnet.num_addresses - 1):
        if subnet[offset] not in taken:
            yield subnet[offset]


def _free_pool(used: Iterable[str], plan: PoolPlan, callers: int, earlier: int) -> str:
    """The start of the node's own block, or of the next one that overlaps nothing."""
    # Network, broadcast and PPP's own address go off; rounded up to a power of two.
    length = min(plan.prefix_length, 32 - (callers + 2).bit_length())
    taken = [IPv4Network(net) for net in used]
    blocks = _subnets(plan.nets, min(plan.block_length, length))
    for block in islice(blocks, plan.first + earlier, None):
        if not any(block.overlaps(net) for net in taken):
            return str(next(block.subnets(new_prefix=length)))

    raise UsageError("the links leave no addresses for PPP", hint="Give each gateway a pool.")


def _subnets(nets: Iterable[str], length: int) -> Iterator[IPv4Network]:
    return chain.from_iterable(IPv4Network(net).subnets(new_prefix=length) for net in nets)
