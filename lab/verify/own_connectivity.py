"""Findings on who reports for whom: OUT-48."""

from __future__ import annotations

from lab.agent.heartbeat import system_of
from lab.names import all_of, count
from lab.record.record import Transaction
from lab.topology.model import Role
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.wire.decode import Frame


def check_out_48(case: Case) -> Finding:
    """What a partition of i5/OS has to tell it sends by a way of its own, and not by the HMC's."""
    check = Check(
        "OUT-48",
        "what a partition of i5/OS tells IBM comes on connections of the partition's own, and the HMC "
        "transmits none of it",
    )
    nodes = (case.topology.node(agent) for agent in case.topology.agents)
    own = [node.name for node in nodes if node.role is Role.i5]
    if not own:
        return check.not_tested("no partition of i5/OS has a way home of its own")
    told = 0
    for partition in own:
        for entry in case.ledger:
            if entry.system != system_of(partition):
                continue
            sender, frames = _sender(case, entry)
            told += bool(sender)
            check.show(frames)
            if sender not in ("", partition):
                check.object(f"{sender} transmitted a {entry.kind} of {partition}", frames)
    if not told:
        return check.not_tested(f"IBM has nothing of {all_of(own)} whose sender shows on a wire")
    return check.finding(
        f"{count(told, 'transaction')} of {all_of(own)}, each on connections of its own"
    )


def _sender(case: Case, entry: Transaction) -> tuple[str, list[Frame]]:
    """Whose connection it was, and the packet that opened it on the sender's own wire; NAT leaves a SYN its
    number. Empty if that shows on no wire: behind a proxy, or in a tunnel."""
    server = entry.server_ip, entry.server_port
    numbers = {
        packet.tcp_sequence
        for _, packet in case.packets(*case.last_wires)
        if packet.is_bare_syn
        and (packet.source, packet.source_port) == (entry.peer_ip, entry.peer_port)
        and (packet.destination, packet.destination_port) == server
    }
    found = [
        (case.agent_addresses.get(packet.source, ""), frame)
        for frame, packet in case.packets(*case.uplinks)
        if packet.is_bare_syn
        and packet.tcp_sequence in numbers
        and (packet.destination, packet.destination_port) == server
    ]
    senders = [(name, frame) for name, frame in found if name]
    return (senders[0][0], [frame for _, frame in senders[:1]]) if senders else ("", [])
