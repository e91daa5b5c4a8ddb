"""Which packets try AT&T's fence, and what each is to show (L-01 to L-12, P-20). Pure: sends nothing.

What has ports has some that no program sends from, so that in captures a trial is no other packet.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from random import Random

from lab.topology.telephone import Lig
from lab.wire import craft

CALLER, INTERNET, GATEWAY = "caller", "internet", "gateway"
FIRST_PORT = 20000
LAST_PORT = 32767
"""Below those that the kernel gives to programs (ip_local_port_range)."""
CLOSED_PORT = 9
"""Discard: no server of IBM listens there."""
DNS_PORT, HTTPS_PORT, IKE_PORT, NAT_T_PORT = 53, 443, 500, 4500
L2TP_PORT = 1701
"""Random ports are above: L2TP in clear may not be on the Internet's wires, not even as a trial (g3)."""
RANDOM_PACKETS = 1000
"""Each way in a run, by all its callers together (L-07)."""
PORTLESS = (50, 51, 89, 103, 112)
"""ESP, AH, OSPF, PIM, VRRP: conntrack knows of them no more than the number (nf_conntrack_proto_generic)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A call that stands, and what is around it."""

    client: str
    user: str
    """As PAP knows it."""
    lig: Lig
    address: str
    """What the call was given."""
    lan_address: str
    """The HMC's own, on its uplink."""
    free: tuple[str, ...]
    """Addresses of the pool that no call has."""
    servers: tuple[tuple[str, str, int], ...]
    """Name, address and port of IBM's listed servers."""
    contacted: str
    """The server that the agent has called."""
    own_addresses: tuple[str, ...]
    """The gateway's own."""
    unlisted: tuple[str, ...]
    """Addresses that exist, and are on no list."""
    others: tuple[str, ...] = ()
    """What other calls that stand were given."""
    first_port: int = FIRST_PORT
    random_packets: int = RANDOM_PACKETS
    """Each way."""
    seed: str = ""

    @property
    def listed(self) -> tuple[str, ...]:
        """Whom the caller may talk to (L-02)."""
        return self.lig.listed(self.user)

    @property
    def neighbours(self) -> tuple[str, ...]:
        """The addresses next to listed ones, as far as they are not listed themselves."""
        near = (str(IPv4Address(a) + step) for a in self.listed for step in (-1, 1))
        return tuple(a for a in dict.fromkeys(near) if a not in self.listed)

    @property
    def foreign(self) -> tuple[str, ...]:
        """On the lists of other ids, and not on the caller's own (L-08)."""
        listed = dict.fromkeys(a for x in self.lig.lists for a in x.addresses)
        return tuple(a for a in listed if a not in self.listed)

    @property
    def vpn_gateways(self) -> tuple[str, ...]:
        """On the list, and no servers (L-11)."""
        servers = {address for _, address, _ in self.servers}
        return tuple(a for a in self.listed if a not in servers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One packet, and the requirement that it tries."""

    requirement: str
    side: str
    packet: bytes
    astray: str = ""
    """The client to whose call the gateway is told to route it, and who is not its own."""

    @property
    def ends(self) -> tuple[str, str, int, int, int]:
        """Source, destination, protocol, source port, destination port; 0 where there are none."""
        packet = self.packet
        source, destination = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
        has_ports = packet[9] in (socket.IPPROTO_TCP, socket.IPPROTO_UDP)
        ports = [int.from_bytes(packet[n : n + 2], "big") if has_ports else 0 for n in (20, 22)]
        return source, destination, packet[9], ports[0], ports[1]


class Trials:
    """The trials of one call; each has ports of its own."""

    def __init__(self, situation: Situation) -> None:
        self._at = situation
        self._port = situation.first_port
        self._random = Random(f"{situation.seed} {situation.client}")
        self._contact = 0
        self._question = 0
        """The port from which the name server was asked last."""
        self._asks = craft.dns_query(situation.servers[0][0], 1) if situation.servers else b""

    def from_internet(self) -> Iterator[Try]:
        """To be sent before the caller has spoken to anybody but one server."""
        at = self._at
        for address in at.free[:2]:  # L-04
            yield self._udp("L-04", INTERNET, at.contacted, address, CLOSED_PORT)
            yield self._syn("L-04", INTERNET, at.contacted, address, HTTPS_PORT)
        uncontacted = [a for _, a, _ in at.servers if a != at.contacted]
        strangers = (*at.others, *at.unlisted, *at.neighbours[:1])
        for source in (*uncontacted, *strangers, at.contacted):
            yield self._udp("L-05", INTERNET, source, at.address, CLOSED_PORT)
            yield self._syn("L-05", INTERNET, source, at.address, HTTPS_PORT)
        # As if it were an answer of the name server, which is on the other side of the fence.
        yield self._udp("L-03", INTERNET, at.lig.utility, at.address, self._port, sport=DNS_PORT)
        yield from self._provoking(INTERNET, at.contacted, at.address)

        # Not a VPN gateway: to what would pass as its answer an HMC says something by its other link.
        servers = [address for _, address, _ in at.servers]
        sources = (at.contacted, *servers, *at.neighbours, *at.others)
        destinations = (at.address, *at.others, *at.free, at.lig.utility)
        for _ in range(at.random_packets):
            source = self._random.choice((*sources, self._address()))
            yield self._any(INTERNET, source, self._random.choice(destinations))

    def from_caller(self) -> Iterator[Try]:
        at, servers = self._at, self._at.servers
        for source in (at.lan_address, *at.free[:1], *at.others):
            for _, server, port in servers:
                yield self._syn("L-01", CALLER, source, server, port)
        for other in at.others:
            yield self._udp("L-01", CALLER, at.contacted, other, CLOSED_PORT, sport=HTTPS_PORT)
            yield self._udp("L-02", CALLER, at.address, other, CLOSED_PORT)
            yield self._syn("L-02", CALLER, at.address, other, HTTPS_PORT)
        for _, server, port in servers:
            yield self._syn("L-02", CALLER, at.address, server, port)
        for address in (*at.neighbours, *at.unlisted):
            yield self._syn("L-02", CALLER, at.address, address, HTTPS_PORT)
        for address in at.foreign:
            yield self._syn("L-08", CALLER, at.address, address, HTTPS_PORT)
        yield from self._resolvers()
        yield from self._provoking(CALLER, at.address, at.contacted)
        for gateway in at.vpn_gateways:
            yield self._udp("L-11", CALLER, at.address, gateway, IKE_PORT)
            yield self._udp("L-11", CALLER, at.address, gateway, NAT_T_PORT)
            yield self._bare("L-11", CALLER, at.address, gateway, PORTLESS[0])
        for _, server, _ in servers:
            yield self._udp("L-12", CALLER, at.address, server, CLOSED_PORT)
            yield self._syn("L-12", CALLER, at.address, server, CLOSED_PORT)

        sources = (at.address, at.address, *at.others, *at.free, at.lan_address)
        destinations = (*at.listed, *at.listed, *at.neighbours, *at.unlisted, *at.others)
        for _ in range(at.random_packets):
            destination = self._random.choice((*destinations, self._address()))
            yield self._any(CALLER, self._random.choice(sources), destination)

    def from_gateway(self) -> Iterator[Try]:
        """What the name server does not say: answers without a question, or to another's."""
        at = self._at
        utility = at.lig.utility
        yield self._udp("L-03", GATEWAY, utility, at.address, self._port, sport=DNS_PORT)
        for other in at.others:
            yield self._udp("L-03", GATEWAY, utility, other, self._question, sport=DNS_PORT)

    def question(self) -> Try:
        """A question to the name server, shortly before the call ends."""
        self._question = self._port
        return self._udp(
            "L-03", CALLER, self._at.address, self._at.lig.utility, DNS_PORT, self._asks
        )

    def late_from_gateway(self) -> Try:
        """The name server's answer to that, when another call has the address (L-09)."""
        at = self._at
        return self._udp(
            "L-09", GATEWAY, at.lig.utility, at.address, self._question, sport=DNS_PORT
        )

    def _provoking(self, side: str, source: str, destination: str) -> Iterator[Try]:
        """What a gateway without a fence has an ICMP error or a reset for (L-06)."""
        at = self._at
        yield self._udp("L-06", side, source, destination, CLOSED_PORT, ttl=1)
        for own in at.own_addresses:
            yield self._udp("L-06", side, source, own, CLOSED_PORT)
            yield self._syn("L-06", side, source, own, CLOSED_PORT)

    def _resolvers(self) -> Iterator[Try]:
        at = self._at
        question = self._asks
        self._question = self._port
        yield self._udp("L-03", CALLER, at.address, at.lig.utility, DNS_PORT, question)
        yield self._syn("L-03", CALLER, at.address, at.lig.utility, DNS_PORT)
        for resolver in (*at.own_addresses, *at.neighbours[:1], *at.unlisted[:1]):
            yield self._udp("L-03", CALLER, at.address, resolver, DNS_PORT, question)
            yield self._syn("L-03", CALLER, at.address, resolver, DNS_PORT)

    # What comes late.

    def contact(self) -> Try:
        """The caller speaks to a server."""
        self._contact = self._next_port()
        return self._fixed("L-05", CALLER, back=False)

    def answer(self) -> Try:
        """The server's answer."""
        return self._fixed("L-05", INTERNET, back=True)

    def answer_to(self, other: str) -> Try:
        """The same, to another caller."""
        return self._fixed("L-05", INTERNET, back=True, address=other)

    def answer_astray(self, client: str) -> Try:
        """The server's answer, which the gateway is told to route to another caller."""
        trial = self._fixed("L-05", INTERNET, back=True)
        return replace(trial, astray=client)

    def late(self, address: str = "") -> Try:
        """The server's answer once more: the call has ended, and another may have begun."""
        return self._fixed("L-09", INTERNET, back=True, address=address or self._at.address)

    def last(self) -> Try:
        """For a connection that a server refuses, or accepts where the fence minds ports."""
        at = self._at
        service = next(port for _, a, port in at.servers if a == at.contacted)
        port = service if at.lig.ports else CLOSED_PORT
        return self._syn("L-12", CALLER, at.address, at.contacted, port)

    def early(self) -> Try:
        """What a caller sends who does not wait for PPP."""
        at = self._at
        return self._udp("P-20", CALLER, at.address, at.contacted, CLOSED_PORT)

    def _fixed(self, requirement: str, side: str, *, back: bool, address: str = "") -> Try:
        near = address or self._at.address
        far, service = self._udp_service()
        ports, ends = (self._contact, service), (near, far)
        if back:
            ports, ends = ports[::-1], ends[::-1]
        # Each differs, so that none can be taken for another's copy.
        packet = craft.udp(*ends, ports, requirement.encode(), ident=self._next_port())
        return Try(requirement=requirement, side=side, packet=packet)

    def _udp_service(self) -> tuple[str, int]:
        """A listed address to which a datagram may go, also where the fence minds ports (L-12)."""
        at = self._at
        if at.lig.ports and at.vpn_gateways:
            return at.vpn_gateways[0], IKE_PORT
        return at.contacted, HTTPS_PORT

    # Packets.

    def _udp(
        self,
        requirement: str,
        side: str,
        source: str,
        destination: str,
        port: int,
        data: bytes = b"?",
        *,
        sport: int = 0,
        ttl: int = 64,
    ) -> Try:
        own = self._next_port()
        packet = craft.udp(source, destination, (sport or own, port), data, ident=own, ttl=ttl)
        return Try(requirement=requirement, side=side, packet=packet)

    def _syn(self, requirement: str, side: str, source: str, destination: str, port: int) -> Try:
        own = self._next_port()
        packet = craft.syn(source, destination, (own, port), ident=own)
        return Try(requirement=requirement, side=side, packet=packet)

    def _bare(
        self, requirement: str, side: str, source: str, destination: str, protocol: int
    ) -> Try:
        body = self._random.randbytes(8)
        packet = craft.ip(source, destination, protocol, body, ident=self._next_port())
        return Try(requirement=requirement, side=side, packet=packet)

    def _any(self, side: str, source: str, destination: str) -> Try:
        """A random 5-tuple (L-07)."""
        kinds = (socket.IPPROTO_ICMP, *(socket.IPPROTO_TCP, socket.IPPROTO_UDP) * 2, *PORTLESS)
        protocol = self._random.choice(kinds)
        port = self._random.randrange(L2TP_PORT + 1, 1 << 16)
        if protocol == socket.IPPROTO_TCP:
            return self._syn("L-07", side, source, destination, port)
        if protocol == socket.IPPROTO_UDP:
            return self._udp("L-07", side, source, destination, port)
        if protocol == socket.IPPROTO_ICMP:
            own = self._next_port()
            packet = craft.echo(source, destination, own, ident=own)
            return Try(requirement="L-07", side=side, packet=packet)
        return self._bare("L-07", side, source, destination, protocol)

    def _address(self) -> str:
        """One that may stand in a packet on its way: neither loopback nor multicast."""
        first = self._random.choice([x for x in range(1, 224) if x != 127])
        return ".".join(map(str, (first, *self._random.randbytes(3))))

    def _next_port(self) -> int:
        self._port += 1
        return self._port - 1
