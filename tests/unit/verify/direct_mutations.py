"""What can be wrong with a call home over the Internet, as mutations of true runs."""

from __future__ import annotations

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Raw

from lab.wire.decode import Packet
from tests.recordings.true_run import TrueRun, edited
from tests.unit.verify.mutation import (
    CLEAR_L2TP,
    LISTED,
    RANDOM,
    SYN,
    UNLISTED,
    answer_attempt,
    crosses,
    enters,
    facts,
    forget_attempts,
    keep_private,
    leaves,
    lose_attempts,
    lose_injected,
    lost,
    mutation,
    noted,
    system_name,
    tell,
)

SECOND = "129.42.60.189"


NEW = "192.148.6.11"


def is_of_new(packet: Packet) -> bool:
    return NEW in (packet.source, packet.destination)


def is_syn_ack_of_new(packet: Packet) -> bool:
    return packet.is_syn_ack and packet.source == NEW


def call_old_again(run: TrueRun) -> None:
    """After the move the HMC calls an address that its name has left."""
    packet = IP(src="203.0.113.10", dst=LISTED) / TCP(sport=4001, dport=443, flags="S", seq=7)
    run.put("lan", "hmc", "firewall", bytes(packet), run.end)


def untold(run: TrueRun) -> None:
    """The name server's answer with the new address is not on the firewall's outer wire."""
    answers = run.find("fw-inet", lambda p: p.uses_udp(53) and p.source_port == 53)
    run.drop("fw-inet", answers[-2:])


HTTP = TCP(sport=4000, dport=80, flags="S")


def http_passes(run: TrueRun) -> None:
    packet = IP(src="203.0.113.10", dst="192.148.6.11") / HTTP
    run.put("fw-inet", "firewall", "internet", bytes(packet), run.end)


def is_syn_ack_of_443(packet: Packet) -> bool:
    return packet.is_syn_ack and packet.source_port == 443


def is_syn_ack(packet: Packet) -> bool:
    return packet.is_syn_ack


def other_source(run: TrueRun) -> None:
    """A packet of the HMC's leaves with somebody's address."""
    own = run.topology.node("hmc").interface("lan").ip
    frame = run.find("fw-inet", lambda p: p.source == own)[-1]
    run.change(frame, edited(frame, src="203.0.113.77"))


def forget_second_nat(run: TrueRun) -> None:
    """A packet goes past the carrier's NAT with the address of the customer's."""
    frame = run.find("carrier", lambda p: p.source == "198.51.100.2")[-1]
    run.change(frame, edited(frame, src="100.64.0.2"))


def is_of_second(packet: Packet) -> bool:
    return SECOND in (packet.source, packet.destination)


def ask_late(run: TrueRun) -> None:
    """All that follows the first server's silence comes 90 s later on the HMC's wire."""
    for frame in run.find("lan", is_of_second):
        run.change(frame, time=frame.time + 90.0)


MUTATIONS = (
    mutation("OUT-01", "ESP beside TLS", "direct", leaves(LISTED, Raw(RANDOM), 50), "F-03 g4"),
    mutation("OUT-01", "SYN to an unlisted server", "direct", leaves(UNLISTED, SYN), "F-03 g1 g4"),
    mutation("OUT-01", "flow without SYN", "direct-snat",
             leaves(LISTED, TCP(sport=4001, dport=443, flags="PA") / Raw(b"GET"))),
    mutation("OUT-01", "SYN lost at the firewall", "direct-snat",
             lost("fw-inet", lambda p: p.is_bare_syn and p.source == "198.51.100.2"), "F-03"),
    mutation("OUT-02", "the HMC answers", "direct", answer_attempt),
    mutation("OUT-02", "the attempt is answered", "direct", facts("probes", answered=True)),
    mutation("OUT-02", "the attempts are on no wire", "direct-snat", lose_attempts),
    mutation("OUT-02", "an attempt on no wire", "direct", facts("probes", port=1)),
    mutation("OUT-02", "no attempt", "direct", noted(forget_attempts), "OUT-04 F-03"),
    mutation("OUT-03", "NAT forgotten", "direct-snat", keep_private),
    mutation("OUT-03", "another source", "direct", other_source, "F-03"),
    mutation("OUT-03", "the carrier's NAT forgotten", "direct-cgnat", forget_second_nat,
             seen="cgnat sends a packet with source 100.64.0.2"),
    mutation("OUT-03", "the server sees the first NAT", "direct-cgnat",
             facts("ledger", peer_ip="100.64.0.2"), seen="the server saw 100.64.0.2, not 198.51.100.2"),
    mutation("OUT-03", "the server sees another", "direct", facts("ledger", peer_ip="10.99.99.99")),
    mutation("OUT-04", "IBM on the second NIC", "direct",
             crosses("svc", "hmc", "cec", IP(src="192.168.128.1", dst=LISTED) / SYN)),
    mutation("OUT-04", "the attempt is not on the wire", "direct", lose_injected),
    mutation("OUT-04", "the attempt got through", "direct", facts("forward_probes", forwarded=True)),
    mutation("F-03", "no packet counted", "direct", noted(
        lambda r: r.counters.update(firewall=dict.fromkeys(r.counters["firewall"], 0)))),
    mutation("F-03", "no SYN/ACK comes back", "direct-snat", lost("lan", is_syn_ack), "R-09"),
    mutation("F-03", "SSH passes", "direct-snat",
             leaves(LISTED, TCP(sport=4000, dport=22, flags="S")), "OUT-01 g4"),
    mutation("F-03", "something passes inwards", "direct",
             enters(IP(src=UNLISTED) / UDP(sport=53, dport=5353))),
    mutation("F-01", "no SYN/ACK comes back", "service-esa", lost("lan", is_syn_ack_of_443), "R-09",
             seen="no SYN/ACK"),
    mutation("F-02", "no SYN/ACK comes back", "esa-aix", lost("lan", is_syn_ack), seen="no SYN/ACK"),
    mutation("F-02", "HTTP passes", "esa-aix", http_passes, "OUT-01 g4"),
    mutation("R-09", "no other server answers", "direct.server-down", lost("lan", is_of_second), "F-03",
             seen="no other server"),
    mutation("R-09", "the other server is asked late", "direct.server-down", ask_late,
             seen="110 s after"),
    mutation("R-10", "the new address does not answer", "direct-names", lost("lan", is_syn_ack_of_new),
             seen="did not answer"),
    mutation("R-10", "the old address is called still", "direct-names", call_old_again,
             seen="which esupport.ibm.com has left"),
    mutation("R-10", "the new address is not called", "direct-names", lost("lan", is_of_new),
             seen="did not call 192.148.6.11"),
    mutation("F-05", "no SYN to the new address passes", "direct-names", lost("fw-inet", is_of_new), "F-03",
             seen="no SYN to 192.148.6.11"),
    mutation("F-05", "nobody told of the new address", "direct-names", untold, "F-03",
             seen="no name server told"),
    mutation("g1", "an unlisted address", "direct", leaves(UNLISTED, ICMP()), "F-03"),
    mutation("g2", "SYN to the HMC", "direct-snat",
             enters(IP(src=LISTED) / TCP(sport=443, dport=22, flags="S")), "OUT-02 F-03"),
    mutation("g3", "L2TP in clear", "direct", leaves(LISTED, CLEAR_L2TP),
             "OUT-01 OUT-46 F-03 g4"),
    mutation("g4", "IKE on a direct path", "direct",
             leaves(LISTED, UDP(sport=500, dport=500)), "OUT-01 F-03"),
    mutation("g5", "the system's name", "direct", tell(system_name)),
    mutation("g6", "a namespace", "direct", noted(lambda r: r.leftovers.append("namespace hmc"))),
    mutation("g6", "no end", "direct-snat", noted(lambda r: setattr(r, "ended", 0.0))),
)  # fmt: skip
