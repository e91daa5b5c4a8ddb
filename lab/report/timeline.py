"""``timeline.jsonl``: all that happened in a run, one line each, by the lab's clock. Judges nothing.

Its sources hold no secrets (docs/rundir.md), and nothing of a packet's content comes here but names of
messages; so nor does this file. A life (``lab life``) is told without packets, and with what its agent noted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import codec
from lab.paths import write_whole
from lab.record import story
from lab.record.event import LAB, Event, known_kinds
from lab.report import crossing, life_lines, milestones
from lab.topology.model import Role

if TYPE_CHECKING:
    from lab.verify.case import Case
    from lab.verify.verdict import Result

TIMELINE = "timeline.jsonl"
_SAID = {"terminal-said": "->", "modem-said": "<-"}
"""The dialogue with modems: by the kind of event, from the terminal or to it."""
_TOLD_BY_LEDGER = "served"

Entry = dict[str, Any]
"""``time``, ``kind``, ``source``, ``text``, and what its kind has beside these."""


def write(case: Case, result: Result) -> None:
    """Write the file of a run; raises OSError."""
    path = case.run_dir / TIMELINE
    lines = (json.dumps(entry, ensure_ascii=False) for entry in entries(case, result))
    write_whole(path, "".join(f"{line}\n" for line in lines))


def read(run_dir: Path) -> list[Entry]:
    """What ``write`` wrote; raises OSError or ValueError."""
    text = (run_dir / TIMELINE).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def entries(case: Case, result: Result) -> list[Entry]:
    """Everything, in order of time; of what came at the same time, causes before what tells of them."""
    told = [*_told(case)]
    lived = life_lines.is_life(told)
    found = [
        *_fault(case, result),
        *(() if lived else _packets(case)),
        *_logs(case),
        *_events(case, told),
        *(_agent(case, told) if lived else ()),
        *_ledger(case),
        *_findings(case, result),
    ]
    # Python's sort keeps what is equal in its order.
    return sorted(found, key=lambda entry: float(entry["time"]))


def _entry(time: float, kind: str, source: str, text: str, **more: Any) -> Entry:
    return {"time": round(time, 6), "kind": kind, "source": source, "text": text, **more}


def _fault(case: Case, result: Result) -> Iterator[Entry]:
    if result.fault:
        text = f"{result.fault} is put in from the start"
        yield _entry(case.record.started, "fault", LAB, text, fault=result.fault)


def _packets(case: Case) -> Iterator[Entry]:
    for each in crossing.find(case):
        own: Entry = {
            "protocol": each.protocol,
            "segment": each.segment,
            "frame": each.frame,
        }
        if each.also:
            own["also"] = each.also
        yield _entry(each.time, "packet", each.source, each.text, **own)


def _logs(case: Case) -> Iterator[Entry]:
    for each in milestones.find(case.run_dir):
        yield _entry(each.time, "log", each.node, each.text, program=each.program)


def _told(case: Case) -> Iterator[Entry]:
    """The events as they were written down."""
    path = case.run_dir / story.EVENTS
    for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
        try:
            fields = json.loads(line)
            known = {"time": float(fields["time"]), "source": str(fields["source"])}
            yield {**fields, **known, "kind": str(fields["kind"])}
        except (KeyError, TypeError, ValueError):
            continue  # Cut off: the run was killed.


def _events(case: Case, told: Iterable[Entry]) -> Iterator[Entry]:
    kinds = known_kinds()
    for fields in told:
        time, source, name = fields["time"], fields["source"], fields["kind"]
        if name == _TOLD_BY_LEDGER and case.record.ledger:
            continue
        if name in _SAID:
            text = f"{_SAID[name]} {fields.get('text', '')}"
            yield _entry(time, "at", source, text, line=fields.get("line", ""))
            continue
        kind = kinds.get(name)
        topic = "fault" if kind is not None and kind.topic == "fault" else "event"
        topic = "script" if name in life_lines.SCRIPTED else topic
        yield _entry(time, topic, source, _sentence(kind, fields), event=name)


def _agent(case: Case, told: Iterable[Entry]) -> Iterator[Entry]:
    for each in life_lines.of_agent(case.run_dir, told):
        text = _listed(each.event, each.fields)
        yield _entry(each.time, "agent", each.node, text, event=each.event)


def _sentence(kind: type[Event] | None, fields: Entry) -> str:
    """What the story or the telephone's tape tells of an event; else its kind and its fields."""
    own = {name: value for name, value in fields.items() if name != "kind"}
    if kind is not None:
        try:
            event = codec.build(kind, own)
            told = event.sentence or getattr(event, "note", "")
        except (AttributeError, KeyError, TypeError, ValueError):
            told = ""  # Of another version.
        if told:
            return str(told)
    return _listed(fields["kind"], own)


def _listed(event: str, fields: Entry) -> str:
    """The name of an event, and its fields."""
    rest = (
        f"{name} {_plain(value)}"
        for name, value in fields.items()
        if name not in ("time", "source") and value not in ("", None, [])
    )
    return ", ".join([event.replace("-", " "), *rest])


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _ledger(case: Case) -> Iterator[Entry]:
    servers = {n.name for n in case.topology.nodes if n.role is Role.sdc}
    by_address = {a: n.name for n in case.topology.nodes for a in n.service_addresses}
    for each in case.ledger:
        source = each.back_end or by_address.get(each.server_ip, "") or next(iter(servers), LAB)
        what = " ".join(filter(None, (each.method, each.target.partition("?")[0])))
        tls = each.tls_version or "no TLS"
        answer = f"answered {each.status}" if each.status else each.detail or "not answered"
        text = f"{each.kind}: {what or 'no request'} from {each.peer_ip} by {tls}, {answer}"
        yield _entry(each.time, "ledger", source, text, server=each.server, status=each.status)


def _findings(case: Case, result: Result) -> Iterator[Entry]:
    """Each finding at the time of the first frame that shows it; without frames, at the end."""
    times = _times(case, {e.segment for f in result.findings for e in f.evidence})
    for finding in result.findings:
        shown = [(e.segment, number) for e in finding.evidence for number in e.frames]
        known = [times[frame] for frame in shown if frame in times]
        yield _entry(
            min(known, default=case.record.ended),
            "finding",
            LAB,
            f"{finding.requirement} {finding.verdict.value}: {finding.seen}",
            requirement=finding.requirement,
            verdict=finding.verdict.value,
            **({"follows_from": finding.follows_from} if finding.follows_from else {}),
            evidence=[asdict(each) for each in finding.evidence],
        )


def _times(case: Case, segments: Iterable[str]) -> dict[tuple[str, int], float]:
    found = {
        (segment, frame.number): frame.time
        for segment in segments
        for frame in case.wire.get(segment, ())
    }
    for item in case.all_carried:
        found[item.frame.segment, item.frame.number] = item.frame.time
    return found
