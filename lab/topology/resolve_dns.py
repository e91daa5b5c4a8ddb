"""From a site to its name servers, and to whom each machine asks. Pure.

The papers give names and say nothing of who tells them: where name servers stand is the lab's choice (Q-10).
"""

from __future__ import annotations

from lab.topology import catalogue
from lab.topology.dns import Dns, NameServer, Resolver
from lab.topology.family import Family
from lab.topology.roles import Role
from lab.topology.site import Site

SERVER_NAME = f"ns.{catalogue.LAB_DOMAIN}"


def dns(site: Site) -> Dns | None:
    """The name servers; None where the machines have hosts tables."""
    if not site.by_dns:
        return None
    (sdc,) = site.network.with_role(Role.sdc)
    records = dict.fromkeys((name, address) for address, name in site.listed_names())
    return Dns(
        server=NameServer(
            node=sdc, name=SERVER_NAME, address=site.name_server, records=tuple(records)
        ),
        resolver=_customers(site),
        moves=site.moves,
    )


def asked_by(site: Site, node: str) -> str:
    """The address of the name server that a node asks; empty if it asks none.

    It asks none if all its ways leave names to somebody else (a proxy, AT&T's gateway), or if its link has
    not the version of IP by which name servers are asked.
    """
    spec, network = site.spec, site.network
    if not site.by_dns or not spec.links_of(node) or node == spec.firewall:
        return ""
    own = [spec.ways[way] for way in spec.agents.get(node, ())]
    if own and not any(spec.looks_up(way) for way in own):
        return ""

    reached = network.ways(node)
    is_router = spec.nodes[node].role is Role.router  # It is outside of the firewall.
    if node in site.customers and spec.firewall is not None and not is_router:
        hops = reached.get(spec.firewall)
        return _address(site, hops[-1].link, spec.firewall) if hops else ""
    (sdc,) = network.with_role(Role.sdc)
    return site.name_server if node == sdc or sdc in reached else ""


def _address(site: Site, link: str, node: str) -> str:
    """Of the version of IP by which name servers are asked; empty where the link has none of it."""
    own = site.ip6 if site.lookup_family is Family.ipv6 else site.ip
    return own(link, node)


def _customers(site: Site) -> Resolver | None:
    """On the customer's firewall, for whoever asks there."""
    firewall = site.spec.firewall
    if firewall is None:
        return None
    addresses = {asked_by(site, node) for node in site.customers} - {"", site.name_server}
    if not addresses:
        return None
    own = (_address(site, link, firewall) for link in site.network.links_of(firewall))
    return Resolver(
        node=firewall,
        addresses=tuple(address for address in own if address in addresses),
        source=site.uplink_ip(firewall, site.lookup_family),
    )
