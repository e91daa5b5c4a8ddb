"""The finding on new ESP keys: P-06."""

from __future__ import annotations

from itertools import pairwise
from math import inf
from statistics import mean, pstdev

from lab.names import count
from lab.record.record import EspSa
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.step import Step
from lab.ways.vpn.plan import IpsecConnection, clients, connections
from lab.wire.decode import ICMP, Frame

HALF_AN_HOUR_S = 1800
AROUND = 0.15
"""How far the middle of the window may be from half an hour and still be around it."""
CLOCK_SLACK_S = 5.0
"""charon rounds to seconds, and a quick mode takes its three trips."""
ECHO_REPLY, ECHO_REQUEST = b"\0", b"\x08"
FEW_INTERVALS = 2
FAR = 32
"""The least TTL of who wants to come to the end of a path; hosts begin with 64 and more."""


def check_p_06(case: Case) -> Finding:
    """New keys at a random time around every 30 minutes."""
    windows = sorted({(c.rekey_min_s, c.rekey_max_s) for c in connections(case.topology)})
    text = " or ".join(f"{low} to {high} s" for low, high in windows)
    check = Check(
        "P-06",
        f"new ESP keys after a random time of {text}, around half an hour; a new pair of SPIs each "
        "time, which is used at once, no ping lost, the L2TP tunnel unchanged",
    )
    for low, high in windows:
        if low >= high:
            check.object(f"the window of {low} to {high} s leaves nothing to chance")
        if abs((low + high) / 2 - HALF_AN_HOUR_S) > AROUND * HALF_AN_HOUR_S:
            check.object(f"the window of {low} to {high} s is not around {HALF_AN_HOUR_S} s")

    intervals, drawn = [], []
    for connection in connections(case.topology):
        between, seconds = _judge_connection(case, check, connection)
        intervals += between
        drawn += seconds

    check.need(Step.ike, case.record.esp, "no ESP SA was ever installed")
    if intervals:
        _judge_continuity(case, check)
    if len(intervals) >= FEW_INTERVALS:
        return _judge_chance(check, intervals, windows)
    sas = count(len(case.record.esp), "SA")
    seen = f"{sas} and {count(len(intervals), 'rekey')} in this run"
    if not drawn:
        return check.not_tested(f"{seen}, too short to judge")
    times = ", ".join(f"{seconds} s" for seconds in drawn)
    return check.finding(f"{seen}, too short to judge randomness; the clients drew {times}")


def _judge_connection(
    case: Case, check: Check, connection: IpsecConnection
) -> tuple[list[float], list[int]]:
    """The intervals between a client's keys, and the times that charon drew for them."""
    sas = sorted(
        (
            sa
            for sa in case.record.esp
            if (sa.node, sa.destination) == (connection.client, connection.gateway_address)
        ),
        key=lambda sa: sa.added,
    )
    low, high = connection.rekey_min_s, connection.rekey_max_s
    drawn = [sa.rekey_after_s for sa in sas if sa.rekey_after_s]
    for seconds in drawn:
        if not low <= seconds <= high:
            check.object(f"{connection.client} drew {seconds} s, outside {low} to {high} s")
    _judge_spis(check, sas)
    _judge_use(case, check, sas)
    return _judge_intervals(case, check, sas, low, high), drawn


def _judge_chance(check: Check, intervals: list[float], windows: list[tuple[int, int]]) -> Finding:
    """Random, and around the middle: four standard errors of a uniform draw are allowed."""
    spread = pstdev(intervals)
    if spread == 0:
        check.object(f"all {len(intervals)} intervals are {intervals[0]:.0f} s: not random")
    middle = mean(sum(window) / 2 for window in windows)
    width = windows[-1][1] - windows[0][0]
    limit = max(4 * width / (12 * len(intervals)) ** 0.5, CLOCK_SLACK_S)
    if abs(mean(intervals) - middle) > limit:
        check.object(f"the mean of {len(intervals)} intervals is {mean(intervals):.0f} s")
    return check.finding(
        f"{count(len(intervals), 'rekey')}, after {min(intervals):.0f} to {max(intervals):.0f} s, "
        f"mean {mean(intervals):.0f} s, standard deviation {spread:.0f} s; no SPI used twice"
    )


def _judge_spis(check: Check, sas: list[EspSa]) -> None:
    spis = [sa.spi for sa in sas]
    if len(set(spis)) != len(spis):
        check.object(f"{sas[0].node} has the same SPI twice")


def _judge_use(case: Case, check: Check, sas: list[EspSa]) -> None:
    """What a client sends is encrypted by its newest keys."""
    for old, new in pairwise(sas):
        late = [
            sighting
            for sighting in case.esp
            if sighting.sealed.spi == old.spi != new.spi
            and sighting.outgoing
            and sighting.frame.time > new.added + CLOCK_SLACK_S
        ]
        if late:
            check.object(
                f"{old.node} goes on with SPI {old.spi:#010x} after SPI {new.spi:#010x} is there",
                frames_of(late),
            )


def _judge_intervals(
    case: Case, check: Check, sas: list[EspSa], low: int, high: int
) -> list[float]:
    """Between one SA and the next of the same connection; the last must not be overdue.

    Keys of a way that was taken down and brought up again are no new keys of the first one.
    """
    pairs = list(pairwise(sas))
    ends = [a for a, b in pairs if case.is_cut(a.node, a.added, b.added)]
    intervals = [b.added - a.added for a, b in pairs if a not in ends]
    for interval in intervals:
        if not low - CLOCK_SLACK_S <= interval <= high + CLOCK_SLACK_S:
            check.object(
                f"{sas[0].node} got new keys after {interval:.0f} s, outside {low} to {high} s"
            )
    for last in [*ends, *sas[-1:]]:
        kept_s = (last.removed or case.record.ended) - last.added
        if kept_s > high + CLOCK_SLACK_S:
            check.object(
                f"{last.node} kept its last keys for {kept_s:.0f} s; {high} s are the most"
            )
    return intervals


def _judge_continuity(case: Case, check: Check) -> None:
    for client in clients(case.topology):
        wanted = client.sessions if client.layout.value == "tunnels" else 1
        own = [t for t in case.record.l2tp if t.client == client.client]
        for since, until in pairwise([0.0, *case.cuts(client.client), inf]):
            tunnels = [t for t in own if since <= t.opened < until]
            if len(tunnels) > wanted * max(1, len({t.gateway for t in tunnels})):
                check.object(
                    f"{client.client} had {len(tunnels)} L2TP tunnels; keys changed, tunnels must not"
                )
    check.forbid(_lost_pings(case), "unanswered", "ping")


def _lost_pings(case: Case) -> list[Frame]:
    """Echo requests (RFC 792) to somebody who replies, and not to these; not of the run's last moments.

    Nor are there those that ask for routers, as traceroute's, or that nobody takes for a request.
    """
    asked: dict[tuple[str, str, bytes], Frame] = {}
    answered = set()
    for item, packet in case.data():
        kind, number = packet.payload[:1], packet.payload[4:8]
        if packet.protocol != ICMP or packet.is_fragment:
            continue
        if item.outgoing and kind == ECHO_REQUEST and packet.ttl >= FAR and packet.is_intact:
            asked[packet.source, packet.destination, number] = item.frame
        elif kind == ECHO_REPLY:
            answered.add((packet.destination, packet.source, number))
    who_answer = {ends[:2] for ends in answered}
    until = case.record.ended - CLOCK_SLACK_S
    return [
        frame
        for ends, frame in asked.items()
        if ends not in answered and ends[:2] in who_answer and frame.time < until
    ]
