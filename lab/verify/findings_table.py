"""Findings as a table for a terminal: requirement, verdict, seen; of failures what was expected, too."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from lab.verify.finding import Finding, Verdict

COLUMNS = 100
"""How wide a table is where there is no terminal."""
MOST_COLUMNS = 120
"""Longer lines are hard to read."""
NARROW = 60
"""Below this, what was seen stands under the requirement, and not beside it."""
HEADINGS = "requirement", "verdict", "seen"
_VERDICT = 14
_COLOURS = {Verdict.held: "32", Verdict.failed: "31", Verdict.not_applicable: "33"}


class FindingsTable:
    """The columns of one table: all rows of it stand under each other."""

    def __init__(
        self, findings: Sequence[Finding], *, colour: bool, columns: int = COLUMNS
    ) -> None:
        self._width = min(max(columns, 1), MOST_COLUMNS)
        self._colour = colour
        names = (len(finding.requirement) for finding in findings)
        self._first = max(names, default=0)

    @property
    def heading(self) -> str:
        """The names of the columns; what is too long for its column goes without."""
        first, second, third = HEADINGS
        if self._is_narrow:
            return painted(fold(", ".join(HEADINGS), 0, self._width), "1", self._colour)
        first = first if len(first) <= self._first else "ID"
        return painted(f"{first:{self._first}}  {second:{_VERDICT}}  {third}", "1", self._colour)

    def rows(self, findings: Sequence[Finding]) -> list[str]:
        """The lines of one row a finding, failures in full."""
        return [line for finding in findings for line in self._row(finding)]

    def _row(self, finding: Finding) -> Iterator[str]:
        code = _COLOURS[finding.verdict]
        yield self._line(finding.requirement, finding.verdict.value, finding.seen, code)
        if finding.verdict is Verdict.failed:
            yield self._line("", "expected", finding.expected)
            for evidence in finding.evidence:
                numbers = ", ".join(map(str, evidence.frames))
                yield self._line("", "frames", f"{evidence.segment}: {numbers}")

    def _line(self, name: str, word: str, text: str, code: str = "") -> str:
        if self._is_narrow:
            said = painted(word, code, self._colour)
            lead = f"{name} {said}" if name else f"  {said}:"
            return f"{lead}\n  {fold(text, 2, self._width)}"
        said = painted(f"{word:{_VERDICT}}", code, self._colour)
        indent = self._first + _VERDICT + 4
        return f"{name:{self._first}}  {said}  {fold(text, indent, self._width)}"

    @property
    def _is_narrow(self) -> bool:
        return self._width < NARROW


def fold(text: str, indent: int, columns: int = COLUMNS) -> str:
    """A text in lines of ``columns``, all but the first of them indented."""
    room = max(10, columns - indent)
    lines = textwrap.wrap(text, room, break_on_hyphens=False) or [""]
    return ("\n" + " " * indent).join(lines)


def painted(text: str, code: str, colour: bool) -> str:
    """A text in a colour, or as it is."""
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text
