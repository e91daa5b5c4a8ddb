"""What a mutation is, and the changes that mutations of several ways share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Packet as Layers
from scapy.packet import Raw

from lab.record.record import Record
from lab.topology.model import Topology
from lab.wire.decode import Packet
from tests.recordings.true_run import TrueRun, edited

Change = Callable[[TrueRun], object]
Believed = Callable[[Topology], Topology]

UNLISTED, LISTED = "198.18.0.1", "129.42.56.189"
SYN = TCP(sport=4000, dport=443, flags="S")
CLEAR_L2TP = UDP(sport=1701, dport=1701) / Raw(b"\xc8\x02")
CLEAR_LCP = UDP(sport=9, dport=9) / Raw(b"..\xff\x03\xc0\x21\x01\x01\x00\x04")
RANDOM = bytes(range(101, 141))


def as_it_is(run: TrueRun) -> None:
    """Nothing is changed: it is judged by another model."""


def by_its_own(model: Topology) -> Topology:
    return model


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One thing in a true run made wrong, and every finding whose verdict that changes."""

    requirement: str
    what: str
    recording: str
    change: Change = as_it_is
    believed: Believed = by_its_own
    """The model that it is judged by, made of the run's own."""
    also: frozenset[str] = frozenset()
    """What fails, too."""
    untested: frozenset[str] = frozenset()
    """What then was not put to the test."""
    held: frozenset[str] = frozenset()
    """What then is put to the test, and holds."""
    seen: str = ""
    """Words of the finding, where it could fail for several reasons."""

    def __str__(self) -> str:
        return f"{self.requirement}-{self.recording}-{self.what.replace(' ', '-')}"


def mutation(
    requirement: str,
    what: str,
    recording: str,
    change: Change = as_it_is,
    also: str = "",
    *,
    untested: str = "",
    held: str = "",
    seen: str = "",
) -> Mutation:
    """``also``, ``untested`` and ``held`` are names of findings with blanks between."""
    return Mutation(
        requirement=requirement,
        what=what,
        recording=recording,
        change=change,
        also=frozenset(also.split()),
        untested=frozenset(untested.split()),
        held=frozenset(held.split()),
        seen=seen,
    )


def judged_by(
    requirement: str,
    what: str,
    recording: str,
    believed: Believed,
    also: str = "",
    *,
    untested: str = "",
    seen: str = "",
) -> Mutation:
    """The run is as it was; the model by which it is judged is another."""
    own = mutation(requirement, what, recording, also=also, untested=untested, seen=seen)
    return replace(own, believed=believed)


def in_turn(*changes: Change) -> Change:
    def change(run: TrueRun) -> None:
        for each in changes:
            each(run)

    return change


def like(**fields: object) -> Callable[[object], bool]:
    """Chooses what has these values; a tuple stands for any of its own."""

    def chooses(item: object) -> bool:
        return all(
            getattr(item, name) in (value if isinstance(value, tuple) else (value,))
            for name, value in fields.items()
        )

    return chooses


# -- packets --------------------------------------------------------------------------------------


def leaves(far: str, payload: Raw | UDP | TCP | ICMP, proto: int = 0) -> Change:
    """A packet leaves the customer with the right source, and should not leave."""

    def change(run: TrueRun) -> None:
        firewall = run.topology.firewall
        assert firewall is not None
        node, wire = ("firewall", "fw-inet") if firewall.snat else ("hmc", "lan")
        source = run.topology.node(node).interface(wire).ip
        packet = IP(src=source, dst=far, proto=proto) if proto else IP(src=source, dst=far)
        run.put("fw-inet", "firewall", "internet", bytes(packet / payload), run.end)

    return change


def enters(packet: IP) -> Change:
    """A packet from outside comes to the HMC on its wire."""

    def change(run: TrueRun) -> None:
        packet.dst = run.topology.node("hmc").interface("lan").ip
        run.put("lan", "firewall", "hmc", bytes(packet), run.end)

    return change


def crosses(segment: str, sender: str, receiver: str, packet: Layers) -> Change:
    def change(run: TrueRun) -> None:
        run.put(segment, sender, receiver, bytes(packet), run.end)

    return change


def lost(segment: str, chooses: Callable[[Packet], bool]) -> Change:
    """Packets are not on a wire."""

    def change(run: TrueRun) -> None:
        run.drop(segment, run.find(segment, chooses))

    return change


def keep_private(run: TrueRun) -> None:
    """The firewall forgets its NAT for a packet."""
    public = run.topology.node("firewall").interface("fw-inet").ip
    frame = run.find("fw-inet", lambda p: p.source == public)[-1]
    run.change(frame, edited(frame, src=run.topology.node("hmc").interface("lan").ip))


def lose_attempts(run: TrueRun) -> None:
    """Nobody from IBM's side tries to get in (OUT-02), whatever the record says."""
    tried = {(p.address, p.destination, p.port) for p in run.record.probes}
    for segment in run.wire:
        run.drop(segment, [
            f for f in run.wire[segment]
            if f.ip and (f.ip.source, f.ip.destination, f.ip.destination_port) in tried
        ])  # fmt: skip


def lose_injected(run: TrueRun) -> None:
    """The attempt to get past the HMC is not on its wire."""
    lost("lan", lambda p: p.destination == run.record.forward_probes[0].destination)(run)


def answer_attempt(run: TrueRun) -> None:
    """The HMC's SYN/ACK to somebody outside, on its own wire."""
    probe = run.record.probes[0]
    syn_ack = TCP(sport=probe.port, dport=50000, flags="SA")
    answer = IP(src=probe.destination, dst=probe.address) / syn_ack
    run.put("lan", "hmc", "firewall", bytes(answer), run.end)


def tell(word: Callable[[TrueRun], str]) -> Change:
    """Something in clear on IBM's wire."""

    def change(run: TrueRun) -> None:
        packet = IP(src="192.0.2.20", dst="192.0.2.1") / TCP(sport=443) / Raw(word(run).encode())
        run.put("dmz", "sdc", "internet", bytes(packet), run.end)

    return change


def system_name(run: TrueRun) -> str:
    return run.record.ledger[0].system


# -- the record -----------------------------------------------------------------------------------


def noted(change: Callable[[Record], object]) -> Change:
    """Something that is in the record only."""

    def changed(run: TrueRun) -> None:
        change(run.record)

    return changed


def facts(kind: str, number: int = 0, **fields: object) -> Change:
    """Other values for one entry of one of the record's lists."""

    def change(run: TrueRun) -> None:
        entries = getattr(run.record, kind)
        entries[number] = replace(entries[number], **fields)

    return change


def forget_attempts(record: Record) -> None:
    """Nobody tried to get in or past."""
    record.probes.clear()
    record.forward_probes.clear()


def set_counter(node: str, counter: str, value: int) -> Change:
    def change(run: TrueRun) -> None:
        run.record.counters.setdefault(node, {})[counter] = value

    return change
