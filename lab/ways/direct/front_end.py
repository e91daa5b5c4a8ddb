"""The finding on the front end and the servers behind it: OUT-37."""

from __future__ import annotations

from lab.ibm.receiver import document
from lab.names import all_of, count
from lab.record.record import Transaction
from lab.topology.model import Role
from lab.topology.servers import BACK_END_PORT, BackEnd
from lab.verify.case import Case
from lab.verify.errands import KIND, SERVICE
from lab.verify.finding import Check, Finding
from lab.wire import tls
from lab.wire.tls import TcpConnection

LEAST = 2
"""Servers behind the front end, and errands, that a run must show."""


def check_out_37(case: Case) -> Finding:
    """One front end takes all traffic, and several servers share it behind that."""
    topology = case.topology
    names = sorted({server.name for server in topology.servers})
    behind = all_of([one.node for one in topology.back_ends])
    check = Check(
        "OUT-37",
        f"all that leaves by {case.outside} goes to {' and '.join(names)}; behind it at least {LEAST} of "
        f"{behind} get at least {LEAST} sorts of errands, whatever one of them does, and no packet of the "
        "customer's",
    )
    if len(names) > 1:
        check.object(f"the profile lists {len(names)} names, and not one front end")
    front = {server.address for server in topology.servers}
    for frame, packet in case.leaving:
        if packet.destination not in front:
            check.object(f"a packet leaves for {packet.destination}", [frame])
    if not topology.back_ends:
        return check.not_tested("no server stands behind the front end")
    if case.why_no_ledger:
        _judge_strangers(case, check)
        return check.not_tested(case.why_no_ledger)
    kinds: dict[str, set[str]] = {}
    for one in topology.back_ends:
        if found := _judge_back_end(case, check, one):
            kinds[one.node] = found
    _judge_strangers(case, check)
    _judge_kept(case, check)
    served = set[str]().union(*kinds.values())
    too_few = len(kinds) < LEAST or len(served) < LEAST
    if too_few and not case.came_home:
        return check.not_tested(f"{case.why_not_home}, so too few errands were done")
    if too_few:
        check.object(
            f"{count(len(kinds), 'server')} behind the front end got {count(len(served), 'sort')} of errands"
        )
    told = "; ".join(f"{node} got {', '.join(sorted(its))}" for node, its in kinds.items())
    return check.finding(
        f"{count(len(case.leaving), 'packet')} left, all for {' and '.join(names)}; {told}"
    )


def _judge_back_end(case: Case, check: Check, back_end: BackEnd) -> set[str]:
    """The errands that a server got, each by a connection of TLS on its wire."""
    (front,) = case.topology.with_role(Role.sdc)
    near = front.interface(back_end.segment).ip
    found = {
        connection.sent[0].source_port: connection
        for connection in tls.connections(case.frames(back_end.segment))
        if (connection.client, connection.server, connection.port)
        == (near, back_end.address, BACK_END_PORT)
    }
    check.want(back_end.segment in case.wire, f"there is no capture of {back_end.segment}")
    got: set[str] = set()
    for entry in case.record.ledger:
        if entry.back_end != back_end.node or not entry.back_end_port:
            continue
        kind = _errand_of(entry)
        connection = found.pop(entry.back_end_port, None)
        if connection is None or not _carries_data(connection):
            where = f"from {near}:{entry.back_end_port} to {back_end.address} on {back_end.segment}"
            check.object(f"the {kind} was handed on, and there is no connection {where}")
        elif kind not in back_end.serves:
            check.object(f"{back_end.node} got the {kind}", connection.frames[:4])
        else:
            check.show(connection.frames[:2])
            if _is_done(entry):
                got.add(kind)
    for connection in found.values():
        if connection.opened and any(p.is_syn_ack for p in connection.received):
            check.object(f"{back_end.node} was asked for nothing", connection.frames[:4])
    return got


def _judge_kept(case: Case, check: Check) -> None:
    """The front end does nothing that a server behind it is there for."""
    doing = {kind: one.node for one in case.topology.back_ends for kind in one.serves}
    for entry in case.record.ledger:
        kind = _errand_of(entry)
        if _is_done(entry) and not entry.back_end and kind in doing:
            check.object(f"the front end did the {kind} itself, which {doing[kind]} does")


def _errand_of(entry: Transaction) -> str:
    """Of what an entry is: an errand, or an operation of the receiver; empty if it is neither."""
    if entry.kind.startswith(SERVICE):
        return document.errand_of(entry.kind.removeprefix(SERVICE))
    return entry.kind.removeprefix(KIND) if entry.kind.startswith(KIND) else ""


def _is_done(entry: Transaction) -> bool:
    return entry.status // 100 == 2


def _carries_data(connection: TcpConnection) -> bool:
    """Whether TLS carried data both ways."""
    try:
        both = [tls.records(connection.out), tls.records(connection.back)]
    except tls.NoTls:
        return False
    return all(any(record.kind == tls.APPLICATION_DATA for record in one) for one in both)


def _judge_strangers(case: Case, check: Check) -> None:
    """Nobody but the front end and those behind it is on their wires."""
    for segment in sorted({one.segment for one in case.topology.back_ends}):
        members = {
            interface.ip
            for node in case.topology.members(segment)
            for interface in node.interfaces
            if interface.segment == segment
        }
        for frame, packet in case.packets(segment):
            for address in (packet.source, packet.destination):
                if address not in members:
                    check.object(f"{address} is on {segment}", [frame])
