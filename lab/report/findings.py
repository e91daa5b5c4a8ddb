"""The section of findings: those that failed first and open, each with claim, paper, frames, and why."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources

from lab.markup import Markup, fill, join
from lab.names import count
from lab.report.material import MARKS_OF, Material
from lab.report.parts import fold, section
from lab.topology.claims import Claim, claims
from lab.verify.finding import Evidence, Finding, Verdict

PAPERS = {
    "S0": "Electronic Service Agent for Linux and Windows",
    "S1": "Electronic Service Agent for AIX",
    "S2": "the slides of Electronic Service Agent",
    "S3": "the HMC's white paper of 2017",
    "S4": "the HMC's white paper of 2007",
}


@cache
def reasons() -> dict[str, str]:
    """Requirement to a sentence that says why it matters."""
    text = resources.files(__package__).joinpath("why.tsv").read_text(encoding="utf-8")
    return {
        requirement: why
        for requirement, _, why in (line.partition("\t") for line in text.splitlines())
    }


def make(material: Material) -> Markup:
    """Empty where nothing was judged."""
    if material.result is None:
        return Markup("")
    result = material.result
    found = result.findings
    failed = [each for each in found if each.verdict is Verdict.failed]
    untested = [each for each in found if each.verdict is Verdict.not_applicable]
    held = [each for each in found if each.verdict is Verdict.held]
    parts: list[Markup] = []
    for finding in sorted(failed, key=lambda each: each.requirement != result.broke_first):
        if _stands_alone(finding, failed):
            parts += _with_followers(material, finding, failed)
    if held:
        every = fill('<div class="compact">{each}</div>', each=_all(material, held))
        told = f"{count(len(held), 'requirement')} held"
        parts.append(fold(told, every, prints=True) if failed else every)
    if untested:
        told = f"{count(len(untested), 'requirement')} not put to the test"
        parts.append(fold(told, _all(material, untested), prints=True))
    if not found:
        parts.append(Markup("<p>Nothing was judged.</p>"))
    papers = "; ".join(f"{short} is {name}" for short, name in PAPERS.items())
    parts.append(fill('<p class="left-out">The papers: {papers}.</p>', papers=papers))
    return section("findings", "Findings by requirement", join(parts))


def _with_followers(
    material: Material, finding: Finding, failed: list[Finding]
) -> Iterator[Markup]:
    """A finding that failed, and folded below it those that only follow from it."""
    result = material.result
    first = result is not None and finding.requirement == result.broke_first and len(failed) > 1
    yield _finding(material, finding, first=first)
    followers = [each for each in failed if each.follows_from == finding.requirement]
    if followers:
        verb = "follows" if len(followers) == 1 else "follow"
        told = f"{count(len(followers), 'more finding')} {verb} from {finding.requirement}"
        yield fold(told, _all(material, followers), prints=True)


def _stands_alone(finding: Finding, failed: list[Finding]) -> bool:
    """Whether no other finding that failed has it folded below."""
    heads = {each.requirement for each in failed if each.shown}
    return finding.shown or finding.follows_from not in heads


def _all(material: Material, chosen: list[Finding]) -> Markup:
    return join(_finding(material, each) for each in chosen)


def _finding(material: Material, finding: Finding, *, first: bool = False) -> Markup:
    kind, mark = MARKS_OF[finding.verdict]
    claim = claims().get(finding.requirement, Claim(finding.expected, ""))
    is_open = finding.verdict is Verdict.failed and finding.shown
    return fill(
        '<details class="finding prints {kind}" id="finding-{name}"{opened}>'
        '<summary><span class="mark {kind}">{mark}</span> <span class="id">{name}</span> '
        '<span class="claim">{claim}{first}</span></summary>'
        '<div class="body"><dl class="pairs">{pairs}</dl></div></details>\n',
        kind=kind,
        name=finding.requirement,
        opened=Markup(" open") if is_open else Markup(""),
        mark=mark,
        claim=claim.text,
        first=Markup(' <span class="first">broke first</span>') if first else Markup(""),
        pairs=join(_pairs(material, finding, claim)),
    )


def _pairs(material: Material, finding: Finding, claim: Claim) -> list[Markup]:
    named: list[tuple[str, str | Markup]] = [
        ("Seen", _seen(material, finding)),
        ("Expected", finding.expected),
    ]
    if finding.evidence:
        named.append(("Frames", join(_frames(material, each) for each in finding.evidence)))
    if claim.source:
        named.append(("Paper", claim.source))
    if why := reasons().get(finding.requirement):
        named.append(("Why it matters", why))
    return [fill("<dt>{name}</dt><dd>{text}</dd>", name=name, text=text) for name, text in named]


def _seen(material: Material, finding: Finding) -> str:
    """Without the diagnosis, which stands above all findings."""
    diagnosis = material.result.diagnosis if material.result is not None else ""
    return finding.seen.removesuffix(f"; {diagnosis}") if diagnosis else finding.seen


def _frames(material: Material, evidence: Evidence) -> Markup:
    links = []
    for number in evidence.frames:
        anchor = material.anchors.get((evidence.segment, number), "")
        shown = fill('<a href="#{anchor}">{n}</a>', anchor=anchor, n=str(number))
        links.append(shown if anchor else fill("{n}", n=str(number)))
    return fill(
        "<div>{segment}: {links}</div>", segment=evidence.segment, links=Markup(", ".join(links))
    )
