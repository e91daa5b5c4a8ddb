"""What can be wrong with a call home by IPv6, as mutations of true runs."""

from __future__ import annotations

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.packet import Packet as Layers
from scapy.packet import Raw

from lab.record.record import Record
from lab.topology.family import Family, family_of
from lab.wire.decode import Packet
from tests.recordings.true_run import ETHERNET, TrueRun
from tests.unit.verify.mutation import (
    CLEAR_L2TP,
    SYN,
    Change,
    crosses,
    facts,
    lost,
    mutation,
    noted,
)

HMC, HMC_OF_IPV4 = "2001:db8:10::10", "192.168.10.10"
LISTED, SECOND = "2620:0:6c0:200:129:42:56:189", "2620:0:6c2:200:129:42:60:189"
LISTED_OF_IPV4 = "129.42.56.189"
UNLISTED = "2001:db8:ffff::1"
AIX_SERVERS = {Family.ipv4: "192.148.6.11", Family.ipv6: "2620:1f7:c010:1:1:1:1:11"}
WIRES = "lan", "fw-inet", "dmz"


def leaves(far: str, payload: Layers, near: str = HMC) -> Change:
    """A packet leaves the customer that should not."""
    return crosses("fw-inet", "firewall", "internet", IPv6(src=near, dst=far) / payload)


def enters(far: str, payload: Layers) -> Change:
    """A packet from outside comes to the HMC on its wire."""
    return crosses("lan", "firewall", "hmc", IPv6(src=far, dst=HMC) / payload)


def answer_attempt(run: TrueRun) -> None:
    """The HMC's SYN/ACK to somebody outside, on its own wire."""
    probe = run.record.probes[0]
    syn_ack = TCP(sport=probe.port, dport=50000, flags="SA")
    answer = IPv6(src=probe.destination, dst=probe.address) / syn_ack
    run.put("lan", "hmc", "firewall", bytes(answer), run.end)


def lose_attempts(run: TrueRun) -> None:
    """Nobody from IBM's side tries to get in, whatever the record says."""
    tried = {(probe.address, probe.destination) for probe in run.record.probes}
    for segment in WIRES:
        run.drop(segment, [
            f for f in run.wire[segment] if f.ip and (f.ip.source, f.ip.destination) in tried
        ])  # fmt: skip


def other_source(run: TrueRun) -> None:
    """A packet of the HMC's leaves with somebody's address."""
    frame = run.find("fw-inet", lambda p: p.source == HMC)[-1]
    packet = IPv6(frame.data[ETHERNET:])
    packet.src = "2001:db8:10::77"
    run.change(frame, frame.data[:ETHERNET] + bytes(packet))


def is_syn_ack(packet: Packet) -> bool:
    return packet.is_syn_ack


def is_of_second(packet: Packet) -> bool:
    return SECOND in (packet.source, packet.destination)


def silence(family: Family) -> Change:
    """Nothing goes to the server by one version of IP, and nothing comes."""
    server = AIX_SERVERS[family]

    def change(run: TrueRun) -> None:
        for wire in WIRES:
            lost(wire, lambda p: server in (p.source, p.destination))(run)

    return change


def forget(family: Family) -> Change:
    """The servers' ledger has no call by one version of IP."""

    def change(record: Record) -> None:
        record.ledger[:] = [e for e in record.ledger if family_of(e.server_ip) is not family]

    return noted(change)


OF_IPV4 = IP(src=HMC_OF_IPV4, dst=LISTED_OF_IPV4) / SYN
PRIVATE = IP(src=HMC_OF_IPV4, dst=AIX_SERVERS[Family.ipv4]) / TCP(sport=1, dport=443, flags="A")

MUTATIONS = (
    mutation("OUT-06", "an IPv4 packet leaves", "direct-ipv6",
             crosses("fw-inet", "firewall", "internet", OF_IPV4), "OUT-01 F-03 g1 g4",
             seen="an IPv4 packet leaves"),
    mutation("OUT-06", "the HMC sends an IPv4 packet", "direct-ipv6",
             crosses("lan", "hmc", "firewall", OF_IPV4), seen="an IPv4 packet goes"),
    mutation("OUT-06", "nobody answers", "direct-ipv6", lost("lan", is_syn_ack), "F-03 R-09",
             seen="no listed IPv6 address answered"),
    mutation("OUT-06", "a server called by IPv4", "direct-ipv6",
             facts("ledger", server_ip=LISTED_OF_IPV4), seen="no server was called"),
    mutation("OUT-08", "nothing by IPv6", "dual-stack", silence(Family.ipv6),
             seen="nobody called a listed server by IPv6"),
    mutation("OUT-08", "nothing by IPv4", "dual-stack", silence(Family.ipv4),
             seen="nobody called a listed server by IPv4"),
    mutation("OUT-08", "no entry by IPv6", "dual-stack", forget(Family.ipv6),
             seen="no server has an entry of a call by IPv6"),
    mutation("OUT-08", "no entry by IPv4", "dual-stack", forget(Family.ipv4),
             seen="no server has an entry of a call by IPv4"),
    mutation("OUT-01", "SYN to an unlisted address", "direct-ipv6", leaves(UNLISTED, SYN), "F-03 g1 g4"),
    mutation("OUT-01", "flow without SYN", "direct-ipv6",
             leaves(LISTED, TCP(sport=4001, dport=443, flags="PA") / Raw(b"GET"))),
    mutation("OUT-02", "the HMC answers", "direct-ipv6", answer_attempt),
    mutation("OUT-02", "the attempts are on no wire", "direct-ipv6", lose_attempts),
    mutation("OUT-03", "another source", "direct-ipv6", other_source, "F-03"),
    mutation("OUT-03", "NAT forgotten", "dual-stack",
             crosses("fw-inet", "firewall", "internet", PRIVATE)),
    mutation("OUT-03", "the server sees another", "direct-ipv6", facts("ledger", peer_ip=UNLISTED)),
    mutation("OUT-04", "IBM on the second NIC", "direct-ipv6",
             crosses("svc", "hmc", "cec", IPv6(src="fdca:11ab:128::1", dst=LISTED) / SYN)),
    mutation("F-03", "SSH passes", "direct-ipv6",
             leaves(LISTED, TCP(sport=4000, dport=22, flags="S")), "OUT-01 g4"),
    mutation("F-03", "something passes inwards", "direct-ipv6",
             enters(UNLISTED, UDP(sport=53, dport=5353))),
    mutation("F-02", "another host passes", "dual-stack",
             leaves(AIX_SERVERS[Family.ipv6], TCP(sport=4000, dport=443, flags="S"), UNLISTED), "OUT-03"),
    mutation("R-09", "no other server answers", "direct-ipv6.server-down", lost("lan", is_of_second),
             "F-03 OUT-06", seen="no other server"),
    mutation("g1", "an unlisted address", "direct-ipv6", leaves(UNLISTED, ICMPv6EchoRequest()), "F-03"),
    mutation("g1", "a disabled address", "dual-stack", leaves(LISTED, ICMPv6EchoRequest()), "F-02"),
    mutation("g2", "SYN to the HMC", "direct-ipv6",
             enters(LISTED, TCP(sport=443, dport=22, flags="S")), "OUT-02 F-03"),
    mutation("g3", "L2TP in clear", "direct-ipv6", leaves(LISTED, CLEAR_L2TP), "OUT-01 F-03 g4"),
    mutation("g4", "IKE on a direct path", "direct-ipv6",
             leaves(LISTED, UDP(sport=500, dport=500)), "OUT-01 F-03"),
)  # fmt: skip
