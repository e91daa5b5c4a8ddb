"""What a life came to, for people: the report of its time, and the table by requirement; pure."""

from __future__ import annotations

import textwrap
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from lab.life.chronicle import DAY_S, Chronicle
from lab.life.identity import changes_of
from lab.names import count
from lab.verify.finding import Finding, Verdict

REPORT_FILE = "report.txt"
"""In the run directory: what is printed, without colours."""
WORDS = {Verdict.held: "right", Verdict.failed: "wrong", Verdict.not_applicable: "never"}
"""``never``: the agent was not seen to do it, which is no merit."""
_COLOURS = {Verdict.held: "32", Verdict.failed: "31", Verdict.not_applicable: "33"}
_WIDTH = 110


def text(life: Chronicle, findings: Sequence[Finding], *, colour: bool = False) -> str:
    """The report, and then the table."""
    lines = [*_head(life), "", *_happenings(life), "", *table(findings, colour=colour)]
    return "".join(f"{line}\n" for line in lines)


def _head(life: Chronicle) -> Iterator[str]:
    days = (life.ended - life.began) / DAY_S
    begun = time.strftime("%Y-%m-%d", time.gmtime(life.began))
    yield f"{life.script}: {life.program} in {life.topology}, {days:.0f} days from {begun} on"
    kinds = Counter(message.kind for message in life.messages)
    told = ", ".join(count(kinds[kind], *_NOUNS.get(kind, (kind,))) for kind in sorted(kinds))
    yield f"IBM has {told or 'nothing'}, and {count(len(life.uploads), 'data file')}"
    arrived = Counter(problem.text for problem in life.problems)
    lost = [each for each in life.told if not arrived[each]]
    twice = [each for each in life.told if arrived[each] > 1]
    if life.idle:
        yield f"{count(len(life.told), 'problem')} told, and none to be sent: {life.idle}"
    else:
        yield f"of {count(len(life.told), 'problem')} told: {len(lost)} lost, {len(twice)} twice"
    sessions = len({each.peer for each in life.asked})
    failed = sum(not call.answered for call in life.calls)
    yield f"{count(sessions, 'session')} with IBM; {failed} of {len(life.calls)} calls were not answered"
    if life.machines:
        changes = sum(changes_of(life, machine) for machine in life.machines)
        resets = sum(bool(each.subject) for each in life.having("reset"))
        again = f", and {count(resets, 'reset')}" if resets else ""
        yield f"{count(changes, 'change')} of the password since the enrolment{again}"
    if life.ends:
        ends = "; ".join(f"{how}, {count(n, 'time')}" for how, n in Counter(life.ends).items())
        yield f"the agent ended by itself: {ends}"


_NOUNS = {"inventory": ("inventory", "inventories"), "performance": ("performance report",)}


def _happenings(life: Chronicle) -> Iterator[str]:
    for each in life.happenings:
        day = (each.time - life.began) / DAY_S
        lasting = f", {(each.until - each.time) / 3600:.3g} h" if each.until else ""
        where = f", at {', '.join(each.urls)} from now on" if each.urls else ""
        yield f"  day {day:6.1f}  {each.deed:<11} {each.subject}{lasting}{where}"


def table(findings: Sequence[Finding], *, colour: bool = False) -> Iterator[str]:
    """A row a requirement: right, wrong, never, and what was seen."""
    for finding in findings:
        word = WORDS[finding.verdict]
        painted = f"\x1b[{_COLOURS[finding.verdict]}m{word}\x1b[0m" if colour else word
        rows = textwrap.wrap(finding.seen, _WIDTH - 16, break_on_hyphens=False) or [""]
        yield f"{finding.requirement:7} {painted}   {rows[0]}"
        yield from (f"{'':16}{row}" for row in rows[1:])
        if finding.verdict is Verdict.failed:
            yield f"{'':16}expected: {finding.expected}"
    counts = Counter(finding.verdict for finding in findings)
    yield ", ".join(f"{counts[verdict]} {word}" for verdict, word in WORDS.items())
