"""Findings on servers that stand in for each other: R-02, R-09."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from lab.names import all_of, count, place
from lab.topology.model import Role
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.journey import find_course
from lab.ways.direct.plan import first_servers
from lab.wire import tls
from lab.wire.decode import Frame, Packet

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
    """An agent's connections to listed servers on its own wire, in order, as far as a direct way was there.

    Who has none connects to servers for the lab's own trial only (F-10).
    """
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
        and case.kinds_of(agent, connection.frames[0].time) <= {"direct"}
        and not _is_test(case, connection.frames[0])
        and any(_can_arrive(case, agent, packet) for packet in connection.sent)
    ]


def _can_arrive(case: Case, agent: str, packet: Packet) -> bool:
    """Whether a packet may come to a server: its checksum is right, and it lives for long enough."""
    (sdc,) = case.topology.with_role(Role.sdc)
    way = find_course(case.topology, agent, sdc.name)
    routers = len(way.between) if way is not None else 0
    return packet.is_intact and packet.ttl > routers


def _is_test(case: Case, frame: Frame) -> bool:
    """Whether a connection is of the test of connections, and of no call home."""
    return frame.ip is not None and case.is_server_test(frame, frame.ip)


def check_r_09(case: Case) -> Finding:
    """Another server takes the place of one that is down."""
    check = Check(
        "R-09",
        f"where a listed server does not answer, another one is asked within {NEXT_WITHIN_S:.0f} s, and the "
        "call home comes through by it",
    )
    told, alone = [], []
    for agent in case.concerned("direct"):
        found = asked(case, agent)
        if all(one.answered for one in found):
            continue
        check.show(frame for one in found for frame in one.frames)
        for one, following in _replaced(found):
            if following.time - one.time > NEXT_WITHIN_S:
                late_s = following.time - one.time
                check.object(f"{agent} asks {following.place} {late_s:.0f} s after {one.place}")
        outages = _outages(found)
        if not outages:
            silent = all_of(_places(found))
            check.object(
                f"{silent} did not answer {agent}, and no other server was asked that does"
            )
            continue
        ended = [each for each in outages if each.server.place not in _places(each.silent)]
        if ended:
            told.append(ended[0].told(agent))
        else:
            alone.append(f"{outages[0].told(agent)}, and no other server before")
    if not told and not alone:
        any_asked = any(asked(case, agent) for agent in case.topology.agents)
        answered = "every server that was asked answered"
        return check.not_tested(answered if any_asked else "no listed server was asked")
    through = [call for call in case.record.calls if call.succeeded]
    if not through and case.called:
        check.object("no call home came through")
    if not told:
        return check.not_tested("; ".join(alone))
    return check.finding(f"{'; '.join(told)}; {count(len(through), 'call')} came through")


class _Outage(NamedTuple):
    """Connections in a row that no server answered, and the first after them that one did."""

    silent: list[Asked]
    server: Asked

    def told(self, agent: str) -> str:
        wait_s = self.server.time - self.silent[0].time
        places = all_of(_places(self.silent))
        return f"{places} did not answer {agent}; {self.server.place} did, {wait_s:.0f} s later"


def _outages(found: list[Asked]) -> list[_Outage]:
    """Those that have ended."""
    outages = []
    silent: list[Asked] = []
    for one in found:
        if not one.answered:
            silent.append(one)
        elif silent:
            outages.append(_Outage(silent, one))
            silent = []
    return outages


def _places(found: list[Asked]) -> list[str]:
    """Of those that did not answer, each once, in order."""
    return list(dict.fromkeys(one.place for one in found if not one.answered))


def _replaced(found: list[Asked]) -> Iterator[tuple[Asked, Asked]]:
    """Each server that did not answer, with another one that was asked in its place.

    A server that had been silent in the same row takes nobody's place: the agent begins anew.
    """
    silent: set[str] = set()
    for one, following in pairwise(found):
        if one.answered:
            silent.clear()
            continue
        silent.add(one.place)
        if following.place not in silent:
            yield one, following


def check_r_02(case: Case) -> Finding:
    """The backup serves while the primary is unavailable; the primary is asked first once it is back."""
    check = Check(
        "R-02",
        f"while the primary server does not answer, the next is asked within {NEXT_WITHIN_S:.0f} s, and the "
        "call home comes through by it; once the primary answers, it is asked first",
    )
    told = []
    for agent in case.topology.agents:
        settled = case.settled(agent)
        if settled is None or settled.kind != "direct":
            continue
        primary = first_servers(case.topology, settled)[0].address
        sessions = _sessions(case, agent)
        down = [found for found in sessions if found and _is_down(case, primary, found)]
        for found in down:
            _judge_backup(check, agent, primary, found)
        later = sessions[sessions.index(down[-1]) + 1 :] if down else []
        for found in later:
            if not found:
                check.object(f"{agent} called again by the way, and the call is on no wire")
                continue
            check.show(found[0].frames)
            if found[0].address != primary:
                words = f"{agent} asks {found[0].place} first, and not {primary}, when that is back"
                check.object(words, found[0].frames)
        if down and later and later[0]:
            by = next((one.place for one in down[0] if one.answered), "nobody")
            told.append(
                f"{primary} did not answer {agent}, and {by} did, {_wait_s(down[0]):.0f} s later; the next "
                f"call of {agent} asked {later[0][0].place} first"
            )
    if not told:
        return check.not_tested("no primary server was unavailable for a time, and then back")
    return check.finding("; ".join(told))


def _sessions(case: Case, agent: str) -> list[list[Asked]]:
    """The connections of each call home of an agent."""
    own = asked(case, agent)
    return [
        [one for one in own if call.started <= one.time <= call.ended]
        for call in case.record.calls
        if call.agent == agent
    ]


def _is_down(case: Case, primary: str, found: list[Asked]) -> bool:
    """Whether the primary was asked and silent in a call; not if nothing of the call left the customer."""
    first = [one for one in found if one.address == primary]
    ends = {(one.address, one.port) for one in found}
    times = found[0].time, found[-1].time + NEXT_WITHIN_S
    left = any(
        p.is_bare_syn
        and (p.destination, p.destination_port) in ends
        and times[0] <= f.time <= times[1]
        and p.tcp_sequence in {one.frames[0].ip.tcp_sequence for one in found if one.frames[0].ip}
        for f, p in case.leaving
    )
    return left and bool(first) and not any(one.answered for one in first)


def _wait_s(found: list[Asked]) -> float:
    """From the first SYN to the primary until the first to who answers."""
    return next((one.time for one in found if one.answered), found[-1].time) - found[0].time


def _judge_backup(check: Check, agent: str, primary: str, found: list[Asked]) -> None:
    check.show(frame for one in found for frame in one.frames)
    if found[0].address != primary:
        check.object(f"{agent} asks {found[0].place} before {primary}", found[0].frames)
    for one, following in pairwise(found):
        late_s = following.time - one.time
        if not one.answered and one.place != following.place and late_s > NEXT_WITHIN_S:
            check.object(f"{agent} asks {following.place} {late_s:.0f} s after {one.place}")
    if not any(one.answered for one in found):
        check.object(f"{primary} did not answer {agent}, and no backup did")
