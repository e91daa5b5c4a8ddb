"""From a way home by VPN to its plan and to what the firewall opens for it. Pure.

What the papers leave open is decided here, and the constants say by which question (Q-nn).
"""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology import resolve_telephone
from lab.topology.catalogue import Variant
from lab.topology.model import AllowRule, PppAuth, PppServer
from lab.topology.site import CUSTOMER_DOMAIN, Site
from lab.ways.dial.spec import DialSpec
from lab.ways.pass_through.checks import shared_link
from lab.ways.pass_through.spec import PassThroughSpec
from lab.ways.vpn import mtu, proposal
from lab.ways.vpn.plan import IkeSide, IpsecConnection, L2tpClient, L2tpServer, VpnPlan
from lab.ways.vpn.spec import VpnSpec

IKE_PROPOSAL = "3des-{integrity}-modp1024"  # Q-01; P-04 for the cipher
ESP_PROPOSAL = "3des-{integrity}"  # P-04, P-05; no DH group, so no PFS
ESP_LIFETIME_MARGIN_S = 6 * 60
"""How long an ESP SA outlives the latest moment of its renewal."""

RETRANSMIT_TRIES, RETRANSMIT_TIMEOUT_S, RETRANSMIT_BASE = 3, 2.0, 1.8
"""A silent gateway is given up after 2 + 3.6 + 6.5 + 11.7 = 24 s, then the next is tried (R-07)."""

HELLO_S = 60  # RFC 2661 6.5 default
LCP_ECHO_INTERVAL_S, LCP_ECHO_FAILURES = 30, 4


def plan(site: Site, name: str, way: VpnSpec) -> VpnPlan:
    """The way's plan; its gateways' servers know the agents of every way that leads to them."""
    agents = site.spec.agents_of(name)
    endpoints = site.endpoints(Variant.ursf)
    return VpnPlan(
        name=name,
        kind=way.kind,
        over=way.runs_over,
        agents=agents,
        endpoints=endpoints,
        probe=endpoints[0].address,
        gateways=way.gateways,
        partition=_partition(site, way),
        connections=tuple(
            _connection(site, way, end, gateway)
            for end in dict.fromkeys(_end(site, way, agent) for agent in agents)
            for gateway in way.gateways
        ),
        clients=tuple(_client(site, way, agent) for agent in agents),
        servers=tuple(_server(site, gateway) for gateway in way.gateways),
    )


def rules(site: Site, way: VpnSpec, agent: str) -> Iterator[AllowRule]:
    """F-06, or F-07 behind NAT; to the VPN servers and to nobody else (F-08). By telephone nothing (F-18)."""
    if _dials(site, way):
        return
    for gateway in way.gateways:
        listed = site.gateways[gateway]
        for service in listed.row.behind_nat if site.spec.behind_nat else listed.row.services:
            yield AllowRule(
                requirement="F-07" if site.spec.behind_nat else "F-06",
                source=site.uplink_ip(_end(site, way, agent)),
                destination=listed.address,
                protocol=service.protocol,
                port=service.port,
                both_ways=True,
            )


def _partition(site: Site, way: VpnSpec) -> str:
    below = site.spec.way_below(way)
    return below.partition if isinstance(below, PassThroughSpec) else ""


def _dials(site: Site, way: VpnSpec) -> bool:
    return isinstance(site.spec.way_below(way), DialSpec)


def _end(site: Site, way: VpnSpec, agent: str) -> str:
    """Where an agent's IPsec begins: on the agent's host, or at the partition that lends it (OUT-29)."""
    return _partition(site, way) or agent


def _connection(site: Site, way: VpnSpec, client: str, gateway: str) -> IpsecConnection:
    address, name = site.gateways[gateway].address, f"{client}.{CUSTOMER_DOMAIN}"
    return IpsecConnection(
        name=f"{client}-{gateway}",
        client=client,
        gateway=gateway,
        client_address="" if _dials(site, way) else site.uplink_ip(client),
        gateway_address=address,
        client_side=_ike_side(site, way, name, address),
        gateway_side=_ike_side(site, way, address, name),
        ike_lifetime_s=round(way.ipsec.ike_lifetime),
        rekey_min_s=round(way.ipsec.rekey_min),
        rekey_max_s=round(way.ipsec.rekey_max),
        esp_lifetime_s=round(way.ipsec.rekey_max) + ESP_LIFETIME_MARGIN_S,
        version=way.ipsec.version,
        dpd_delay_s=max(1, round(way.ipsec.dpd_delay)),
        dpd_timeout_s=max(1, round(way.ipsec.dpd_timeout)),
        retransmit_tries=RETRANSMIT_TRIES,
        retransmit_timeout_s=RETRANSMIT_TIMEOUT_S,
        retransmit_base=RETRANSMIT_BASE,
    )


def _ike_side(site: Site, way: VpnSpec, identity: str, expects: str) -> IkeSide:
    integrity = way.ipsec.integrity
    return IkeSide(
        identity=identity,
        expects=expects,
        # IKEv1 main mode with a PSK picks the key by IP address, before any identity is known
        # (RFC 2409 5.4): agents behind one firewall must share a key, so the key is the site's.
        psk=site.secret("psk", CUSTOMER_DOMAIN),
        ike_proposal=way.ipsec.ike or IKE_PROPOSAL.format(integrity=integrity),
        esp_proposal=_esp_proposal(way),
        encapsulation=way.ipsec.encapsulation,
    )


def _esp_proposal(way: VpnSpec) -> str:
    return way.ipsec.esp or ESP_PROPOSAL.format(integrity=way.ipsec.integrity)


def _server(site: Site, gateway: str) -> L2tpServer:
    _, own, callers = site.pools[gateway]
    served = [
        (agent, way)
        for name, way in site.spec.ways_of_kind(VpnSpec).items()
        if gateway in way.gateways
        for agent in site.spec.agents_of(name)
    ]
    return L2tpServer(
        gateway=gateway,
        address=site.gateways[gateway].address,
        hostname=site.gateways[gateway].host,
        ppp=PppServer(
            auth=PppAuth.chap,  # P-09
            local_ip=own,
            pool=callers,
            accounts=(
                *(site.account(agent) for agent, _ in served),
                *(
                    site.service_account(agent)
                    for agent, _ in served
                    if agent in site.spec.service and site.spec.service[agent].server is not None
                ),
            ),
        ),
        mtu=min(_mtu(site, way, agent) for agent, way in served),
    )


def _client(site: Site, way: VpnSpec, client: str) -> L2tpClient:
    return L2tpClient(
        client=client,
        hostname=f"{client}.{CUSTOMER_DOMAIN}",
        layout=way.l2tp.layout,
        sessions=way.l2tp.sessions,
        accept_auth=(PppAuth.chap,),
        account=site.account(client),
        mtu=_mtu(site, way, client),
        hello_s=HELLO_S,
        lcp_echo_interval_s=LCP_ECHO_INTERVAL_S,
        lcp_echo_failures=LCP_ECHO_FAILURES,
    )


def _mtu(site: Site, way: VpnSpec, client: str) -> int:
    """What PPP can carry over the narrowest link, or the call, to any of the gateways.

    A caller's address is public, and no NAT is behind AT&T's gateway: NAT detection finds none, so that ESP
    needs no UDP (RFC 3947 3.2), whatever the customer's firewall does.
    """
    dials = _dials(site, way)
    reached = site.network.ways((dials and site.spec.lig) or _end(site, way, client))
    links = {hop.link for gateway in way.gateways for hop in reached[gateway]}
    carried = [resolve_telephone.ppp_mtu(site.spec, site.network)] if dials else []
    sealed = mtu.ppp_mtu(
        min(*(site.spec.links[link].mtu for link in links), *carried),
        way.ipsec.encapsulation,
        proposal.parse(_esp_proposal(way), ike=False),
        udp_encapsulation=site.spec.behind_nat and not dials,
    )
    if not (partition := _partition(site, way)):
        return sealed
    return min(
        sealed, mtu.clear_mtu(site.spec.links[shared_link(site.spec, client, partition)].mtu)
    )
