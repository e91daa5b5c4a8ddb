"""What is to be run, and what came of it. Plain data: no process, no page."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.errors import LabBroke, PathError

EXIT_INTERRUPTED = 130


class Came(StrEnum):
    """How a run of the matrix came out."""

    right = "right"
    """Every finding held; or the fault was told as the one that it is."""
    wrong = "wrong"
    unmet = "unmet"
    """The fault did not come to pass: no way that it is about was tried."""
    broke = "broke"
    """There is no verdict, or the lab broke: nothing is known of the path."""
    ended = "ended"
    """The user ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One run."""

    number: int
    """From 0; the order of what is printed."""
    given: str
    """The topology as the user named it."""
    topology: str
    fault: str
    ways: tuple[str, ...]
    """What the agents' ways home are called, in their order."""
    kinds: tuple[str, ...]
    """Of which kinds they are."""
    folder: str
    """The run directory's name in the folder of results."""
    cause: str = ""
    """By which the fault must be told; empty without a fault."""
    unharmed: bool = True
    """Whether every check must hold: something else of the same way takes over, if there is a fault."""
    survives: bool = True
    """Whether the calls home must get through, by whatever way; checks of another way may fail then."""
    about: tuple[str, ...] = ()
    """The kinds of way that the fault is about; none: it befalls what every way needs."""
    breaks: tuple[str, ...] = ()
    """The lab's own invariants that the fault must break; each other one must hold."""

    @property
    def title(self) -> str:
        return f"{self.topology} with {self.fault}" if self.fault else self.topology


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """What a job's own process said of the run, and what the run directory has."""

    job: Job
    run_dir: Path
    status: int
    """As of ``lab run``: 0 all held, 1 a check failed, 2 to 4 as ``lab.errors`` has them, 130 ended."""
    cause: str = ""
    """The diagnosis's typed cause; empty where nothing was diagnosed."""
    tried: tuple[str, ...] = ()
    """The kinds of way that an agent tried."""
    came_home: bool = False
    """Whether the last call home of every agent got through."""
    problem: str = ""
    """Why there is no verdict, in words."""
    wall_s: float = 0.0
    verdict: dict[str, Any] = field(default_factory=dict)
    """What verdict.json has; empty without one."""

    @property
    def findings(self) -> list[dict[str, Any]]:
        return list(self.verdict.get("findings", ()))

    @property
    def diagnosis(self) -> str:
        return str(self.verdict.get("diagnosis", ""))

    @property
    def failed(self) -> list[dict[str, Any]]:
        return [each for each in self.findings if each["verdict"] == "fail"]

    @property
    def came(self) -> Came:
        if self.status == EXIT_INTERRUPTED:
            return Came.ended
        if not self.verdict or self.verdict["verdict"] == "error":
            return Came.broke
        if not self.job.fault:
            return Came.right if self.verdict["verdict"] == "pass" else Came.wrong
        if self._is_unmet:
            return Came.unmet
        return Came.wrong if self.objections else Came.right

    @property
    def _is_unmet(self) -> bool:
        """Where another way led home first, a fault of the ways after it has no chance to be seen."""
        spared = bool(self.job.about) and not {*self.job.about} & {*self.tried}
        return spared and not self.cause and self.verdict["verdict"] == "pass"

    @property
    def objections(self) -> tuple[str, ...]:
        """What is not right about a run with a fault that came to pass, in words; none if it is right."""
        job, found = self.job, []
        if self.cause != job.cause:
            told = f"the run was told as {self.cause}" if self.cause else "the run told of nothing"
            found.append(f"{told}, and {job.fault} must be told as {job.cause}")
        verdict = self.verdict["verdict"]
        if job.unharmed and verdict != "pass":
            found.append(f"with {job.fault} every check must hold, and the verdict is {verdict}")
        elif not job.survives and verdict == "pass":
            found.append(f"with {job.fault} a check must fail, and the verdict is {verdict}")
        elif job.survives and not self.came_home:
            found.append(f"with {job.fault} the calls home must get through, and they did not")
        own = {each["requirement"]: each["seen"] for each in self.failed if _is_own(each)}
        found += [f"{name} failed: {seen}" for name, seen in own.items() if name not in job.breaks]
        found += [f"with {job.fault} {name} must fail" for name in job.breaks if name not in own]
        return tuple(found)

    @property
    def exit_status(self) -> int:
        """What the run adds to the exit status of all."""
        match self.came:
            case Came.right | Came.unmet:
                return 0
            case Came.wrong:
                return PathError.exit_status
            case Came.ended:
                return EXIT_INTERRUPTED
            case Came.broke:
                return self.status if self.status > 1 else LabBroke.exit_status


def _is_own(finding: dict[str, Any]) -> bool:
    """Whether it is an invariant of the lab's own (g1 to g6)."""
    return bool(finding["requirement"].startswith("g"))
