"""The matrix as one HTML page: runs, requirements by topology, faults by topology. No script, no request.

Every colour stands beside a sign, and every sign beside a word for those who hear the page. WCAG 2.2 AA is
the aim. Text of runs is escaped; links are relative, so that the folder may be moved or published.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from lab.matrix.board import SIGNS, WORDS, duration
from lab.matrix.job import Came, JobOutcome
from lab.topology.claims import Claim, claims

_STYLE = Path(__file__).with_name("style.css")
_CLASSES = {
    Came.right: "held", Came.wrong: "failed", Came.unmet: "untried", Came.broke: "failed",
    Came.ended: "untried",
}  # fmt: skip
_FINDINGS = {
    "pass": ("held", "✓", "held"),
    "fail": ("failed", "✗", "failed"),
    "not-applicable": ("untried", "○", "not put to the test"),
}
"""A finding's class, sign and words."""
REPORT, VERDICT = "report.html", "verdict.json"
_MOST_TOLD = 4


def document(outcomes: Sequence[JobOutcome], *, wall_s: float, interrupted: bool) -> str:
    """The whole page."""
    plain = [each for each in outcomes if not each.job.fault]
    faulty = [each for each in outcomes if each.job.fault]
    parts = [_head(outcomes, wall_s=wall_s, interrupted=interrupted), _runs(outcomes)]
    parts += [_requirements(plain)] if any(each.findings for each in plain) else []
    parts += [_faults(faulty)] if faulty else []
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(_verdict(outcomes))}: lab verify</title>"
        f"<style>{_STYLE.read_text()}</style></head>\n<body>"
        '<a class="skip" href="#runs">Skip to the runs</a>'
        f"{''.join(parts)}</main></body></html>\n"
    )


def _verdict(outcomes: Sequence[JobOutcome]) -> str:
    counts = {came: sum(each.came is came for each in outcomes) for came in Came}
    told = [f"{counts[came]} {WORDS[came]}" for came in Came if counts[came]]
    return f"{len(outcomes)} runs, {', '.join(told)}" if told else "no runs"


def _head(outcomes: Sequence[JobOutcome], *, wall_s: float, interrupted: bool) -> str:
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    ended = (
        '<p class="failed mark">It was interrupted: what was not done is marked as ended.</p>'
        if interrupted
        else ""
    )
    key = "".join(
        f'<li><span class="mark {name}">{sign} {words}</span></li>'
        for name, sign, words in _FINDINGS.values()
    )
    return (
        f"<header><h1>Matrix of call-home paths</h1><p>{escape(_verdict(outcomes))}.</p>{ended}"
        f'<p class="soft">Made on {when}, in {duration(wall_s)}. The same for programs: '
        '<a href="verify.json">verify.json</a>, <a href="junit.xml">junit.xml</a>.</p>'
        f'<ul class="key" aria-label="Key">{key}</ul></header>\n<main>'
    )


def _link(outcome: JobOutcome) -> str:
    """Where a run's evidence is: the report, the verdict if there is no report, or nothing."""
    there = next((name for name in (REPORT, VERDICT) if (outcome.run_dir / name).exists()), "")
    return f"{quote(outcome.job.folder)}/{there}" if there else ""


def _linked(outcome: JobOutcome, text: str, words: str = "") -> str:
    hidden = f'<span class="words"> {escape(words)}</span>' if words else ""
    target = _link(outcome)
    inner = f"{escape(text)}{hidden}"
    return f'<a href="{target}">{inner}</a>' if target else f"<span>{inner}</span>"


def _table(name: str, caption: str, head: str, body: str, kind: str = "") -> str:
    """A table in a region of its own, which scrolls also by keyboard."""
    return (
        f'<div class="wide" role="region" tabindex="0" aria-labelledby="{name}-caption">'
        f'<table{kind}><caption id="{name}-caption">{caption}</caption>'
        f"<thead>{head}</thead><tbody>{body}</tbody></table></div>"
    )


def _runs(outcomes: Sequence[JobOutcome]) -> str:
    names = "Run", "Ways home", "Outcome", "Held", "Failed", "Not tested", "Time", "What was seen"
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    body = "".join(map(_run, outcomes))
    table = _table("runs", "Every run, with a link to the report", f"<tr>{head}</tr>", body)
    return f'<section aria-labelledby="runs"><h2 id="runs">Runs</h2>{table}</section>\n'


def _run(outcome: JobOutcome) -> str:
    by = [each["verdict"] for each in outcome.findings]
    numbers = "".join(f'<td class="number">{by.count(name)}</td>' for name in _FINDINGS)
    mark = f"{SIGNS[outcome.came]} {WORDS[outcome.came]}"
    return (
        f'<tr><th scope="row">{_linked(outcome, outcome.job.title)}</th>'
        f"<td>{escape(', '.join(outcome.job.ways))}</td>"
        f'<td><span class="mark {_CLASSES[outcome.came]}">{mark}</span></td>{numbers}'
        f'<td class="number">{duration(outcome.wall_s)}</td><td class="told">{_seen(outcome)}</td></tr>'
    )


def _seen(outcome: JobOutcome) -> str:
    """In words: the cause first."""
    told = [outcome.problem, outcome.diagnosis]
    if outcome.came is Came.wrong:
        told += outcome.objections if outcome.job.fault else _failures(outcome)
    lines = [each for each in dict.fromkeys(told) if each]
    more = len(lines) - _MOST_TOLD
    lines = [*lines[:_MOST_TOLD], f"{more} more are in the report"] if more > 0 else lines
    if len(lines) < 2:
        return escape("".join(lines))
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _failures(outcome: JobOutcome) -> list[str]:
    return [f"{each['requirement']} failed: {each['seen']}" for each in outcome.failed]


def _turned(outcome: JobOutcome, words: str) -> str:
    return f'<th scope="col" class="turned">{_linked(outcome, words)}</th>'


def _requirements(outcomes: Sequence[JobOutcome]) -> str:
    """Requirements by topology; topologies with the same ways stand side by side."""
    ordered = sorted(outcomes, key=lambda each: each.job.kinds)
    found = [{each["requirement"]: each["verdict"] for each in one.findings} for one in ordered]
    known = claims()
    names = [name for name in known if any(name in each for each in found)]
    names += sorted({name for each in found for name in each} - known.keys())
    columns = "".join(
        _turned(each, f"{each.job.topology} ({', '.join(each.job.kinds)})") for each in ordered
    )
    head = f'<tr><th scope="col">Requirement</th>{columns}</tr>'
    rows = []
    for name in names:
        cells = [
            _cell(name, each.get(name, ""), one) for each, one in zip(found, ordered, strict=True)
        ]
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}</tr>')
    caption = (
        "Requirements by topology, with the kinds of ways home of each; empty: not judged there"
    )
    table = _table("requirements", caption, head, "".join(rows), ' class="grid"')
    return (
        f'<section aria-labelledby="requirements"><h2 id="requirements">Requirements</h2>{table}'
        f"{_claims(names, known)}</section>\n"
    )


def _cell(requirement: str, verdict: str, outcome: JobOutcome) -> str:
    if not verdict:
        return "<td></td>"
    name, sign, words = _FINDINGS[verdict]
    if verdict == "fail":
        inner = _linked(outcome, sign, f"{requirement} {words} in {outcome.job.topology}")
    else:
        inner = f'{sign}<span class="words"> {words}</span>'
    return f'<td class="{name}">{inner}</td>'


def _claims(names: Sequence[str], known: dict[str, Claim]) -> str:
    """What the requirements say."""
    each = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(known[name].text)} "
        f'<span class="soft">({escape(known[name].source)})</span></dd>'
        for name in names
        if name in known
    )
    return f"<details><summary>What the requirements say</summary><dl>{each}</dl></details>"


def _faults(outcomes: Sequence[JobOutcome]) -> str:
    """Faults by topology: was each told as the fault that it is?"""
    columns = list(dict.fromkeys(each.job.topology for each in outcomes))
    by = {(each.job.fault, each.job.topology): each for each in outcomes}
    head = "".join(
        f'<th scope="col" class="turned"><a href="#runs">{escape(c)}</a></th>' for c in columns
    )
    rows = []
    for fault in dict.fromkeys(each.job.fault for each in outcomes):
        cells = [_told(by.get((fault, column))) for column in columns]
        rows.append(f'<tr><th scope="row">{escape(fault)}</th>{"".join(cells)}</tr>')
    table = _table(
        "faults",
        "Faults by topology: right is told as the fault that it is; empty: the fault cannot be had there",
        f'<tr><th scope="col">Fault</th>{head}</tr>',
        "".join(rows),
        ' class="grid"',
    )
    return f'<section aria-labelledby="faults"><h2 id="faults">Faults</h2>{table}</section>\n'


def _told(outcome: JobOutcome | None) -> str:
    if outcome is None:
        return "<td></td>"
    came = outcome.came
    words = f"{WORDS[came]}: {outcome.job.title}"
    return f'<td class="{_CLASSES[came]}">{_linked(outcome, SIGNS[came], words)}</td>'
