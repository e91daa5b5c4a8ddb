"""What became of each step, and how it is told. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_ADMINISTRATOR = re.compile(r"\b(sh /\S*/install-packages [^\n]*\S)")
_TOLD = re.compile(r"\*\*\* \[[^]]*\] Error (\d+)")


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine that is tried: a release of Debian, and a kind of user."""

    suite: str
    user: str

    @property
    def name(self) -> str:
        return f"{self.suite}-{self.user}"


@dataclass(frozen=True, slots=True)
class Result:
    """One step on one machine."""

    machine: Machine
    step: str
    passed: bool
    seconds: float
    log: Path
    why: str = ""

    def __str__(self) -> str:
        verdict = "pass" if self.passed else "FAIL"
        words = f"{self.machine.name:18} {self.step:14} {verdict:5} {self.seconds:6.0f} s"
        return f"{words}  {self.why}" if self.why else words


def administrator_line(output: str) -> str | None:
    """The line that an administrator has to type, as the set-up printed it last."""
    found = _ADMINISTRATOR.findall(output)
    return found[-1] if found else None


def told_status(status: int, output: str) -> int:
    """The exit status of what make ran: make itself says 2, and names the other in words."""
    told = _TOLD.findall(output)
    return int(told[-1]) if status == 2 and told else status


def table(results: Sequence[Result]) -> str:
    """All steps of all machines, one line a machine."""
    steps = list(dict.fromkeys(result.step for result in results))
    rows = [["machine", *steps]]
    for machine in dict.fromkeys(result.machine for result in results):
        of = {result.step: result for result in results if result.machine == machine}
        rows.append([machine.name, *(_cell(of.get(step)) for step in steps)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _cell(result: Result | None) -> str:
    if result is None:
        return "-"
    return f"{'pass' if result.passed else 'FAIL'} {result.seconds:.0f} s"
