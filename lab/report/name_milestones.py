"""What dnsmasq's log tells of names that lead nowhere: not each question, but where a name's answer changes.

Told are a name that does not exist, or about which a server refuses or fails to answer; one about which a
server stays silent; and the first good answer after that. Texts are those of dnsmasq 2.90 (``log-queries``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from lab.report.milestone import Milestone

_QUERY = re.compile(r"query\[([^\]]+)\] (\S+) from ")
_FORWARDED = re.compile(r"forwarded (\S+) to \S+")
_ANSWER = re.compile(r"\S+ (\S+) is (.+)")
_BAD = re.compile(r"(?:stale )?NXDOMAIN|REFUSED|SERVFAIL|not implemented")
_TROUBLE = re.compile(
    r"refused to do a recursive query|[Mm]aximum number of concurrent|query loop|failed to |DNS-rebind"
)
_NAMELESS = "error"
"""In the place of a name, where another server said no more than that it failed or refuses."""
_GOOD, _SILENT = "", "silent"


@dataclass(slots=True)
class _PassedOn:
    """A name that was passed on to another server, which has not answered so far."""

    first: Milestone
    types: set[str] = field(default_factory=set)


def of_names(lines: Iterable[Milestone]) -> Iterator[Milestone]:
    """The milestones among the lines of one log, in no order of time."""
    names = _Names()
    for line in lines:
        yield from names.read(line)
    yield from names.end()


class _Names:
    """What has become of each name so far."""

    def __init__(self) -> None:
        self._outcomes: dict[str, str] = {}
        self._waiting: dict[str, _PassedOn] = {}
        self._troubles: set[str] = set()
        """What was told since a name's answer was last a good one."""
        self._type = ""
        """Of the record that was asked for last."""

    def read(self, line: Milestone) -> Iterator[Milestone]:
        if found := _QUERY.match(line.text):
            yield from self._query(found[1], found[2])
        elif found := _FORWARDED.match(line.text):
            self._waiting.setdefault(found[1], _PassedOn(line)).types.add(self._type)
        elif _TROUBLE.search(line.text):
            if line.text not in self._troubles:
                yield line
            self._troubles.add(line.text)
        elif found := _ANSWER.match(line.text):
            bad = _BAD.match(found[2])
            if self._answered(found[1], bad[0] if bad else _GOOD):
                yield line

    def end(self) -> Iterator[Milestone]:
        for name in tuple(self._waiting):
            yield from self._silent(name)

    def _query(self, kind: str, name: str) -> Iterator[Milestone]:
        self._type = kind
        # Whoever asks the same again has had no answer.
        if name in self._waiting and kind in self._waiting[name].types:
            yield from self._silent(name)

    def _answered(self, name: str, outcome: str) -> bool:
        if name == _NAMELESS:
            self._waiting.clear()
        self._waiting.pop(name, None)
        if outcome == _GOOD:
            self._troubles.clear()
        return self._turned(name, outcome)

    def _silent(self, name: str) -> Iterator[Milestone]:
        asked = self._waiting.pop(name)
        if self._turned(name, _SILENT):
            yield replace(asked.first, text=f"{asked.first.text}: no answer")

    def _turned(self, name: str, outcome: str) -> bool:
        """Whether a name has come to something else than before; at first a good answer is expected."""
        before = self._outcomes.get(name, _GOOD)
        self._outcomes[name] = outcome
        return outcome != before
