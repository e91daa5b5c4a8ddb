"""What several parts of a model are made from: a spec with all that follows from it at once. Pure."""

from __future__ import annotations

from functools import cached_property

from lab.topology import addressing, catalogue, check, secrets
from lab.topology.catalogue import Address, Profile, Region, Variant
from lab.topology.model import Endpoint, PppAccount
from lab.topology.roles import Role
from lab.topology.routing import Network
from lab.topology.spec import TopologySpec

CUSTOMER_DOMAIN = "customer.test"
TLS_PORT = 443


class Site:
    """A spec, its network and its addresses. Secrets come from ``seed`` alone."""

    def __init__(self, spec: TopologySpec, seed: bytes) -> None:
        self.spec = spec
        self.seed = seed

    @cached_property
    def profile(self) -> Profile:
        return catalogue.profile(self.spec.profile)

    @cached_property
    def network(self) -> Network:
        return check.network(self.spec)

    @cached_property
    def addresses(self) -> dict[tuple[str, str], str]:
        """(link, node) to address with prefix length."""
        return addressing.interface_addresses(self.spec)

    @cached_property
    def pools(self) -> dict[str, tuple[str, str, tuple[str, ...]]]:
        """Gateway or LIG to the prefix of its pool, PPP's own address, the callers' addresses."""
        return addressing.pools(self.spec)

    @cached_property
    def utility(self) -> str:
        """The address of AT&T's name server; empty where there is no LIG."""
        return addressing.utility(self.spec) if self.spec.lig is not None else ""

    @cached_property
    def customers(self) -> frozenset[str]:
        """The nodes on the agents' side of the Internet."""
        return frozenset[str]().union(*map(self.network.zone, self.spec.agents))

    @cached_property
    def gateways(self) -> dict[str, Address]:
        """The VPN gateways of the file, as the profile lists them."""
        listed = check.gateway_addresses(self.spec.profile)
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
        return PppAccount(user=user, secret=secrets.derive(self.seed, "ppp", user))

    def endpoints(self, variant: Variant, *regions: Region) -> tuple[Endpoint, ...]:
        """The listed HTTPS servers of regions (default: the topology's), in the tables' order."""
        listed = [
            a for r in regions or [self.spec.region] for a in self.profile.servers(r, variant)
        ]
        usable = [a for a in listed if a.version == 4 and a.offers("tcp", TLS_PORT)]
        first = {
            (a.host, a.address): a for a in reversed(usable)
        }  # a server of two purposes is one
        return tuple(
            Endpoint(name=a.host, address=a.address, port=TLS_PORT, row=a.row.id)
            for a in usable
            if first[a.host, a.address] is a
        )
