"""``events.jsonl`` of real runs: what it says is what the record says, and what the story told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from lab.record.story import EVENTS, read
from lab.telephony import events as telephony
from lab.telephony.events import ExchangeEvent, ModemSaid, TerminalSaid
from tests.integration.labs import Ran, Runs, lab
from tests.unit.test_event import KINDS, fields

pytestmark = pytest.mark.kernel

RUNS = (("vpn-nat",), ("dial",), ("failover", "--fault", "gateways-silent"))
SESSION = ("gateway", "interface", "local_ip", "peer_ip", "mtu")
ENDED = ("gateway", "interface", "exit_status", "cause", "detail")
ANSWERED = ("line", "number", "rate_bit_s", "address")
ADMITTED = ("line", "number", "interface", "address", "user")
SERVED = ("system", "peer_ip", "server_ip", "server_port", "tls_version", "status")
CLASSES = {kind.kind(): kind for kind in KINDS}


@pytest.fixture(scope="module", params=RUNS, ids=" ".join)
def ran(request: pytest.FixtureRequest, runs: Runs) -> Ran:
    runs.start(RUNS)
    ran = runs.get(*request.param)
    assert ran.status == 0, ran.told
    return ran


def of(ran: Ran, *kinds: str) -> list[dict[str, Any]]:
    return [event for event in ran.events if event["kind"] in kinds]


def values_of(event: dict[str, Any]) -> dict[str, Any]:
    """What an event of this line has as the record keeps it."""
    return {name: value for name, value in event.items() if name != "kind"}


def values(thing: object, names: tuple[str, ...]) -> list[object]:
    return [getattr(thing, name) for name in names]


def test_every_line_is_of_a_kind_and_has_a_time_and_a_source(ran: Ran) -> None:
    nodes = {"lab", *(node.name for node in ran.topology.nodes)}
    for event in ran.events:
        assert list(event)[:3] == ["time", "source", "kind"]
        assert list(event)[3:] == list(fields(CLASSES[event["kind"]]))
        assert event["source"] in nodes
        assert ran.record.started <= event["time"] <= ran.record.ended


def test_the_story_is_made_of_them(ran: Ran) -> None:
    told = [line.split(" s  ", 1)[1] for line in ran.stderr.splitlines() if " s  " in line[:13]]
    made = []
    for again in read(ran.run_dir, *KINDS):
        if again.sentence:
            made.append(f"{again.topic:<8} {again.sentence}")

    assert sorted(told) == sorted(made)
    assert len(told) > 8


def test_the_lab_came_up_first(ran: Ran) -> None:
    (up,) = of(ran, "lab-up")
    assert (up["source"], up["topology"]) == ("lab", ran.topology.name)
    assert up["nodes"] == [node.name for node in ran.topology.nodes]
    before = {event["kind"] for event in ran.events[: ran.events.index(up)]}
    at_boot = {"modem-probed", "terminal-said", "modem-said", "tls-not-offered"}
    assert before <= at_boot, "modems and servers are set up at boot"


def test_ways_are_those_that_the_record_has(ran: Ran) -> None:
    for event, trial in zip(of(ran, "way-tried"), ran.record.tries, strict=True):
        assert (event["source"], event["way"], event["time"]) == (
            trial.agent,
            trial.way,
            trial.started,
        )
    outcomes = [
        (e["source"], e["way"], e["kind"] == "way-up") for e in of(ran, "way-up", "way-failed")
    ]
    assert outcomes == [(each.agent, each.way, each.up) for each in ran.record.tries]
    assert not of(ran, "way-lost", "path-failed")


def test_ike_went_as_the_record_has_it(ran: Ran) -> None:
    assert [values_of(e) for e in of(ran, "ike-established")] == list(map(vars, ran.record.ike))
    failures = [values_of(e) for e in of(ran, "ike-failed")]
    assert failures == list(map(vars, ran.record.ike_failed))
    assert all(failure["cause"] == "silent" for failure in failures)
    failed = [event["gateway"] for event in of(ran, "ike-failed")]
    assert [event["gateway"] for event in of(ran, "gateway-failed")] == failed


def test_tunnels_and_sessions_are_those_that_the_record_has(ran: Ran) -> None:
    tunnels = [pair for event in of(ran, "l2tp-up") for pair in event["tunnels"]]
    assert tunnels == [[tunnel.local_id, tunnel.remote_id] for tunnel in ran.record.l2tp]

    sessions = [session for session in ran.record.ppp if session.opened]
    assert sessions
    for event, session in zip(of(ran, "ppp-up"), sessions, strict=True):
        assert (event["source"], event["time"]) == (session.client, session.opened)
        assert [event[name] for name in SESSION] == values(session, SESSION)
    for event, session in zip(of(ran, "ppp-down"), sessions, strict=True):
        assert (event["source"], event["time"]) == (session.client, session.closed)
        assert [event[name] for name in ENDED] == values(session, ENDED)


def test_modems_and_calls_are_those_that_the_record_has(ran: Ran) -> None:
    assert [values_of(e) for e in of(ran, "modem-probed")] == list(map(vars, ran.record.modems))
    assert all(probe.found for probe in ran.record.modems)
    assert [values_of(e) for e in of(ran, "dialled")] == list(map(vars, ran.record.dialled))
    for attempt in ran.record.dialled:
        assert (attempt.cause is None) == attempt.result.startswith("CONNECT")


def test_calls_home_are_those_that_the_record_has(ran: Ran) -> None:
    said = iter(of(ran, "call-home-tried"))
    for call in ran.record.calls:
        tried = [next(said) for _ in call.attempts]
        assert {(event["source"], event["way"]) for event in tried} == {(call.agent, call.way)}
        assert all(call.started <= event["time"] <= call.ended for event in tried)
        assert call.succeeded == (tried[-1]["cause"] is None) == bool(tried[-1]["transaction"])
        assert [event["transaction"] for event in tried] == [a.transaction for a in call.attempts]
    assert not list(said)
    heard = {(line.server_ip, line.kind) for line in ran.record.ledger}
    acknowledged = [event for event in of(ran, "call-home-tried") if event["transaction"]]
    assert {(event["address"], "heartbeat") for event in acknowledged} <= heard


def test_what_servers_and_the_gateway_did_is_what_the_record_has(ran: Ran) -> None:
    for event, entry in zip(of(ran, "served"), ran.record.ledger, strict=True):
        assert (event["time"], event["request"]) == (entry.time, entry.kind)
        assert [event[name] for name in SERVED] == values(entry, SERVED)

    calls = ran.record.lig
    assert all(call.answered for call in calls)
    assert [event["time"] for event in of(ran, "lig-hung-up")] == [call.closed for call in calls]
    for kind, names in (("lig-answered", ANSWERED), ("lig-admitted", ADMITTED)):
        told = [[event[name] for name in names] for event in of(ran, kind)]
        assert told == [values(call, names) for call in calls]


def test_the_dialogue_tells_what_the_events_do(ran: Ran) -> None:
    """``pstn.txt`` is for people; whatever is in it, but for counts of bytes, is an event, too."""
    path = ran.run_dir / "wire" / "pstn.txt"
    said = path.read_text().splitlines() if path.exists() else []
    told = [line.split(maxsplit=2)[1:] for line in said if "... data" not in line]
    marks = {TerminalSaid: ">", ModemSaid: "<"}
    events: list[list[str]] = []
    for event in read(ran.run_dir, *telephony.KINDS):
        if isinstance(event, ExchangeEvent):
            events.append(["pstn", f"* {event.note}"])
        else:
            assert isinstance(event, TerminalSaid | ModemSaid)
            events.append([event.line, f"{marks[type(event)]} {event.text}"])

    assert sorted(told) == sorted(events)
    assert bool(told) == (ran.topology.telephone is not None)


def test_what_was_tried_is_what_the_record_has(ran: Ran) -> None:
    assert [values_of(e) for e in of(ran, "probed")] == list(map(vars, ran.record.probes))
    forwards = [values_of(e) for e in of(ran, "forward-probed")]
    assert forwards == list(map(vars, ran.record.forward_probes))
    rules = [values_of(e) for e in of(ran, "own-rule-tried")]
    assert rules == list(map(vars, ran.record.trials))

    sides = {(trial.client, trial.side) for trial in ran.record.fence_trials}
    assert {(e["source"], e["side"]) for e in of(ran, "fence-tried")} == sides
    again = [event["source"] for event in of(ran, "called-again")]
    assert again == ([*ran.topology.agents] if sides else [])


def test_no_secret_is_among_them(ran: Ran) -> None:
    text = (ran.run_dir / EVENTS).read_text()
    assert ran.secrets
    assert not [
        secret for secret in ran.secrets if secret in text or secret.lower() in text.lower()
    ]


def test_a_lab_that_is_left_up_writes_them_too(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = lab("up", "direct", "--out", os.fspath(out), cwd=tmp_path)
    try:
        assert done.returncode == 0, done.stderr
        told = (out / EVENTS).read_text()
    finally:
        lab("down", done.stdout.strip(), cwd=tmp_path)

    assert '"kind": "lab-up"' in told
    assert '"kind": "way-up"' in told
