"""What a run shows, as far as two runs of the same thing show the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

from lab.record.record import Record
from lab.report import crossing
from lab.report.crossing import Crossing
from lab.report.kept import KeptRun
from lab.topology.model import Topology
from lab.topology.servers import PASSIVE_PORTS
from lab.verify.case import Case
from lab.verify.finding import Verdict
from lab.wire.isakmp import IKE_PORT, NAT_T_PORT

EPHEMERAL = range(32768, 61000)
"""The ports that a kernel draws (ip_local_port_range)."""
_DRAWN = re.compile(r"\b[0-9a-f]{8,}\b")
_OF_IKE = (IKE_PORT, NAT_T_PORT)
RANDOM = frozenset({
    "time", "kind", "source", "started", "seconds", "tunnels", "transaction", "pid", "port_of_client",
    "own_port", "peer_port", "ports", "sha256", "key", "session", "identifier", "event", "interface",
    "body_bytes", "content_bytes", "received", "sent", "words", "detail", "command_line", "silent_s",
    "restored", "call",
})  # fmt: skip
"""Fields of events that are times, numbers drawn anew, or words for people."""
UNSTORIED = frozenset({"served", "terminal-said", "modem-said", "proxied", "l2tp-up"})
"""Kinds of events that other traits have, or that come when the machine gets round to them."""

_WORDS = {
    Verdict.held: "held",
    Verdict.failed: "failed",
    Verdict.not_applicable: "not put to the test",
}

_CLOSING = frozenset({
    "ppp-down", "served", "proxied", "hung-up", "lig-hung-up", "bytes-lost", "pass-through-cleared",
    "left-running", "daemon-ended", "container-ended", "pool-exhausted", "console-lost", "terminal-said",
    "modem-said",
})  # fmt: skip
"""Kinds of events that may come while a lab is taken down. After the last of any other kind nothing is
compared: which of two daemons ends first then is chance."""

Group = tuple[str, str]
"""Of traits: what they are about, and a name."""


@dataclass(frozen=True, slots=True)
class RunTraits:
    """What is compared."""

    path: str
    facts: dict[Group, str]
    """What a run is, and what it says of each thing by one word."""
    sets: dict[Group, frozenset[str]]
    """Things without an order."""
    orders: dict[Group, tuple[str, ...]]
    """Things in their order."""
    durations: dict[Group, float]
    """In seconds of the lab's clock."""
    lacking: tuple[str, ...]
    """What could not be read, a sentence each: nothing is known of it."""


def of(run: KeptRun) -> RunTraits:
    """The traits of a run, as far as it was kept."""
    facts: dict[Group, str] = {}
    sets: dict[Group, frozenset[str]] = {}
    orders: dict[Group, tuple[str, ...]] = {}
    durations: dict[Group, float] = {}
    case, broken = run.open_case()
    _of_verdict(run, facts, durations)
    if run.topology is not None:
        _of_topology(run.topology, sets)
    if run.record is not None:
        _of_record(run.record, facts, sets, orders, durations)
    until = max((e["time"] for e in run.events if e["kind"] not in _CLOSING), default=inf)
    if run.events:
        orders.update(_of_events([e for e in run.events if e["time"] <= until]))
    if case is not None and case.wire:
        _of_wires(case, until, sets, orders)
    return RunTraits(str(run.path), facts, sets, orders, durations, run.problems + broken)


def _of_verdict(run: KeptRun, facts: dict[Group, str], durations: dict[Group, float]) -> None:
    result = run.result
    if result is None:
        return
    for name in ("topology", "profile", "engine", "clock", "fault"):
        facts["set-up", name] = getattr(result, name) or "none"
    facts["findings", "the verdict"] = result.verdict
    for finding in result.findings:
        facts["findings", finding.requirement] = _WORDS[finding.verdict]
    facts["findings", "what broke first"] = result.broke_first or "nothing"
    durations["timing", "the run"] = result.lab_s


def _of_topology(topology: Topology, sets: dict[Group, frozenset[str]]) -> None:
    for node in topology.nodes:
        own = {ip for interface in node.interfaces for ip in interface.ips}
        sets["addresses", node.name] = frozenset({*own, *node.service_addresses})


def _of_record(
    record: Record,
    facts: dict[Group, str],
    sets: dict[Group, frozenset[str]],
    orders: dict[Group, tuple[str, ...]],
    durations: dict[Group, float],
) -> None:
    for agent in dict.fromkeys(trial.agent for trial in record.tries):
        own = [trial for trial in record.tries if trial.agent == agent]
        told = (f"{t.way} {'up' if t.up else 'not up'}" for t in own)
        orders["ways", f"what {agent} tried"] = tuple(told)
        for way in dict.fromkeys(trial.way for trial in own):
            last = [trial for trial in own if trial.way == way][-1]
            durations["timing", f"{agent}'s way {way}"] = max(0.0, last.ended - last.started)
    for client, gateway in record.gateway_in_use.items():
        facts["ways", f"the gateway of {client}"] = gateway
    for number, call in enumerate(record.calls, 1):
        name = f"call home {number} of {call.agent}"
        came = "acknowledged" if call.succeeded else "not acknowledged"
        facts["ways", name] = f"{came}, by {call.way or 'no way'}"
        causes = {str(a.cause.value) for a in call.attempts if a.cause is not None}
        sets["ways", f"why {name} met with trouble"] = frozenset(causes)
        durations["timing", name] = max(0.0, call.ended - call.started)
    given = {f"{s.client}: {s.local_ip}" for s in record.ppp if s.local_ip}
    given |= {f"{call.line}: an address of the pool" for call in record.lig if call.address}
    sets["addresses", "given by PPP"] = frozenset(given)
    sets["protocols", "IKE and ESP"] = frozenset(_suites(record))
    versions = {f"{entry.tls_version or 'no TLS'}" for entry in record.ledger}
    sets["protocols", "TLS at IBM's servers"] = frozenset(versions)
    asked = {
        f"{entry.kind}: {entry.method} {_named(entry.target)} {entry.status}".strip()
        for entry in record.ledger
    }
    sets["order", "what IBM's servers did"] = frozenset(asked)
    sets["ways", "left over"] = frozenset(record.leftovers)


def _named(target: str) -> str:
    """A target without its query and without numbers that were drawn, as those of orders."""
    return _DRAWN.sub("...", target.partition("?")[0])


def _suites(record: Record) -> Iterator[str]:
    for sa in record.ike:
        port = "UDP 4500" if sa.udp_encapsulation else "protocol 50"
        yield (
            f"{sa.source} and {sa.gateway}: {sa.ike_encryption}/{sa.ike_integrity}/{sa.ike_dh_group}, "
            f"ESP {sa.esp_encryption}/{sa.esp_integrity} {sa.esp_mode.lower()}, {port}"
        )
    for failure in record.ike_failed:
        yield f"{failure.source} and {failure.gateway}: {failure.cause.value}"


def _of_events(events: Iterable[dict[str, Any]]) -> dict[Group, tuple[str, ...]]:
    """What each node told, in its order."""
    told: dict[str, list[tuple[float, str]]] = {}
    for event in events:
        if event["kind"] not in UNSTORIED:
            source = str(event.get("source", ""))
            told.setdefault(source, []).append((float(event["time"]), _plain(event)))
    # What one node tells at the same time has no order.
    return {
        ("order", f"what {source} told"): tuple(text for _, text in sorted(own))
        for source, own in sorted(told.items())
    }


def _is_told(name: str, value: object) -> bool:
    """Whether a field of an event says something that is not a measure of time, and not drawn."""
    if name.endswith("port") and value in EPHEMERAL:
        return False
    return isinstance(value, str | bool | int) and value != ""


def _plain(event: dict[str, Any]) -> str:
    rest = (
        f"{name} {value}"
        for name, value in event.items()
        if name not in RANDOM and _is_told(name, value)
    )
    return ", ".join([str(event["kind"]), *rest])


def _of_wires(
    case: Case,
    until: float,
    sets: dict[Group, frozenset[str]],
    orders: dict[Group, tuple[str, ...]],
) -> None:
    """Protocols by wire, who speaks to whom, and what each end says to each other in which order."""
    found = [each for each in crossing.find(case) if each.time <= until]
    protocols: dict[str, set[str]] = {segment: set() for segment in case.wire}
    pairs: set[str] = set()
    said: dict[str, list[Crossing]] = {}
    for each in found:
        for segment in (each.segment, *(name for name, _ in each.also)):
            protocols.setdefault(segment, set()).add(each.protocol)
        near, far = masked(each.ends)
        if each.protocol in ("TCP", "ICMP", "TLS", "HTTP"):
            pairs.add(
                f"{each.protocol} {each.message.partition(' of a packet')[0]}: {near} to {far}"
            )
        elif not each.message.lower().endswith(" informational"):
            # One that is encrypted asks if the other end lives, or takes leave: when it is told to, or idle.
            said.setdefault(f"{each.protocol} of {near} to {far}", []).append(each)
    for segment, names in protocols.items():
        sets["protocols", f"on {segment}"] = frozenset(names)
    sets["addresses", "who opens, closes and refuses what"] = frozenset(pairs)
    for name, own in said.items():
        orders["order", name] = tuple(once_in_a_row(each.message for each in own))


def once_in_a_row(messages: Iterable[str]) -> Iterator[str]:
    """Messages without repetitions: how often one is sent again hangs on timers of both ends."""
    last = None
    for message in messages:
        if message != last:
            yield message
        last = message


def masked(ends: tuple[str, str]) -> tuple[str, str]:
    """Two ends, without the port that a kernel or a NAT has drawn."""
    ports = [_port(end) for end in ends]
    if any(port in _OF_IKE for port in ports):
        near, far = (
            end if port in _OF_IKE else end.rpartition(":")[0]
            for end, port in zip(ends, ports, strict=True)
        )
        return near, far
    if all(port in EPHEMERAL for port in ports):
        return ends
    near, far = (
        end.rpartition(":")[0] if port in EPHEMERAL or port in PASSIVE_PORTS else end
        for end, port in zip(ends, ports, strict=True)
    )
    return near, far


def _port(end: str) -> int:
    last = end.rpartition(":")[2]
    return int(last) if last.isdecimal() else 0
