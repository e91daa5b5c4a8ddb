"""What can be wrong with a firewall's openings, redundancy and separate networks: mutations of true runs."""

from __future__ import annotations

from dataclasses import replace

from scapy.layers.inet import IP, TCP, UDP

from lab.record.record import CallHome
from lab.topology.model import Topology
from lab.wire.decode import Packet
from tests.recordings.true_run import TrueRun, edited
from tests.unit.verify.mutation import (
    SYN,
    UNLISTED,
    Believed,
    Change,
    crosses,
    facts,
    judged_by,
    leaves,
    lost,
    mutation,
)

ECCGW, OTHER_ECCGW = "207.25.252.197", "129.42.160.51"
CONFIG, OTHER_CONFIG = "204.146.30.17", "170.225.15.41"
PROBLEMS = "129.42.26.224"
FRONT_ENDS = "129.42.56.189", "129.42.60.189", "129.42.54.189"
PRIMARY, BACKUP = "129.42.160.48", "129.42.160.50"
FOREIGN = "129.42.160.49"
SYSTEM = "192.168.128.10"
HMC, HMC_B = "192.168.10.10", "192.168.20.10"


def of(*addresses: str, answers_only: bool = False) -> Change:
    """What goes to servers, or only their SYN/ACKs, is not on the agents' wires."""

    def chooses(packet: Packet) -> bool:
        if answers_only:
            return packet.source in addresses and packet.is_syn_ack
        return bool({packet.source, packet.destination} & {*addresses})

    def change(run: TrueRun) -> None:
        for agent in run.topology.agents:
            lost(run.topology.node(agent).uplink.segment, chooses)(run)

    return change


def kept_back(*addresses: str) -> Change:
    """What goes to servers does not leave the customer."""
    return lost("fw-inet", lambda p: bool({p.source, p.destination} & {*addresses}))


def answered_all_the_same(run: TrueRun) -> None:
    """A server of which the test says that it was not reached answers the SYN."""
    (frame, *_) = run.find("lan-a", lambda p: p.is_bare_syn and p.destination == ECCGW)
    assert frame.ip is not None
    answer = TCP(sport=443, dport=frame.ip.source_port, flags="SA", ack=frame.ip.tcp_sequence + 1)
    packet = IP(src=ECCGW, dst=HMC) / answer
    run.put("lan-a", "firewall", "hmc", bytes(packet), frame.time + 0.04)


def first_call(run: TrueRun) -> CallHome:
    return run.record.calls[0]


def backup_is_silent(run: TrueRun) -> None:
    """In the first call no backup answers."""
    answers = run.find("lan", lambda p: p.is_syn_ack)
    run.drop("lan", [frame for frame in answers if frame.time <= first_call(run).ended])


def primary_was_asked_early(run: TrueRun) -> None:
    """The primary was asked 90 s earlier than it was, and so the backup as much later."""
    call = first_call(run)
    for frame in run.find("lan", lambda p: p.destination == PRIMARY):
        if frame.time <= call.ended:
            run.change(frame, time=frame.time - 90.0)
    run.record.calls[0] = replace(call, started=call.started - 90.0)


def another_is_asked_first(run: TrueRun) -> None:
    """When the primary is back, the HMC's SYN goes to another server."""
    later = run.record.calls[1]
    frames = run.find("lan", lambda p: p.is_bare_syn and p.destination == PRIMARY)
    frame = next(f for f in frames if f.time >= later.started)
    run.change(frame, edited(frame, dst=BACKUP))


def nobody_is_asked(run: TrueRun) -> None:
    """When the primary is back, nothing of the HMC's call is on the wire."""
    later = run.record.calls[1]
    own = run.find("lan", lambda p: PRIMARY in (p.source, p.destination))
    run.drop("lan", [f for f in own if later.started <= f.time <= later.ended])


def opens(destination: str, port: int = 443) -> Believed:
    """The firewall has one more rule like the first, for another address."""

    def believed(topology: Topology) -> Topology:
        wall = topology.firewall
        assert wall is not None
        more = replace(wall.rules[0], destination=destination, port=port)
        return replace(topology, firewall=replace(wall, rules=(*wall.rules, more)))

    return believed


def on_one_network(topology: Topology) -> Topology:
    """A model in which the second HMC is on the network of the first."""
    first, second = (topology.node(name) for name in topology.agents)
    moved = replace(
        second,
        interfaces=tuple(replace(i, segment="lan-a") for i in second.interfaces),
        routes=tuple(replace(r, interface="lan-a") for r in second.routes),
    )
    nodes = tuple(moved if node == second else node for node in topology.nodes)
    assert first in nodes
    return replace(topology, nodes=nodes)


MUTATIONS = (
    mutation("OUT-04", "a managed system's SYN is passed on", "dual-nic",
             crosses("lan", "hmc", "firewall", IP(src=SYSTEM, dst=FRONT_ENDS[0]) / SYN),
             seen="of the local network on lan"),
    mutation("OUT-04", "a managed system's SYN leaves by NAT", "dual-nic",
             facts("forward_probes", 2, forwarded=True), seen="through the host"),
    mutation("OUT-04", "a managed system did not try", "dual-nic",
             lost("svc", lambda p: p.source == SYSTEM and p.is_bare_syn), seen="is on no wire"),
    mutation("OUT-04", "a managed system asks another server", "dual-nic",
             crosses("svc", "cec-1", "hmc", IP(src=SYSTEM, dst=ECCGW) / SYN)),
    mutation("OUT-05", "a packet passes between the networks", "ds8000",
             crosses("lan-b", "firewall", "hmc-b", IP(src=HMC, dst=HMC_B) / UDP(dport=9900)), "F-03",
             seen="a packet of hmc is on lan-b"),
    mutation("OUT-05", "an answer to one HMC is on the network of the other", "ds8000",
             crosses("lan-a", "firewall", "hmc", IP(src=CONFIG, dst=HMC_B) / TCP(sport=443, flags="A"))),
    mutation("OUT-05", "nothing of an HMC is on its network", "ds8000.network-down",
             lost("lan-b", lambda p: p.source == HMC_B), "F-13 F-14", seen="nothing of it"),
    judged_by("OUT-05", "both HMCs are on one network", "ds8000", on_one_network, "F-13 F-14",
              seen="both on lan-a"),
    mutation("F-04", "a listed server is kept back", "ds8000", kept_back(PROBLEMS), "F-03",
             seen=f"to {PROBLEMS}:443, which is listed, does not pass"),
    mutation("F-04", "both configuration servers are kept back", "ds8000",
             kept_back(CONFIG, OTHER_CONFIG), "F-03", seen="does not pass"),
    judged_by("F-04", "a rule for what is not listed", "direct-region", opens(UNLISTED),
              seen=UNLISTED),
    judged_by("F-04", "a rule for another port", "direct-region", opens(OTHER_ECCGW, 80), "F-03"),
    mutation("F-11", "nothing passes by the range", "direct-ranges", kept_back(*FRONT_ENDS),
             "F-03 OUT-01 OUT-03", untested="g1 g4"),
    mutation("F-11", "something leaves that is not in the range", "direct-ranges",
             leaves(UNLISTED, SYN), "OUT-01 F-03 g1 g4", seen="in none of 129.42.0.0/18"),
    judged_by("F-11", "a rule beside the range", "direct-ranges", opens(UNLISTED), seen="beside"),
    mutation("F-12", "an address did not answer", "direct-ranges",
             of(FRONT_ENDS[2], answers_only=True), seen="the wire says otherwise"),
    mutation("F-12", "an address was not asked", "direct-ranges", of(FRONT_ENDS[2]), seen="no wire"),
    mutation("F-12", "the call home failed all the same", "direct-ranges.address-blocked",
             facts("calls", succeeded=False), "OUT-01 R-09", seen="did not get through"),
    mutation("F-13", "a server did not answer", "ds8000", of(ECCGW, answers_only=True),
             seen="the wire says otherwise"),
    mutation("F-13", "a server answered", "ds8000.eccgw-blocked", answered_all_the_same, "F-03",
             seen="says no connection"),
    mutation("F-14", "a server did not answer", "ds8000", of(OTHER_CONFIG, answers_only=True),
             seen="the wire says otherwise"),
    mutation("F-14", "HTTP leaves", "ds8000",
             leaves(CONFIG, TCP(sport=4000, dport=80, flags="S")), "OUT-01 F-03 g4", seen="TCP 80"),
    mutation("F-15", "a SYN to the other region leaves", "direct-region", leaves(FOREIGN, SYN),
             "OUT-01 F-03 g1 g4", seen="of another region left"),
    mutation("F-15", "the other region was not tried", "direct-region", of(FOREIGN), seen="no wire"),
    judged_by("F-15", "a rule for the other region", "direct-region", opens(FOREIGN), "F-04"),
    mutation("R-02", "no backup answers", "direct-region.primary-down", backup_is_silent,
             untested="R-09", seen="no backup did"),
    mutation("R-02", "the backup is asked late", "direct-region.primary-down", primary_was_asked_early,
             "R-09", seen="120 s after"),
    mutation("R-02", "another is asked first", "direct-region.primary-down", another_is_asked_first,
             seen="first, and"),
    mutation("R-02", "the later call is on no wire", "direct-region.primary-down", nobody_is_asked,
             seen="on no wire"),
)  # fmt: skip
