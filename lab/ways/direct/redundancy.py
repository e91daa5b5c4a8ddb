"""Findings on servers that stand in for each other: R-09."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from lab.names import all_of, count, place
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.wire import tls
from lab.wire.decode import Frame

NEXT_WITHIN_S = 60.0
"""Lab time, from the first SYN to one server until the first to the next one. The papers name no bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One connection of an agent's host to a listed server."""

    time: float
    address: str
    port: int
    answered: bool
    """Whether the server sent a SYN/ACK."""
    refused: bool
    """Whether a reset came instead."""
    frames: tuple[Frame, ...]

    @property
    def place(self) -> str:
        return place(self.address, self.port)


def asked(case: Case, agent: str) -> list[Asked]:
    """An agent's connections to listed servers on its own wire, in order."""
    return [
        Asked(
            time=connection.frames[0].time,
            address=connection.server,
            port=connection.port,
            answered=any(packet.is_syn_ack for packet in connection.received),
            refused=any(packet.is_reset for packet in connection.received),
            frames=tuple(connection.frames[:4]),
        )
        for connection in tls.connections(case.inside_frames)
        if connection.opened
        and case.agent_addresses.get(connection.client) == agent
        and (connection.server, connection.port) in case.listed
    ]


def check_r_09(case: Case) -> Finding:
    """Another server takes the place of one that is down."""
    check = Check(
        "R-09",
        f"where a listed server does not answer, another one is asked within {NEXT_WITHIN_S:.0f} s, and the "
        "call home comes through by it",
    )
    told = []
    for agent in case.topology.agents:
        found = asked(case, agent)
        down = [one for one in found if not one.answered]
        if not down:
            continue
        check.show(frame for one in found for frame in one.frames)
        for one, following in pairwise(found):
            if one.answered or (one.address, one.port) == (following.address, following.port):
                continue
            if following.time - one.time > NEXT_WITHIN_S:
                late_s = following.time - one.time
                check.object(f"{agent} asks {following.place} {late_s:.0f} s after {one.place}")
        served = [one for one in found if one.answered and one.time > down[0].time]
        places = all_of(list(dict.fromkeys(one.place for one in down)))
        if not served:
            check.object(
                f"{places} did not answer {agent}, and no other server was asked that does"
            )
            continue
        wait_s = served[0].time - down[0].time
        told.append(f"{places} did not answer {agent}; {served[0].place} did, {wait_s:.0f} s later")
    if not told:
        return check.not_tested("every server that was asked answered")
    through = [call for call in case.record.calls if call.succeeded]
    if not through and case.called:
        check.object("no call home came through")
    return check.finding(f"{'; '.join(told)}; {count(len(through), 'call')} came through")
