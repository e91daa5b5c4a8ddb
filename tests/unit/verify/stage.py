"""Runs that never ran: captures and records as a true run leaves them, made from a topology.

The play reacts to what the topology says, faults too: what a node loses does not arrive, and what
does not arrive is not answered. So the same play shows a good run and every way in which one fails.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.utils import PcapNgWriter, RawPcapNgWriter

from lab.record.record import EspSa, Record
from lab.topology import load, resolve
from lab.topology.model import DropRule, Topology

START = 1_790_000_000.0
HOP_S = 0.005
SEED = b"stage"


@cache
def topology(name: str) -> Topology:
    """One of the lab's own topologies."""
    return resolve.resolve(load.load(name), SEED)


@dataclass
class Sa:
    """A pair of ESP SAs with their keys."""

    outbound: Any
    inbound: Any
    source: str
    destination: str


@dataclass
class Stage:
    """Wires to put packets on, and what else a run leaves."""

    topology: Topology
    now: float = START
    frames: dict[str, list[tuple[float, bytes]]] = field(default_factory=dict)
    keys: list[dict[str, Any]] = field(default_factory=list)
    record: Record = field(default_factory=lambda: Record(started=START))
    logs: dict[tuple[str, str], str] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    meddled: int = 0
    ident: int = 1

    def __post_init__(self) -> None:
        self.frames = {segment.name: [] for segment in self.topology.segments}

    # -- wires --------------------------------------------------------------------------------

    def put(self, segment: str, sender: str, receiver: str, packet: bytes, time: float) -> None:
        """One frame from one node to another."""
        macs = [self.topology.node(n).interface(segment).mac for n in (receiver, sender)]
        header = b"".join(bytes.fromhex(mac.replace(":", "")) for mac in macs) + b"\x08\x00"
        self.frames[segment].append((time, header + packet))

    def send(self, packet: IP, nodes: list[str], segments: list[str]) -> bool:
        """Put a packet on each wire of its way; False if a node on the way lost it."""
        if packet.id == 1:
            self.ident += 1
            packet.id = self.ident & 0xFFFF
        raw = bytes(packet)
        for number, segment in enumerate(segments):
            sender, receiver = nodes[number], nodes[number + 1]
            self.put(segment, sender, receiver, raw, self.now + HOP_S * number)
            if receiver == nodes[-1]:
                break
            changed = self.pass_on(receiver, raw, outward=nodes[0] in self.topology.agents)
            if changed is None:
                self.now += HOP_S * (number + 1)
                return False
            raw = changed
        self.now += HOP_S * len(segments)
        return nodes[-1] not in self.dead

    def pass_on(self, node: str, raw: bytes, *, outward: bool) -> bytes | None:
        """What a node on the way makes of a packet: NAT at the firewall, loss by drop rules."""
        packet = IP(raw)
        for rule in self.topology.drops:
            if rule.node == node and _hits(rule, packet):
                return None
        firewall = self.topology.firewall
        if firewall is not None and firewall.node == node and firewall.snat and outward:
            packet.src = self.topology.node(node).interface(firewall.outside).ip
            return rebuilt(packet)
        return raw

    # -- writing ------------------------------------------------------------------------------

    def write(self, run_dir: Path) -> Path:
        """The run directory: wires, keys and logs."""
        (run_dir / "wire").mkdir(parents=True, exist_ok=True)
        (run_dir / "keys").mkdir(exist_ok=True)
        for segment, frames in self.frames.items():
            write_capture(
                run_dir / "wire" / f"{segment}.pcapng", sorted(frames, key=lambda f: f[0])
            )
        (run_dir / "keys" / "esp.json").write_text(json.dumps(self.keys))
        for (node, daemon), text in self.logs.items():
            path = run_dir / "logs" / node / f"{daemon}.log"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return run_dir

    # -- ESP ----------------------------------------------------------------------------------

    def new_sa(
        self, client: str, gateway: str, ends: tuple[str, str], *, natted: str = "", **odd: Any
    ) -> Sa:
        """Install a pair of SAs at both ends; ``odd`` changes what the record says of them."""
        pair = []
        make: Any = SecurityAssociation  # scapy has no types for it
        for source, destination in (ends, ends[::-1]):
            spi = int.from_bytes(os.urandom(3), "big") | 0xC0000000
            encryption, integrity = os.urandom(24), os.urandom(16)
            nat = {"nat_t_header": UDP(sport=4500, dport=4500)} if natted else {}
            algorithms = {"crypt_algo": "3DES", "auth_algo": "HMAC-MD5-96"}
            pair.append(
                make(
                    ESP,
                    spi=spi,
                    crypt_key=encryption,
                    auth_key=integrity,
                    tunnel_header=IP(src=source, dst=destination),
                    **algorithms,
                    **nat,
                )
            )
            self.keys.append(
                {
                    "spi": spi,
                    "source": source,
                    "destination": destination,
                    "encryption": "cbc(des3_ede)",
                    "encryption_key": encryption.hex(),
                    "integrity": "hmac(md5)",
                    "integrity_key": integrity.hex(),
                    "icv_bits": 96,
                    "encap": bool(natted),
                }
            )
            for node in (client, gateway):
                far = {ends[0]: natted or ends[0]} if node == gateway else {}
                fields: dict[str, Any] = {
                    "node": node,
                    "spi": spi,
                    "source": far.get(source, source),
                    "destination": far.get(destination, destination),
                    "mode": "tunnel",
                    "encryption": "cbc(des3_ede)",
                    "encryption_key_bits": 192,
                    "integrity": "hmac(md5)",
                    "integrity_key_bits": 128,
                    "integrity_icv_bits": 96,
                    "udp_encapsulation": bool(natted),
                    "added": self.now,
                    "rekey_after_s": 1750,
                }
                self.record.esp.append(EspSa(**(fields | odd)))
        return Sa(pair[0], pair[1], *ends)


def _hits(rule: DropRule, packet: IP) -> bool:
    numbers = {"udp": 17, "tcp": 6, "esp": 50, "icmp": 1}
    if rule.protocol != "any" and packet.proto != numbers[rule.protocol]:
        return False
    if rule.port and rule.port not in (packet.sport, packet.dport):
        return False
    if packet.len <= rule.above_bytes:
        return False
    near, far = ip_network(rule.source), ip_network(rule.destination)
    return ip_address(packet.src) in near and ip_address(packet.dst) in far


def rebuilt(packet: IP) -> bytes:
    """A packet whose addresses were changed, with its checksums made anew."""
    del packet.chksum
    for layer in (TCP, UDP):
        if layer in packet and packet[layer].chksum:
            del packet[layer].chksum
    return bytes(packet)


def write_capture(path: Path, frames: list[tuple[float, bytes]]) -> None:
    """A pcapng of Ethernet frames."""
    writer: RawPcapNgWriter = PcapNgWriter(str(path))
    writer.linktype = 1
    writer.write_header(None)
    for time, data in frames:
        # Half a microsecond, since scapy cuts the rest off.
        RawPcapNgWriter._write_packet(writer, data, linktype=1, sec=time + 5e-7)
    writer.close()
