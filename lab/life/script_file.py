"""A script of a life, read from YAML: every mistake at once, with the line and what would be right."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.errors import TopologyError
from lab.life.outages import HOW
from lab.life.script import Deed, LifeEvent, LifeSystem, Script
from lab.names import check_known, did_you_mean
from lab.topology import strict_yaml, units
from lab.topology.errand_kinds import ErrandKind
from lab.topology.management import SEVERITIES
from lab.topology.strict_yaml import Document, Place

FOLDER = Path(__file__).parents[1] / "data" / "lives"
_HINT = "name a script of the lab's own, or a file"
_LONGEST_S = 3 * 366 * 86400.0
MOST_EVENTS = 2000
DEFAULT_CODE = "B7006971"
DEFAULT_SEVERITY, DEFAULT_TEXT = "critical", "Fan 3 has failed"
_CODE = r"[A-Za-z0-9-]{1,32}"
"""What an agent and IBM's side take."""
_CODE_HINT = f"1 to 32 letters, digits and hyphens: {DEFAULT_CODE}"
RESTART_S = 60.0
"""Of the lab's time, before a killed agent is started again."""

_TOP = "schema", "summary", "topology", "lasts", "system", "servers", "events"
_SYSTEM = "vendor", "hmc_managed", "ibm_ids", "web_port"
_KEYS: dict[Deed, tuple[str, ...]] = {
    Deed.problem: ("code",),
    Deed.imm: ("severity", "text", "code"),
    Deed.outage: ("of", "for", "how"),
    Deed.move: ("errand", "to"),
    Deed.kill: ("for",),
    Deed.clock: ("by",),
    Deed.access_key: ("for",),
}
"""What an event has beside ``at``, ``do`` and ``every``."""
_OF_A_SERVICE = Deed.problem, Deed.fix, Deed.test, Deed.browse, Deed.kill
_NEEDED: dict[Deed, tuple[str, ...]] = {
    Deed.outage: ("of", "for"),
    Deed.move: ("errand", "to"),
    Deed.clock: ("by",),
    Deed.access_key: ("for",),
}


def names() -> tuple[str, ...]:
    """The scripts of the lab's own."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load(name_or_file: str) -> Script:
    """A script; UsageError if there is none, TopologyError with all that is wrong with it."""
    if strict_yaml.names_a_file(name_or_file):
        path, shown = Path(name_or_file), name_or_file
    else:
        check_known("script", name_or_file, names())
        path = FOLDER / f"{name_or_file}.yaml"
        shown = name_or_file
    return parse(strict_yaml.read(path, shown, "a script", _HINT), shown, path.stem)


def parse(text: str, shown: str, name: str) -> Script:
    """A script's text; ``shown`` is how the user named the file."""
    document = strict_yaml.parse(text)
    if not document.issues and not isinstance(document.data, dict):
        document.complain((), "a script is a map", "begin it with schema: 1")
    script = None if document.issues else _script(document, name)
    if document.issues or script is None:
        raise TopologyError(shown, tuple(document.issues))
    return script


def _script(document: Document, name: str) -> Script:
    data: dict[str, Any] = document.data
    _check_keys(document, (), data, _TOP)
    if data.get("schema") != 1:
        document.complain(("schema",), "must be 1", "schema: 1")
    for key in ("summary", "topology"):
        if not isinstance(data.get(key), str):
            document.complain((key,), "is missing, or no text", f"{key}: TEXT")
    lasts_s = _time(document, ("lasts",), data.get("lasts"), "lasts: 7d")
    if not document.issues and lasts_s < 1:
        document.complain(("lasts",), "is shorter than a second", "lasts: 7d")
    if lasts_s > _LONGEST_S:
        document.complain(("lasts",), "is longer than three years", "lasts: 365d")
    entries = data.get("events", [])
    if not isinstance(entries, list):
        document.complain(("events",), "is no list", "events: [{ at: 2d, do: problem }]")
        entries = []
    events: list[LifeEvent] = []
    for number, entry in enumerate(entries):
        events += _events(document, ("events", number), entry, lasts_s)
    if len(events) > MOST_EVENTS:
        document.complain(("events",), f"are {len(events)}, and {MOST_EVENTS} are the most")
    return Script(
        name=name,
        summary=str(data.get("summary", "")),
        topology=str(data.get("topology", "")),
        lasts_s=lasts_s,
        servers=_servers(document, data.get("servers", {})),
        system=_system(document, data.get("system", {})),
        events=tuple(sorted(events, key=lambda event: event.at_s)),
    )


def _check_keys(
    document: Document, place: Place, data: dict[Any, Any], known: tuple[str, ...]
) -> None:
    for key in data:
        if key not in known:
            hint = did_you_mean(str(key), known) or f"known: {', '.join(known)}"
            document.complain((*place, key), "unknown key", hint)


def _time(document: Document, place: Place, given: object, example: str) -> float:
    """Seconds; 0 where it is no time, which the document then tells."""
    if given is None:
        document.complain(place, "is missing", example)
        return 0.0
    try:
        seconds = units.parse_duration(given)
    except ValueError as error:
        document.complain(place, str(error), example)
        return 0.0
    return seconds


def _system(document: Document, given: object) -> LifeSystem:
    if not isinstance(given, dict):
        document.complain(("system",), "is no map", "system: { vendor: Bull }")
        return LifeSystem()
    _check_keys(document, ("system",), given, _SYSTEM)
    vendor = given.get("vendor", LifeSystem().vendor)
    if not isinstance(vendor, str) or not vendor:
        document.complain(("system", "vendor"), "is no name", "system: { vendor: Bull }")
    managed = given.get("hmc_managed", False)
    if not isinstance(managed, bool):
        document.complain(("system", "hmc_managed"), "is true or false", "hmc_managed: true")
    ids = given.get("ibm_ids", [])
    if not isinstance(ids, list) or not all(isinstance(x, str) and x.isascii() for x in ids):
        document.complain(("system", "ibm_ids"), "is no list of texts", "[name@example.com]")
        ids = []
    port = given.get("web_port", 0)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
        document.complain(("system", "web_port"), "is no port", "web_port: 5024")
        port = 0
    return LifeSystem(
        vendor=str(vendor), hmc_managed=managed is True, web_port=port, ibm_ids=tuple(ids)
    )


def _servers(document: Document, given: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(given, dict):
        document.complain(("servers",), "is no map", "servers: { problem: [https://...] }")
        return ()
    found = []
    for errand, urls in given.items():
        _check_errand(document, ("servers", errand), errand)
        found.append((str(errand), _urls(document, ("servers", errand), urls)))
    return tuple(found)


def _check_errand(document: Document, place: Place, given: object) -> None:
    known = [str(kind) for kind in ErrandKind]
    if given not in known:
        hint = did_you_mean(str(given), known) or f"known: {', '.join(known)}"
        document.complain(place, f"{given!r} is no errand", hint)


def _urls(document: Document, place: Place, given: object) -> tuple[str, ...]:
    urls = [str(url) for url in given] if isinstance(given, list) else []
    if not urls or not all(url.startswith(("https://", "http://")) for url in urls):
        document.complain(place, "is no list of URLs", "[https://www-945.ibm.com]")
        return ()
    return tuple(urls)


def _events(document: Document, place: Place, entry: object, lasts_s: float) -> list[LifeEvent]:
    """An entry, once or as often as it says."""
    if not isinstance(entry, dict):
        document.complain(place, "an event is a map", "- { at: 2d, do: problem }")
        return []
    deeds = [str(deed) for deed in Deed]
    if entry.get("do") not in deeds:
        what = f"{entry['do']!r} is nothing that happens" if "do" in entry else "do is missing"
        hint = did_you_mean(str(entry.get("do")), deeds) or f"known: {', '.join(deeds)}"
        document.complain((*place, "do") if "do" in entry else place, what, hint)
        return []
    deed = Deed(entry["do"])
    _check_fits(document, place, deed)
    before = len(document.issues)
    known = ("at", "do", "every", *_KEYS.get(deed, ()))
    _check_keys(document, place, entry, known)
    for key in _NEEDED.get(deed, ()):
        if key not in entry:
            document.complain(place, f"{deed} has no {key}", _EXAMPLES[deed])
    at_s = _time(document, (*place, "at"), entry.get("at"), f"at: 2d, do: {deed}")
    one = _event(document, place, entry, deed, at_s)
    if at_s >= lasts_s > 0:
        document.complain((*place, "at"), "is after the end of the life", "a longer lasts")
    if deed is Deed.problem and not re.fullmatch(_CODE, one.code):
        document.complain((*place, "code"), f"{one.code!r} is no reference code", _CODE_HINT)
    every_s = _time(document, (*place, "every"), entry["every"], "7d") if "every" in entry else 0.0
    if "every" in entry and every_s < 1 and len(document.issues) == before:
        document.complain((*place, "every"), "is shorter than a second", "every: 7d")
    if len(document.issues) > before:
        return []
    count = 1 + int((lasts_s - at_s - 1) // every_s) if every_s >= 1 else 1
    return [_later(one, number * every_s) for number in range(min(count, MOST_EVENTS + 1))]


def _check_fits(document: Document, place: Place, deed: Deed) -> None:
    """An HMC calls for an inventory where it manages the system, and there no service hears of anything."""
    system = document.data.get("system")
    managed = isinstance(system, dict) and system.get("hmc_managed") is True
    if deed is Deed.inventory and not managed:
        document.complain(
            (*place, "do"), "no HMC manages the system", "system: { hmc_managed: true }"
        )
    if deed is Deed.browse and not (isinstance(system, dict) and system.get("web_port")):
        document.complain((*place, "do"), "the agent has no pages", "system: { web_port: 5024 }")
    if managed and deed in _OF_A_SERVICE:
        document.complain(
            (*place, "do"),
            f"an HMC manages the system: no service hears of a {deed}",
            "do: inventory",
        )


def _event(
    document: Document, place: Place, entry: dict[Any, Any], deed: Deed, at_s: float
) -> LifeEvent:
    for_s = RESTART_S if deed is Deed.kill else 0.0
    if "for" in entry:
        for_s = _time(document, (*place, "for"), entry["for"], _EXAMPLES[deed])
    if deed is Deed.move and "errand" in entry:
        _check_errand(document, (*place, "errand"), entry["errand"])
    return LifeEvent(
        at_s=at_s,
        do=deed,
        line=document.line(place),
        of=str(entry.get("of", "")),
        how=_how(document, (*place, "how"), entry),
        for_s=for_s,
        by_s=_leap(document, (*place, "by"), entry["by"]) if "by" in entry else 0.0,
        code=str(entry.get("code", DEFAULT_CODE)) if deed in (Deed.problem, Deed.imm) else "",
        severity=_severity(document, (*place, "severity"), entry) if deed is Deed.imm else "",
        text=str(entry.get("text", DEFAULT_TEXT)) if deed is Deed.imm else "",
        errand=str(entry.get("errand", "")),
        to=_urls(document, (*place, "to"), entry["to"]) if "to" in entry else (),
    )


def _severity(document: Document, place: Place, entry: dict[Any, Any]) -> str:
    given = str(entry.get("severity", DEFAULT_SEVERITY))
    if given not in SEVERITIES:
        hint = did_you_mean(given, SEVERITIES) or f"known: {', '.join(SEVERITIES)}"
        document.complain(place, f"{given!r} is no severity of a failure", hint)
    return given


def _how(document: Document, place: Place, entry: dict[Any, Any]) -> str:
    given = str(entry.get("how", ""))
    if "how" in entry and given not in HOW:
        hint = did_you_mean(given, HOW) or f"known: {', '.join(HOW)}"
        document.complain(place, f"{given!r} is not how a proxy can be out of service", hint)
    return given


def _leap(document: Document, place: Place, given: object) -> float:
    text = str(given)
    sign = -1.0 if text.startswith("-") else 1.0
    return sign * _time(document, place, text.lstrip("+-"), "by: 3d, or by: -6h")


def _later(event: LifeEvent, by_s: float) -> LifeEvent:
    return replace(event, at_s=event.at_s + by_s)


_EXAMPLES: dict[Deed, str] = {
    Deed.outage: "{ at: 30d, do: outage, of: fw-inet, for: 6h }",
    Deed.move: "{ at: 60d, do: move, errand: problem, to: [https://129.42.42.224] }",
    Deed.kill: "{ at: 3d, do: kill, for: 1min }",
    Deed.clock: "{ at: 90d, do: clock, by: 3d }",
    Deed.access_key: "{ at: 20d, do: access-key, for: 5d }",
}
