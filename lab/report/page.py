"""The report as one HTML file: nothing is fetched, and all of it can be read without scripts.

The Content-Security-Policy lets this page's own styles and script run, by their digests, and nothing else.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib import resources

from lab.markup import Markup, fill, join
from lab.names import count
from lab.report import conversations, files, findings, ladder, picture, requests, traffic
from lab.report.material import Material
from lab.report.redaction import without
from lab.verify.finding import Verdict
from lab.verify.verdict import Result

Make = Callable[[Material], Markup]
WORDS = {"pass": "✓ pass", "fail": "✕ fail", "error": "✕ the lab broke"}


def render(material: Material) -> str:
    """The whole file. A section that cannot be made is told at the top, and the others are there."""
    # The ladders first: findings link to the packets that they show.
    made = {name: _made(material, name, make) for name, (_, make) in SECTIONS.items()}
    order = sorted(SECTIONS, key=lambda name: SECTIONS[name][0])
    shown = [name for name in order if made[name]]
    text = fill(
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><title>{title}</title>'
        "<style>{style}</style></head>\n<body>"
        '<a class="skip" href="#content">Skip to the findings</a>\n'
        '{head}<main id="content" tabindex="-1">\n{sections}</main>\n{foot}'
        "<script>{script}</script></body></html>\n",
        policy=_policy(),
        title=_title(material),
        style=Markup(_asset("report.css")),
        head=_head(material, shown),
        sections=join(made[name] for name in shown),
        foot=_foot(material),
        script=Markup(_asset("report.js")),
    )
    return without(text, material.secrets)


SECTIONS: dict[str, tuple[int, Make]] = {
    "conversation": (3, conversations.make),
    "findings": (1, findings.make),
    "picture": (2, picture.make),
    "requests": (4, requests.make),
    "traffic": (5, traffic.make),
    "story": (6, files.story),
    "rules": (7, files.rules),
    "logs": (8, files.logs),
    "settings": (9, files.settings),
}
"""In the order of making; the number says where on the page."""
TITLES = {
    "findings": "Findings",
    "picture": "Topology",
    "conversation": "Conversation",
    "requests": "Requests",
    "traffic": "Traffic",
    "story": "What happened",
    "rules": "Rules",
    "logs": "Logs",
    "settings": "Configurations",
}


def _made(material: Material, name: str, make: Make) -> Markup:
    try:
        return make(material)
    # A run directory may hold anything, and the rest can be shown.
    except Exception as error:  # noqa: BLE001
        told = f"The part {TITLES[name]!r} could not be made ({type(error).__name__}: {error}): "
        material.problems.append(told + "what it is made of may be damaged; see the run directory")
        return Markup("")


@cache
def _asset(name: str) -> str:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return text + ladder.indents() + ladder.filters() if name.endswith(".css") else text


@cache
def _policy() -> str:
    def digest(name: str) -> str:
        return f"'sha256-{b64encode(sha256(_asset(name).encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; style-src {digest('report.css')}; script-src {digest('report.js')}; "
        "base-uri 'none'; form-action 'none'"
    )


def _title(material: Material) -> str:
    if material.result is None:
        return f"{material.run_dir.name}: no verdict yet"
    fault = f" with {material.result.fault}" if material.result.fault else ""
    return f"{material.result.topology}{fault}: {material.result.verdict}"


def _head(material: Material, shown: list[str]) -> Markup:
    result = material.result
    name = result.topology if result is not None else material.run_dir.name
    summary = material.topology.summary if material.topology is not None else ""
    links = [fill('<li><a href="#{n}">{t}</a></li>', n=n, t=TITLES[n]) for n in shown]
    return fill(
        '<header><h1>{name}</h1><p class="lead">{summary}</p>{problems}{verdict}'
        '<nav class="contents" aria-label="Parts of this report"><ul>{links}</ul></nav></header>\n',
        name=name,
        summary=summary,
        problems=_problems(material),
        verdict=_verdict(result) if result is not None else Markup(""),
        links=join(links),
    )


def _problems(material: Material) -> Markup:
    if not material.problems:
        return Markup("")
    items = [fill("<li>{text}</li>", text=text) for text in material.problems]
    return fill(
        '<div class="problems" role="note"><h2>Not all of this run can be shown</h2><ul>{items}</ul></div>',
        items=join(items),
    )


def _verdict(result: Result) -> Markup:
    counts = {verdict: sum(f.verdict is verdict for f in result.findings) for verdict in Verdict}
    told = (
        f"{counts[Verdict.held]} held, {counts[Verdict.failed]} failed, "
        f"{counts[Verdict.not_applicable]} not put to the test"
    )
    facts = {
        "Profile": result.profile,
        "Fault put in": result.fault or "none",
        "Started": f"{result.started.replace('T', ' ').removesuffix('Z')} UTC",
        "In the lab": f"{result.lab_s:.1f} s",
        "On the wall": f"{result.wall_s:.1f} s",
        "Engine and clock": f"{result.engine}, {result.clock}",
    }
    pairs = [fill("<div><dt>{n}</dt><dd>{v}</dd></div>", n=n, v=v) for n, v in facts.items()]
    return fill(
        '<div class="headline"><span class="verdict {kind}">{word}</span>'
        '<span class="counts">{counts}</span></div>{diagnosis}<dl class="facts">{pairs}</dl>',
        kind=result.verdict,
        word=WORDS.get(result.verdict, result.verdict),
        counts=told,
        diagnosis=_diagnosis(result),
        pairs=join(pairs),
    )


def _diagnosis(result: Result) -> Markup:
    if not result.diagnosis:
        return Markup("")
    return fill(
        '<div class="diagnosis {kind}"><h2>Diagnosis</h2><p>{text}</p></div>',
        kind=result.verdict,
        text=result.diagnosis,
    )


def _foot(material: Material) -> Markup:
    secrets = len(material.secrets)
    told = f"{count(secrets, 'secret')} of this run {'was' if secrets == 1 else 'were'} looked for"
    return fill(
        "<footer><p>Made by callhome-lab from the run directory {name}. {told} in this page, and none is in "
        "it. The packets are in the folder wire, and all else is where each part says.</p></footer>\n",
        name=material.run_dir.name,
        told=told,
    )
