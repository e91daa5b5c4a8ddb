"""From what the user wrote to the model in which everything is decided.

Pure and deterministic: the same spec and seed give the same bytes. What the papers leave open is
decided here, and the constants say by which question (Q-nn) of the requirements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lab import catalogue
from lab.catalogue import Address, Kind, Profile, Variant
from lab.secret import Secret
from lab.topology import addressing, check, mtu, resolve_telephone, secrets
from lab.topology.model import (
    AllowRule,
    Encapsulation,
    Endpoint,
    Firewall,
    IkeSide,
    Interface,
    IpsecConnection,
    L2tpClient,
    L2tpServer,
    Node,
    PathKind,
    PppAccount,
    PppAuth,
    PppServer,
    Role,
    Route,
    Segment,
    Topology,
    VpnPath,
)
from lab.topology.routing import FORWARDING, Hop, Network
from lab.topology.spec import IpsecSpec, L2tpSpec, TopologySpec

CUSTOMER_DOMAIN = "customer.test"

IKE_PROPOSAL = "3des-{integrity}-modp1024"  # Q-01; P-04 for the cipher
ESP_PROPOSAL = "3des-{integrity}"  # P-04, P-05; no DH group, so no PFS
ESP_LIFETIME_MARGIN_S = 6 * 60
"""How long an ESP SA outlives the latest moment of its renewal."""

DPD_DELAY_S, DPD_TIMEOUT_S = 30, 120
RETRANSMIT_TRIES, RETRANSMIT_TIMEOUT_S, RETRANSMIT_BASE = 3, 2.0, 1.8
"""A silent gateway is given up after 2 + 3.6 + 6.5 + 11.7 = 24 s, then the next is tried (R-07)."""

HELLO_S = 60  # RFC 2661 6.5 default
LCP_ECHO_INTERVAL_S, LCP_ECHO_FAILURES = 30, 4

TLS_PORT = 443
PROBE_RULE = "LAB_PROBE"
"""What asks for the one rule of the lab's own: ping to the address that proves a direct path."""


def resolve(spec: TopologySpec, seed: bytes) -> Topology:
    """Decide everything. Secrets come from ``seed`` alone."""
    return _Resolver(spec, seed).topology()


def endpoints(profile: Profile, spec: TopologySpec) -> tuple[Endpoint, ...]:
    """Where agents may call home: the HTTPS servers of their regions, in the tables' order."""
    variant = Variant.ssl if spec.path.kind is PathKind.direct else Variant.ursf
    regions = dict.fromkeys(resolve_telephone.region(spec, agent) for agent in spec.path.agents)
    listed = [a for region in regions for a in profile.servers(region, variant)]
    usable = [a for a in listed if a.version == 4 and a.offers("tcp", TLS_PORT)]
    first = {(a.host, a.address): a for a in reversed(usable)}  # a server of two purposes is one
    return tuple(
        Endpoint(name=a.host, address=a.address, port=TLS_PORT, row=a.row)
        for a in usable
        if first[a.host, a.address] is a
    )


class _Resolver:
    """The spec with what several parts of the model are made from."""

    def __init__(self, spec: TopologySpec, seed: bytes) -> None:
        self.spec = spec
        self.seed = seed
        self.profile = catalogue.profile(spec.profile)
        self.network: Network = check.network(spec)
        self.addresses = addressing.interface_addresses(spec)
        self.customers = frozenset[str]().union(*map(self.network.zone, spec.path.agents))
        self.pools = addressing.pools(spec)
        self.utility = addressing.utility(spec) if spec.lig is not None else ""
        self.endpoints = endpoints(self.profile, spec)
        self.gateways: dict[str, Address] = {
            name: address
            for name, address in check.gateway_addresses(spec.profile).items()
            if name in spec.nodes
        }
        self.ipsec_spec = spec.path.ipsec or IpsecSpec()
        self.l2tp_spec = spec.path.l2tp or L2tpSpec()

    def topology(self) -> Topology:
        spec = self.spec
        vpn = spec.path.kind is PathKind.vpn
        return Topology(
            name=spec.name,
            summary=spec.summary,
            source=spec.source,
            profile=spec.profile,
            region=spec.region,
            path=spec.path.kind,
            agents=spec.path.agents,
            segments=tuple(
                Segment(
                    name=name,
                    subnet=link.subnet,
                    rate_bit_s=link.rate,
                    delay_s=link.delay,
                    mtu=link.mtu,
                )
                for name, link in spec.links.items()
            ),
            nodes=tuple(self.node(name) for name in spec.nodes),
            firewall=self.firewall(spec.firewall) if spec.firewall else None,
            ipsec=tuple(self.ipsec()) if vpn else (),
            l2tp_servers=tuple(self.l2tp_servers()) if vpn else (),
            l2tp_clients=tuple(self.l2tp_client(agent) for agent in spec.path.agents)
            if vpn
            else (),
            vpn_paths=tuple(
                VpnPath(client=a, gateways=spec.path.gateways) for a in spec.path.agents
            )
            if vpn
            else (),
            endpoints=self.endpoints,
            probe=self.endpoints[0].address,
            expect=spec.expect,
            telephone=resolve_telephone.telephone(spec),
            dialers=tuple(resolve_telephone.dialers(spec, self.network, self.seed)),
            lig=resolve_telephone.lig(spec, self.network, self.profile, self.seed),
        )

    # -- nodes and routes -------------------------------------------------------------------------

    def ip(self, link: str, node: str) -> str:
        return self.addresses[link, node].partition("/")[0]

    def uplink_ip(self, node: str) -> str:
        """A node's address on its way to the Internet."""
        return self.ip(self.network.uplinks(node)[0], node)

    def node(self, name: str) -> Node:
        role = self.spec.nodes[name].role
        number = {node: n for n, node in enumerate(self.spec.nodes, 1)}[name]
        return Node(
            name=name,
            role=role,
            interfaces=tuple(
                Interface(
                    segment=link,
                    mac=addressing.mac(n, number),
                    address=self.addresses[link, name],
                )
                for n, link in enumerate(self.spec.links, 1)
                if name in self.spec.links[link].nodes
            ),
            service_addresses=self.service_addresses(name),
            routes=tuple(self.routes(name)),
            forwarding=role in FORWARDING,
            hosts=tuple(self.hosts(name)),
        )

    def service_addresses(self, node: str) -> tuple[str, ...]:
        """What IBM lists: a gateway has its own, sdc all the servers', of every region (F-15).

        And AT&T's name server, which is its gateway itself (L-03).
        """
        if node in self.gateways:
            return (self.gateways[node].address,)
        if self.spec.nodes[node].role is Role.sdc:
            servers = self.profile.addresses(Kind.server)
            return tuple(dict.fromkeys(a.address for a in servers if a.version == 4))
        if node == self.spec.lig:
            return (self.utility,)

        return ()

    def hosts(self, node: str) -> Iterator[tuple[str, str]]:
        """IBM's public names, and the machines on the node's own side of the Internet."""
        yield "127.0.0.1", "localhost"
        zone = self.network.zone(node)
        for name in self.spec.nodes:
            if name in zone and self.spec.links_of(name):
                domain = CUSTOMER_DOMAIN if name in self.customers else catalogue.LAB_DOMAIN
                address = self.ip(self.network.links_of(name)[0], name)
                if name not in self.gateways:
                    yield address, f"{name}.{domain}"
                yield address, name

        if self.spec.path.kind is PathKind.dial and node in self.spec.path.agents:
            return  # It asks AT&T's name server for IBM's names, by telephone.

        listed = (*self.profile.vpn_gateways, *self.profile.addresses(Kind.server))
        yield from dict.fromkeys((a.address, a.host) for a in listed if a.version == 4)

    def routes(self, node: str) -> Iterator[Route]:
        """Everything on the node's own side of the Internet, and the Internet by default.

        The Internet itself knows what is public: no private network, and nothing that SNAT hides.
        """
        is_internet = node in self.network.internet
        ways = self.network.ways(node)
        default = next((ways[i][0] for i in ways if i in self.network.internet), None)
        zone = self.network.zone(node)

        for destination, owners in self.destinations().items():
            if node in owners or (is_internet and self.is_hidden(destination)):
                continue

            near = [o for o in owners if o in ways and (is_internet or o in zone)]
            if not near:
                continue

            hop = ways[min(near, key=lambda o: len(ways[o]))][0]
            if hop != default:
                yield self.route(destination, hop)

        if default is not None:
            yield self.route("default", default)

    def route(self, destination: str, hop: Hop) -> Route:
        via = self.ip(hop.link, hop.neighbour)
        return Route(destination=destination, via=via, interface=hop.link)

    def destinations(self) -> dict[str, tuple[str, ...]]:
        """Every prefix of the lab, and the nodes that it is at."""
        result = {link.subnet: tuple(link.nodes) for link in self.spec.links.values()}
        for name in self.spec.nodes:
            result |= {f"{address}/32": (name,) for address in self.service_addresses(name)}
            if name in self.pools and (
                self.spec.path.kind is PathKind.vpn or name == self.spec.lig
            ):
                result[self.pools[name][0]] = (name,)

        return result

    def is_hidden(self, destination: str) -> bool:
        snat = self.spec.firewall if self.spec.snat else None
        behind = self.network.links_behind(snat) if snat is not None else ()
        hidden = {self.spec.links[link].subnet for link in behind}
        return check.is_private(destination) or destination in hidden

    # -- the customer's firewall ------------------------------------------------------------------

    def firewall(self, node: str) -> Firewall:
        links = self.network.links_of(node)
        inside = next(link for link in links if link in self.network.links_behind(node))
        return Firewall(
            node=node,
            inside=inside,
            outside=next(link for link in links if link != inside),
            snat=self.spec.snat,
            rules=tuple(self.rules()),
        )

    def rules(self) -> Iterator[AllowRule]:
        """What the papers ask a customer to open, and nothing else: nothing for modems (F-18)."""
        for agent in self.spec.path.agents if self.spec.path.kind is not PathKind.dial else ():
            source = self.uplink_ip(agent)
            if self.spec.path.kind is PathKind.direct:
                yield from self.direct_rules(source)
            else:
                yield from self.vpn_rules(source)

    def direct_rules(self, source: str) -> Iterator[AllowRule]:
        """F-03 (ESA: F-01, F-02): only to what is listed (F-04), and for the region (F-15)."""
        listed = self.profile.servers(self.spec.region, Variant.ssl)
        wanted = dict.fromkeys(
            (a.address, port)
            for port in self.profile.direct_ports
            for a in listed
            if a.version == 4 and a.offers("tcp", port)
        )
        for address, port in wanted:
            yield AllowRule(
                requirement=self.profile.direct_requirement,
                source=source,
                destination=address,
                protocol="tcp",
                port=port,
                both_ways=False,
            )
        yield AllowRule(
            requirement=PROBE_RULE,
            source=source,
            destination=self.endpoints[0].address,
            protocol="icmp-echo",
            port=0,
            both_ways=False,
        )

    def vpn_rules(self, source: str) -> Iterator[AllowRule]:
        """F-06, or F-07 behind NAT; to the VPN servers and to nobody else (F-08)."""
        for gateway in self.spec.path.gateways:
            listed = self.gateways[gateway]
            for service in listed.behind_nat if self.spec.snat else listed.services:
                yield AllowRule(
                    requirement="F-07" if self.spec.snat else "F-06",
                    source=source,
                    destination=listed.address,
                    protocol=service.protocol,
                    port=service.port,
                    both_ways=True,
                )

    # -- the VPN ----------------------------------------------------------------------------------

    def ipsec(self) -> Iterator[IpsecConnection]:
        # IKEv1 main mode with a PSK picks the key by IP address, before any identity is known
        # (RFC 2409 5.4): agents behind one firewall must share a key, so it is the site's.
        psk = secrets.derive(self.seed, "psk", CUSTOMER_DOMAIN)
        its = self.ipsec_spec
        for client in self.spec.path.agents:
            for gateway in self.spec.path.gateways:
                address = self.gateways[gateway].address
                name = f"{client}.{CUSTOMER_DOMAIN}"
                yield IpsecConnection(
                    name=f"{client}-{gateway}",
                    client=client,
                    gateway=gateway,
                    client_address=self.uplink_ip(client),
                    gateway_address=address,
                    client_side=self.ike_side(name, address, psk),
                    gateway_side=self.ike_side(address, name, psk),
                    ike_lifetime_s=round(its.ike_lifetime),
                    rekey_min_s=round(its.rekey_min),
                    rekey_max_s=round(its.rekey_max),
                    esp_lifetime_s=round(its.rekey_max) + ESP_LIFETIME_MARGIN_S,
                    dpd_delay_s=DPD_DELAY_S,
                    dpd_timeout_s=DPD_TIMEOUT_S,
                    retransmit_tries=RETRANSMIT_TRIES,
                    retransmit_timeout_s=RETRANSMIT_TIMEOUT_S,
                    retransmit_base=RETRANSMIT_BASE,
                )

    def ike_side(self, identity: str, expects: str, psk: Secret) -> IkeSide:
        integrity = self.ipsec_spec.integrity
        return IkeSide(
            identity=identity,
            expects=expects,
            psk=psk,
            ike_proposal=IKE_PROPOSAL.format(integrity=integrity),
            esp_proposal=ESP_PROPOSAL.format(integrity=integrity),
            encapsulation=Encapsulation(self.ipsec_spec.encapsulation),
        )

    def account(self, client: str) -> PppAccount:
        user = f"{client}.{CUSTOMER_DOMAIN}"
        return PppAccount(user=user, secret=secrets.derive(self.seed, "ppp", user))

    def l2tp_servers(self) -> Iterator[L2tpServer]:
        agents = self.spec.path.agents
        for gateway in self.spec.path.gateways:
            _, own, callers = self.pools[gateway]
            yield L2tpServer(
                gateway=gateway,
                address=self.gateways[gateway].address,
                hostname=self.gateways[gateway].host,
                ppp=PppServer(
                    auth=PppAuth.chap,  # P-09
                    local_ip=own,
                    pool=callers,
                    accounts=tuple(self.account(agent) for agent in agents),
                ),
                mtu=min(self.mtu(agent) for agent in agents),
            )

    def l2tp_client(self, client: str) -> L2tpClient:
        return L2tpClient(
            client=client,
            hostname=f"{client}.{CUSTOMER_DOMAIN}",
            layout=self.l2tp_spec.layout,
            sessions=self.l2tp_spec.sessions,
            accept_auth=(PppAuth.chap,),
            account=self.account(client),
            mtu=self.mtu(client),
            hello_s=HELLO_S,
            lcp_echo_interval_s=LCP_ECHO_INTERVAL_S,
            lcp_echo_failures=LCP_ECHO_FAILURES,
        )

    def mtu(self, client: str) -> int:
        """What PPP can carry over the narrowest link to any of the gateways."""
        ways = self.network.ways(client)
        links: Iterable[str] = {hop.link for g in self.spec.path.gateways for hop in ways[g]}
        return mtu.ppp_mtu(
            min(self.spec.links[link].mtu for link in links),
            self.ipsec_spec.encapsulation,
            udp_encapsulation=self.spec.snat,
        )
