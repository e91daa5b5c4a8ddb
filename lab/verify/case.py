"""All that a run left, in the views that the checks share: the wires, and what is inside the ESP.

Each view is made once, when first asked for. Reads a run directory; judges nothing.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from heapq import merge
from math import inf
from pathlib import Path
from typing import Any

from lab.consoles import events as consoles
from lab.events_manager import events as events_manager
from lab.i5 import events as partition
from lab.ibm import events as ibm
from lab.imm import events as imm
from lab.offload import events as offload
from lab.record import story
from lab.record.container_event import ContainerEnded
from lab.record.daemon_event import DaemonEnded
from lab.record.event import CalledByOne, Event
from lab.record.record import Record, Transaction
from lab.relay import events as relay
from lab.service import events as remote_service
from lab.service.server import events as server
from lab.telephony import events as telephony
from lab.topology.model import AllowRule, Topology
from lab.verify import inside_esp, passed_on, sightings, user_flows
from lab.verify.networks import is_in
from lab.verify.on_lines import OnLines
from lab.verify.passed_on import ClearCall, ClearL2tp, PassedCall
from lab.verify.premises import mac
from lab.verify.sightings import EspSighting, IkeSighting, Inside, Silence
from lab.ways.consoles import events as way_by_consoles
from lab.ways.direct import events as direct
from lab.ways.direct.events import ServerTested
from lab.ways.proxy import events as proxy
from lab.ways.vpn.events import COMPLAINTS
from lab.ways.vpn.plan import IpsecConnection
from lab.wire import decode, esp, fragments, isakmp, l2tp, ppp
from lab.wire.decode import Ends, Frame, Packet
from lab.wire.esp import Opened, Sealed
from lab.wire.ppp import PppFrame

TESTED_LATER_S = 2.0
"""What belongs to a test of a connection may be on a wire for so long after it."""


class Case(OnLines):
    """Topology, record and captures of one run."""

    def __init__(self, topology: Topology, record: Record, run_dir: Path) -> None:
        super().__init__(topology, record, run_dir)
        self._esp: dict[str, list[EspSighting]] = {}
        self._unsealed: dict[bytes, Opened] = {}
        self._packets: dict[tuple[str, ...], list[tuple[Frame, Packet]]] = {}
        self.views: dict[Any, Any] = {}
        """What ``once`` keeps."""

    def during(self, since: float, until: float) -> Case:
        """The same run, as if nothing else had been on the wires, or come to the servers."""
        ledger = [entry for entry in self.record.ledger if since <= entry.time <= until]
        one = Case(self.topology, replace(self.record, ledger=ledger), self.run_dir)
        one.__dict__["wire"] = {
            segment: [frame for frame in frames if since <= frame.time <= until]
            for segment, frames in self.wire.items()
        }
        carried = self.all_carried
        one.__dict__["all_carried"] = [i for i in carried if since <= i.frame.time <= until]
        return one

    # -- what events tell ---------------------------------------------------------------------

    @cached_property
    def events(self) -> list[Event]:
        """What the telephone did, what daemons complained of, and who tried to get in, in order."""
        return story.read(
            self.run_dir,
            *telephony.KINDS,
            *COMPLAINTS,
            *remote_service.KINDS,
            *server.KINDS,
            *relay.KINDS,
            *proxy.KINDS,
            *ibm.KINDS,
            *direct.KINDS,
            *partition.KINDS,
            *imm.KINDS,
            *consoles.KINDS,
            *offload.KINDS,
            *way_by_consoles.KINDS,
            *events_manager.KINDS,
            CalledByOne,
            ContainerEnded,
            DaemonEnded,
        )

    @cached_property
    def server_tests(self) -> list[ServerTested]:
        """The tests of connections to listed servers (F-12), in order."""
        return self.told(ServerTested)

    def is_trial(self, packet: Packet) -> bool:
        """Whether the lab itself made a packet, to try AT&T's fence: ESP without an SA is one, too."""
        # ESP has no ports by which a VPN's could be told from a trial to the same gateway.
        if not super().is_trial(packet):
            return False
        sealed = esp.sealed(packet)
        return sealed is None or sealed.spi not in self.keys

    def is_server_test(self, frame: Frame, packet: Packet) -> bool:
        """Whether a packet is of such a test, or the answer to it: on any wire, by server and time."""
        ends = {
            (packet.destination, packet.destination_port),
            (packet.source, packet.source_port),
        }
        return any(
            (test.address, test.port) in ends
            and test.started <= frame.time <= test.time + TESTED_LATER_S
            for test in self.server_tests
        )

    @cached_property
    def tls_tried(self) -> set[tuple[str, int]]:
        """Address and port of each connection by which the lab tried the servers' TLS (P-13 to P-16)."""
        return {(event.address, port) for event in self.told(ibm.TlsTried) for port in event.ports}

    @cached_property
    def ledger(self) -> list[Transaction]:
        """What the servers noted, without the lab's own trials of their TLS."""
        tried = self.tls_tried
        return [e for e in self.record.ledger if (e.peer_ip, e.peer_port) not in tried]

    # -- what the wires show ------------------------------------------------------------------

    @cached_property
    def wire(self) -> dict[str, list[Frame]]:
        """Every capture of the run, by segment, with fragments put together."""
        read = decode.read_all(self.run_dir / "wire")
        return {name: fragments.joined(frames) for name, frames in read.items()}

    def frames(self, *segments: str) -> list[Frame]:
        """What was on these wires, in order."""
        found = [self.wire.get(segment, []) for segment in segments]
        return found[0] if len(found) == 1 else list(merge(*found, key=lambda f: f.time))

    def packets(self, *segments: str) -> list[tuple[Frame, Packet]]:
        """The IP packets on these wires, in order; the list is the case's, and nobody changes it."""
        if segments not in self._packets:
            self._packets[segments] = [(f, f.ip) for f in self.frames(*segments) if f.ip]
        return self._packets[segments]

    def all_packets(self) -> list[tuple[Frame, Packet]]:
        """The IP packets on every wire, wire by wire."""
        return [(f, f.ip) for frames in self.wire.values() for f in frames if f.ip]

    @cached_property
    def inside_frames(self) -> list[Frame]:
        """What was on the agents' own wires."""
        return self.frames(*self.uplinks)

    @cached_property
    def outside_frames(self) -> list[Frame]:
        """What was between the customer and the Internet."""
        return self.frames(*self.exits)

    @cached_property
    def leaving(self) -> list[tuple[Frame, Packet]]:
        """What leaves for the Internet, but for connections to targets that users have entered (OUT-44)."""
        return user_flows.beside_those_out(self, self.all_leaving)

    @cached_property
    def all_leaving(self) -> list[tuple[Frame, Packet]]:
        """IP packets that the customer put on the way to the Internet, but for lookups of names."""
        firewall = self.topology.firewall
        if firewall is not None:
            return self.sent_by(firewall.node, firewall.outside)
        own = ((node.name, node.uplink.segment) for node in self.agents)
        sent = [x for name, wire in own if wire in self.exits for x in self.sent_by(name, wire)]
        return [(frame, packet) for frame, packet in sent if not self.refuses_attempt(packet)]

    @cached_property
    def lookups(self) -> list[tuple[Frame, Packet]]:
        """The packets on every wire by which names are looked up."""
        return [entry for entry in self.all_packets() if self.is_lookup(entry[1])]

    @cached_property
    def entering(self) -> list[tuple[Frame, Packet]]:
        """IP packets that the firewall put on the customer's wires, but for answers of such targets."""
        firewall = self.topology.firewall
        if firewall is None:
            return []
        found = [self.sent_by(firewall.node, segment) for segment in self.topology.insides]
        sent = found[0] if len(found) == 1 else list(merge(*found, key=lambda seen: seen[0].time))
        return user_flows.beside_those_back(self, sent)

    @cached_property
    def addresses_told(self) -> dict[str, set[str]]:
        """Host name to every address of it that IBM's name server told the customer's resolver."""
        asked = self.topology.dns
        if asked is None or asked.resolver is None:
            return {}
        from lab.wire import dns  # Few runs need it, and scapy's layers are dear.

        told: dict[str, set[str]] = {}
        for lookup in dns.read(self.packets(*self.exits)):
            if (lookup.client, lookup.server) == (asked.resolver.source, asked.server.address):
                told.setdefault(lookup.name, set()).update(lookup.addresses)
        return told

    def is_opened(self, rule: AllowRule, address: str) -> bool:
        """Whether a rule names an address, or a host name of which the resolver was told that address."""
        if rule.is_by_name:
            return address in self.addresses_told.get(rule.destination, ())
        return is_in(address, rule.destination)

    def sent_by(self, node: str, segment: str) -> list[tuple[Frame, Packet]]:
        """IP packets that a node put on a wire, by its hardware address, but for lookups of names."""
        own = mac(self.topology.node(node).interface(segment))
        sent = [(f, f.ip) for f in self.frames(segment) if f.ip and f.source_mac == own]
        return [(frame, packet) for frame, packet in sent if not self.is_lookup(packet)]

    @cached_property
    def departing(self) -> list[tuple[Frame, Packet]]:
        """IP packets that leave for the Internet: by the firewall, and by AT&T's gateway with calls."""
        lig = self.topology.lig if self.dials else None
        return self.leaving + (self.sent_by(lig.node, lig.outside) if lig else [])

    @cached_property
    def proxied(self) -> set[Ends]:
        """The TCP connections of proxies as they leave for the Internet: NAT leaves a SYN its number."""
        begun = {
            (packet.destination, packet.destination_port, packet.tcp_sequence)
            for _, packet in self.packets(*self._proxies_wires)
            if packet.is_bare_syn and packet.source in self.proxies
        }
        return {
            packet.ends
            for _, packet in self.leaving
            if packet.is_bare_syn
            and (packet.destination, packet.destination_port, packet.tcp_sequence) in begun
        }

    @property
    def _proxies_wires(self) -> tuple[str, ...]:
        nodes = (self.topology.node(proxy.node) for proxy in self.topology.proxies)
        return tuple(dict.fromkeys(node.uplink.segment for node in nodes))

    @cached_property
    def outsides(self) -> tuple[str, ...]:
        """The wires on which they leave."""
        lig = self.topology.lig if self.dials else None
        return (*self.exits, lig.outside) if lig else self.exits

    def silence(self, connection: IpsecConnection, until: float = inf) -> Silence | None:
        """How a gateway fell silent on the client's wire or line; None if it had the last word."""
        near = self.near_addresses(connection)
        return sightings.silence(self.near_packets, near, connection.gateway_address, until)

    @cached_property
    def keys(self) -> dict[int, list[esp.Key]]:
        return esp.load_keys(self.run_dir / "keys" / "esp.json")

    @cached_property
    def ike(self) -> list[IkeSighting]:
        """ISAKMP on its way to and from the Internet, retransmissions too."""
        return self.ike_on(*self.ipsec_wires)

    @cached_property
    def ike_inside(self) -> list[IkeSighting]:
        """ISAKMP where its clients are plugged in."""
        return self._ike_in(self.near_packets)

    def ike_on(self, *segments: str) -> list[IkeSighting]:
        return self._ike_in(self.packets(*segments))

    def _ike_in(self, packets: list[tuple[Frame, Packet]]) -> list[IkeSighting]:
        return [
            IkeSighting(frame, packet, message, self.goes_to_ibm(packet))
            for frame, packet in packets
            if (message := isakmp.message(packet)) and packet.is_intact
        ]

    def goes_to_ibm(self, packet: Packet) -> bool:
        """Whether a packet's way is towards a gateway, by address: works on every segment."""
        return packet.destination in self.gateways

    @cached_property
    def esp(self) -> list[EspSighting]:
        """ESP on its way to and from the Internet."""
        return list(merge(*map(self.esp_on, self.ipsec_wires), key=lambda seen: seen.frame.time))

    def open_esp(self, sealed: Sealed) -> Opened:
        """What is in an ESP packet, by the keys of the run's SAs."""
        return esp.open_sealed(sealed, self.keys)

    def opened(self, sealed: Sealed) -> Opened:
        """The same, once, on however many wires the packet is."""
        if (content := sealed.digest) not in self._unsealed:
            self._unsealed[content] = self.open_esp(sealed)
        return self._unsealed[content]

    def esp_on(self, segment: str) -> list[EspSighting]:
        """ESP on any wire, but what tries the fence."""
        if segment not in self._esp:
            self._esp[segment] = inside_esp.on_wire(self, segment)
        return self._esp[segment]

    def _is_borrowed(self, item: Inside) -> bool:
        return any(since <= item.frame.time <= until for since, until in self.borrowed)

    @cached_property
    def insides(self) -> list[Inside]:
        """What the ESP on the outside wire carries for calling home."""
        return [item for item in self.all_insides if not self._is_borrowed(item)]

    @cached_property
    def service_insides(self) -> list[Inside]:
        """What it carries for remote service."""
        return [item for item in self.all_insides if self._is_borrowed(item)]

    @cached_property
    def all_insides(self) -> list[Inside]:
        """What the ESP on the outside wire carries; a packet that is there twice counts once."""
        return self._opened[0]

    @cached_property
    def clear(self) -> list[ClearL2tp]:
        """What HMCs and the partitions that they borrow from say to each other in clear (OUT-27)."""
        return passed_on.read_clear(self)

    @cached_property
    def clear_calls(self) -> list[ClearCall]:
        """The calls that HMCs asked partitions for, to be passed on."""
        return passed_on.clear_calls(self.clear)

    @property
    def passed_calls(self) -> list[PassedCall]:
        """The calls that partitions passed on into their ESP, for calling home and for remote service."""
        return self._opened[1]

    @cached_property
    def _opened(self) -> tuple[list[Inside], list[PassedCall]]:
        return inside_esp.read(self)

    def control(self, kind: l2tp.ControlType, client: str = "") -> list[Inside]:
        """L2TP control messages of one type, retransmissions left out.

        Of a partition's tunnel nothing says for whom it is: it counts for each client that borrows from it.
        """
        wanted = {client, self.lender(client)} - {""}
        found: dict[tuple[str, str, int, int, int], Inside] = {}
        for item in self.insides:
            own = not wanted or item.client in wanted
            if own and item.l2tp and item.l2tp.control_type == kind:
                own_id = item.l2tp.number(l2tp.Avp.assigned_tunnel_id)
                key = (item.end, item.gateway, item.l2tp.tunnel_id, own_id, item.l2tp.sequence)
                found.setdefault(key, item)
        return list(found.values())

    def in_ppp(
        self, protocol: int, *codes: int, client: str = "", outgoing: bool | None = None
    ) -> list[tuple[Inside, PppFrame]]:
        """PPP frames inside the VPN: of these codes if any are given, and in one direction if one is."""
        own = [item for item in self.insides if client in ("", item.client)]
        return ppp.among(own, protocol, *codes, outgoing=outgoing)

    def data(self, client: str = "") -> list[tuple[Inside, Packet]]:
        """IP packets of the agent's host and its servers inside PPP."""
        return [(i, i.data) for i in self.insides if i.data and client in ("", i.client)]

    def inner(self) -> list[tuple[Frame, Packet, bool]]:
        """IP packets inside PPP, over a VPN or over the telephone; whether each goes towards IBM."""
        found = [(item.frame, packet, item.outgoing) for item, packet in self.data()]
        return found + [
            (item.frame, item.data, item.outgoing) for item in self.carried if item.data
        ]

    def first_opened(self, client: str) -> float:
        """When IPCP first had an acknowledgement in both directions (RFC 1661 4.2); 0 if never."""
        acks: dict[bool, float] = {}
        for item, _ in self.in_ppp(ppp.IPCP, ppp.Code.configure_ack, client=client):
            acks.setdefault(item.outgoing, item.frame.time)
        return max(acks.values()) if len(acks) == 2 else 0.0

    def sa_installed(self, client: str) -> float:
        """When a client, or who lends it the VPN, first had an ESP SA in each direction; 0 if never."""
        ends = self.ipsec_ends(client)
        sas = [sa for sa in self.record.esp if sa.node in ends]
        out = [sa.added for sa in sas if sa.destination in self.gateways]
        back = [sa.added for sa in sas if sa.source in self.gateways]
        return max(min(out), min(back)) if out and back else 0.0

    def assigned(self, client: str = "") -> set[str]:
        """Addresses that IPCP gave to a client: its requests that were acknowledged."""
        acks = self.in_ppp(ppp.IPCP, ppp.Code.configure_ack, client=client, outgoing=False)
        return {frame.ip_address for _, frame in acks if frame.ip_address}
