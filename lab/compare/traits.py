"""What a run shows, as far as two runs of the same thing show the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lab.compare import told, wires
from lab.compare.told import ToldThing
from lab.compare.wires import WireTraits
from lab.names import all_of
from lab.record.record import Record
from lab.report.kept import KeptRun
from lab.topology.model import Topology
from lab.verify.finding import Verdict

_DRAWN = re.compile(r"\b[0-9a-f]{8,}\b")
_WORDS = {
    Verdict.held: "held",
    Verdict.failed: "failed",
    Verdict.not_applicable: "could not be put to the test",
}

Group = tuple[str, str]
"""Of traits: what they are about, and the beginning of a sentence."""


@dataclass(frozen=True, slots=True)
class RunTraits:
    """What is compared."""

    path: str
    lacking: tuple[str, ...]
    """What could not be read, a sentence each: nothing is known of it."""
    facts: dict[Group, str] = field(default_factory=dict)
    """What a run is, and what it says of each thing in a few words."""
    aspects: dict[Group, str] = field(default_factory=dict)
    """Facts that say nothing where the other run has no such thing."""
    nodes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """With their addresses."""
    things: dict[str, set[str]] = field(default_factory=dict)
    """Sentences without an order, by what they are about."""
    tried: dict[str, tuple[ToldThing, ...]] = field(default_factory=dict)
    """The ways that each agent tried."""
    told: dict[str, tuple[ToldThing, ...]] = field(default_factory=dict)
    """What each node told."""
    wires: WireTraits = field(default_factory=WireTraits)
    durations: dict[str, float] = field(default_factory=dict)
    """In seconds of the lab's clock, by what takes them."""


def of(run: KeptRun) -> RunTraits:
    """The traits of a run, as far as it was kept."""
    case, broken = run.open_case()
    found = RunTraits(str(run.path), run.problems + broken)
    _of_verdict(run, found)
    if run.topology is not None:
        _of_topology(run.topology, found)
    if run.record is not None:
        _of_record(run.record, found)
    until = told.end_of(run.events)
    found.told.update(told.by_source(e for e in run.events if e["time"] <= until))
    if case is not None and case.wire:
        shown = wires.of(case, until)
        found.wires.protocols.update(shown.protocols)
        found.wires.connections.update(shown.connections)
        found.wires.said.update(shown.said)
    return found


def _of_verdict(run: KeptRun, found: RunTraits) -> None:
    result = run.result
    if result is None:
        return
    for name in ("topology", "profile", "engine", "clock", "fault"):
        found.facts["set-up", f"the {name} was"] = getattr(result, name) or "none"
    found.facts["findings", "the verdict was"] = result.verdict
    for finding in result.findings:
        found.facts["findings", finding.requirement] = _WORDS[finding.verdict]
    found.facts["findings", "what broke first was"] = result.broke_first or "nothing"
    found.durations["the run"] = result.lab_s


def _of_topology(topology: Topology, found: RunTraits) -> None:
    for node in topology.nodes:
        own = (ip for interface in node.interfaces for ip in interface.ips)
        found.nodes[node.name] = tuple(dict.fromkeys([*own, *node.service_addresses]))


def _of_record(record: Record, found: RunTraits) -> None:
    for agent in dict.fromkeys(trial.agent for trial in record.tries):
        own = [trial for trial in record.tries if trial.agent == agent]
        found.tried[agent] = tuple(
            ToldThing(f"{agent}'s way {t.way} {'came' if t.up else 'did not come'} up") for t in own
        )
        for way in dict.fromkeys(trial.way for trial in own):
            last = [trial for trial in own if trial.way == way][-1]
            found.durations[f"{agent}'s way {way}"] = max(0.0, last.ended - last.started)
    for client, gateway in record.gateway_in_use.items():
        found.facts["ways", f"the gateway of {client} was"] = gateway
    for number, call in enumerate(record.calls, 1):
        name = f"call home {number} of {call.agent}"
        came = "acknowledged" if call.succeeded else "not acknowledged"
        found.facts["ways", f"{name} was"] = came
        if call.way:
            found.aspects["ways", f"{name} went by the way"] = call.way
        found.durations[name] = max(0.0, call.ended - call.started)
    for about, sentence in _things(record):
        found.things.setdefault(about, set()).add(sentence)
    _of_tunnels(record, found)


def _of_tunnels(record: Record, found: RunTraits) -> None:
    """What IKE, ESP and PPP came to, in the words of their events."""
    seen: dict[Group, list[str]] = {}
    for sa in record.ike:
        for what, how in sa.turns.items():
            seen.setdefault(("protocols", what), []).append(how)
    for session in record.ppp:
        if session.local_ip:
            what = f"{session.client}'s address in PPP with {session.gateway} was"
            seen.setdefault(("addresses", what), []).append(session.local_ip)
    for group, all_seen in seen.items():
        found.aspects[group] = all_of(list(dict.fromkeys(all_seen)))


def _things(record: Record) -> Iterator[tuple[str, str]]:
    for sa in record.ike:
        yield "protocols", sa.recap
    for failure in record.ike_failed:
        yield "protocols", failure.recap
    for entry in record.ledger:
        how = entry.tls_version or "connections without TLS"
        yield "protocols", f"{how} at IBM's servers"
        request = " ".join(filter(None, (entry.method, _named(entry.target))))
        asked = f"{request} ({entry.kind})" if request else f"a {entry.kind} without a request"
        answer = f"answered with {entry.status}" if entry.status else "did not answer"
        yield "events", f"IBM's servers had {asked}, and {answer}"
    for left in record.leftovers:
        yield "ways", f"{left} was left over"


def _named(target: str) -> str:
    """A target without its query and without numbers that were drawn, as those of orders."""
    return _DRAWN.sub("...", target.partition("?")[0])
