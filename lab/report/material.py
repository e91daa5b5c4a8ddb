"""What a report is made of: a run, judged, as far as the run directory can be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from lab.report import conversation, messages, vitals
from lab.report.conversation import WayConversation
from lab.report.messages import SeenMessage
from lab.report.redaction import secrets_of
from lab.report.vitals import Vitals
from lab.topology.model import Topology
from lab.verify.case import Case
from lab.verify.finding import Verdict
from lab.verify.verdict import Result

MARKS_OF = {
    Verdict.held: ("pass", "✓ held"),
    Verdict.failed: ("fail", "✕ failed"),
    Verdict.not_applicable: ("wait", "◌ not tested"),
}
"""A class, and a shape with a word: colour alone says nothing."""

Place = tuple[str, int]
"""A frame: segment and number."""


@dataclass
class Material:
    """All that the sections of a report read."""

    run_dir: Path
    result: Result | None
    """None where there is no verdict yet."""
    topology: Topology | None
    """None where the model cannot be read."""
    case: Case | None
    """None where model or record cannot be read."""
    problems: list[str] = field(default_factory=list)
    """What is missing, cut off or still going: sentences, each with what to do."""
    anchors: dict[Place, str] = field(default_factory=dict)
    """The frames that the page shows decoded, and where."""

    @cached_property
    def secrets(self) -> set[str]:
        return secrets_of(self.run_dir, self.topology)

    @cached_property
    def cited(self) -> dict[Place, list[tuple[str, Verdict]]]:
        """The frames that findings name, with the findings."""
        found: dict[Place, list[tuple[str, Verdict]]] = {}
        for finding in self.result.findings if self.result else ():
            for evidence in finding.evidence:
                for number in evidence.frames:
                    known = found.setdefault((evidence.segment, number), [])
                    known.append((finding.requirement, finding.verdict))
        return found

    @cached_property
    def messages(self) -> list[SeenMessage]:
        return messages.read(self.case) if self.case is not None else []

    @cached_property
    def conversations(self) -> list[WayConversation]:
        return conversation.of(self.case, self.messages) if self.case is not None else []

    @cached_property
    def vitals(self) -> dict[str, Vitals]:
        """What each node did; nothing where no capture can be read."""
        if self.case is None:
            return {}
        return vitals.read(self.case, self.messages, self.conversations)

    @property
    def start(self) -> float:
        """The zero of all times that people are shown, in seconds since 1970."""
        return self._start

    @cached_property
    def _start(self) -> float:
        if self.case is None:
            return 0.0
        if self.case.record.started:
            return self.case.record.started
        return min((message.time for message in self.messages), default=0.0)
