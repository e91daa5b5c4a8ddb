"""The conversation of one way home: who said what to whom, in order, many alike told as one.

Puts messages, what modems said, and the ends of calls in the order of their times. Judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf

from lab.report import spoken
from lab.report.messages import SeenMessage
from lab.report.spoken import SaidFamily, Spoken
from lab.telephony.events import ExchangeEvent, ModemSaid, TerminalSaid
from lab.topology import route_map
from lab.topology.model import Role, Topology, Way
from lab.verify.case import Case
from lab.wire.decode import ICMP, ICMPV6

MOST_ROWS = 160
"""Of one conversation; longer ones are cut, and say so."""
MOST_WAYS = 6
"""Conversations of one report."""
AFTER_CALL_S = 1.0
"""What belongs to a call home may be under way for so long after it."""
_ENDS = (Role.sdc, Role.back_end, Role.lig, Role.exchange, Role.i5, Role.proxy, Role.service_proxy)


@dataclass(slots=True, eq=False)
class LadderRow:
    """One arrow: a message, or several alike that follow each other."""

    time: float
    origin: str
    target: str
    spoken: Spoken
    messages: list[SeenMessage] = field(default_factory=list)
    """Empty of what a modem or the exchange said."""
    lines: list[str] = field(default_factory=list)
    """What a modem or the exchange said, as it stands in ``pstn.txt``."""
    both_ways: bool = False
    answered: bool = True
    """Whether the other end said something of the same kind later, where it was asked to."""

    @property
    def octets(self) -> int:
        """Of the innermost IP packets."""
        return sum(m.packet.length for m in self.messages if m.packet is not None)

    @property
    def lost_at(self) -> str:
        """The node that the first message did not get past."""
        return self.messages[0].lost_at if self.messages else ""


@dataclass(frozen=True, slots=True)
class WayConversation:
    """What was said on one way home of one agent."""

    agent: str
    way: str
    kind: str
    lanes: tuple[str, ...]
    """The nodes, from the agent to IBM."""
    rows: tuple[LadderRow, ...]
    later: tuple[LadderRow, ...]
    """After the calls home: the lab tries the path, and takes it down."""
    quiet: int
    """Acknowledgements of TCP and L2TP, which are not told by a row."""
    left_out: int
    """Rows beyond ``MOST_ROWS``."""
    beside: int
    """Packets by which the lab tried the path after the calls home."""


def of(case: Case, messages: list[SeenMessage]) -> list[WayConversation]:
    """One for each way that was tried: of the first agent that has it."""
    found = []
    for way in case.topology.own_ways:
        agent = _speaker(case, way)
        if agent:
            found.append(_conversation(case, messages, way, agent))
        if len(found) == MOST_WAYS:
            break
    return [each for each in found if each.rows or each.later]


def _speaker(case: Case, way: Way) -> str:
    """The agent whose conversation is shown: one that did not come home, else the first that tried."""
    own = [agent for agent in case.topology.agents if agent in way.agents]
    tried = {trial.agent for trial in case.record.tries if trial.way == way.name}
    failed = {call.agent for call in case.record.calls if not call.succeeded}
    ordered = sorted(own, key=lambda name: (name not in tried, name not in failed))
    return ordered[0] if ordered else ""


def _conversation(case: Case, messages: list[SeenMessage], way: Way, agent: str) -> WayConversation:
    since, until = _span(case, way, agent)
    ends = _ends(case.topology, way, agent)
    others = {*case.topology.agents} - {agent}
    last = _last_call(case, agent)
    starters: dict[bytes, str] = {}
    rows: list[LadderRow] = []
    beside = 0
    for message in messages:
        if not since <= message.time < until or not _belongs(message, ends, agent, others):
            continue
        if message.packet is not None and case.is_trial(message.packet):
            beside += 1
            continue
        said = spoken.of(message, starters)
        control = (
            said.family in (SaidFamily.ike, SaidFamily.l2tp, SaidFamily.ppp)
            or said.protocol == "LCP"
        )
        if message.time > last and not control:
            beside += 1
            continue
        rows.append(LadderRow(message.time, message.origin, message.target, said, [message]))
    rows += _dialogue(case, agent, since, until)
    rows.sort(key=lambda row: row.time)
    loud = [row for row in rows if not _is_quiet(row)]
    folded = list(_folded(loud))
    _mark_unanswered(folded)
    shown = folded[:MOST_ROWS]
    return WayConversation(
        agent,
        way.name,
        way.kind,
        _lanes(case.topology, way, agent, shown),
        tuple(row for row in shown if row.time <= last),
        tuple(row for row in shown if row.time > last),
        len(rows) - len(loud),
        len(folded) - len(shown),
        beside,
    )


def _is_quiet(row: LadderRow) -> bool:
    return row.spoken.text == spoken.ACKNOWLEDGED and not row.lost_at


def _span(case: Case, way: Way, agent: str) -> tuple[float, float]:
    """From the first try of a way to that of the way after it."""
    if len(case.topology.ways_of(agent)) < 2:
        return 0.0, inf
    tries = [trial for trial in case.record.tries if trial.agent == agent]
    own = [trial.started for trial in tries if trial.way == way.name]
    if not own:
        return inf, inf
    later = [t.started for t in tries if t.way != way.name and t.started > own[0]]
    return own[0], min(later, default=inf)


def _last_call(case: Case, agent: str) -> float:
    ended = [call.ended for call in case.record.calls if call.agent == agent]
    return max(ended) + AFTER_CALL_S if ended else inf


def _ends(topology: Topology, way: Way, agent: str) -> set[str]:
    others = {node.name for node in topology.nodes if node.role in _ENDS}
    return {agent, *way.tunnel_ends, way.tunnel_start, *others} - {""}


def _belongs(message: SeenMessage, ends: set[str], agent: str, others: set[str]) -> bool:
    packet = message.packet
    if packet is not None and packet.uses_udp(spoken.DNS_PORT):
        return not {message.origin, message.target} & others
    if packet is not None and packet.protocol in (ICMP, ICMPV6) and message.target == agent:
        return True
    return message.origin in ends and message.target in ends


def _dialogue(case: Case, agent: str, since: float, until: float) -> Iterator[LadderRow]:
    """What is said to modems and by them, and what the exchange does; modems' echoes are left out."""
    telephone = case.topology.telephone
    if telephone is None:
        return
    echoes: dict[str, str] = {}
    for event in case.events:
        if not since <= event.time < until:
            continue
        if isinstance(event, ExchangeEvent):
            said = Spoken(SaidFamily.at, "call", event.note)
            yield LadderRow(event.time, telephone.node, telephone.node, said, lines=[event.note])
        elif isinstance(event, TerminalSaid):
            echoes[event.line] = event.text
            said = Spoken(SaidFamily.at, "AT", _clean(event.text), asks=True)
            yield LadderRow(
                event.time, event.source, telephone.node, said, lines=[f"> {event.text}"]
            )
        elif isinstance(event, ModemSaid) and event.text != echoes.get(event.line):
            bad = _clean(event.text).split(" ")[0] in ("NO", "BUSY", "ERROR")
            said = Spoken(SaidFamily.trouble if bad else SaidFamily.at, "AT", _clean(event.text))
            yield LadderRow(
                event.time, telephone.node, event.source, said, lines=[f"< {event.text}"]
            )


def _clean(text: str) -> str:
    return text.replace("<CR>", "").replace("<LF>", "").strip()


def _folded(rows: Iterable[LadderRow]) -> Iterator[LadderRow]:
    """Rows of which those that are routine, or the same again, are one with the row before."""
    last: LadderRow | None = None
    for row in rows:
        if last is not None and _alike(last, row):
            last.both_ways = last.both_ways or row.origin != last.origin
            last.messages += row.messages
            last.lines += row.lines
            if row.spoken.text == "data" and last.spoken.text != "data":
                last.spoken = row.spoken
            continue
        if last is not None:
            yield last
        last = row
    if last is not None:
        yield last


def _alike(last: LadderRow, row: LadderRow) -> bool:
    if last.lost_at != row.lost_at:
        return False
    ends = (last.origin, last.target)
    if last.spoken.routine and row.spoken.routine:
        same = last.spoken.protocol == row.spoken.protocol or (_streams(last) and _streams(row))
        return same and {*ends} == {row.origin, row.target}
    return last.spoken == row.spoken and ends == (row.origin, row.target)


def _streams(row: LadderRow) -> bool:
    return row.spoken.protocol in ("TCP", "TLS")


def _mark_unanswered(rows: list[LadderRow]) -> None:
    """A question after which nothing of its kind came back."""
    said: set[tuple[str, str, str]] = set()
    for row in reversed(rows):
        group = _group(row.spoken)
        if row.spoken.asks:
            row.answered = (group, row.target, row.origin) in said
        said.add((group, row.origin, row.target))
        if row.both_ways:
            said.add((group, row.target, row.origin))


def _group(said: Spoken) -> str:
    """Of one kind: what is said by TCP, and in it, answers TCP."""
    if said.protocol in ("TCP", "TLS", "HTTP"):
        return "TCP"
    return "PPP" if said.protocol in ("LCP", "PAP", "CHAP", "IPCP", "PPP") else said.protocol


def _lanes(topology: Topology, way: Way, agent: str, rows: list[LadderRow]) -> tuple[str, ...]:
    """The nodes of a way in its order, as far as something is said by them, to them, or past them."""
    used = {row.origin for row in rows} | {row.target for row in rows}
    used |= {name for row in rows for message in row.messages for name in message.passes}
    used |= {row.lost_at for row in rows}
    stops = route_map.trace(topology, [way]).stops
    ordered = [node.name for stop in stops for node in stop.nodes]
    others = [node.name for node in topology.nodes if node.name not in ordered]
    first = [name for name in (*ordered, *others) if name in used and name != agent]
    return tuple(dict.fromkeys([agent, *first]))
