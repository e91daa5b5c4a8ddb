"""What can be wrong with data that goes to targets that users enter, as mutations of true runs (OUT-44)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scapy.layers.inet import IP, TCP, UDP

from lab.offload.events import TargetTried
from lab.topology.model import Topology
from lab.wire.decode import Packet
from tests.recordings.true_run import TrueRun, edited
from tests.unit.verify.mutation import Change, crosses, in_turn, judged_by, lost, mutation

NAME = "user-target"
TARGET, PORT = "203.0.113.20", 22
NEIGHBOUR = "203.0.113.21"
OUTER, HMC, STRANGER = "198.51.100.2", "192.168.10.10", "192.168.10.77"
NOT_LISTED = "OUT-01 F-03 g1 g4"
"""What fails where a connection leaves for what is in no list, and the firewall's rules say nothing of it."""


def unflagged(model: Topology) -> Topology:
    """Users have entered nothing; the firewall's rules are as they were."""
    return replace(model, user_targets=())


def unruled(model: Topology) -> Topology:
    """Nobody has entered anything, and the firewall opens nothing."""
    assert model.firewall is not None
    kept = tuple(rule for rule in model.firewall.rules if rule.requirement != "OUT-44")
    return replace(unflagged(model), firewall=replace(model.firewall, rules=kept))


def entered_as(**fields: object) -> Callable[[Topology], Topology]:
    """Users have entered something else than what the agent connects to."""

    def change(model: Topology) -> Topology:
        (target,) = model.user_targets
        return replace(model, user_targets=(replace(target, **fields),))  # type: ignore[arg-type]

    return change


def ruled(**fields: object) -> Callable[[Topology], Topology]:
    """The firewall's rule is another one."""

    def change(model: Topology) -> Topology:
        assert model.firewall is not None
        rules = tuple(
            replace(rule, **fields) if rule.requirement == "OUT-44" else rule  # type: ignore[arg-type]
            for rule in model.firewall.rules
        )
        return replace(model, firewall=replace(model.firewall, rules=rules))

    return change


def goes_to(address: str, port: int, *, udp: bool = False) -> Change:
    """A SYN or a datagram of the HMC's on both sides of the firewall."""
    begins = UDP(sport=4000, dport=port) if udp else TCP(sport=4000, dport=port, flags="S", seq=7)
    return in_turn(
        crosses("lan", "hmc", "firewall", IP(src=HMC, dst=address) / begins),
        crosses("fw-inet", "firewall", "internet", IP(src=OUTER, dst=address) / begins),
    )


def answered_inside(address: str, port: int) -> Change:
    """The HMC's SYN does not leave, and an answer comes in all the same."""
    back = TCP(sport=port, dport=4000, flags="A", seq=9)
    return in_turn(
        crosses("lan", "hmc", "firewall",
                IP(src=HMC, dst=address) / TCP(sport=4000, dport=port, flags="S", seq=7)),
        crosses("lan", "firewall", "hmc", IP(src=address, dst=HMC) / back),
    )  # fmt: skip


def of_a_stranger(run: TrueRun) -> None:
    """Somebody else's connection to the target, hidden behind the same address."""
    syn = TCP(sport=4000, dport=PORT, flags="S", seq=7)
    run.put("lan", "hmc", "firewall", bytes(IP(src=STRANGER, dst=TARGET) / syn), run.end)
    run.put("fw-inet", "firewall", "internet", bytes(IP(src=OUTER, dst=TARGET) / syn), run.end)


def reuse_port(run: TrueRun) -> None:
    """NAT gives somebody else's connection the port that the HMC's had, which is over."""
    own = run.find("fw-inet", lambda p: p.is_bare_syn and to_target(p))[0].ip
    assert own is not None
    syn = TCP(sport=own.source_port, dport=PORT, flags="S", seq=7)
    run.put("lan", "hmc", "firewall", bytes(IP(src=STRANGER, dst=TARGET) / syn), run.end)
    run.put("fw-inet", "firewall", "internet", bytes(IP(src=OUTER, dst=TARGET) / syn), run.end)


def answers(flags: str, *, again: bool) -> Change:
    """A packet comes in from the target: for the HMC's own connection, or for none that the HMC has begun."""

    def change(run: TrueRun) -> None:
        syn = run.find("lan", lambda p: p.is_bare_syn and to_target(p))[0].ip
        assert syn is not None
        port = syn.source_port if again else 4444
        packet = IP(src=TARGET, dst=HMC) / TCP(sport=PORT, dport=port, flags=flags, seq=9)
        run.put("lan", "firewall", "hmc", bytes(packet), run.end)

    return change


def to_target(packet: Packet) -> bool:
    return (packet.destination, packet.destination_port) == (TARGET, PORT)


def is_other_trial(packet: Packet) -> bool:
    return (packet.destination, packet.destination_port) == (TARGET, PORT + 1)


def keep_private(run: TrueRun) -> None:
    """The firewall forgets its NAT for a packet to the target."""
    frame = run.find("fw-inet", to_target)[-1]
    run.change(frame, edited(frame, src=HMC))


def keep_all_private(run: TrueRun) -> None:
    """The firewall forgets its NAT for all that goes to the target."""
    for frame in run.find("fw-inet", to_target):
        run.change(frame, edited(frame, src=HMC))


def told(chooses: Callable[[TargetTried], bool], **fields: object) -> Change:
    """Another outcome of a trial."""

    def change(run: TrueRun) -> None:
        run.events = [
            replace(e, **fields) if isinstance(e, TargetTried) and chooses(e) else e  # type: ignore[arg-type]
            for e in run.events
        ]

    return change


def other_passes(run: TrueRun) -> None:
    """The trial at the port that nobody has entered leaves."""
    frame = run.find("lan", is_other_trial)[0]
    run.put("fw-inet", "firewall", "internet", edited(frame, src=OUTER)[14:], frame.time)


MUTATIONS = (
    judged_by("OUT-44", "the rule is for another port", NAME, ruled(port=2222),
              seen="admits TCP 2222 to 203.0.113.20 (OUT-44), which nobody has entered"),
    judged_by("OUT-44", "the rule admits both ways", NAME, ruled(both_ways=True),
              seen="admits TCP 22 to 203.0.113.20 both ways (OUT-44), which nobody has entered"),
    judged_by("OUT-44", "another port was entered", NAME, entered_as(port=2222), "OUT-01 OUT-46 g1 g4",
              seen="a packet leaves for 203.0.113.20:22, which nobody has entered"),
    judged_by("OUT-44", "another address was entered", NAME, entered_as(address=NEIGHBOUR),
              "OUT-01 OUT-46 g1 g4", seen="no rule lets hmc out to offload (203.0.113.21:22)"),
    judged_by("OUT-44", "another agent entered it", NAME, entered_as(source="192.168.10.11"),
              "OUT-01 OUT-46 g1 g4", seen="a packet leaves for 203.0.113.20:22"),
    mutation("OUT-44", "another port of the address", NAME, goes_to(TARGET, 2222), NOT_LISTED,
             seen="a packet leaves for 203.0.113.20:2222, which nobody has entered"),
    mutation("OUT-44", "the target's port by UDP", NAME,
             goes_to(TARGET, PORT, udp=True), "OUT-46 F-03 g1 g4",
             seen="a packet leaves for 203.0.113.20:22, which nobody has entered"),
    mutation("OUT-44", "somebody else's connection", NAME, of_a_stranger, "OUT-01 OUT-02 g1 g4",
             seen="a packet leaves for 203.0.113.20:22, which nobody has entered"),
    mutation("OUT-44", "somebody else's by the same port", NAME, reuse_port, "OUT-01 OUT-02 g1 g4",
             seen="a packet leaves for 203.0.113.20:22, which nobody has entered"),
    mutation("OUT-44", "the other port leaves", NAME, other_passes, NOT_LISTED,
             seen="hmc gets out to 203.0.113.20:23, which nobody has entered"),
    mutation("OUT-44", "the other port connects", NAME, told(lambda e: not e.entered, connected=True),
             seen="hmc gets out to 203.0.113.20:23, which nobody has entered"),
    mutation("OUT-44", "the trial is on no wire", NAME, lost("lan", is_other_trial),
             seen="the trial of hmc at 203.0.113.20:23 is on no wire, so it proves nothing"),
    mutation("OUT-44", "it is not taken", NAME, told(lambda e: e.entered, taken=False, sent=0),
             seen="what hmc offloads to offload (203.0.113.20:22) is not taken"),
    mutation("OUT-44", "no answer is on the wire", NAME, lost("lan", lambda p: p.source == TARGET),
             seen="hmc came to 203.0.113.20:22, and the wires have no such connection"),
    mutation("OUT-44", "NAT forgotten", NAME, keep_private, "OUT-01 OUT-03 g1 g4",
             seen="a packet leaves for 203.0.113.20:22, which nobody has entered"),
    mutation("OUT-44", "no NAT at all", NAME, keep_all_private, "OUT-01 OUT-03 OUT-46 g1 g4",
             seen="a packet leaves for 203.0.113.20:22, which nobody has entered"),
    mutation("g1", "the port at another address", NAME, goes_to(NEIGHBOUR, PORT), "OUT-01 F-03 g4",
             seen="a packet leaves for 203.0.113.21"),
    judged_by("g1", "the flag is gone", NAME, unflagged, "OUT-01 OUT-46 g4", untested="OUT-44",
              seen="a packet leaves for 203.0.113.20, which is not listed"),
    judged_by("g1", "flag and rule are gone", NAME, unruled, "OUT-01 OUT-46 F-03 g4", untested="OUT-44",
              seen="a packet leaves for 203.0.113.20, which is not listed"),
    mutation("F-03", "an answer to nobody", NAME, answers("A", again=False),
             seen="passed inwards without a rule"),
    mutation("F-03", "an answer from another port", NAME, answered_inside(TARGET, 2222),
             seen="passed inwards without a rule"),
    mutation("F-03", "an answer from another address", NAME, answered_inside(NEIGHBOUR, PORT),
             seen="passed inwards without a rule"),
    mutation("F-03", "the target opens a connection", NAME, answers("S", again=True), "OUT-02 g2",
             seen="passed inwards without a rule"),
)  # fmt: skip
