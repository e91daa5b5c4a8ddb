"""What the model says of the customer and of IBM's side, in the views that the checks share."""

from __future__ import annotations

from functools import cached_property

from lab.topology.dns import DNS_PORT
from lab.topology.family import Family, family_of
from lab.topology.model import HTTPS_PORT, Interface, NodePlan, Role
from lab.topology.servers import FTPS_PORT, PASSIVE_PORTS, Speaks
from lab.topology.telephone import Lig
from lab.verify.service_told import ServiceTold
from lab.ways.dial import plan as dial
from lab.ways.pass_through import plan as pass_through
from lab.ways.vpn import plan as vpn
from lab.wire import l2tp
from lab.wire.decode import ICMP, ICMP_ERRORS, TCP, UDP, Packet, parse_quoted


def mac(interface: Interface) -> bytes:
    """An interface's hardware address as it stands in a frame."""
    return bytes.fromhex(interface.mac.replace(":", ""))


class Premises(ServiceTold):
    """Wires, hosts and addresses by what they are for."""

    @cached_property
    def uplinks(self) -> tuple[str, ...]:
        """The wires of agents, and of who lends them a VPN: towards the Internet, if any way leads there."""
        lenders = (self.topology.node(name) for name in dict.fromkeys(self.partitions.values()))
        return tuple(dict.fromkeys(node.uplink.segment for node in (*self.agents, *lenders)))

    @cached_property
    def exits(self) -> tuple[str, ...]:
        """The wires between the customer and the Internet; none where no way leads there."""
        if self.topology.firewall is not None:
            return (self.topology.firewall.outside,)
        internet = (n for n in self.topology.nodes if n.role is Role.internet)
        theirs = {interface.segment for node in internet for interface in node.interfaces}
        return tuple(segment for segment in self.uplinks if segment in theirs)

    @cached_property
    def ipsec_wires(self) -> tuple[str, ...]:
        """The wires on which IPsec comes to the Internet: by telephone, the one behind AT&T's gateway."""
        plans, lig = vpn.plans(self.topology), self.topology.lig
        by_wire = self.exits if not plans or any(not way.dials for way in plans) else ()
        return (*by_wire, lig.outside) if lig and any(way.dials for way in plans) else by_wire

    @cached_property
    def vpn_dials(self) -> bool:
        """Whether a way by VPN runs over one by telephone."""
        return any(way.dials for way in vpn.plans(self.topology))

    @cached_property
    def ipsec_outside(self) -> str:
        """These wires, by their names."""
        return " and ".join(self.ipsec_wires)

    @cached_property
    def last_wires(self) -> tuple[str, ...]:
        """The wires on which what the customer sends comes to the Internet, behind every NAT."""
        return (self.topology.routers[-1].outside,) if self.topology.routers else self.exits

    @cached_property
    def inside(self) -> str:
        """The agents' own wires, by their names."""
        return " and ".join(self.uplinks)

    @cached_property
    def outside(self) -> str:
        """The wires between the customer and the Internet, by their names; empty if there are none."""
        return " and ".join(self.exits)

    @cached_property
    def dials(self) -> bool:
        """Whether some agent has a way home by telephone."""
        return bool(dial.plans(self.topology))

    @cached_property
    def notifying(self) -> str:
        """The management modules that are on an agent's own wire, by their names; empty without one."""
        return " and ".join(m.node for m in self.topology.modules if m.link in self.uplinks)

    @property
    def lig(self) -> Lig:
        """AT&T's gateway."""
        assert self.topology.lig is not None, "topologies without a gateway do not expect it"
        return self.topology.lig

    @cached_property
    def snat(self) -> bool:
        return self.topology.firewall is not None and self.topology.firewall.snat

    @cached_property
    def agents(self) -> tuple[NodePlan, ...]:
        return tuple(self.topology.node(name) for name in self.topology.agents)

    @cached_property
    def vpn_agents(self) -> tuple[NodePlan, ...]:
        """The agents that a VPN is to be asked of."""
        own = self.concerned("vpn")
        return tuple(node for node in self.agents if node.name in own)

    @cached_property
    def other_vpn_callers(self) -> tuple[NodePlan, ...]:
        """The agents, but for the console of remote service, that tried to come home by VPN."""
        console = self.topology.service.console if self.topology.service else ""
        return tuple(n for n in self.agents if n.name != console and self.tried("vpn", n.name))

    @cached_property
    def vpn_clients(self) -> tuple[vpn.L2tpClient, ...]:
        """These agents' sides of L2TP."""
        own = self.concerned("vpn")
        return tuple(c for c in vpn.clients(self.topology) if c.client in own)

    @cached_property
    def dialers(self) -> tuple[dial.Dialer, ...]:
        """The agents that the telephone is to be asked of, as their ways have them."""
        own = self.concerned("dial")
        return tuple(d for d in dial.dialers(self.topology) if d.client in own)

    @cached_property
    def agent_addresses(self) -> dict[str, str]:
        """Address on the uplink to the agent's host, of IPv4 and of IPv6."""
        return {ip: node.name for node in self.agents for ip in node.uplink.ips}

    @cached_property
    def partitions(self) -> dict[str, str]:
        """The addresses from which partitions of i5/OS speak to gateways for agents, and the partitions."""
        lenders = dict.fromkeys(p.partition for p in vpn.plans(self.topology) if p.partition)
        return {ip: name for name in lenders for ip in self.topology.node(name).uplink.ips}

    @cached_property
    def outer_partitions(self) -> set[str]:
        """Those of them that the Internet sees: SNAT hides those of IPv4."""
        own = {*self.partitions}
        return {ip for ip in own if family_of(ip) is Family.ipv6} if self.snat else own

    @cached_property
    def vpn_ends(self) -> dict[str, str]:
        """Address to node, of whoever may speak to a gateway: agents' hosts and partitions."""
        return {**self.agent_addresses, **self.partitions}

    @cached_property
    def _in_clear(self) -> set[frozenset[str]]:
        """The addresses between which L2TP is in clear (OUT-27): of an HMC, and of the partition for it."""
        plans = pass_through.plans(self.topology)
        return {frozenset((b.address, b.partition_address)) for p in plans for b in p.borrowers}

    def is_pass_through(self, packet: Packet) -> bool:
        """Whether a packet is L2TP in clear between an HMC and the partition that it borrows from."""
        own = frozenset((packet.source, packet.destination)) in self._in_clear
        return own and packet.uses_udp(l2tp.PORT)

    def cuts(self, agent: str) -> list[float]:
        """As of an agent; a partition's own connections also go, and come, with the calls of who borrows."""
        found = super().cuts(agent)
        borrowers = [name for name in self.topology.agents if self.lender(name) == agent]
        for name in borrowers:
            found += super().cuts(name)
            found += [trial.started for trial in self.record.tries if trial.agent == name]
            found += [moment for both in self.borrowed for moment in both]
        return sorted({*found})

    def lender(self, agent: str) -> str:
        """The partition whose VPN an agent borrows; empty if it borrows none."""
        own = (way for way in self.topology.ways_of(agent) if isinstance(way, vpn.VpnPlan))
        return next((way.partition for way in own if way.partition), "")

    def ipsec_ends(self, agent: str) -> set[str]:
        """The nodes at which an agent's IPsec begins: its own host, or the partition that lends it."""
        return {connection.client for connection in self.connections(agent)}

    @cached_property
    def outer_addresses(self) -> set[str]:
        """The addresses of the agents' hosts that the Internet sees: SNAT hides those of IPv4."""
        if not self.snat:
            return {*self.agent_addresses}
        return {self.public_address, *(node.uplink.ip6 for node in self.agents if node.uplink.ip6)}

    @cached_property
    def seen_addresses(self) -> set[str]:
        """The addresses of agents that IBM's servers see: another NAT may follow the firewall's."""
        seen = self.topology.seen_address
        if not seen:
            return self.outer_addresses
        return {seen, *(node.uplink.ip6 for node in self.agents if node.uplink.ip6)}

    @cached_property
    def proxies(self) -> dict[str, str]:
        """The addresses from which the customer's proxies connect to servers, and the proxies' nodes."""
        nodes = (self.topology.node(proxy.node) for proxy in self.topology.proxies)
        return {ip: node.name for node in nodes for ip in node.uplink.ips}

    @cached_property
    def outer_proxies(self) -> set[str]:
        """The addresses of proxies that the Internet sees: SNAT hides those of IPv4."""
        own = {*self.proxies}
        return {ip for ip in own if family_of(ip) is Family.ipv6} if self.snat else own

    @cached_property
    def public_address(self) -> str:
        """The firewall's own address on the outside."""
        firewall = self.topology.firewall
        if firewall is None:
            return ""
        return self.topology.node(firewall.node).interface(firewall.outside).ip

    @cached_property
    def listed(self) -> set[tuple[str, int]]:
        """Address and port of every listed server."""
        return {(endpoint.address, endpoint.port) for endpoint in self.topology.endpoints}

    @cached_property
    def other_places(self) -> set[tuple[str, int]]:
        """Addresses and ports at which errands are done, and not by HTTPS at its own port."""
        ends = (end for errand in self.topology.errands for end in errand.endpoints)
        return {(end.address, end.port) for end in ends if end.port != HTTPS_PORT}

    @cached_property
    def _asked(self) -> set[tuple[str, str]]:
        """(name server, who asks there): addresses, as the model has them."""
        dns = self.topology.dns
        if dns is None:
            return set()
        asked = {(dns.server.address, dns.resolver.source)} if dns.resolver else set()
        if dns.resolver and self.topology.routers:
            asked.add((dns.server.address, self.topology.seen_address))
        for node in self.topology.nodes:
            asked |= {(node.resolver, ip) for interface in node.interfaces for ip in interface.ips}
        return asked

    def is_lookup(self, packet: Packet) -> bool:
        """Whether a machine asks the name server that the model gives it, or is answered by it.

        An ICMP error about a question, or about an answer, counts as one of them. Those who call AT&T's
        gateway ask there, from addresses that are judged by the fence (L-03).
        """
        if packet.protocol == ICMP and packet.payload[:1] and packet.payload[0] in ICMP_ERRORS:
            # Who asks has no use for a second answer, and may say so.
            about = parse_quoted(packet.payload[8:])
            return about is not None and about.protocol != ICMP and self.is_lookup(about)
        if packet.protocol not in (UDP, TCP):
            return False
        asks = packet.destination_port == DNS_PORT and packet.destination, packet.source
        told = packet.source_port == DNS_PORT and packet.source, packet.destination
        return asks in self._asked or told in self._asked

    @cached_property
    def ftps(self) -> set[str]:
        """The addresses of the servers that take uploads by FTP over TLS (A-30)."""
        return {s.address for s in self.topology.servers if s.speaks is Speaks.ftps}

    def is_of_ftps(self, packet: Packet) -> bool:
        """Whether it is TCP to such a server: of the control connection, or of data (OUT-43)."""
        port = packet.destination_port
        to_port = port == FTPS_PORT or port in PASSIVE_PORTS
        return packet.protocol == TCP and to_port and packet.destination in self.ftps

    @cached_property
    def gateways(self) -> dict[str, str]:
        """Address of a VPN gateway to its name."""
        return {c.gateway_address: c.gateway for c in vpn.connections(self.topology)}

    def connections(self, client: str) -> tuple[vpn.IpsecConnection, ...]:
        """A client's IPsec connections in the order in which they are tried."""
        return tuple(
            way.connection(client, gateway)
            for way in self.topology.ways_of(client)
            if isinstance(way, vpn.VpnPlan)
            for gateway in way.gateways
        )

    def agents_text(self) -> str:
        return " and ".join(f"{n.name} ({' and '.join(n.uplink.ips)})" for n in self.agents)
