"""From what the user wrote to the model in which everything is decided.

Pure and deterministic: the same spec and seed give the same bytes. What the papers leave open is decided here
and in the ways' own ``resolve``, and the constants say by which question (Q-nn) of the requirements.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lab import ways
from lab.topology import (
    catalogue,
    check,
    check_pools,
    check_service,
    resolve_consoles,
    resolve_dns,
    resolve_modules,
    resolve_routers,
    resolve_servers,
    resolve_telephone,
    resolve_user_targets,
    schedule,
)
from lab.topology.family import V4_ONLY, Family, family_of, host_prefix
from lab.topology.model import (
    AllowRule,
    Firewall,
    Interface,
    NodePlan,
    RemoteService,
    Route,
    Segment,
    Topology,
)
from lab.topology.proxy import DEFAULT_PORT, HttpProxy, ProxyAccount
from lab.topology.roles import TRAITS, Listed, Role
from lab.topology.routing import Hop
from lab.topology.service import RELAY_PORTS, Inbound, Partition
from lab.topology.site import CUSTOMER_DOMAIN, Site, mac_of
from lab.topology.spec import TopologySpec
from lab.topology.terminal import TERMINAL_USER, TerminalAccount

PROXIES = (Role.proxy, Role.service_proxy)
PROXY_USER = "callhome"  # The lab's choice.


def resolve(spec: TopologySpec, seed: bytes) -> Topology:
    """Decide everything. Secrets come from ``seed`` alone."""
    return _Resolver(spec, seed).topology()


class _Resolver(Site):
    """The site with the parts of the model that are made from it."""

    def topology(self) -> Topology:
        spec = self.spec
        servers = resolve_servers.servers(self.profile, self.families_of_servers())
        servers += resolve_servers.moved(self.profile, self.spec.moves_to, self.moves)
        return Topology(
            name=spec.name,
            summary=spec.summary,
            source=spec.source,
            profile=self.profile.name,
            region=spec.region,
            ways=tuple(
                ways.stage(way.kind, "resolve").plan(self, name, way)
                for name, way in spec.ways.items()
            ),
            callers=schedule.callers(spec.agents, spec.schedule),
            segments=tuple(
                Segment(
                    name=name,
                    subnet=link.subnet,
                    subnet6=link.subnet6 or "",
                    rate_bit_s=link.rate,
                    delay_s=link.delay,
                    mtu=link.mtu,
                    impairment=link.impairment,
                    rates_bit_s=link.rates,
                    vlan=link.vlan or 0,
                )
                for name, link in spec.links.items()
            ),
            nodes=tuple(self.node(name) for name in spec.nodes),
            firewall=self.firewall(spec.firewall) if spec.firewall else None,
            routers=resolve_routers.routers(spec, self.network),
            telephone=resolve_telephone.telephone(spec),
            lig=resolve_telephone.lig(self),
            proxies=tuple(self.proxy(n) for n, its in spec.nodes.items() if its.role in PROXIES),
            dns=resolve_dns.dns(self),
            expect=spec.expect,
            service=self.service(),
            servers=servers,
            tls=resolve_servers.plans(servers, literal=spec.literal_tls),
            stubs=spec.stubs,
            own_rules=spec.own_rules,
            own_programs=spec.own_programs,
            modem_families=spec.modem_families,
            back_ends=resolve_servers.back_ends(self),
            consoles=resolve_consoles.consoles(self),
            events=resolve_consoles.events(self),
            fleets=spec.fleets,
            modules=resolve_modules.modules(self),
            user_targets=resolve_user_targets.targets(self),
            errands=tuple(e for name, way in spec.ways.items() for e in self.errands(way, name)),
        )

    # -- nodes and routes -------------------------------------------------------------------------

    def node(self, name: str) -> NodePlan:
        role = self.spec.nodes[name].role
        number = {node: n for n, node in enumerate(self.spec.nodes, 1)}[name]
        return NodePlan(
            name=name,
            role=role,
            interfaces=tuple(
                Interface(
                    segment=link,
                    mac=mac_of(n, number),
                    address=self.addresses[link, name],
                    address6=self.addresses6.get((link, name), ""),
                )
                for n, link in enumerate(self.spec.links, 1)
                if name in self.spec.links[link].nodes
            ),
            service_addresses=self.service_addresses(name),
            routes=tuple(self.routes(name)),
            forwarding=TRAITS[role].forwards,
            hosts=tuple(self.hosts(name)),
            unlisted_addresses=self.unlisted_addresses(name),
            resolver=resolve_dns.asked_by(self, name),
        )

    def service_addresses(self, node: str) -> tuple[str, ...]:
        """What the papers list for the node's role."""
        match TRAITS[self.spec.nodes[node].role].listed:
            case Listed.gateway:
                return (self.gateways[node].address,)
            case Listed.servers:
                moved = (address for move in self.moves for address in move.new)
                own = self.listed(self.families_of_servers())
                return tuple(dict.fromkeys((*own, *moved)))
            case Listed.name_server:
                return (self.utility,)
            case None:
                return ()

    def unlisted_addresses(self, node: str) -> tuple[str, ...]:
        """Of IBM's name server, which no paper tells of."""
        is_server = self.spec.nodes[node].role is Role.sdc
        return (self.name_server,) if is_server and self.by_dns else ()

    def families_of_servers(self) -> tuple[Family, ...]:
        """The versions of IP by which IBM's servers answer: those of their node's links."""
        (sdc,) = self.network.with_role(Role.sdc)
        return tuple(Family) if self.has_ipv6(sdc) else V4_ONLY

    def hosts(self, node: str) -> Iterator[tuple[str, str]]:
        """The machines on the node's own side of the Internet; IBM's names where the node asks no server.

        Machines that a file names once do not know each other: every table would grow with their number.
        """
        yield "127.0.0.1", "localhost"
        zone = self.network.zone(node)
        if by_ipv6 := Family.ipv6 in self.families_of(node):
            yield "::1", "localhost"
        own_fleet = next((its.members for its in self.spec.fleets if node in its.members), ())
        fellows = {*own_fleet} - {node}
        for name in self.spec.nodes:
            if name in zone and name not in fellows and self.spec.links_of(name):
                domain = CUSTOMER_DOMAIN if name in self.customers else catalogue.LAB_DOMAIN
                link = self.network.links_of(name)[0]
                # A proxy takes requests by IPv4 only.
                also = by_ipv6 and self.spec.nodes[name].role is not Role.proxy
                both = (self.ip(link, name), self.ip6(link, name) if also else "")
                for address in filter(None, both):
                    if name not in self.gateways:
                        yield address, f"{name}.{domain}"
                    yield address, name

        own = [self.spec.ways[way] for way in self.spec.agents.get(node, ())]
        looks_up = not own or any(self.spec.looks_up(way) for way in own)
        # AT&T's name server answers from its node's table: the fence lets it ask nobody (L-03).
        if node == self.spec.lig or (not self.by_dns and looks_up):
            yield from self.listed_names(node)

    def routes(self, node: str) -> Iterator[Route]:
        """Everything on the node's own side of the Internet, and the Internet by default.

        The Internet itself knows what is public: no private network, and nothing that SNAT hides; a router
        knows nothing of what is hidden from it.
        """
        hidden = resolve_routers.hidden_from(self.spec, self.network, node)
        is_internet = node in self.network.internet
        ways = self.network.ways(node)
        default = next((ways[i][0] for i in ways if i in self.network.internet), None)
        zone = self.network.zone(node)

        for destination, owners in self.destinations().items():
            if node in owners or destination in hidden:
                continue
            if is_internet and check.is_private(destination):
                continue

            near = [o for o in owners if o in ways and (is_internet or o in zone)]
            if not near:
                continue

            hop = ways[min(near, key=lambda o: len(ways[o]))][0]
            family = family_of(destination)
            if hop != default and (family is Family.ipv4 or self.ip6(hop.link, node)):
                yield self.route(destination, hop, family)

        if default is not None:
            yield self.route("default", default)
            if self.ip6(default.link, node):
                yield self.route("default", default, Family.ipv6)
        yield from self.service_routes(node)

    def route(self, destination: str, hop: Hop, family: Family = Family.ipv4) -> Route:
        own = self.ip6 if family is Family.ipv6 else self.ip
        via = own(hop.link, hop.neighbour)
        return Route(destination=destination, via=via, interface=hop.link)

    def destinations(self) -> dict[str, tuple[str, ...]]:
        """Every prefix of the lab, and the nodes that it is at."""
        links = self.spec.links.values()
        result = {link.subnet: tuple(link.nodes) for link in links}
        result |= {link.subnet6: tuple(link.nodes) for link in links if link.subnet6}
        for name in self.spec.nodes:
            own = (*self.service_addresses(name), *self.unlisted_addresses(name))
            result |= {host_prefix(address): (name,) for address in own}
            if name in self.pools and (
                check_pools.callers(self.spec, name) or name == self.spec.lig
            ):
                result[self.pools[name][0]] = (name,)

        for console, service in self.spec.service.items():
            if service.server is not None:
                caller = check_service.addresses(self.spec, console)[1]
                result[f"{caller}/32"] = (service.server,)
        return result

    # -- proxies ----------------------------------------------------------------------------------

    def proxy(self, node: str) -> HttpProxy:
        its = self.spec.nodes[node]
        account = None
        if its.login is not None:
            # One for all of a customer's proxies: an agent has room for one user and password.
            account = ProxyAccount(user=PROXY_USER, password=self.secret("proxy", PROXY_USER))
        return HttpProxy(
            node=node,
            name=f"{node}.{CUSTOMER_DOMAIN}",
            address=self.ip(self.network.links_of(node)[0], node),
            port=its.port or DEFAULT_PORT,
            account=account,
            users=tuple(self.spec.links[link].subnet for link in self.network.links_of(node)),
            destinations=() if its.destinations == "any" else self.listed(),
            resolver=resolve_dns.asked_by(self, node),
            service=its.role is Role.service_proxy,
        )

    def listed(self, families: Iterable[Family] = V4_ONLY) -> tuple[str, ...]:
        """The addresses of every listed server."""
        own = self.profile.callable()
        return tuple(dict.fromkeys(a.address for f in families for a in own if a.family is f))

    # -- remote service ---------------------------------------------------------------------------

    def service(self) -> RemoteService | None:
        """Of the console that has one."""
        for console, service in self.spec.service.items():
            neighbour = check_service.neighbour(self.spec, console)
            assert neighbour is not None, "check has seen it"
            by_vpn = service.server is not None and service.by is not Inbound.internet
            own, caller, *aliases = map(str, check_service.addresses(self.spec, console))
            by_terminal = service.by is Inbound.terminal
            if by_terminal:
                # No packet goes over such a line: nobody has an address there (I-24).
                own = caller = ""
                aliases = [""] * len(aliases)
            link, intranet, log_in_address = "", "", ""
            if workplace := check_service.workplace_of(service):
                found = check_service.log_in_link(self.spec, workplace)
                assert found is not None, "check has seen it"
                link, intranet = found
                log_in_address = self.ip(link, workplace)
            return RemoteService(
                console=console,
                neighbour=neighbour,
                ports=self.profile.service_ports,
                dialer=service.dialer or "",
                number=self.spec.telephone[console].number if service.dialer else "",
                server=service.server or "",
                relay=service.relay or "",
                intranet=intranet,
                log_in_address=log_in_address,
                vpn_way=check_service.vpn_way(self.spec, console),
                layout=service.layout or "tunnels",
                console_only=not self.profile.inbound_partitions,
                by_call=service.trigger == "call",
                vpn_account=self.service_account(console) if by_vpn else None,
                relay_address=self.relay_address(service.relay),
                relay_inside=self.relay_inside(service.relay, service.server),
                ways_in=self.profile.inbound,
                by=service.by or Inbound.none,
                ppp_address=own,
                caller_address=caller,
                console_allowed=by_terminal or console in service.access,
                terminal_account=self.terminal_account(console),
                stateful=service.returns == "stateful",
                partitions=tuple(
                    Partition(
                        name=name,
                        segment=segment,
                        address=self.ip(segment, name),
                        alias=alias,
                        allowed=name in service.access,
                    )
                    for (name, segment), alias in zip(
                        check_service.partitions(self.spec, console).items(), aliases, strict=True
                    )
                ),
            )
        return None

    def terminal_account(self, console: str) -> TerminalAccount | None:
        """The representative's, if the generation has such a terminal (I-23)."""
        if Inbound.terminal not in self.profile.inbound:
            return None
        password, key = (self.secret("terminal", console, what) for what in ("password", "key"))
        return TerminalAccount(user=TERMINAL_USER, password=password, key=key)

    def relay_address(self, relay: str | None) -> str:
        """Of a relay, on the Internet; empty without one."""
        return self.ip(self.network.uplinks(relay)[0], relay) if relay else ""

    def relay_inside(self, relay: str | None, server: str | None) -> str:
        """Of a relay, for representatives at a server: on a link with it, if there is one."""
        links = self.spec.links_of(relay) if relay else ()
        shared = [link for link in links if server in self.spec.links[link].nodes]
        return self.ip(shared[0], relay) if relay and shared else self.relay_address(relay)

    def service_routes(self, node: str) -> Iterator[Route]:
        """A partition knows the way to whoever is let in to it."""
        for console in self.spec.service:
            segment = check_service.partitions(self.spec, console).get(node)
            if segment is not None and self.spec.service[console].by is not Inbound.terminal:
                caller = check_service.addresses(self.spec, console)[1]
                via = self.ip(segment, console)
                yield Route(destination=f"{caller}/32", via=via, interface=segment)

    # -- the customer's firewall ------------------------------------------------------------------

    def firewall(self, node: str) -> Firewall:
        links, behind = self.network.links_of(node), self.network.links_behind(node)
        return Firewall(
            node=node,
            inside=next(link for link in links if link in behind),
            outside=next(link for link in links if link not in behind),
            snat=self.spec.snat,
            rules=tuple(self.rules()),
        )

    def rules(self) -> Iterator[AllowRule]:
        """What the papers ask a customer to open, and nothing else."""
        yield from dict.fromkeys(
            rule
            for name, way in self.spec.ways.items()
            for agent in self.spec.agents_of(name)
            for rule in ways.stage(way.kind, "resolve").rules(self, way, agent)
        )
        yield from self.service_rules()
        yield from resolve_user_targets.rules(self)

    def service_rules(self) -> Iterator[AllowRule]:
        """A session by Internet asks for connections of the console's own to the relay, and nothing else."""
        for console, service in self.spec.service.items():
            ports = service.relay_ports or RELAY_PORTS
            for port in ports if service.by is Inbound.internet else ():
                yield AllowRule(
                    requirement=self.internet_requirement,
                    source=self.ip(self.network.uplinks(console)[0], console),
                    destination=self.relay_address(service.relay),
                    protocol="tcp",
                    port=port,
                    both_ways=False,
                )

    @property
    def internet_requirement(self) -> str:
        """Which asks for a session by Internet: of the DS8000's family, or of Power's HMC."""
        return "I-26" if self.profile.name.startswith("ds8") else "I-27"
