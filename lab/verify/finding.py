"""Findings: what was expected, what was seen, and the frames that show it. No judgement here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from lab.names import count
from lab.verify.beside import Beside, Missing
from lab.verify.step import Step
from lab.wire.decode import Frame

if TYPE_CHECKING:
    from lab.verify.case import Case

MOST_FRAMES = 20
"""Of one segment in one finding; a longer list helps nobody."""


class Sighting(Protocol):
    """Anything that was seen in a frame."""

    @property
    def frame(self) -> Frame: ...


class Verdict(StrEnum):
    """How a finding came out."""

    held = "pass"
    failed = "fail"
    not_applicable = "not-applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Frames of one capture, numbered as Wireshark does."""

    segment: str
    frames: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One requirement, judged."""

    requirement: str
    expected: str
    seen: str
    verdict: Verdict
    evidence: tuple[Evidence, ...]
    lacks: Step | None = None
    """Of one that failed: the earliest step of a way that did not come about; None if none is missing."""
    missing: tuple[Missing, ...] = ()
    """Of one that failed: what did not come about beside the ways."""
    wrong: bool = False
    """Of one that failed: whether something speaks against it beside what is missing."""
    follows_from: str = ""
    """The requirement of the finding that broke first, if this one only follows (``consequences``)."""

    @property
    def shown(self) -> bool:
        """Whether it is told in full without being asked for."""
        return not self.follows_from


class Check:
    """Collects what speaks against a claim; whatever does makes the finding a failure."""

    def __init__(self, requirement: str, expected: str) -> None:
        self.requirement = requirement
        self.expected = expected
        self._objections: list[str] = []
        self._lacks: list[Step] = []
        self._missing: list[Missing] = []
        self._wrong = False
        self._against: list[Frame] = []
        self._shown: list[Frame] = []

    def object(self, sentence: str, frames: Iterable[Frame] = ()) -> None:
        """Say what is wrong, once, and show the frames."""
        self._wrong = True
        self._say(sentence, frames)

    def lack(self, step: Step, sentence: str, frames: Iterable[Frame] = ()) -> None:
        """Say what did not come about, where nothing wrong was seen; ``step`` would have brought it."""
        self._lacks.append(step)
        self._say(sentence, frames)

    def lack_beside(
        self, step: Beside, node: str, sentence: str, frames: Iterable[Frame] = ()
    ) -> None:
        """As ``lack``, of what a node has beside the ways home."""
        self._missing.append(Missing(step, node))
        self._say(sentence, frames)

    def need_beside(self, step: Beside, node: str, there: Any, sentence: str) -> None:
        """As ``need``, of what a node has beside the ways home."""
        if not there:
            self.lack_beside(step, node, sentence)

    def _say(self, sentence: str, frames: Iterable[Frame]) -> None:
        if sentence not in self._objections:
            self._objections.append(sentence)
        self._against += frames

    def want(self, there: Any, sentence: str, frames: Iterable[Frame] = ()) -> None:
        """Object if nothing is there."""
        if not there:
            self.object(sentence, frames)

    def need(self, step: Step, there: Any, sentence: str, frames: Iterable[Frame] = ()) -> None:
        """As ``want``, of what is there if a step of the way came about: ``lack``."""
        if not there:
            self.lack(step, sentence, frames)

    def forbid(self, frames: list[Frame], how: str, noun: str = "packet") -> None:
        """Object to frames if there are any, by their number: ``2 packets of protocol 51``."""
        if frames:
            self.object(f"{count(len(frames), noun)} {how}", frames)

    def in_order(
        self,
        who: str,
        steps: dict[str, float],
        since: float,
        brought_by: Mapping[str, Step] | None = None,
    ) -> str:
        """Object to steps that are not there (0) or not in this order; else say when they came."""
        for name, time in steps.items():
            if time == 0.0:
                words = f"{who}: {name} did not come about"
                if brought_by and name in brought_by:
                    self.lack(brought_by[name], words)
                else:
                    self.object(words)
                return ""
        # The wire shows a packet after its link's delay, so equal times are in order.
        for (before, early), (after, late) in pairwise(steps.items()):
            if late < early:
                self.object(f"{who}: {after} came {early - late:.3f} s before {before}")
        told = ", ".join(f"{name} at {time - since:.3f} s" for name, time in steps.items())
        return f"{who}: {told}"

    def show(self, frames: Iterable[Frame]) -> None:
        """Frames that show the claim at work."""
        self._shown += frames

    def finding(self, seen: str) -> Finding:
        """``seen`` is what there was if nothing speaks against the claim."""
        if self._objections:
            text = "; ".join(self._objections)
            made = self._made(text, Verdict.failed, self._against or self._shown)
            lacks = min(self._lacks, key=lambda step: step.rank, default=None)
            missing = tuple(dict.fromkeys(self._missing))
            return replace(made, lacks=lacks, missing=missing, wrong=self._wrong)
        return self._made(seen, Verdict.held, self._shown)

    def not_tested(self, reason: str) -> Finding:
        """The claim was not put to the test, unless something speaks against it all the same."""
        if self._objections:
            return self.finding("")
        return self._made(reason, Verdict.not_applicable, self._shown)

    def _made(self, seen: str, verdict: Verdict, frames: list[Frame]) -> Finding:
        return Finding(
            requirement=self.requirement,
            expected=self.expected,
            seen=seen,
            verdict=verdict,
            evidence=evidence(frames),
        )


def evidence(frames: Iterable[Frame]) -> tuple[Evidence, ...]:
    """Group frames by capture, in order, each once, the first ``MOST_FRAMES`` of each."""
    numbers: dict[str, set[int]] = {}
    for frame in frames:
        numbers.setdefault(frame.segment, set()).add(frame.number)
    return tuple(
        Evidence(segment=segment, frames=tuple(sorted(found)[:MOST_FRAMES]))
        for segment, found in numbers.items()
    )


Judge = Callable[["Case"], Finding]


def checks_in(*modules: ModuleType) -> dict[str, Judge]:
    """The checks that modules define, by requirement: ``check_out_23`` judges OUT-23, ``check_g1`` g1."""
    return {
        _requirement(name): check
        for module in modules
        for name, check in vars(module).items()
        if name.startswith("check_") and check.__module__ == module.__name__
    }


def _requirement(name: str) -> str:
    group, dash, number = name.removeprefix("check_").partition("_")
    return f"{group.upper()}-{number}" if dash else group


def frames_of(items: Iterable[Sighting]) -> list[Frame]:
    return [item.frame for item in items]
