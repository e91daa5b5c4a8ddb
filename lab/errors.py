"""Every error that the lab raises on purpose.

    LabError                     exit 4   the lab itself broke
    ├── UsageError               exit 2   what was asked for does not exist or makes no sense
    │   └── TopologyError        exit 2   a topology file is wrong; carries every issue at once
    ├── PrerequisiteError        exit 3   something is missing on this machine
    │   └── BootError            exit 3   the lab's own kernel does not start here
    ├── ExpectationFailed        exit 1   a check came out false
    ├── KernelError              exit 4   the kernel refused an operation
    ├── DaemonError              exit 4   a daemon ended, or does not do what it must
    ├── DeadlineExceeded         exit 4   a fact of a protocol did not come about in time
    ├── ProtocolError            exit 4   a peer broke its protocol
    └── GuestError               exit 4   the lab's own kernel died while it ran

Each message names the thing and the place; ``hint`` is the mend. Nothing else lives here. The guest's
first program imports it, so it is lean: ``dataclasses`` alone would be a tenth of the guest's start.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class LabError(Exception):
    """The root: a message for people, and what to do about it."""

    exit_status: ClassVar[int] = 4

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(LabError):
    """What the user asked for does not exist or makes no sense."""

    exit_status = 2


class Issue(NamedTuple):
    """One thing wrong with a topology file: where it is, what it is, what was perhaps meant."""

    line: int
    place: str
    problem: str
    suggestion: str = ""

    def __str__(self) -> str:
        text = f"line {self.line}: {self.place}: {self.problem}"
        return f"{text}; {self.suggestion}" if self.suggestion else text


class TopologyError(UsageError):
    """A topology file is wrong; every issue at once, in the order of the file's lines."""

    def __init__(self, source: str, issues: tuple[Issue, ...]) -> None:
        self.source = source
        self.issues = tuple(sorted(issues, key=lambda issue: (issue.line, issue.place)))
        lines = "\n".join(f"  {issue}" for issue in self.issues)
        super().__init__(f"{source} has {len(self.issues)} error(s):\n{lines}")


class PrerequisiteError(LabError):
    """Something that the lab needs is missing on this machine."""

    exit_status = 3


class BootError(PrerequisiteError):
    """The lab's own kernel does not start on this machine; carries its last lines."""

    def __init__(self, reason: str, console_tail: str = "", *, hint: str = "") -> None:
        super().__init__(
            f"the lab's own kernel does not start here: {reason}{_quoted(console_tail)}", hint=hint
        )
        self.reason = reason


class ExpectationFailed(LabError):
    """A check came out false; the lab itself is sound."""

    exit_status = 1


class KernelError(LabError):
    """The kernel refused an operation on an object."""

    def __init__(self, operation: str, name: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"cannot {operation} {name}: {reason}", hint=hint)


class DaemonError(LabError):
    """A daemon ended, or does not do what it must; carries the end of its log."""

    def __init__(self, name: str, problem: str, *, log_tail: str = "", hint: str = "") -> None:
        super().__init__(f"{name}: {problem}{_quoted(log_tail)}", hint=hint)
        self.log_tail = log_tail


class DeadlineExceeded(LabError):
    """A fact did not come about in time; says what was seen last."""

    def __init__(self, fact: str, deadline_s: float, seen: str = "") -> None:
        last = f"; last seen: {seen}" if seen else ""
        super().__init__(f"{fact} did not come about within {deadline_s:g} s{last}")
        self.fact = fact


class ProtocolError(LabError):
    """A peer broke its protocol, or refused what was asked of it."""


class GuestError(LabError):
    """The lab's own kernel died while it ran; carries its last lines."""

    def __init__(self, problem: str, console_tail: str = "", *, hint: str = "") -> None:
        super().__init__(f"{problem}{_quoted(console_tail)}", hint=hint)


def _quoted(words: str) -> str:
    """The last lines of what a program said, below a message."""
    return "".join(f"\n    | {line}" for line in words.splitlines()[-12:])
