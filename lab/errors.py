"""Every error that the lab raises on purpose, by who is to blame; the exit status follows from that alone.

    LabError
    ├── PathError                exit 1   the path, and what goes over it: what a run is to find out
    │   ├── ExpectationFailed             a check came out false
    │   └── ProtocolError                 a peer refused, broke its protocol, or did not answer in its time
    ├── UsageError               exit 2   the user: what was asked for does not exist or makes no sense
    │   ├── Unsupported                   a generation does not have what was asked for
    │   ├── ProgramError                  a program of the user's own does not do what it must
    │   └── TopologyError                 a topology or profile is wrong; carries every issue at once
    ├── PrerequisiteError        exit 3   this machine: something that the lab needs is missing
    │   └── BootError                     the lab's own kernel does not start here
    └── LabBroke                 exit 4   the lab itself
        ├── KernelError                   the kernel refused an operation
        ├── DaemonError                   a daemon ended, or does not do what it must
        ├── ThreadBroke                   a thread ended before its time
        ├── DeadlineExceeded              a fact did not come about in time
        └── GuestError                    the lab's own kernel died while it ran

A driver that waits for a peer on the path turns ``DeadlineExceeded`` into ``ProtocolError``: everybody else
waits for the lab itself. Nobody raises ``LabError``, which blames nobody.

Each message names the thing and the place; ``hint`` is the fix. Nothing else lives here. The guest's
first program imports this module, so it is lean: ``dataclasses`` alone would be a tenth of the guest's start.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class LabError(Exception):
    """The root: a message for people, and what to do about it."""

    exit_status: ClassVar[int]

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class PathError(LabError):
    """The path does not do what it must; the lab itself is sound."""

    exit_status = 1


class ExpectationFailed(PathError):
    """A check came out false."""


class ProtocolError(PathError):
    """A peer broke its protocol, refused what was asked of it, or did not answer in its time."""


class UsageError(LabError):
    """What the user asked for does not exist or makes no sense."""

    exit_status = 2


class Unsupported(UsageError):
    """A profile has no such way home; carries who has it (OUT-35, OUT-36, G-01 to G-16)."""

    def __init__(
        self, profile: str, way: str, why: str, cited: str, having: tuple[str, ...]
    ) -> None:
        self.profile = profile
        self.way = way
        self.having = having
        cited = f" ({cited})" if cited else ""
        super().__init__(
            f"{profile} has no way {way}: {why}{cited}",
            hint=f"profiles that have it: {', '.join(having)}" if having else "",
        )


class ProgramError(UsageError):
    """A program of the user's own, in the place of the lab's, does not do what it must; as DaemonError."""

    def __init__(self, problem: str, *, log_tail: str = "", hint: str = "") -> None:
        super().__init__(f"{problem}{_quoted(log_tail)}", hint=hint)


class Issue(NamedTuple):
    """One thing wrong with a file: where it is, what it is, what was perhaps meant."""

    line: int
    place: str
    problem: str
    suggestion: str = ""

    def __str__(self) -> str:
        text = f"line {self.line}: {self.place}: {self.problem}"
        return f"{text}; {self.suggestion}" if self.suggestion else text


class TopologyError(UsageError):
    """A topology file or a profile's is wrong; every issue at once, in the order of the file's lines."""

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


class LabBroke(LabError):
    """The lab itself does not do what it must: nothing is said of the path."""

    exit_status = 4


class KernelError(LabBroke):
    """The kernel refused an operation on an object."""

    def __init__(self, operation: str, name: str, reason: str, *, hint: str = "") -> None:
        super().__init__(f"cannot {operation} {name}: {reason}", hint=hint)


class DaemonError(LabBroke):
    """A daemon ended, or does not do what it must; carries the end of its log."""

    def __init__(self, name: str, problem: str, *, log_tail: str = "", hint: str = "") -> None:
        super().__init__(f"{name}: {problem}{_quoted(log_tail)}", hint=hint)
        self.log_tail = log_tail


class ThreadBroke(LabBroke):
    """A thread of the lab's ended before its time; carries the end of its traceback."""

    def __init__(self, name: str, cause: BaseException) -> None:
        import traceback  # Rarely needed, and not lean.

        where = "".join(traceback.format_exception(cause))
        super().__init__(f"{name} broke: {cause!r}{_quoted(where)}")


class DeadlineExceeded(LabBroke):
    """A fact did not come about in time; says what was seen last."""

    def __init__(self, fact: str, deadline_s: float, seen: str = "") -> None:
        last = f"; last seen: {seen}" if seen else ""
        super().__init__(f"{fact} did not come about within {deadline_s:g} s{last}")


class GuestError(LabBroke):
    """The lab's own kernel died while it ran; carries its last lines."""

    def __init__(self, problem: str, console_tail: str = "", *, hint: str = "") -> None:
        super().__init__(f"{problem}{_quoted(console_tail)}", hint=hint)


def _quoted(words: str) -> str:
    """The last lines of what a program said, below a message."""
    return "".join(f"\n    | {line}" for line in words.splitlines()[-12:])
