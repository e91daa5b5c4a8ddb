"""Symptoms of servers that are reached: where they must keep silent, and what they tell of what is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from lab.record.cause import AgentCause
from lab.verify.case import Case
from lab.verify.symptom import Trail
from lab.ways.direct import server_symptoms, symptoms
from tests.recordings.true_run import Recordings, TrueRun

Change = Callable[[TrueRun], None]
ETHERNET = 14
ALERTS = {
    "certificate-expired": "certificate_expired",
    "authority-unknown": "unknown_ca",
}


def fail(run: TrueRun) -> None:
    for call in run.record.calls:
        call.succeeded = False


def refuse(run: TrueRun, alert: str) -> None:
    """The agent ends each handshake by an alert."""
    fail(run)
    for entry in run.record.ledger:
        if entry.kind == "heartbeat":
            entry.kind, entry.status, entry.tls_version, entry.alert = "handshake", 0, "", alert


def say_otherwise(run: TrueRun) -> None:
    for entry in run.record.ledger:
        entry.alert = entry.alert and "internal_error"


def get_further(run: TrueRun) -> None:
    """Another handshake came about, and was followed by a request."""
    first = run.record.ledger[0]
    run.record.ledger.append(replace(first, kind="request", tls_version="TLSv1.3", alert=""))


def be_a_back_end(run: TrueRun) -> None:
    for entry in run.record.ledger:
        entry.back_end = "problems"


def answer_404(run: TrueRun) -> None:
    for entry in run.record.ledger:
        entry.status = 404 if entry.status == 503 else entry.status


def reset_elsewhere(run: TrueRun) -> None:
    """The resets are on the customer's wires, and the servers have sent none."""
    run.drop("dmz", run.find("dmz", lambda p: p.is_reset))


def client_leaves_first(run: TrueRun) -> None:
    """What comes after that says nothing of the server."""
    for frame in run.find("dmz", lambda p: p.is_reset):
        run.change(frame, time=run.end)


def broke(run: TrueRun) -> None:
    """The agent gave up for another reason."""
    for call in run.record.calls:
        call.attempts = tuple(replace(each, cause=AgentCause.broken) for each in call.attempts)


def leave_soon(run: TrueRun) -> None:
    """The agent leaves five seconds after its request."""
    for frame in run.find("dmz", lambda p: p.ends_connection):
        asked = max(
            f.time for f in run.find("dmz", lambda p: bool(p.payload)) if f.time < frame.time
        )  # fmt: skip
        run.change(frame, time=asked + 5.0)


def one_passes(run: TrueRun) -> None:
    frame = run.find("lan", lambda p: p.is_bare_syn)[0]
    run.put("fw-inet", "firewall", "internet", frame.data[ETHERNET:], frame.time)


@pytest.mark.parametrize(
    ("recording", "change", "cause"),
    [
        ("direct.expired-certificate", say_otherwise, "certificate-expired"),
        ("direct.expired-certificate", get_further, "certificate-expired"),
        ("direct.unknown-authority", say_otherwise, "authority-unknown"),
        ("direct.unknown-authority", get_further, "authority-unknown"),
        ("direct.server-503", be_a_back_end, "server-unavailable"),
        ("direct.server-503", answer_404, "server-unavailable"),
        ("direct.server-resets", reset_elsewhere, "server-resets"),
        ("direct.slow-server", broke, "server-slow"),
        ("direct.slow-server", leave_soon, "server-slow"),
        ("direct.blocked-443", one_passes, "port-blocked"),
    ],
)
def test_a_symptom_keeps_silent(
    recording: str, change: Change, cause: str, recordings: Recordings
) -> None:
    run = recordings(recording)
    assert run.diagnose().cause == cause
    change(run)

    assert run.diagnose().cause != cause


@pytest.mark.parametrize(
    "name", ["direct", "direct-snat", "simplified", "traditional", "esa-linux"]
)
def test_nothing_is_found_of_a_good_run(name: str, recordings: Recordings) -> None:
    """Even if the agent says that it failed, no server is blamed."""
    run = recordings(name)
    fail(run)
    own = [find for find in symptoms.FAILURE if find.__module__ == server_symptoms.__name__]
    assert len(own) == 6
    case: Case = run.case()
    found = [find(Trail(case, agent, None)) for find in own for agent in run.topology.agents]
    assert found == [None] * len(found)


@pytest.mark.parametrize("cause", ALERTS)
def test_a_certificate_that_is_in_clear_is_told_as_it_is(
    cause: str, recordings: Recordings
) -> None:
    """The servers of this run have a good one: so it is the agent's clock, or the agent's authorities."""
    run = recordings("direct")
    refuse(run, ALERTS[cause])

    found = run.diagnose()

    assert found.cause == cause
    if cause == "certificate-expired":
        assert "in clear the server shows one that is valid until 3000-01-01" in found.sentence
        assert found.hint == "set the clock of hmc"
    else:
        assert (
            "in clear the server itself shows one of callhome-lab, Lab authority" in found.sentence
        )
        assert "have hmc trust it" in found.hint


def test_an_expired_certificate_is_no_matter_of_clocks(recordings: Recordings) -> None:
    found = recordings("direct.expired-certificate").diagnose()
    assert "valid until 2020-01-01" in found.sentence
    assert "have a new certificate put on 129.42.56.189:443" in found.hint
