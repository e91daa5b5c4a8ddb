"""Finding OUT-44: the list is about servers that IBM has set, and not about targets that users enter.

Connections to these targets are left out of all findings on what leaves (``user_flows``). This one judges
them: that they go to what was entered and to nothing else there, and that the firewall opens just that.
"""

from __future__ import annotations

from collections.abc import Iterable

from lab.names import all_of, count, place
from lab.offload.events import DataTaken, TargetTried
from lab.topology.own_program import find
from lab.topology.user_targets import REQUIREMENT, UserTarget
from lab.verify import user_flows
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.firewall import judge_counter, rule_text, rules_of
from lab.wire.decode import Frame, Packet, reverse

NO_TARGETS = "users have entered no target in this topology"
_SHOWN = 4
"""Frames of a direction."""


def check_out_44(case: Case) -> Finding:
    """What goes to a target that a user has entered is outside of the list, and nothing else is."""
    targets = case.topology.user_targets
    check = Check(
        REQUIREMENT,
        f"agents connect to {all_of([t.where for t in targets]) or 'no target'}, which users have entered "
        "and no list has; nothing else leaves for these addresses, and the firewall opens these ports there "
        "to these agents alone",
    )
    if not targets:
        return check.not_tested(NO_TARGETS)
    listed = {address for address, _ in case.listed}
    for target in targets:
        if target.address in listed:
            check.object(f"{target.where} is listed: the list is about it")
    _judge_rules(case, check, targets)
    _judge_strays(case, check, targets)
    shut = _judge_trials(case, check) if case.has_record else []
    made = user_flows.left(case)
    own = [(f, p) for f, p in case.all_leaving if user_flows.leaves(case, p)]
    check.show(frame for frame, _ in own[: 2 * _SHOWN])
    if not made:
        return check.not_tested("nobody connected to a target that a user has entered")
    if case.has_record and case.topology.firewall is not None:
        judge_counter(case, check, REQUIREMENT)
    used = {target.where: None for target in made.values()}
    closed = f"; {all_of(shut)} was tried, and stayed closed" if shut else ""
    return check.finding(
        f"{count(len(made), 'connection')} to {all_of(list(used))}, in {count(len(own), 'packet')} to "
        f"what is in no list{_taken(case)}{closed}"
    )


def _judge_rules(case: Case, check: Check, targets: tuple[UserTarget, ...]) -> None:
    """A rule for each target, and no other one to such an address."""
    if case.topology.firewall is None:
        return
    rules = rules_of(case, REQUIREMENT)
    wanted = {(t.source, t.address, t.port) for t in targets}
    for rule in rules:
        one = rule.source, rule.destination, rule.port
        if one not in wanted or (rule.protocol, rule.port_to, rule.both_ways) != ("tcp", 0, False):
            check.object(
                f"a rule for {rule.source} admits {rule_text(rule)}, which nobody has entered"
            )
    there = {(rule.source, rule.destination, rule.port) for rule in rules}
    for target in targets:
        if (target.source, target.address, target.port) not in there:
            check.object(f"no rule lets {target.agent} out to {target.where}")


def _judge_strays(case: Case, check: Check, targets: tuple[UserTarget, ...]) -> None:
    """What else leaves for the address of a target was not entered: g1 says so, too."""
    addresses = {target.address for target in targets}
    for frame, packet in case.leaving:
        if packet.destination in addresses:
            port = packet.destination_port
            where = place(packet.destination, port) if port else packet.destination
            check.object(f"a packet leaves for {where}, which nobody has entered", [frame])


def _judge_trials(case: Case, check: Check) -> list[str]:
    """Whether the lab's own trials came through, or were stopped, as the wires have it; the closed places."""
    shut = []
    for trial in case.told(TargetTried):
        where = place(trial.address, trial.port)
        syns = syns_of(case, trial)
        left = gone(case, syns)
        check.show(syns[:1])
        check.want(
            syns, f"the trial of {trial.source} at {where} is on no wire, so it proves nothing"
        )
        if trial.entered:
            if not has_come(case, trial):
                what = "is not taken" if trial.connected else "finds nobody"
                told = f"what {trial.source} offloads to {trial.target} ({where}) {what}"
                check.object(told, syns)
            elif syns and not (left and any(p.is_syn_ack for p in answers(case, syns))):
                told = f"{trial.source} came to {where}, and the wires have no such connection"
                check.object(told, syns)
        elif trial.connected or left:
            told = f"{trial.source} gets out to {where}, which nobody has entered"
            check.object(told, left or syns)
        elif syns:
            shut.append(where)
    return list(dict.fromkeys(shut))


def has_come(case: Case, trial: TargetTried) -> bool:
    """Whether data has come to a target; to a program of the user's own nothing is said."""
    known = {target.name: target.node for target in case.topology.user_targets}
    if find(case.topology.own_programs, known.get(trial.target, "")):
        return trial.connected
    return trial.taken


def syns_of(case: Case, trial: TargetTried) -> list[Frame]:
    """The trial's SYNs on the wire of the agent's host."""
    return [
        frame
        for frame, packet in case.packets(*case.uplinks)
        if packet.is_bare_syn
        and case.agent_addresses.get(packet.source) == trial.source
        and (packet.destination, packet.destination_port) == (trial.address, trial.port)
        and trial.started <= frame.time <= trial.time
    ]


def gone(case: Case, syns: Iterable[Frame]) -> list[Frame]:
    """These SYNs as they left for the Internet: NAT leaves each its number."""
    numbers = {(f.ip.destination, f.ip.destination_port, f.ip.tcp_sequence) for f in syns if f.ip}
    return [
        frame
        for frame, p in case.all_leaving
        if p.is_bare_syn and (p.destination, p.destination_port, p.tcp_sequence) in numbers
    ]


def answers(case: Case, syns: Iterable[Frame]) -> list[Packet]:
    """What came back to these SYNs, on the wire of the agent's host."""
    ends = {reverse(frame.ip.ends) for frame in syns if frame.ip}
    return [packet for _, packet in case.packets(*case.uplinks) if packet.ends in ends]


def _taken(case: Case) -> str:
    """What the lab's own server has noted."""
    took = case.told(DataTaken) if case.has_record else []
    if not took:
        return ""
    return f"; {count(sum(each.taken for each in took), 'byte')} were taken there"
