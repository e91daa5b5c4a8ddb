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
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from itertools import chain, islice

from lab.errors import UsageError
from lab.secret import Secret
from lab.topology import catalogue, check, check_pools, check_profile
from lab.topology.capability import Feature
from lab.topology.catalogue import Address, Profile, Region, RowKind, Variant
from lab.topology.dns import AddressMove
from lab.topology.errand_kinds import DOWNLOADS, ErrandKind
from lab.topology.family import V4_ONLY, Family, family_of
from lab.topology.model import HTTP_PORT, Endpoint, Errand, PppAccount
from lab.topology.part import WaySpec
from lab.topology.roles import PUBLIC, PUBLIC6, TRAITS, PoolPlan, Role
from lab.topology.spec import TopologySpec
from lab.topology.values import POINT_TO_POINT

CUSTOMER_DOMAIN = "customer.test"
TLS_PORT = 443

HOSTS_FROM = 10
"""Where hosts start in a subnet that has the room; below are those that pass packets on."""

UTILITY_HOST = 53
NAME_SERVER_HOST = 54


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
    def addresses6(self) -> dict[tuple[str, str], str]:
        """(link, node) to IPv6 address with prefix length, on the links that have IPv6.

        What the user wrote, or the node's IPv4 host number, digit by digit: ``192.168.10.25`` has
        ``2001:db8:10::25``. AT&T's gateway has none: its fence knows calls by IPv4 only.
        """
        result: dict[tuple[str, str], str] = {}
        for name, link in self.spec.links.items():
            for node in link.nodes if link.subnet6 else ():
                if node == self.spec.lig:
                    continue
                written = link.nodes6.get(node)
                own = written or address6(link.subnet, link.subnet6 or "", self.ip(name, node))
                result[name, node] = f"{own}/{IPv6Network(link.subnet6 or '').prefixlen}"
        return result

    def has_ipv6(self, node: str) -> bool:
        """Whether a node is on a link with IPv6."""
        return any(self.spec.links[link].subnet6 for link in self.spec.links_of(node))

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
            most = node.modems if traits.answers_calls else check_pools.callers(self.spec, name)
            prefix = node.pool or _free_pool(used, traits.pool, most, earlier[node.role])
            earlier[node.role] += 1
            used.append(prefix)
            own, *callers = map(str, IPv4Network(prefix).hosts())
            result[name] = (prefix, own, tuple(callers))

        return result

    @cached_property
    def utility(self) -> str:
        """The address of a LIG's name server: host 53 of the first public subnet that has it free."""
        return self._free_public(UTILITY_HOST, "AT&T's name server")

    @cached_property
    def name_server(self) -> str:
        """The address of IBM's name server: host 54 of such a subnet, of the version by which it is asked."""
        if self.lookup_family is Family.ipv6:
            return self._free_public6(NAME_SERVER_HOST)
        return self._free_public(NAME_SERVER_HOST, "IBM's name server")

    @cached_property
    def lookup_family(self) -> Family:
        """The version of IP by which name servers are asked: IPv6 where every way goes by IPv6 alone."""
        families = {family for way in self.spec.ways.values() for family in way.ip_families}
        return Family.ipv6 if families == {Family.ipv6} else Family.ipv4

    def _free_public(self, host: int, whose: str) -> str:
        used = [link.subnet for link in self.spec.links.values()]
        taken = [IPv4Network(n) for n in (*used, *(prefix for prefix, _, _ in self.pools.values()))]
        for subnet in _subnets(PUBLIC, 24):
            own = str(subnet[host])
            if own not in self._servers and not any(subnet[host] in net for net in taken):
                return own

        raise UsageError(f"the links leave no address for {whose}", hint="Narrow them.")

    def _free_public6(self, host: int) -> str:
        """Host 54 is ``::54``, read alike; of the 2^32 subnets some is free."""
        taken = [IPv6Network(link.subnet6) for link in self.spec.links.values() if link.subnet6]
        subnets = IPv6Network(PUBLIC6).subnets(new_prefix=64)
        free = (s[int(str(host), 16)] for s in subnets if not any(s.overlaps(n) for n in taken))
        return next(own for own in map(str, free) if own not in self._servers)

    @cached_property
    def _servers(self) -> frozenset[str]:
        """The addresses of the profile's servers and gateways: a profile of the user's own lists any."""
        listed = (*self.profile.vpn_gateways, *self.profile.callable())
        return frozenset(address.address for address in listed)

    @property
    def by_dns(self) -> bool:
        """Whether name servers tell IBM's names, and no hosts table does."""
        return self.spec.names == "dns"

    @cached_property
    def moves(self) -> tuple[AddressMove, ...]:
        """The names whose servers get the addresses of another profile while the lab stands (R-10)."""
        (sdc,) = self.network.with_role(Role.sdc)
        named = self.spec.nodes[sdc].moves_to
        if named is None:
            return ()
        return tuple(
            AddressMove(name=name, old=old, new=new, row=row, profile=named)
            for name, old in check_profile.addresses_of(self.profile).items()
            if (row := check_profile.row_of(later := catalogue.profile(named), name))
            and {*(new := check_profile.addresses_of(later)[name])} != {*old}
        )

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

    def ip6(self, link: str, node: str) -> str:
        """Empty on a link without IPv6."""
        return self.addresses6.get((link, node), "").partition("/")[0]

    def uplink_ip(self, node: str, family: Family = Family.ipv4) -> str:
        """A node's address on its way to the Internet; empty of IPv6 where the link has none."""
        own = self.ip6 if family is Family.ipv6 else self.ip
        return own(self.network.uplinks(node)[0], node)

    def families_of(self, node: str) -> tuple[Family, ...]:
        """By which versions of IP a node looks servers up: an agent as its ways, others as any way does."""
        names = self.spec.agents.get(node, tuple(self.spec.ways))
        return tuple(dict.fromkeys(f for n in names for f in self.spec.ways[n].ip_families))

    def listed_names(self, node: str = "") -> Iterator[tuple[str, str]]:
        """IBM's public names as a node knows them: (address, name) in the tables' order, IPv4 first.

        Without a node, as any way of the topology needs them.
        """
        families = self.families_of(node)
        listed = (*self.profile.vpn_gateways, *self.profile.callable())
        for family in Family:
            if family in families:
                yield from dict.fromkeys((a.address, a.host) for a in listed if a.family is family)

    def ranges(self, family: Family = Family.ipv4) -> tuple[str, ...]:
        """The prefixes of one version of IP that the profile's paper recommends to open (F-11)."""
        listed = self.profile.addresses(RowKind.range)
        return tuple(dict.fromkeys(a.address for a in listed if a.family is family))

    def openings(self, servers: Iterable[Endpoint]) -> tuple[tuple[str, int], ...]:
        """What the customer's firewall opens for servers: destinations and ports, each once.

        A destination is an address, a range that holds it (F-11), or a host name (F-05).
        """
        return tuple(dict.fromkeys((self._opened(each), each.port) for each in servers))

    def _opened(self, server: Endpoint) -> str:
        firewall = self.spec.firewall
        opens = self.spec.nodes[firewall].opens if firewall is not None else None
        if opens == "names":
            return server.name
        nets = self.ranges(family_of(server.address)) if opens == "ranges" else ()
        return next(
            (n for n in nets if ip_address(server.address) in ip_network(n)), server.address
        )

    def account(self, client: str) -> PppAccount:
        """A customer's PPP account at IBM's gateways (P-09)."""
        user = f"{client}.{CUSTOMER_DOMAIN}"
        return PppAccount(user=user, secret=self.secret("ppp", user))

    def service_account(self, client: str) -> PppAccount:
        """A customer's account there for remote service by VPN (Q-05)."""
        return self.account(f"service.{client}")

    def endpoints(
        self, variant: Variant, *regions: Region, families: Iterable[Family] = V4_ONLY
    ) -> tuple[Endpoint, ...]:
        """The listed HTTPS servers of regions (default: the topology's), in the tables' order.

        Those of the first of ``families`` come first.
        """
        found: dict[tuple[str, str], Endpoint] = {}
        for family in families:
            for region in regions or [self.spec.region]:
                for a in self.profile.callable(region, variant):
                    if a.family is family and a.offers("tcp", TLS_PORT):
                        one = Endpoint(name=a.host, address=a.address, port=TLS_PORT, row=a.row.id)
                        # A server of two purposes is one.
                        found.setdefault((a.host, a.address), one)
        names = {name for name, _ in found}
        return (*found.values(), *(each for each in self._moved() if each.name in names))

    def _moved(self) -> Iterator[Endpoint]:
        """Where servers are to be found once they have moved."""
        for move in self.moves:
            for address in move.new:
                yield Endpoint(name=move.name, address=address, port=TLS_PORT, row=move.row)

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
                    sorted(
                        self._places(kind, variant, way.ip_families),
                        key=lambda end: end.port == HTTP_PORT,
                    )
                ),
            )
            for kind in way.errands_done
        )

    def _places(
        self, kind: ErrandKind, variant: Variant, families: Iterable[Family]
    ) -> Iterator[Endpoint]:
        """Where an errand is done. A fix comes by HTTP, where that is listed (OUT-41). A configuration falls
        back on HTTP where the generation has that (OUT-32, V-18), and nothing else uses it (OUT-33)."""
        has_backup = not self.profile.can.every["has", Feature.http_backup].lacks
        listed = self.profile.servers(self.spec.region, variant)
        for address in (a for family in families for a in listed if a.family is family):
            if kind not in address.row.serves:
                continue
            row = address.row
            ports = {each.port for each in (*row.services, *row.optional) if each.protocol == "tcp"}
            if kind is ErrandKind.fix:
                ports &= {HTTP_PORT} if HTTP_PORT in ports else ports
            elif kind not in DOWNLOADS or not has_backup:
                ports -= {HTTP_PORT}
            for port in sorted(ports, reverse=True):
                yield Endpoint(name=address.host, address=address.address, port=port, row=row.id)


def address6(subnet: str, subnet6: str, address: str) -> str:
    """The IPv6 address with the host number of an IPv4 address: ``::25`` for ``.25``, read alike."""
    number = int(IPv4Address(address)) - int(IPv4Network(subnet).network_address)
    return str(IPv6Network(subnet6)[int(str(number), 16)])


def _free(subnet: IPv4Network, taken: set[IPv4Address], start: int) -> Iterator[IPv4Address]:
    """The addresses of a subnet that are not taken when asked for, without its first and last; a /31 has two
    addresses, and both are hosts' (RFC 3021)."""
    pair = subnet.prefixlen == POINT_TO_POINT
    for offset in range(0, 2) if pair else range(start, subnet.num_addresses - 1):
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


def mac_of(link: int, node: int) -> str:
    """A locally administered address that tells link and node by their numbers in the file."""
    return f"02:ca:11:{link:02x}:{node >> 8:02x}:{node & 0xFF:02x}"
