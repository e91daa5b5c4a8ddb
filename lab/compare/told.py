"""What the nodes of a run told: each event in the words of its kind, without what is drawn by lot."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

import lab
from lab import codec, ways
from lab.errors import PrerequisiteError
from lab.record.event import CHANCE, Event, in_words, known_kinds

EPHEMERAL = range(32768, 61000)
"""The ports that a kernel draws (ip_local_port_range)."""


@cache
def declared_kinds() -> dict[str, type[Event]]:
    """Every kind of event that the lab has, and those of other packages' ways in their module ``events``."""
    folder = Path(lab.__file__).parent
    for path in (*folder.rglob("events.py"), *folder.glob("record/*event.py")):
        importlib.import_module(".".join(path.with_suffix("").relative_to(folder.parent).parts))
    for kind in ways.kinds():
        # Somebody else's package may have no such module, or be broken: its events are told plainly then.
        with contextlib.suppress(PrerequisiteError, ModuleNotFoundError):
            ways.stage(kind, "events")
    return known_kinds()


@dataclass(frozen=True, slots=True)
class ToldThing:
    """Something that happened, as a sentence."""

    recap: str
    """What one run has beside the other."""
    turns: dict[str, str] = field(default_factory=dict)
    """What may be otherwise in another run where the same thing happened: what it is, and how it is here."""

    @property
    def key(self) -> tuple[str, ...]:
        """Equal where two runs are alike in it."""
        return self.recap, *(f"{what} {how}" for what, how in self.turns.items())

    def is_same_thing(self, other: ToldThing) -> bool:
        """Whether both are about the same, and may differ in how it came out."""
        return bool(self.turns) and self.turns.keys() == other.turns.keys()


def by_source(events: Iterable[dict[str, Any]]) -> dict[str, tuple[ToldThing, ...]]:
    """What each node told, in its order; lines of ``events.jsonl``."""
    kinds = declared_kinds()
    told: dict[str, list[tuple[float, tuple[str, ...], ToldThing]]] = {}
    for event in events:
        kind = kinds.get(str(event["kind"]))
        if kind is not None and kind.elsewhere:
            continue
        thing = in_other_words(kind, event)
        source = str(event.get("source", ""))
        told.setdefault(source, []).append((float(event["time"]), thing.key, thing))
    # What one node tells at the same time has no order.
    return {
        source: tuple(thing for _, _, thing in sorted(own, key=lambda each: each[:2]))
        for source, own in sorted(told.items())
    }


def end_of(events: Iterable[dict[str, Any]]) -> float:
    """When the run itself ended, and the lab began to be taken down: which daemon ends first is chance."""
    kinds = declared_kinds()
    closing = {name for name, kind in kinds.items() if kind.closing}
    return max((e["time"] for e in events if e["kind"] not in closing), default=inf)


def in_other_words(kind: type[Event] | None, fields: dict[str, Any]) -> ToldThing:
    """An event by the words of its kind; of a kind that this program does not know, its fields."""
    if kind is not None:
        try:
            own = {name: value for name, value in fields.items() if name != "kind"}
            event = codec.build(kind, own)
            recap, turns = event.recap, dict(event.turns)
        except (AttributeError, KeyError, TypeError, ValueError):
            recap, turns = "", {}  # Of another version.
        if recap or turns:
            return ToldThing(recap or " ".join(next(iter(turns.items()))), turns)
    chance = kind.chance if kind is not None else CHANCE
    rest = ", ".join(_plain(fields, chance))
    name = str(fields["kind"]).replace("-", " ")
    source = fields.get("source", "")
    return ToldThing(f"{source}: {name}{f' ({rest})' if rest else ''}")


def _plain(fields: dict[str, Any], chance: frozenset[str]) -> Iterator[str]:
    for name, value in fields.items():
        if name in chance or name in ("time", "kind", "source") or value in ("", None):
            continue
        # Of a field that nobody has declared, a fraction passes for a time, and such a port for a drawn one.
        if isinstance(value, float) or (name.endswith("port") and value in EPHEMERAL):
            continue
        yield f"{name.replace('_', ' ')} {in_words(value)}"
