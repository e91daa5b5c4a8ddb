"""What AT&T's fence can do wrong, and what trials of the fence can lack, as mutations of true runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from scapy.layers.inet import ICMP, IP, UDP

from lab.linux import fence
from lab.record.record import FenceTrial
from lab.topology.model import Topology
from lab.verify.premises import mac
from lab.wire import decode, ppp
from lab.wire.calls import Carried
from lab.wire.decode import ESP, Frame, Packet
from lab.wire.decode import ICMP as ICMP_PROTOCOL
from lab.wire.decode import UDP as UDP_PROTOCOL
from tests.recordings.true_run import ETHERNET, TrueRun, ppp_frame
from tests.unit.verify.dial_mutations import HMC, LIG, NAME_SERVER, SAS, arrives, speaks
from tests.unit.verify.mutation import (
    SYN,
    UNLISTED,
    Believed,
    Change,
    judged_by,
    like,
    mutation,
    noted,
)

OUTSIDE = "lig-inet"
IP_HEADER = 4
"""Of a PPP frame: address, control and protocol."""
AMERICAS, OTHERS, FREE, DMZ = "129.42.160.49", "129.42.160.50", "203.0.113.131", "192.0.2.20"
"""Servers of two regions, an address of the pool that no call has, and one that is on no list."""
CALLERS = ("203.0.113.18", "203.0.113.19")
"""Of dial-two-hmcs, in the order of their calls."""
SERVERS = (SAS, AMERICAS, "207.25.252.200", "207.25.252.204")
GATEWAYS = ("129.42.160.16", "207.25.252.196")
NEIGHBOURS = tuple(
    near
    for address in (*SERVERS, *GATEWAYS)
    for near in (str(IPv4Address(address) + step) for step in (-1, 1))
    if near not in (*SERVERS, *GATEWAYS)
)
RESOLVERS = (LIG, "203.0.113.129", DMZ, *NEIGHBOURS)
"""Those who are asked for names and should not be: the gateway, IBM's own, others."""

Chooses = Callable[[Packet], bool]
Trials = Callable[[FenceTrial], bool]
Ends = tuple[str, str, int, int, int]


def of(requirement: str, **fields: object) -> Trials:
    return like(requirement=requirement, **fields)


def ends(packet: Packet) -> Ends:
    ports = packet.source_port, packet.destination_port
    return (packet.source, packet.destination, packet.protocol, *ports)


def ends_of(trial: FenceTrial) -> Ends:
    return (trial.source, trial.destination, trial.protocol, trial.source_port, trial.port)


class Tried:
    """Some of a run's trials from one side, and which packets are of these."""

    def __init__(self, run: TrueRun, side: str, chooses: Trials) -> None:
        self._sent: dict[Ends, list[tuple[float, bool]]] = {}
        for trial in sorted(run.record.fence_trials, key=lambda t: t.sent):
            if trial.side == side:
                entry = trial.sent, chooses(trial)
                self._sent.setdefault(ends_of(trial), []).append(entry)

    def has(self, packet: Packet | None, time: float, *, back: bool = False) -> bool:
        """Whether a packet is of the last trial before it that has its ends; or an answer to that."""
        if packet is None:
            return False
        source, destination, protocol, near, far = ends(packet)
        wanted = (destination, source, protocol, far, near) if back else ends(packet)
        chosen = [chosen for sent, chosen in self._sent.get(wanted, []) if sent <= time]
        return chosen[-1] if chosen else False

    def is_refused_by(self, packet: Packet | None, time: float) -> bool:
        """Whether a packet is an ICMP error about one of these trials."""
        if packet is None or packet.protocol != ICMP_PROTOCOL or packet.payload[:1] != b"\x03":
            return False
        return self.has(decode.parse_ipv4(packet.payload[8:]), time)


# -- what the fence does --------------------------------------------------------------------------


def is_sent(run: TrueRun, frame: Frame) -> bool:
    """Whether the gateway put a frame on the Internet's wire."""
    return frame.source_mac == mac(run.topology.node("lig").interface(OUTSIDE))


def to_caller(run: TrueRun, address: str, time: float) -> Carried:
    """Something that a caller heard: the one who had the address then, or else another."""
    held = [
        c.line for c in run.record.lig if c.address == address and c.answered <= time <= c.closed
    ]
    heard = run.lines(lambda i: not i.outgoing and i.frame.time <= time)
    of_holder = [item for item in heard if item.ends.endswith(f"-{held[-1]}")] if held else heard
    return of_holder[-1]


def holds(run: TrueRun, address: str) -> bool:
    return any(call.address == address for call in run.record.lig)


def passes_out(chooses: Trials) -> Change:
    """What callers sent and the fence dropped is seen on the other side, too."""

    def change(run: TrueRun) -> None:
        tried = Tried(run, "caller", chooses)
        for item in run.lines(lambda i: i.outgoing and tried.has(i.data, i.frame.time)):
            assert item.data is not None
            time = item.frame.time + 0.02
            if holds(run, item.data.destination):
                run.say(to_caller(run, item.data.destination, time), item.frame.data, time)
            else:
                run.put(OUTSIDE, "lig", "internet", item.frame.data[IP_HEADER:], time)

    return change


def passes_in(chooses: Trials, *, by_line_of: str = "") -> Change:
    """What came from the Internet and the fence dropped is heard by a caller: the one who has the address, or
    the one who has this other.
    """

    def change(run: TrueRun) -> None:
        tried = Tried(run, "internet", chooses)
        frames = [f for f in run.wire[OUTSIDE] if tried.has(f.ip, f.time)]
        assert frames, "nothing came from outside that is like that"
        for frame in frames:
            assert frame.ip is not None
            time = frame.time + 0.02
            item = to_caller(run, by_line_of or frame.ip.destination, time)
            run.say(item, ppp_frame(ppp.IP, frame.data[ETHERNET:]), time)

    return change


def stops_out(chooses: Chooses) -> Change:
    """What callers sent and the fence counted as passing is not on the other side."""

    def change(run: TrueRun) -> None:
        run.drop(OUTSIDE, [f for f in run.find(OUTSIDE, chooses) if is_sent(run, f)])

    return change


def stops_in(chooses: Chooses) -> Change:
    """What came from the gateway's side is not heard by the caller."""

    def change(run: TrueRun) -> None:
        run.unsay(run.lines(lambda i: not i.outgoing and i.data and chooses(i.data)))

    return change


def misleads(run: TrueRun) -> None:
    """The answer to one caller is heard by the other, and not by that one."""
    answer = run.lines(lambda i: not i.outgoing and i.data and i.data.payload == b"L-05")[0]
    assert answer.data is not None
    (other,) = {*CALLERS} - {answer.data.destination}
    run.unsay([answer])
    run.say(to_caller(run, other, answer.frame.time), answer.frame.data, answer.frame.time)


def to_another(run: TrueRun) -> Trials:
    """Chooses the answers to one caller that were sent to the other."""
    asked = [t for t in run.record.fence_trials if (t.requirement, t.side) == ("L-05", "caller")]
    askers = {(t.destination, t.port, t.source_port): t.source for t in asked}

    def chooses(trial: FenceTrial) -> bool:
        asker = askers.get((trial.source, trial.source_port, trial.port), trial.destination)
        return trial.requirement == "L-05" and trial.destination != asker

    return chooses


def answers_another(run: TrueRun) -> None:
    passes_in(to_another(run))(run)


def another_untried(run: TrueRun) -> None:
    untried(to_another(run), fence.UNSOLICITED)(run)


def goes_astray(run: TrueRun) -> None:
    """What was led to the line of another caller is heard there."""
    (trial, *_) = [t for t in run.record.fence_trials if t.astray]
    (other,) = {*CALLERS} - {trial.destination}
    passes_in(lambda t: t is trial, by_line_of=other)(run)


def late(run: TrueRun) -> Trials:
    """Chooses the answers to calls that have ended which came to the next call with the same address."""
    answers = [
        t for t in run.record.fence_trials if (t.requirement, t.side) == ("L-09", "internet")
    ]
    last = {trial.client: trial for trial in answers}
    return lambda trial: last.get(trial.client) is trial


def answers_late(run: TrueRun) -> None:
    passes_in(late(run))(run)


def next_holder_untried(run: TrueRun) -> None:
    untried(late(run), fence.UNSOLICITED)(run)


def answers_unasked(run: TrueRun) -> None:
    """The name server's answer to no question comes in."""
    arrives(IP(src=NAME_SERVER) / UDP(sport=53, dport=20001))(run)


def refuses(run: TrueRun) -> None:
    """The gateway says that it let nothing through (RFC 1812 5.2.7.1)."""
    speaks(IP(src=LIG, dst=SAS) / ICMP(type=3, code=13))(run)


# -- what trials lack -----------------------------------------------------------------------------


def untried(chooses: Trials, counter: str = "", *, recorded: bool = False) -> Change:
    """Trials are not made: nothing of them was on a wire, and ``counter``, if one is named, has not counted
    them. With ``recorded`` the record has them all the same.
    """

    def change(run: TrueRun) -> None:
        trials = [trial for trial in run.record.fence_trials if chooses(trial)]
        assert trials, "no trial is like that"
        counters = run.record.counters["lig"]
        came, answers = _take(run, chooses)
        if counter:
            counters[counter] -= came
        counters[fence.REPLY] -= answers
        counters[fence.SILENCED] -= sum(trial.side == "gateway" for trial in trials)
        if not recorded:
            run.record.fence_trials = [t for t in run.record.fence_trials if not chooses(t)]

    return change


def _take(run: TrueRun, chooses: Trials) -> tuple[int, int]:
    """How many packets of these trials came to the fence, and how many answers: none is on a wire now."""
    out, into = Tried(run, "caller", chooses), Tried(run, "internet", chooses)

    def is_sent_out(packet: Packet | None, time: float) -> bool:
        return out.has(packet, time)

    def is_offered(packet: Packet | None, time: float) -> bool:
        return into.has(packet, time)

    def is_answer(packet: Packet | None, time: float) -> bool:
        return out.has(packet, time, back=True) or out.is_refused_by(packet, time)

    of_callers = [i for i in run.carried if i.outgoing and is_sent_out(i.data, i.frame.time)]
    heard = [
        i for i in run.carried
        if not i.outgoing
        and (is_offered(i.data, i.frame.time) or is_answer(i.data, i.frame.time))
    ]  # fmt: skip
    came = [f for f in run.wire[OUTSIDE] if is_offered(f.ip, f.time)]
    passed = [f for f in run.wire[OUTSIDE] if is_sent_out(f.ip, f.time)]
    answers = [f for f in run.wire[OUTSIDE] if is_answer(f.ip, f.time)]
    run.unsay([*of_callers, *heard])
    run.drop(OUTSIDE, [*came, *passed, *answers])
    return len(of_callers) + len(came), len(answers)


def provokes_nobody(run: TrueRun) -> None:
    """No packet's time to live ends at the gateway."""
    run.unsay(run.lines(lambda i: i.outgoing and i.data and i.data.ttl == 1))
    run.drop(OUTSIDE, run.find(OUTSIDE, like(ttl=1)))
    run.record.fence_trials = [t for t in run.record.fence_trials if t.requirement != "L-06"]
    run.record.counters["lig"][fence.SILENCED] -= 2


def too_few(run: TrueRun) -> None:
    """One random packet less than is needed."""
    (trial, *_) = filter(of("L-07", side="caller", source=HMC), run.record.fence_trials)
    untried(lambda t: t is trial, fence.SPOOFED_SOURCE)(run)


def unlisted_of(caller: str) -> Trials:
    """Chooses a caller's random datagrams to addresses that are on no list."""
    inside = {*SERVERS, *GATEWAYS, OTHERS, FREE, NAME_SERVER, *CALLERS}
    random = of("L-07", side="caller", protocol=UDP_PROTOCOL, source=caller)
    return lambda trial: random(trial) and trial.destination not in inside


def unrecorded(chooses: Trials) -> Change:
    """The record does not have trials whose packets are on the wires."""

    def change(run: TrueRun) -> None:
        run.record.fence_trials = [t for t in run.record.fence_trials if not chooses(t)]

    return change


def counts(name: str, by: int = 1) -> Change:
    def change(run: TrueRun) -> None:
        run.record.counters["lig"][name] += by

    return change


# -- the model ------------------------------------------------------------------------------------


def with_lig(**fields: object) -> Believed:
    def changed(model: Topology) -> Topology:
        assert model.lig is not None
        values: dict[str, Any] = fields
        return replace(model, lig=replace(model.lig, **values))

    return changed


def with_list(*addresses: str) -> Believed:
    """Each PAP user has this list, and no other."""

    def changed(model: Topology) -> Topology:
        assert model.lig is not None
        lists = tuple(replace(x, addresses=addresses) for x in model.lig.lists)
        return replace(model, lig=replace(model.lig, lists=lists))

    return changed


MUTATIONS = (
    mutation("P-20", "passed before PPP", "dial", passes_out(of("P-20")), "L-07"),
    mutation("P-20", "the trial is on no wire", "dial", untried(of("P-20"), recorded=True)),
    mutation("P-20", "nobody tried", "dial-two-hmcs", untried(of("P-20"))),
    mutation("P-20", "nothing passes later, either", "dial", stops_out(lambda p: True),
             "L-02 L-07 L-08 L-10 L-11 L-12", untested="OUT-46 g1 g4"),
    mutation("L-01", "another source passes", "dial",
             passes_out(of("L-01", source=HMC, destination=SAS)), "L-07"),
    mutation("L-01", "nobody tried", "dial-two-hmcs", untried(of("L-01"), fence.SPOOFED_SOURCE)),
    mutation("L-01", "the HMC's own address untried", "dial",
             untried(of("L-01", source=HMC), fence.SPOOFED_SOURCE)),
    mutation("L-01", "no other of the pool tried", "dial",
             untried(of("L-01", source=FREE), fence.SPOOFED_SOURCE)),
    mutation("L-01", "the trials are on no wire", "dial",
             untried(of("L-01"), fence.SPOOFED_SOURCE, recorded=True)),
    mutation("L-01", "a source that no call had", "dial", speaks(IP(src="10.9.9.9", dst=SAS) / SYN)),
    mutation("L-01", "another caller's address passes", "dial-two-hmcs",
             passes_out(of("L-01", source=CALLERS[0], destination=SAS)), "L-07"),
    mutation("L-01", "a caller as a server", "dial-two-hmcs",
             passes_out(of("L-01", source=SAS, destination=CALLERS)), "L-07 L-08"),
    mutation("L-01", "no other caller's address tried", "dial-two-hmcs",
             untried(of("L-01", source=CALLERS), fence.SPOOFED_SOURCE)),
    mutation("L-02", "callers reach each other", "dial-two-hmcs",
             passes_out(of("L-02", destination=CALLERS)), "L-07 L-08 g2"),
    mutation("L-02", "no other caller tried", "dial-two-hmcs",
             untried(of("L-02", destination=CALLERS), fence.UNLISTED)),
    mutation("L-02", "a neighbour is reached", "dial",
             passes_out(of("L-02", destination="129.42.160.47")), "OUT-47 L-07 L-08 g1"),
    mutation("L-02", "a server is not reached", "dial", stops_out(like(destination=AMERICAS)),
             "L-07 L-10 L-12"),
    mutation("L-02", "a trial on no wire", "dial",
             untried(of("L-02", destination=DMZ), fence.UNLISTED, recorded=True)),
    mutation("L-02", "a server never tried", "dial",
             untried(like(side="caller", destination=AMERICAS)), "L-06 L-07 L-10"),
    mutation("L-02", "no neighbour tried", "dial",
             untried(like(side="caller", destination=NEIGHBOURS)), "L-06 L-07 L-10"),
    mutation("L-03", "no answer by TCP", "dial", stops_in(like(source=NAME_SERVER, protocol=6))),
    mutation("L-03", "no other name server tried", "dial",
             untried(of("L-03", destination=RESOLVERS), fence.OTHER_DNS)),
    mutation("L-03", "another answers", "dial",
             arrives(IP(src=SAS) / UDP(sport=53, dport=40000)), "L-07"),
    judged_by("L-03", "answers in spite of the letter", "dial", with_lig(literal_replies=True)),
    mutation("L-03", "another name server", "dial", passes_out(of("L-03", destination=DMZ)),
             "OUT-47 L-07 L-08 g1"),
    mutation("L-03", "answers unasked", "dial", answers_unasked),
    mutation("L-03", "its address from outside", "dial",
             passes_in(of("L-03", source=NAME_SERVER)), "L-07"),
    mutation("L-03", "nothing unasked tried", "dial", untried(of("L-03", side="gateway"))),
    mutation("L-03", "its address untried outside", "dial",
             untried(of("L-03", side="internet"))),
    mutation("L-04", "delivered", "dial",
             passes_in(of("L-04", destination=FREE, protocol=UDP_PROTOCOL)), "L-07"),
    mutation("L-04", "nobody tried", "dial", untried(of("L-04"), fence.FREE_ADDRESS)),
    mutation("L-05", "a listed server unasked", "dial",
             passes_in(of("L-05", source="207.25.252.204", protocol=UDP_PROTOCOL)), "L-07"),
    mutation("L-05", "only contacted servers tried", "dial",
             untried(of("L-05", source=SERVERS[1:]), fence.UNSOLICITED)),
    mutation("L-05", "only servers tried", "dial",
             untried(of("L-05", source=(DMZ, *NEIGHBOURS)), fence.UNSOLICITED)),
    mutation("L-05", "nobody tried", "dial", untried(of("L-05")), "L-06 L-09"),
    mutation("L-05", "another's answer untried", "dial-two-hmcs", another_untried),
    mutation("L-05", "another's answer", "dial-two-hmcs", answers_another, "L-07"),
    mutation("L-05", "handed to another", "dial-two-hmcs", misleads),
    mutation("L-05", "another's by the wrong line", "dial-two-hmcs", goes_astray, "L-07"),
    mutation("L-05", "nothing led astray", "dial-two-hmcs",
             untried(lambda t: t.requirement == "L-05" and t.astray != "", fence.FREE_ADDRESS)),
    mutation("L-05", "no other caller from outside", "dial-two-hmcs",
             untried(of("L-05", source=CALLERS, side="internet"), fence.UNSOLICITED)),
    mutation("L-06", "one too many", "dial", counts(fence.UNLISTED)),
    mutation("L-06", "one too few", "dial", counts(fence.REPLY, -1)),
    mutation("L-06", "one error too many", "dial", counts(fence.SILENCED)),
    mutation("L-06", "one error too few", "dial", counts(fence.SILENCED, -1)),
    mutation("L-06", "a caller is told", "dial",
             arrives(IP(src="203.0.113.129") / ICMP(type=3, code=13))),
    mutation("L-06", "a server is told", "dial", refuses),
    mutation("L-06", "the gateway refuses", "dial-two-hmcs", refuses),
    mutation("L-06", "no error provoked", "dial", provokes_nobody),
    mutation("L-06", "nobody tried", "dial", unrecorded(lambda t: True),
             "L-01 L-02 L-03 L-04 L-05 L-07 L-09 L-10 L-11 L-12 P-20 g4"),
    mutation("L-07", "something else out", "dial",
             passes_out(unlisted_of("203.0.113.130")), "OUT-47 L-02 L-08 g1"),
    mutation("L-07", "nobody tried", "dial", unrecorded(of("L-07"))),
    mutation("L-07", "too few", "dial", too_few),
    mutation("L-07", "without a seed", "dial", noted(lambda r: setattr(r, "fence_seed", ""))),
    mutation("L-07", "nothing random inwards", "dial", untried(of("L-07", side="internet")), "L-06"),
    judged_by("L-08", "not IBM's", "dial", with_list(*SERVERS, *GATEWAYS, UNLISTED)),
    judged_by("L-08", "not on its list", "dial", with_list(*SERVERS, GATEWAYS[0]),
              "OUT-47 L-02 L-06 L-07 L-11 g1"),
    mutation("L-08", "one ID reached nobody", "dial-two-hmcs", stops_out(like(source=CALLERS[1])),
             "L-02 L-07 L-10 L-11 L-12"),
    mutation("L-08", "another ID's server", "dial-two-hmcs",
             passes_out(of("L-08", source=CALLERS[0], destination=OTHERS)), "L-02 L-07 L-10"),
    mutation("L-08", "another ID's list untried", "dial-two-hmcs",
             untried(like(client="hmc", side="caller", destination=OTHERS)), "L-06 L-07 L-10"),
    mutation("L-09", "no late name server", "dial", untried(of("L-09", side="gateway"))),
    mutation("L-09", "a late answer", "dial", answers_late, "L-05 L-07"),
    mutation("L-09", "nobody tried", "dial", untried(of("L-09")), "L-06"),
    mutation("L-09", "the next holder untried", "dial", next_holder_untried),
    mutation("L-10", "another region's server", "dial", passes_out(of("L-02", destination=OTHERS)),
             "OUT-47 L-02 L-07 L-08 g1"),
    mutation("L-10", "another region untried", "dial",
             untried(like(side="caller", destination=OTHERS)), "L-06 L-07"),
    mutation("L-10", "a region's server for another's customer", "dial-two-hmcs",
             passes_out(of("L-08", source=CALLERS[1], destination=AMERICAS)), "L-02 L-07 L-08"),
    mutation("L-11", "no ESP", "dial", stops_out(like(protocol=ESP)), "L-07"),
    mutation("L-12", "a port is minded", "dial", stops_out(like(destination_port=9)), "L-07"),
    judged_by("L-12", "ports are not minded", "dial", with_lig(ports=(("tcp", 443), ("udp", 500))),
              "L-05 L-06 L-07 L-09"),
)  # fmt: skip
