"""The settings that the pages change, as a form, and what a form that comes back means for the file.

Those of the slides (S2, "Configuring Electronic Service Agent", "Service Connectivity"; S0): the contact, IBM
IDs, the service connections and their order, the times of the reports, the port. A proxy's password is never
shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.agent.contact import LABELS
from lab.agent.proxied import ProxyUrl
from lab.agent.settings import IBM_IDS, SCHEDULE, AgentSettings
from lab.agent.web.settings_file import NewWay
from lab.agent.web.sheet import FormBlock, FormEntry, FormGroup

VERSION = "version"
"""The form's field with the digest of the file that it was made from."""
_KINDS = (
    ("", "not used"), ("direct", "direct"), ("proxy", "proxy"), ("lab-way", "brought up when needed"),
)  # fmt: skip
_TARGETS = {"proxy": "url", "lab-way": "way"}
"""The key of a way that has its target, by kind."""


def form_block(settings: AgentSettings, written: Mapping[str, Any], version: str) -> FormBlock:
    """The form; ``written`` is what the file says, as TOML has it."""
    ibm_ids = [*settings.ibm_ids, *[""] * IBM_IDS]
    contact = settings.contact.as_dict() if settings.contact is not None else {}
    groups = [
        FormGroup(
            "Contact",
            "Whom IBM's people call about a system. Fill in all of it, or nothing. It goes to IBM with the "
            "enrolment of a system and with each inventory.",
            tuple(
                FormEntry(f"contact.{key}", label, contact.get(key, ""))
                for key, label in LABELS.items()
            ),
        ),
        FormGroup(
            "IBM IDs",
            "Two at most; they go to IBM with the enrolment of a system. Further ones are added on IBM's "
            "web site.",
            tuple(
                FormEntry(f"ibm_ids.{n}", f"IBM ID {n + 1}", ibm_ids[n]) for n in range(IBM_IDS)
            ),
        ),
        FormGroup(
            "Service connections",
            "Tried by their order, the lowest number first. Three proxies at most: http://HOST:PORT, or "
            "http://USER:PASSWORD@HOST:PORT. A password that is there is not shown, and stays while the "
            "address is left as it is.",
            tuple(each for n in range(len(_ways(written)) + 1) for each in _way(written, n)),
        ),
        FormGroup(
            "Schedule",
            "Seconds between two reports; a day has 86400.",
            (
                *(
                    FormEntry(f"schedule.{name}", name.capitalize().replace("-", " "), f"{seconds:.15g}")
                    for name, seconds in settings.schedule.items()
                ),
                FormEntry("retry", "What was not sent is tried again after", f"{settings.retry_s:.15g}"),
            ),
        ),
    ]  # fmt: skip
    if settings.web is not None:
        port = FormEntry("web.port", "Port of these pages", str(settings.web.port))
        groups.append(
            FormGroup("Operation", "The port holds after a restart of the service.", (port,))
        )
    return FormBlock("Change settings", tuple(groups), "Save settings", ((VERSION, version),))


def values(form: Mapping[str, str], settings: AgentSettings) -> dict[tuple[str, ...], Any]:
    """The keys of the file, but for the ways, that a form changes; what is no number goes on as text, and
    whoever checks the file says what is wrong with it."""
    found: dict[tuple[str, ...], Any] = {}
    ibm_ids = [form.get(f"ibm_ids.{n}", "").strip() for n in range(IBM_IDS)]
    if [each for each in ibm_ids if each] != [*settings.ibm_ids]:
        found["ibm_ids",] = [each for each in ibm_ids if each]
    former = settings.contact.as_dict() if settings.contact is not None else {}
    contact = {key: text for key in LABELS if (text := form.get(f"contact.{key}", "").strip())}
    if contact != former:
        found["contact",] = contact or None
    for name in SCHEDULE:
        given = _number(form.get(f"schedule.{name}", ""))
        if given != settings.schedule[name]:
            found["schedule", name] = given
    if (retry := _number(form.get("retry", ""))) != settings.retry_s:
        found["retry",] = retry
    if (
        settings.web is not None
        and (port := _number(form.get("web.port", ""))) != settings.web.port
    ):
        found["web", "port"] = port
    return found


def ways(form: Mapping[str, str], written: Mapping[str, Any]) -> list[NewWay] | None:
    """The ways in their order; None if they are as they were."""
    former = _ways(written)
    rows: list[tuple[float, int, NewWay]] = []
    for n in range(len(former) + 1):
        kind = form.get(f"ways.{n}.kind", "")
        if not kind:
            continue
        target = form.get(f"ways.{n}.target", "").strip()
        before = n if n < len(former) else None
        known = former[n] if before is not None else {}
        members = {"name": form.get(f"ways.{n}.name", "").strip() or kind, "kind": kind}
        if key := _TARGETS.get(kind):
            unchanged = known.get("kind") == kind and target == _target(known)
            members[key] = str(known.get(key, "")) if unchanged else target
        order = _number(form.get(f"ways.{n}.order", ""))
        rows.append(
            (order if isinstance(order, int | float) else n + 1.0, n, NewWay(members, before))
        )
    fresh = [way for _, _, way in sorted(rows, key=lambda row: row[:2])]
    same = [way.members for way in fresh] == [_members(way) for way in former]
    return None if same else fresh


def _ways(written: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those of the file; without any the direct one (OUT-15)."""
    return [*written.get("ways", [])] or [{"kind": "direct"}]


def _members(way: Mapping[str, Any]) -> dict[str, str]:
    kind = str(way.get("kind", "direct"))
    members = {"name": str(way.get("name", kind)), "kind": kind}
    if key := _TARGETS.get(kind):
        members[key] = str(way.get(key, ""))
    return members


def _way(written: Mapping[str, Any], n: int) -> tuple[FormEntry, ...]:
    former = _ways(written)
    told = _members(former[n]) if n < len(former) else {"name": "", "kind": ""}
    title = f"Connection {n + 1}" if n < len(former) else "Another connection"
    return (
        FormEntry(f"ways.{n}.order", f"{title}: order", str(n + 1)),
        FormEntry(f"ways.{n}.kind", f"{title}: kind", told["kind"], _KINDS),
        FormEntry(f"ways.{n}.name", f"{title}: name", told["name"]),
        FormEntry(f"ways.{n}.target", f"{title}: address or way", _target(told)),
    )


def _target(way: Mapping[str, Any]) -> str:
    """What a page shows of a way's target: no password."""
    key = _TARGETS.get(str(way.get("kind", "")), "")
    text = str(way.get(key, ""))
    if key != "url" or not text:
        return text
    try:
        return ProxyUrl(text).url
    except ValueError:
        return ""


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text.strip())
        except ValueError:
            continue
    return text
