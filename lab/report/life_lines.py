"""What the timeline of a life has beside that of a run: the script, and what the agent says of itself.

A life is told without its packets: a year has more than anybody reads in order (docs/timeline.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

from lab.life.events import LEDGER, LifeBegun, LifeHappened, LifePassed
from lab.life.script import Deed

BEGUN = LifeBegun.kind()
SCRIPTED = frozenset({LifeHappened.kind(), LifePassed.kind()})
"""Kinds of events: what the script has happen, and what is over."""

Fields = dict[str, Any]


class AgentLine(NamedTuple):
    """A line of the ledger of the lab's own agent."""

    time: float
    """On the lab's clock."""
    node: str
    event: str
    fields: Fields


def is_life(told: Iterable[Fields]) -> bool:
    """Whether these events are those of a life."""
    return any(each["kind"] == BEGUN for each in told)


def of_agent(run_dir: Path, told: Iterable[Fields]) -> Iterator[AgentLine]:
    """What the lab's own agent has noted, in the order in which it did; of another one there is nothing."""
    leaps = [(e["time"], float(e.get("by_s", 0.0))) for e in told if e.get("deed") == Deed.clock]
    for path in sorted((run_dir / "logs").glob(f"*/{LEDGER}")):
        lines = [*_lines(path)]
        times = by_the_labs_clock([float(line["time"]) for line in lines], leaps)
        for time, line in zip(times, lines, strict=True):
            own = {name: value for name, value in line.items() if name not in ("time", "event")}
            yield AgentLine(time, path.parent.name, str(line["event"]), own)


def _lines(path: Path) -> Iterator[Fields]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            fields = json.loads(line)
            yield {**fields, "time": float(fields["time"]), "event": str(fields["event"])}
        except (KeyError, TypeError, ValueError):
            continue  # Torn: the agent was killed.


def by_the_labs_clock(
    told: Iterable[float], leaps: Sequence[tuple[float, float]]
) -> Iterator[float]:
    """What the lab's clock said when the agent's said these times, which are in the order of the ledger.

    ``leaps``: when the agent's clock has leapt, by the lab's clock, and by how much. After a leap backwards a
    time comes twice; it counts as the first one, unless a later line was before it.
    """
    spans = [*_spans(leaps)]
    last = -inf
    for agents in told:
        _, ahead = min((_misfit(span, agents, last), span.ahead) for span in spans)
        last = max(last, agents - ahead)
        yield agents - ahead


class _Span(NamedTuple):
    """From when until when, by the lab's clock, the agent's was how far ahead."""

    since: float
    until: float
    ahead: float


def _misfit(span: _Span, agents: float, last: float) -> tuple[float, float]:
    """By how much a time is outside of a span, or before the last line; the earlier one of two that fit."""
    time = agents - span.ahead
    return max(0.0, span.since - time, time - span.until, last - time), time


def _spans(leaps: Sequence[tuple[float, float]]) -> Iterator[_Span]:
    ahead = 0.0
    for (since, by), (until, _) in pairwise([(-inf, 0.0), *leaps, (inf, 0.0)]):
        ahead += by
        yield _Span(since, until, ahead)
