"""A user's own command in a recording: packets, name lookups and notes of servers that come after its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from lab.record.command_event import CommandRun, NodeAltered, NodePart
from lab.record.record import Transaction
from lab.topology.load import load
from lab.topology.resolve import resolve
from lab.verify.command_trail import CommandTrail
from tests.recordings.true_run import TrueRun

HMC, FIREWALL, SERVER = "203.0.113.10", "203.0.113.1", "129.42.56.189"
NOBODY, OLDER, NEIGHBOUR = "8.8.8.8", "129.42.160.51", "203.0.113.77"
Change = Callable[["Scene"], object]


class Scene:
    """A true run of ``direct``, after which a command of the HMC's does something, and fails."""

    def __init__(self, run: TrueRun) -> None:
        self.run = run
        self.now = run.end + 10.0
        self.began = self.now
        self.node = "hmc"
        self.proxies: tuple[str, ...] = ()
        self.sanitizer = ""

    def _tick(self) -> float:
        self.now += 0.1
        return self.now

    def sends(self, packet: Packet, *, outside: bool = False) -> None:
        """From the HMC; ``outside``: the firewall passes it on."""
        time = self._tick()
        packet[IP].id = int(time * 10) % 60000
        self.run.put("lan", "hmc", "firewall", bytes(packet), time)
        if outside:
            self.run.put("fw-inet", "firewall", "internet", bytes(packet), time + 0.01)
            self.run.put("dmz", "internet", "sdc", bytes(packet), time + 0.02)

    def hears(self, packet: Packet) -> None:
        self.run.put("lan", "firewall", "hmc", bytes(packet), self._tick())

    def calls(
        self, far: str = SERVER, port: int = 443, near: int = 5000, *, outside: bool = False
    ) -> Packet:
        syn = IP(src=HMC, dst=far) / TCP(sport=near, dport=port, flags="S", seq=100)
        self.sends(syn, outside=outside)
        return syn

    def is_taken(self, syn: Packet) -> None:
        self.hears(back(syn) / TCP(sport=syn.dport, dport=syn.sport, flags="SA", seq=700, ack=101))

    def speaks(self, syn: Packet, said: bytes, answer: bytes) -> None:
        self.is_taken(syn)
        ends = {"sport": syn.sport, "dport": syn.dport}
        self.sends(
            IP(src=HMC, dst=syn[IP].dst) / TCP(**ends, flags="PA", seq=101, ack=701) / Raw(said)
        )
        if answer:
            ends = {"sport": syn.dport, "dport": syn.sport}
            self.hears(
                back(syn) / TCP(**ends, flags="PA", seq=701, ack=101 + len(said)) / Raw(answer)
            )

    def succeeds(self, far: str = SERVER) -> None:
        """HTTP in clear is what needs the fewest packets."""
        self.speaks(
            self.calls(far, near=6000, outside=True),
            b"GET / HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
        )

    def is_told(
        self, about: Packet, kind: int, code: int, by: str = FIREWALL, mtu: int = 0
    ) -> None:
        error = ICMP(type=kind, code=code, nexthopmtu=mtu) if mtu else ICMP(type=kind, code=code)
        self.hears(IP(src=by, dst=HMC) / error / bytes(about))

    def asks(self, name: str, server: str = FIREWALL) -> Packet:
        query = (
            IP(src=HMC, dst=server) / UDP(sport=4000, dport=53) / DNS(id=7, qd=DNSQR(qname=name))
        )
        self.sends(query)
        return query

    def is_answered(self, query: Packet, *addresses: str) -> None:
        name = query[DNSQR].qname
        told = [DNSRR(rrname=name, type="A", rdata=address) for address in addresses]
        answer = DNS(id=7, qr=1, rcode=0 if told else 3, qd=DNSQR(qname=name), an=told)
        self.hears(back(query) / UDP(sport=53, dport=4000) / answer)

    def seeks(self, address: str, *, answered: bool = False) -> None:
        mac = self.run.topology.node("hmc").interface("lan").mac
        frame = Ether(src=mac, dst="ff:ff:ff:ff:ff:ff", type=0x0806)
        self.run.add(
            "lan", bytes(frame / ARP(op=1, hwsrc=mac, psrc=HMC, pdst=address)), self._tick()
        )
        if answered:
            other = self.run.topology.node("firewall").interface("lan").mac
            reply = ARP(op=2, hwsrc=other, psrc=address, hwdst=mac, pdst=HMC)
            self.run.add("lan", bytes(Ether(src=other, dst=mac, type=0x0806) / reply), self._tick())

    def is_altered(self, part: NodePart, node: str = "hmc") -> None:
        self.run.record.altered.append(
            NodeAltered(source=node, part=part, words="something is else", time=self.now + 99.0)
        )

    def notes(
        self, kind: str, detail: str = "", sni: str = "esupport.ibm.com", tls: str = ""
    ) -> None:
        """The server's ledger."""
        one = self._call_home
        self.run.record.ledger.append(
            replace(
                one, time=self._tick(), kind=kind, detail=detail, sni=sni, tls_version=tls, status=0
            )
        )

    def works(self) -> None:
        self.run.record.ledger.append(
            replace(self._call_home, time=self._tick(), kind="request", status=200)
        )

    @property
    def _call_home(self) -> Transaction:
        """Not of the lab's own trials of TLS."""
        return next(entry for entry in self.run.record.ledger if entry.kind == "heartbeat")

    def trail(self) -> CommandTrail:
        entry = CommandRun(
            source=self.node,
            started=self.began,
            time=self.now + 1.0,
            program="agent",
            status=7,
            proxies=self.proxies,
            sanitizer=self.sanitizer,
        )
        self.run.record.commands.append(entry)
        self.run.record.command_status = 7
        return CommandTrail(self.run.case(), entry)


def back(packet: Packet) -> Packet:
    return IP(src=packet[IP].dst, dst=packet[IP].src)


def many(*changes: Change) -> Change:
    def change(scene: Scene) -> None:
        for each in changes:
            each(scene)

    return change


def on(node: str) -> Change:
    return lambda scene: setattr(scene, "node", node)


def proxy(*told: str) -> Change:
    return lambda scene: setattr(scene, "proxies", told)


def built_with(sanitizer: str) -> Change:
    return lambda scene: setattr(scene, "sanitizer", sanitizer)


def refused(scene: Scene, far: str = FIREWALL, port: int = 81) -> None:
    syn = scene.calls(far, port)
    scene.hears(back(syn) / TCP(sport=port, dport=syn.sport, flags="RA"))


def reported(kind: int, code: int, far: str = SERVER, *, after: bool = False) -> Change:
    def change(scene: Scene) -> None:
        scene.is_told(scene.calls(far), kind, code, mtu=1400 if code == 4 else 0)
        if after:
            scene.succeeds()

    return change


def ping(*, passed: bool = False, answered: bool = False, expired: bool = False) -> Change:
    def change(scene: Scene) -> None:
        echo = IP(src=HMC, dst=SERVER) / ICMP(type=8, id=9, seq=1)
        scene.sends(echo, outside=passed)
        if answered:
            scene.hears(back(echo) / ICMP(type=0, id=9, seq=1))
        if expired:
            scene.is_told(echo, 11, 0)

    return change


def by_telephone(utility: str) -> Change:
    """PPP tells the HMC of a name server, too (L-03)."""

    def change(scene: Scene) -> None:
        lig = resolve(load("dial"), bytes(32)).lig
        assert lig is not None, "who is called"
        scene.run.topology = replace(scene.run.topology, lig=replace(lig, utility=utility))

    return change


def deaf(scene: Scene) -> None:
    for _ in range(2):
        scene.is_taken(scene.calls(outside=True))


def udp(far: str, port: int) -> Change:
    return lambda s: s.sends(IP(src=HMC, dst=far) / UDP(sport=5000, dport=port) / Raw(b"x"))


def nothing(scene: Scene) -> None:
    """The command fails by itself."""


def dropped_own(scene: Scene) -> None:
    scene.run.record.counters["firewall"]["dropped-own"] = 5


def from_firewall(scene: Scene) -> None:
    """Of the firewall's own."""
    near = scene.run.topology.node("firewall").interface("fw-inet").ip
    syn = IP(src=near, dst=SERVER) / TCP(sport=5000, dport=443, flags="S")
    scene.run.put("fw-inet", "firewall", "internet", bytes(syn), scene._tick())
