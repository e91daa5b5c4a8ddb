"""What happens on a stage, by the book: IKE, ESP, L2TP, PPP and TCP from first packet to last.

``Script`` holds what a test may have done differently; everything else follows from the topology.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from socket import inet_aton
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.isakmp import (
    ISAKMP,
    ISAKMP_payload_KE,
    ISAKMP_payload_Nonce,
    ISAKMP_payload_Notify,
    ISAKMP_payload_Proposal,
    ISAKMP_payload_SA,
    ISAKMP_payload_Transform,
    ISAKMP_payload_VendorID,
)
from scapy.packet import Packet, Raw

from lab.record.record import (
    CallHome,
    FirewallTrial,
    IkeAttempt,
    L2tpTunnel,
    Ping,
    PppSession,
    Transaction,
    UplinkProbe,
)
from lab.topology.model import PppAuth, Topology
from lab.ways.vpn.plan import IpsecConnection, L2tpServer, clients, connections, plans, servers
from tests.unit.verify.changes import note_tries
from tests.unit.verify.stage import Sa, Stage, rebuilt

BIG = 1100
SYSTEM = "9117-MMA*10A5F3C"
OUT_NODES = ("firewall", "internet")


class StuckError(Exception):
    """The path does not come up."""


@dataclass
class Script:
    """Where a run departs from the book; nothing here is a fault that a topology can carry."""

    authentication: str = "PSK"
    main_mode_spare: bool = False
    demand: bytes = b"\xc2\x23\x05"
    secret: str = ""
    requests: int = 1
    calls: int = 0
    """ICRQs; 0 for as many as the topology has sessions."""
    stray: bytes = b""
    """An IP packet inside the VPN that is no L2TP."""
    idle_s: float = 0.0
    keepalives: bool = True
    refuses: bool = False
    """The server answers SYN with a reset."""
    lazy_agent: bool = False
    early_ipcp: bool = False
    early_syn: bool = False


def play(topology: Topology, script: Script | None = None) -> Stage:
    """A whole run."""
    stage = Stage(topology)
    act = Act(stage, script or Script())
    if plans(topology):
        act.call_by_vpn()
    else:
        act.call_directly()
    note_tries(topology, stage.record)
    stage.record.ended = stage.now + 1
    return stage


class Act:
    """One run on one stage."""

    def __init__(self, stage: Stage, script: Script) -> None:
        self.stage = stage
        self.script = script
        self.topology = stage.topology
        self.record = stage.record
        firewall = self.topology.firewall
        assert firewall is not None
        self.firewall = firewall
        self.public = self.topology.node(firewall.node).interface(firewall.outside).ip
        self.counters = {f"allow-{rule.requirement}-1": 7 for rule in firewall.rules}

    def address(self, client: str) -> str:
        return self.topology.node(client).interface(self.firewall.inside).ip

    # -- both ways over the wires -------------------------------------------------------------

    def over(self, client: str, far: str, packet: IP, *, back: bool = False) -> bool:
        """A packet between an agent's host and a node beyond the Internet."""
        nodes = [client, *OUT_NODES, far]
        segments = [self.firewall.inside, self.firewall.outside, "dmz"]
        if not back:
            return self.stage.send(packet, nodes, segments)
        return self._back(packet, nodes[::-1], segments[::-1], client)

    def _back(self, packet: IP, nodes: list[str], segments: list[str], client: str) -> bool:
        """Towards a customer: addressed to the firewall until it has undone its NAT."""
        if nodes[0] in self.stage.dead:
            return False
        inner = self.address(client)
        self.stage.ident += 1
        packet.id = self.stage.ident & 0xFFFF
        if self.firewall.snat:
            packet.dst = self.public
        raw = bytes(packet)
        for number, segment in enumerate(segments):
            time = self.stage.now + 0.005 * number
            if number == len(segments) - 1 and self.firewall.snat:
                changed = IP(raw)
                changed.dst = inner
                raw = rebuilt(changed)
            self.stage.put(segment, nodes[number], nodes[number + 1], raw, time)
            if number + 1 < len(nodes) - 1:
                passed = self.stage.pass_on(nodes[number + 1], raw, outward=False)
                if passed is None:
                    self.stage.now += 0.015
                    return False
                raw = passed
        self.stage.now += 0.015
        return True

    # -- direct -------------------------------------------------------------------------------

    def call_directly(self) -> None:
        self.record.path_up = self.stage.now
        for node in self.topology.agents:
            good = self._direct_call(node)
            self._log_call(node, good, self.public if self.firewall.snat else self.address(node))
        self._probe()
        self._local_traffic()
        self._close()

    def _direct_call(self, client: str) -> bool:
        server = self.topology.endpoints[0]
        if self.script.lazy_agent:
            return False
        for outward, segment in conversation(
            self.address(client), server.address, 41000, self.script
        ):
            if not self.over(client, "sdc", segment, back=not outward):
                for _ in range(3):
                    self.stage.now += 1
                    self.over(client, "sdc", segment.copy(), back=not outward)
                return False
        return not self.script.refuses

    # -- VPN ----------------------------------------------------------------------------------

    def call_by_vpn(self) -> None:
        for number, client in enumerate(self.topology.agents):
            try:
                self._by_any_gateway(client, number)
            except StuckError as stuck:
                self.record.error = str(stuck)
        if not self.record.error:
            self._probe()
            self._local_traffic()
            self._try_own_firewall()
        self._close()

    def _by_any_gateway(self, client: str, number: int) -> None:
        own = [c for c in connections(self.topology) if c.client == client]
        for connection in own:
            attempt = IkeAttempt(
                connection=connection.name,
                client=client,
                gateway=connection.gateway,
                started=self.stage.now,
            )
            self.record.ike.append(attempt)
            session = VpnSession(self, connection, attempt, 44000 + number)
            try:
                session.up()
            except StuckError as stuck:
                attempt.error = attempt.error or str(stuck)
                if connection is own[-1]:
                    raise
                continue
            self.record.path_up = self.stage.now
            self.record.gateway_in_use[client] = connection.gateway
            if session.call():
                return
            if connection is own[-1] or not self.topology.deaths:
                return

    def _probe(self) -> None:
        """OUT-02 and OUT-04: somebody outside tries to get in."""
        target = self.public if self.firewall.snat else self.address(self.topology.agents[0])
        source = self.topology.node("sdc").interface("dmz").ip
        syn = bytes(IP(src=source, dst=target, id=9) / TCP(sport=50000, dport=22, flags="S"))
        self.stage.put("dmz", "sdc", "internet", syn, self.stage.now)
        self.stage.put("fw-inet", "internet", "firewall", syn, self.stage.now + 0.01)
        self.stage.now += 0.1
        probe: dict[str, Any] = {"source": source, "destination": target, "answered": False}
        self.record.probes.append(UplinkProbe(requirement="OUT-02", port=22, **probe))
        if "svc" in self.stage.frames:
            probe |= {"destination": "192.168.128.10"}
            self.record.probes.append(UplinkProbe(requirement="OUT-04", port=443, **probe))
            past = IP(src=source, dst="192.168.128.10", id=10) / TCP(dport=443, flags="S")
            self.stage.put("lan", "firewall", "hmc", bytes(past), self.stage.now)

    def _local_traffic(self) -> None:
        if "svc" in self.stage.frames:
            ping = bytes(IP(src="192.168.128.1", dst="192.168.128.10") / ICMP())
            self.stage.put("svc", "hmc", "cec", ping, self.stage.now)

    def _try_own_firewall(self) -> None:
        for client in self.topology.agents:
            self.record.trials.append(
                FirewallTrial(
                    node=client,
                    interface="ppp0",
                    uplink="lan",
                    destination=self.topology.endpoints[0].address,
                    started=self.stage.now,
                    ended=self.stage.now + 3,
                    connected=False,
                    dropped_on_tunnel=2,
                    counted_on_uplink=0,
                    sessions_open=True,
                )
            )

    def _close(self) -> None:
        self.record.counters = {self.firewall.node: self.counters}
        for connection in connections(self.topology):
            for node in (connection.client, connection.gateway):
                self.record.counters.setdefault(
                    node, {"l2tp-in-clear-in": 0, "l2tp-in-clear-out": 0}
                )

    def _log_call(self, client: str, good: bool, peer: str) -> None:
        server = self.topology.endpoints[0]
        said = "acknowledged" if good else "no answer"
        self.record.calls.append(
            CallHome(
                agent=client,
                started=self.stage.now - 1,
                ended=self.stage.now,
                succeeded=good,
                attempts=(f"{server.address}:{server.port}: {said}",),
            )
        )
        if good:
            self.record.ledger.append(
                Transaction(
                    time=self.stage.now,
                    kind="heartbeat",
                    system=SYSTEM,
                    peer_ip=peer,
                    peer_port=41000,
                    server_ip=server.address,
                    server_port=server.port,
                    tls_version="TLSv1.2",
                    cipher="AES256-SHA",
                    sni=server.name,
                    status=200,
                    bytes_in=100,
                )
            )


class VpnSession:
    """One client and one gateway, from main mode to the last byte."""

    def __init__(
        self, act: Act, connection: IpsecConnection, attempt: IkeAttempt, port: int
    ) -> None:
        self.act = act
        self.stage = act.stage
        self.script = act.script
        self.connection = connection
        self.client, self.gateway = connection.client, connection.gateway
        self.attempt = attempt
        self.port = port
        self.cookies = (os.urandom(8), os.urandom(8))
        self.sa: Sa | None = None
        self.ns = {True: 0, False: 0}
        topology = act.topology
        self.mine = next(c for c in clients(topology) if c.client == self.client)
        self.theirs: L2tpServer = next(s for s in servers(topology) if s.gateway == self.gateway)
        self.assigned = self.theirs.ppp.pool[0] if self.theirs.ppp.pool else ""

    @property
    def natted(self) -> bool:
        return self.act.firewall.snat

    # -- IKE ----------------------------------------------------------------------------------

    def ike(self, message: Packet, *, back: bool = False, port: int = 500) -> bool:
        marker = bytes(4) if port == 4500 else b""
        body = UDP(sport=port, dport=port) / Raw(marker + bytes(message))
        near, far = self.connection.client_address, self.connection.gateway_address
        source, destination = (far, near) if back else (near, far)
        packet = IP(src=source, dst=destination) / body
        return self.act.over(self.client, self.gateway, packet, back=back)

    def asked(self, message: Packet, *, port: int = 500) -> None:
        """Send and repeat until it arrives, or the budget is spent."""
        connection = self.connection
        for number in range(connection.retransmit_tries + 1):
            sent = self.stage.now
            if self.ike(message, port=port):
                return
            pause = connection.retransmit_timeout_s * connection.retransmit_base**number
            self.stage.now = sent + pause
        raise StuckError(f"{self.gateway} does not answer IKE")

    def up(self) -> None:
        """IKE, ESP, L2TP and PPP."""
        self._main_mode()
        self._quick_mode()
        self._l2tp()
        self._ppp()

    def _isakmp(self, exchange: int, first: int, **fields: Any) -> ISAKMP:
        own, peer = self.cookies
        values: dict[str, Any] = {"init_cookie": own, "resp_cookie": peer, "exch_type": exchange}
        values |= fields
        return ISAKMP(next_payload=first, **values)

    def _sealed(self, exchange: int, ident: int = 0) -> Packet:
        return self._isakmp(exchange, 5, flags=1, id=ident) / Raw(os.urandom(64))

    def _main_mode(self) -> None:
        mine, theirs = self.connection.client_side, self.connection.gateway_side
        method = self.script.authentication
        self.asked(self._isakmp(2, 1, resp_cookie=bytes(8)) / _proposal(method))
        if mine.ike_proposal != theirs.ike_proposal:
            notify = ISAKMP_payload_Notify(notify_msg_type=14)
            self.ike(self._isakmp(5, 11) / notify, back=True)
            self.log(self.gateway, "charon", "no proposal found, sending NO_PROPOSAL_CHOSEN")
            raise StuckError("NO_PROPOSAL_CHOSEN")
        self.ike(self._isakmp(2, 1) / _proposal(method), back=True)
        keys = [
            ISAKMP_payload_KE(next_payload=10, ke=os.urandom(128))
            / ISAKMP_payload_Nonce(nonce=os.urandom(32))
            for _ in range(2)
        ]
        self.asked(self._isakmp(2, 4) / keys[0])
        self.ike(self._isakmp(2, 4) / keys[1], back=True)

        port = 4500 if self.natted else 500
        fifth = self._sealed(2)
        self.asked(fifth, port=port)
        if mine.psk != theirs.psk:
            self.log(self.gateway, "charon", "invalid ID_V1 payload length, decryption failed?")
            self.log(self.gateway, "charon", "could not decrypt payloads, message parsing failed")
            self.ike(self._sealed(5, 77), back=True, port=port)
            for _ in range(3):
                self.stage.now += 3
                self.ike(fifth, port=port)
            raise StuckError("no answer to main mode 5")
        if mine.identity != theirs.expects:
            self.log(self.gateway, "charon", "no peer config found, sending AUTHENTICATION_FAILED")
            self.ike(self._sealed(5, 78), back=True, port=port)
            self.log(self.client, "charon", "received AUTHENTICATION_FAILED error notify")
            raise StuckError("AUTHENTICATION_FAILED")
        self.ike(self._sealed(2), back=True, port=port)
        if self.script.main_mode_spare:
            self.ike(self._sealed(2), port=port)

    def _quick_mode(self) -> None:
        port, ident = (4500 if self.natted else 500), int.from_bytes(os.urandom(3), "big") + 1
        self.asked(self._sealed(32, ident), port=port)
        self.ike(self._sealed(32, ident), back=True, port=port)
        self.ike(self._sealed(32, ident), port=port)
        near, far = self.connection.client_address, self.connection.gateway_address
        natted = self.act.public if self.natted else ""
        self.sa = self.stage.new_sa(self.client, self.gateway, (near, far), natted=natted)
        self.stage.now += 0.02
        attempt = self.attempt
        attempt.established = True
        attempt.ended = self.stage.now
        attempt.esp_encryption, attempt.esp_encryption_bits = "3DES_CBC", 192
        attempt.esp_integrity, attempt.esp_mode = "HMAC_MD5_96", "TUNNEL"
        attempt.udp_encapsulation = self.natted

    # -- ESP ----------------------------------------------------------------------------------

    def esp(self, inner: IP, *, back: bool = False) -> bool:
        """One packet through the SA, altered or sent twice on the way if the topology says so."""
        assert self.sa is not None
        packet = (self.sa.inbound if back else self.sa.outbound).encrypt(inner)
        meddling = self.act.topology.meddling
        if not meddling or self.stage.meddled or back:
            return self.act.over(self.client, self.gateway, packet, back=back)

        self.stage.meddled = 1
        self.act.over(self.client, self.gateway, packet)
        time, data = self.stage.frames["dmz"].pop()
        xfrm = self.act.record.xfrm.setdefault(self.gateway, {})
        if meddling[0].action == "replay":
            self.stage.frames["dmz"] += [(time, data), (time + 0.001, data)]
            xfrm["XfrmInStateSeqError"] = 1
            return True
        altered = data[:-20] + bytes([data[-20] ^ 0xFF]) + data[-19:]
        self.stage.frames["dmz"].append((time, altered))
        xfrm["XfrmInStateProtoError"] = 1
        return False

    def datagram(self, body: bytes, *, back: bool = False) -> bool:
        near, far = self.connection.client_address, self.connection.gateway_address
        source, destination = (far, near) if back else (near, far)
        udp = UDP(sport=1701, dport=1701) / Raw(body)
        return self.esp(IP(src=source, dst=destination) / udp, back=back)

    def control(
        self, kind: int, *avps: tuple[int, bytes], back: bool = False, session: int = 0
    ) -> None:
        """A control message, repeated until it arrives."""
        tunnel = 0 if kind == 1 else 0x1111 if back else 0x2222
        body = b"".join(
            struct.pack("!HHH", 0x8000 | 6 + len(value), 0, number) + value
            for number, value in ((0, struct.pack("!H", kind)), *avps)
        )
        header = (0xC802, 12 + len(body), tunnel, session, self.ns[back], self.ns[not back])
        self.ns[back] += 1
        message = struct.pack("!HHHHHH", *header) + body
        for _ in range(4):
            if self.datagram(message, back=back):
                return
            self.stage.now += 1
        raise StuckError(f"{self.gateway} does not answer L2TP")

    def ppp(self, protocol: int, body: bytes, *, back: bool = False) -> bool:
        ids = (0x1111, 0x3333) if back else (0x2222, 0x4444)
        header = struct.pack("!HHH", 2, *ids)
        frame = b"\xff\x03" + struct.pack("!H", protocol) + body
        return self.datagram(header + frame, back=back)

    def log(self, node: str, daemon: str, line: str) -> None:
        text = self.stage.logs.get((node, daemon), "")
        self.stage.logs[node, daemon] = f"{text}{line}\n"

    # -- L2TP and PPP -------------------------------------------------------------------------

    def _l2tp(self) -> None:
        opened = self.stage.now
        for number in range(self.script.requests):
            self.control(1, (7, b"hmc"), (9, struct.pack("!H", 0x1111 + number)))
        self.control(2, (7, b"vpn"), (9, b"\x22\x22"), back=True)
        self.control(3)
        if not self.theirs.ppp.pool:
            self.control(10, (14, b"\x33\x33"), (15, bytes(4)))
            result = struct.pack("!HH", 2, 4) + b"No available IP address"
            self.control(14, (1, result), (14, b"\x44\x44"), back=True, session=0x3333)
            raise StuckError("the call was refused")
        for number in range(self.script.calls or self.mine.sessions):
            self.control(10, (14, struct.pack("!H", 0x3333 + number)), (15, bytes(4)))
            self.control(11, (14, struct.pack("!H", 0x4444 + number)), back=True, session=0x3333)
            self.control(12, session=0x4444)
        self.act.record.l2tp.append(
            L2tpTunnel(
                client=self.client,
                gateway=self.gateway,
                local_id=0x1111,
                remote_id=0x2222,
                opened=opened,
            )
        )
        if self.script.stray:
            self.esp(IP(self.script.stray))

    def _ppp(self) -> None:
        server = self.theirs.ppp
        demand = self.script.demand if server.auth is PppAuth.chap else b"\xc0\x23"
        self.ppp(0xC021, ppp_packet(1, 1, b"\x05\x06\x01\x02\x03\x04"))
        self.ppp(0xC021, ppp_packet(1, 1, bytes([3, 2 + len(demand)]) + demand), back=True)
        self.ppp(0xC021, ppp_packet(2, 1, b"\x05\x06\x01\x02\x03\x04"), back=True)
        if demand != b"\xc2\x23\x05":
            self.ppp(0xC021, ppp_packet(3, 1, b"\x03\x05\xc2\x23\x05"))
            self.ppp(0xC021, ppp_packet(5, 2, b""), back=True)
            raise StuckError("LCP was terminated")
        self.ppp(0xC021, ppp_packet(2, 1, bytes([3, 2 + len(demand)]) + demand))

        if self.script.early_ipcp:
            self.ppp(0x8021, ppp_packet(1, 9, b"\x03\x06" + bytes(4)))
        challenge, account = os.urandom(16), self.mine.account
        secret = self.script.secret or account.secret.reveal()
        answer = md5(bytes([7]) + secret.encode() + challenge).digest()
        self.ppp(0xC223, ppp_packet(1, 7, bytes([16]) + challenge + b"vpn1"), back=True)
        self.ppp(0xC223, ppp_packet(2, 7, bytes([16]) + answer + account.user.encode()))
        if secret not in {a.secret.reveal() for a in server.accounts if a.user == account.user}:
            self.ppp(0xC223, ppp_packet(4, 7, b"no"), back=True)
            raise StuckError("CHAP failed")
        self.ppp(0xC223, ppp_packet(3, 7, b"welcome"), back=True)

        own, given = inet_aton(server.local_ip), inet_aton(self.assigned)
        self.ppp(0x8021, ppp_packet(1, 1, b"\x03\x06" + bytes(4)))
        self.ppp(0x8021, ppp_packet(1, 1, b"\x03\x06" + own), back=True)
        self.ppp(0x8021, ppp_packet(3, 1, b"\x03\x06" + given), back=True)
        self.ppp(0x8021, ppp_packet(2, 1, b"\x03\x06" + own))
        self.ppp(0x8021, ppp_packet(1, 2, b"\x03\x06" + given))
        if self.script.early_syn:
            self._early_syn()
        self.ppp(0x8021, ppp_packet(2, 2, b"\x03\x06" + given), back=True)
        record = self.act.record
        record.ppp.append(
            PppSession(
                client=self.client,
                gateway=self.gateway,
                interface="ppp0",
                opened=self.stage.now,
                local_ip=self.assigned,
                peer_ip=server.local_ip,
                mtu=1394,
            )
        )
        listed = dict.fromkeys(e.address for e in self.act.topology.endpoints)
        record.routes[self.client] = [f"{address} dev ppp0" for address in listed]

    def _early_syn(self) -> None:
        far = self.act.topology.endpoints[0].address
        syn = IP(src=self.assigned, dst=far) / TCP(sport=40999, dport=443, flags="S")
        self.ppp(0x21, bytes(syn))

    # -- the call -----------------------------------------------------------------------------

    def call(self) -> bool:
        """The agent calls home; True if it got through."""
        self._idle()
        server = self.act.topology.endpoints[0]
        talk = (
            []
            if self.script.lazy_agent
            else list(conversation(self.assigned, server.address, self.port, self.script))
        )
        good = bool(talk) and not self.script.refuses
        dies = self.gateway in self.act.topology.deaths
        for number, (outward, segment) in enumerate(talk):
            if dies and number == 5:
                return self._die()
            if not self.ppp(0x21, bytes(segment), back=not outward):
                for _ in range(3):
                    self.stage.now += 2
                    self.ppp(0x21, bytes(segment), back=not outward)
                good = False
                break
            pair = (self.gateway, "sdc") if outward else ("sdc", self.gateway)
            self.stage.put("core", *pair, bytes(segment), self.stage.now)
        self.act._log_call(self.client, good, self.assigned)
        self.act.record.pings.append(
            Ping(node=self.client, destination=self.act.topology.probe, sent=3, received=3)
        )
        return good

    def _idle(self) -> None:
        """Silence, broken by keepalives behind NAT."""
        left = self.script.idle_s
        while left > 0:
            self.stage.now += 20
            left -= 20
            if self.natted and self.script.keepalives:
                near, far = self.connection.client_address, self.connection.gateway_address
                beat = IP(src=near, dst=far) / UDP(sport=4500, dport=4500) / Raw(b"\xff")
                self.act.over(self.client, self.gateway, beat)

    def _die(self) -> bool:
        self.stage.dead.add(self.gateway)
        port = 4500 if self.natted else 500
        for pause in (2, 4, 8, 16):
            self.stage.now += pause
            self.ike(self._sealed(5, 99), port=port)
        self.stage.now += 5
        return False


def _proposal(method: str) -> Packet:
    transforms = [
        ("Encryption", "3DES-CBC"),
        ("Hash", "MD5"),
        ("Authentication", method),
        ("GroupDesc", "1024MODPgr"),
        ("LifeType", "Seconds"),
        ("LifeDuration", 28800),
    ]
    transform = ISAKMP_payload_Transform(transform_count=1, transforms=transforms)
    proposal = ISAKMP_payload_Proposal(trans_nb=1, trans=transform)
    vendor = ISAKMP_payload_VendorID(VendorID=bytes.fromhex("4a131c81070358455c5728f20e95452f"))
    return ISAKMP_payload_SA(next_payload=13, prop=proposal) / vendor


def ppp_packet(code: int, ident: int, body: bytes) -> bytes:
    return struct.pack("!BBH", code, ident, 4 + len(body)) + body


def conversation(near: str, far: str, port: int, script: Script) -> Iterator[tuple[bool, IP]]:
    """A TCP connection with a TLS hello and a certificate in it."""

    def segment(outward: bool, flags: str, load: bytes = b"") -> tuple[bool, IP]:
        source, destination = (near, far) if outward else (far, near)
        ports = (port, 443) if outward else (443, port)
        header = IP(src=source, dst=destination, flags="DF")
        tcp = TCP(sport=ports[0], dport=ports[1], flags=flags, seq=len(load))
        return outward, header / tcp / Raw(load) if load else header / tcp

    yield segment(True, "S")
    if script.refuses:
        yield segment(False, "RA")
        return
    yield segment(False, "SA")
    yield segment(True, "A")
    yield segment(True, "PA", b"\x16\x03\x01\x01\x2c" + os.urandom(300))
    yield segment(False, "PA", b"\x16\x03\x03\x04\x47" + os.urandom(BIG))
    yield segment(True, "PA", b"\x17\x03\x03\x00\xc8" + os.urandom(200))
    yield segment(False, "PA", b"\x17\x03\x03\x00\x64" + os.urandom(100))
    yield segment(True, "FA")
    yield segment(False, "FA")
