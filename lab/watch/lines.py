"""A view as lines for a terminal of a certain width: pure text, each line with a style."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from lab.names import all_of, count
from lab.watch.told import EventSeen
from lab.watch.view import LabView

HEADING, PLAIN, GOOD, BAD, SOFT = "1", "", "32", "31", "2"
"""SGR parameters (ECMA-48 8.3.117)."""
_REAL = "real"
_GONE = "failed", "lost", "way home down"


class StyledLine(NamedTuple):
    """A line that fits, and its style."""

    text: str
    style: str = PLAIN


def fit(text: str, width: int) -> str:
    """A line that is not longer than the terminal is wide, nor has anything that moves the cursor."""
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain if len(plain) <= width else f"{plain[: max(0, width - 1)]}…"[:width]


def span(seconds: float) -> str:
    """``0:12``, ``61:05``, ``26:00:00``: minutes and seconds, and hours from two on."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    hours, left = divmod(minutes, 60)
    return f"{hours}:{left:02d}:{rest:02d}" if hours > 1 else f"{minutes}:{rest:02d}"


def head(view: LabView) -> list[StyledLine]:
    """The lab itself."""
    fault = f" with fault {view.fault}" if view.fault else ""
    clock = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(view.now)) if view.now else "unknown"
    lines = [
        StyledLine(
            f"{view.name}{fault}: up {span(view.up_s)}{_by_own_clock(view)}, {view.engine}, "
            f"{view.clock} clock",
            HEADING,
        ),
        StyledLine(f"lab's time {clock}; {view.run_dir}", SOFT),
    ]
    return [*lines, StyledLine(view.problem, BAD)] if view.problem else lines


def _by_own_clock(view: LabView) -> str:
    """How long a lab has been up by its own clock, where that does not go as ours does."""
    if view.clock == _REAL or not (view.now and view.started):
        return ""
    return f", {span(view.now - view.started)} by its own clock"


def body(view: LabView) -> list[StyledLine]:
    """Everything but the events, section by section; sections without anything are left out."""
    sections = {
        "Ways home": _ways(view),
        "Sessions": _sessions(view),
        "Security associations": _sas(view),
        "Calls": _calls(view),
        "Rules": _rules(view),
    }
    found: list[StyledLine] = []
    for name, lines in sections.items():
        if own := [*lines]:
            found += [StyledLine(name, HEADING), *own]
    return found


def events(seen: Iterable[EventSeen], origin: float) -> list[StyledLine]:
    """A line an event, with seconds since ``origin`` by the lab's clock."""
    return [
        StyledLine(
            f"{each.time - origin:10.3f} s  {each.topic:<8} {each.text}", BAD if each.bad else PLAIN
        )
        for each in seen
    ]


def whole(view: LabView, width: int, most_events: int) -> list[StyledLine]:
    """All of it, for ``--once``."""
    last = events(view.events, view.started)[-most_events:]
    tail = [StyledLine("Events", HEADING), *last] if last else []
    lines = [*head(view), *body(view), *tail]
    return [StyledLine(fit(line.text, width), line.style) for line in lines]


def _ways(view: LabView) -> Iterator[StyledLine]:
    def told(way: dict[str, object]) -> str:
        each = way["ways"]
        assert isinstance(each, dict)
        return f"{way['state']} ({', '.join(f'{name} {state}' for name, state in each.items())})"

    for text, same in groupby(view.ways, told):
        bad = text.startswith(_GONE) or not text.startswith("way home")
        yield StyledLine(
            f"  {all_of([str(w['agent']) for w in same])}: {text}", BAD if bad else GOOD
        )


def _sessions(view: LabView) -> Iterator[StyledLine]:
    up = {e.source: e.time for e in view.events if e.kind == "ppp-up"}
    for node in view.nodes:
        for link in node.links:
            since = f", for {span(node.clock - up[node.node])}" if node.node in up else ""
            yield StyledLine(
                f"  PPP  {node.node}: {link.own} on {link.interface}, peer {link.peer}{since}"
            )
    tunnels = {(e.source, e.text): e for e in view.events if e.kind == "l2tp-up"}
    if any(node.links for node in view.nodes):
        for event in tunnels.values():
            yield StyledLine(f"  L2TP {event.text}")
    for event in _open_service(view.events):
        yield StyledLine(f"  remote service: {event.text}")


def _open_service(seen: Sequence[EventSeen]) -> list[EventSeen]:
    standing: dict[str, EventSeen] = {}
    for event in seen:
        if event.kind == "session-up":
            standing[event.source] = event
        elif event.kind == "session-down":
            standing.pop(event.source, None)
    return [*standing.values()]


def _sas(view: LabView) -> Iterator[StyledLine]:
    for node in view.nodes:
        for sa in node.sas:
            if not sa.ciphers:
                yield StyledLine(
                    f"  {node.node}: {sa.source} > {sa.destination} {sa.spi}: keys to come"
                )
                continue
            rekey = "" if sa.rekey_in_s is None else f", new keys in {span(sa.rekey_in_s)}"
            udp = ", in UDP 4500" if sa.by_udp else ""
            yield StyledLine(
                f"  {node.node}: {sa.source} > {sa.destination} {sa.spi} {sa.mode}, age {span(sa.age_s)}"
                f"{rekey}, {_amount(sa.packets, sa.bytes)}{udp}, {sa.ciphers}"
            )


def _calls(view: LabView) -> Iterator[StyledLine]:
    for call in view.calls:
        since = f", for {span(view.now - call.since)}" if view.now else ""
        yield StyledLine(f"  call {call.call}: {call.line} to {call.number}: {call.state}{since}")


def _amount(packets: int, octets: int) -> str:
    return f"{count(packets, 'packet')}, {count(octets, 'byte')}"


def _rules(view: LabView) -> Iterator[StyledLine]:
    for node in view.nodes:
        counted = [c for c in node.counters if c.packets]
        idle = len(node.counters) - len(counted)
        for each in counted:
            name = f"{each.name} ({each.requirement})" if each.requirement else each.name
            style = BAD if each.name.startswith(("dropped", "lost")) else PLAIN
            yield StyledLine(f"  {node.node}: {name} {_amount(each.packets, each.bytes)}", style)
        if idle:
            yield StyledLine(
                f"  {node.node}: {count(idle, 'rule')} more, which counted nothing", SOFT
            )
    if view.not_asked:
        yield StyledLine(f"  not asked: {count(view.not_asked, 'node')} more", SOFT)
