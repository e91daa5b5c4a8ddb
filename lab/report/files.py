"""The sections of what nodes did and were told: events, rules with their counters, logs, configurations."""

from __future__ import annotations

import json
from pathlib import Path

from lab import codec
from lab.linux import configuration
from lab.linux.firewall import allow_counters
from lab.markup import Markup, fill, join
from lab.names import count
from lab.report import timeline
from lab.report.material import Material
from lab.report.parts import fold, listing, seconds, section, size, table
from lab.topology.model import AllowRule, Topology

MOST_LOG_BYTES = 24_000
"""Of one log: its beginning and its end."""
MOST_LOGS_BYTES = 400_000
"""Of all logs of a report."""
MOST_EVENTS = 300
_TOLD = ("event", "script", "log", "ledger", "fault")
"""Kinds of entries of a timeline."""
_LOGS = ("*/*.log", "*/syslog", "*.log")


# -- logs ------------------------------------------------------------------------------------------


def logs(material: Material) -> Markup:
    """Every log, folded; long ones without their middle."""
    folder = material.run_dir / "logs"
    paths = sorted({path for pattern in _LOGS for path in folder.glob(pattern)})
    parts, left = [], MOST_LOGS_BYTES
    cut: list[str] = []
    for number, path in enumerate(paths):
        name = path.relative_to(folder).as_posix()
        length = path.stat().st_size
        if not length:
            continue
        if left <= 0:
            cut.append(name)
            continue
        text = _text(path, length, f"logs/{name}")
        left -= len(text)
        title = f"{name} ({size(length)})"
        parts.append(fold(title, listing(f"log-{number}", name, text)))
    if cut:
        told = f"{count(len(cut), 'log')} more in the folder logs: {', '.join(cut)}"
        parts.append(fill('<p class="left-out">{told}.</p>', told=told))
    return section("logs", "Logs", join(parts)) if parts else Markup("")


def _text(path: Path, length: int, name: str) -> str:
    with path.open("rb") as file:
        if length <= MOST_LOG_BYTES:
            return _decoded(file.read())
        half = MOST_LOG_BYTES // 2
        first = file.read(half)
        file.seek(length - half)
        last = file.read()
    gap = f"\n\n[{size(length - MOST_LOG_BYTES)} are left out here; all of it is in {name}]\n\n"
    return _decoded(first) + gap + _decoded(last)


def _decoded(data: bytes) -> str:
    """Text without what HTML may not have: control characters are shown as numbers."""
    text = data.decode(errors="replace")
    return "".join(c if c >= " " or c in "\n\t" else f"<{ord(c):02x}>" for c in text)


# -- rules -----------------------------------------------------------------------------------------


def rules(material: Material) -> Markup:
    """What the customer's firewall lets through and every counter of every node."""
    if material.topology is None or material.case is None:
        return Markup("")
    counters = material.case.record.counters
    parts = []
    firewall = material.topology.firewall
    if firewall is not None:
        counted = counters.get(firewall.node, {})
        names = allow_counters(firewall)
        rows = [
            (
                rule.requirement,
                rule.source,
                _service(rule),
                rule.destination,
                _number(counted, name),
            )
            for rule, name in zip(firewall.rules, names, strict=True)
        ]
        own = any(each.node == firewall.node for each in material.topology.own_rules)
        said = "what the papers ask for" if own else "what it lets through besides answers"
        if rows:
            columns = ("For", "From", "Service", "To", "#Packets")
            caption = f"{firewall.node}: {said}; packets that opened a flow"
            parts.append(table("rules-firewall", caption, columns, rows))
        else:
            parts.append(fill("<p>{node} lets nothing through.</p>", node=firewall.node))
    others = [
        (node, name, str(packets))
        for node, counted in counters.items()
        for name, packets in counted.items()
    ]
    if others:
        every = table(
            "rules-counters", "Counters at the end", ("Node", "Counter", "#Packets"), others
        )
        parts.append(fold("Every counter", every))
    for at, path in enumerate(sorted((material.run_dir / "rules").glob("*"))):
        text = _text(path, path.stat().st_size, f"rules/{path.name}")
        parts.append(
            fold(f"Rules of your own: {path.name}", listing(f"rules-{at}", path.name, text))
        )
    return section("rules", "Rules and their counters", join(parts)) if parts else Markup("")


def _service(rule: AllowRule) -> str:
    if rule.protocol == "icmp-echo":
        return "ping"
    ports = f" {rule.port}-{rule.port_to}" if rule.port_to else f" {rule.port}" if rule.port else ""
    return f"{rule.protocol.upper()}{ports}{', both ways' if rule.both_ways else ''}"


def _number(counted: dict[str, int], name: str) -> str:
    return str(counted[name]) if name in counted else "not read"


# -- configurations --------------------------------------------------------------------------------


def settings(material: Material) -> Markup:
    """What daemons and kernels were told, and what the lab decided, from which that is made."""
    if material.topology is None:
        return Markup("")
    told = _told(material.run_dir / configuration.FOLDER)
    whole = json.loads(codec.dump(material.topology))
    parts = []
    for number, (name, value) in enumerate(_pieces(material.topology, whole)):
        text = json.dumps(value, indent=1, sort_keys=True)
        parts.append(fold(name, listing(f"settings-{number}", name, text)))
    introduction = (
        "What the lab decided before the run. Secrets are left out. All of it is in keys/model.json, which "
        "its owner alone may read."
    )
    decided = fill("<h3>The model</h3><p>{i}</p>{p}", i=introduction, p=join(parts))
    return section("settings", "Configurations", join([told, decided]))


def _told(folder: Path) -> Markup:
    """The files of the folder ``etc``, up to ``MOST_LOGS_BYTES``."""
    parts, left, more = [], MOST_LOGS_BYTES, 0
    for number, path in enumerate(sorted(folder.glob("*/*"))):
        name = path.relative_to(folder).as_posix()
        if left <= 0:
            more += 1
            continue
        text = _text(path, path.stat().st_size, f"{folder.name}/{name}")
        left -= len(text)
        parts.append(fold(name, listing(f"configuration-{number}", name, text)))
    if not parts:
        return Markup("")
    if more:
        there = f"{count(more, 'file')} more in the folder {folder.name}"
        parts.append(fill('<p class="left-out">{there}.</p>', there=there))
    introduction = "As each daemon was told it last, and each node's packet rules as nft(8) was."
    return fill("<h3>Daemons and packet rules</h3><p>{i}</p>{p}", i=introduction, p=join(parts))


def _pieces(topology: Topology, whole: dict[str, object]) -> list[tuple[str, object]]:
    ways = whole["ways"] if isinstance(whole["ways"], list) else []
    found: list[tuple[str, object]] = [
        (f"The way {way.name}", value) for way, value in zip(topology.ways, ways, strict=True)
    ]
    for key in (
        "firewall",
        "routers",
        "proxies",
        "telephone",
        "lig",
        "dns",
        "service",
        "tls",
        "stubs",
    ):
        if whole.get(key):
            found.append((key.capitalize() if key != "tls" else "TLS of the servers", whole[key]))
    found += [("Wires", whole["segments"]), ("Nodes", whole["nodes"])]
    return found


# -- events ----------------------------------------------------------------------------------------


def story(material: Material) -> Markup:
    """What happened, from events, logs and ledgers; packets are told by the ladders."""
    if material.case is None or material.result is None:
        return Markup("")
    found = [
        entry
        for entry in timeline.entries(material.case, material.result)
        if entry["kind"] in _TOLD and entry["text"]
    ]
    if not found:
        return Markup("")
    rows = [
        (
            seconds(entry["time"] - material.start),
            entry["source"],
            entry["kind"],
            entry["text"],
        )
        for entry in found[:MOST_EVENTS]
    ]
    columns = ("#Time", "Node", "Told by", "What happened")
    content = table(
        "story-table", "Events, logs and the servers' ledger in one order", columns, rows
    )
    if rest := len(found) - len(rows):
        told = f"{count(rest, 'event')} more are in {timeline.TIMELINE}, with all else."
        content = join([content, fill('<p class="left-out">{told}</p>', told=told)])
    return section("story", "What happened", content)
