"""Call-home servers: what is told of runs that differ, and what proves nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.consoles.events import LevelsDiffer, RequestDelivered, RequestFailed, RequestForwarded
from lab.topology.model import Topology
from lab.verify import Verdict
from lab.ways.consoles.events import ClearRequestTried, InterConsoleTried
from tests.recordings.true_run import Recordings, TrueRun
from tests.unit.verify.call_home_server_mutations import (
    ONE,
    TWO,
    done_twice,
    failed_request,
    other_level,
    warned,
)


@pytest.fixture
def run(recordings: Recordings) -> TrueRun:
    """Five requests of hmc-c, shared out between hmc-a and hmc-b; the last one failed at hmc-a."""
    return recordings(TWO)


def judged(run: TrueRun, requirement: str, believed: Topology | None = None) -> tuple[Verdict, str]:
    found = run.judge(believed)[requirement]
    return found.verdict, found.seen


def test_servers_of_several_levels_are_a_warning_and_no_failure(run: TrueRun) -> None:
    """M-08."""
    other_level(run)
    warned(run)

    told = "hmc-c warns of several levels: hmc-a V8R8.7.0 and hmc-b V8R8.6.0"
    assert judged(run, "M-08") == (Verdict.held, told)
    assert any(isinstance(event, LevelsDiffer) for event in run.events)


def test_a_server_that_tells_no_level_is_compared_with_none(run: TrueRun) -> None:
    for frame in run.find("svc-b", lambda p: b'"hmc-b"' in p.payload):
        run.change(frame, frame.data.replace(b'"V8R8.7.0"', b'""        '))

    verdict, seen = judged(run, "M-08")
    assert verdict is Verdict.not_applicable
    assert "with their levels" in seen


def test_a_request_that_ibm_hears_twice_is_one_ticket(run: TrueRun) -> None:
    """M-07, R-03: a server died before it had said that IBM has the request."""
    done_twice(run)
    run.record.ledger[-1] = replace(run.record.ledger[-1], again=True)

    for requirement in ("M-07", "R-03"):
        assert judged(run, requirement) == (
            Verdict.held,
            "a request of hmc-c failed at hmc-a; hmc-b sent it, and IBM has one ticket for what came 2 times",
        )


def test_a_request_that_fails_everywhere_was_tried_everywhere(run: TrueRun) -> None:
    """M-07: no server is left, and that is no failure of the retries."""
    key = failed_request(run)
    sent = next(e for e in run.events if isinstance(e, RequestDelivered) and e.key == key)
    run.events[run.events.index(sent)] = RequestFailed(
        source="hmc-c", time=sent.time, console="hmc-b", key=key, problem="no route to host"
    )
    run.record.ledger = [entry for entry in run.record.ledger if entry.key != key]

    verdict, seen = judged(run, "M-07")
    assert (verdict, seen) == (
        Verdict.held,
        "a request of hmc-c failed at hmc-a and hmc-b; no server was left",
    )
    assert judged(run, "M-06")[0] is Verdict.held


@pytest.mark.parametrize("requirement", ["M-07", "R-03"])
def test_without_a_failure_nothing_is_said_of_retries(run: TrueRun, requirement: str) -> None:
    key = failed_request(run)
    run.events = [event for event in run.events if vars(event).get("key") != key]

    assert judged(run, requirement) == (
        Verdict.not_applicable,
        "no request failed at a call-home server",
    )


def test_fewer_requests_than_servers_prove_nothing_of_sharing(run: TrueRun) -> None:
    """M-06."""
    first = next(event for event in run.events if isinstance(event, RequestForwarded))
    run.events = [event for event in run.events if vars(event).get("key", first.key) == first.key]

    assert judged(run, "M-06") == (
        Verdict.not_applicable,
        "hmc-c had 1 request for 2 servers",
    )


def test_a_request_that_failed_somewhere_proves_nothing_of_sharing(run: TrueRun) -> None:
    """M-06: which server is picked after such a request depends on how often each was asked then."""
    keys = list(dict.fromkeys(e.key for e in run.events if isinstance(e, RequestForwarded)))
    kept = {keys[0], failed_request(run)}
    run.events = [event for event in run.events if vars(event).get("key", keys[0]) in kept]

    assert judged(run, "M-06") == (
        Verdict.not_applicable,
        "hmc-c had 1 request that did not fail for 2 servers",
    )


def test_one_server_proves_nothing_of_several(recordings: Recordings) -> None:
    run = recordings(ONE)
    for requirement in ("M-06", "M-07", "R-03", "M-08"):
        expecting = replace(run.topology, expect=(requirement,))
        verdict, seen = judged(run, requirement, expecting)
        assert verdict is Verdict.not_applicable
        assert "knew two call-home servers" in seen


def test_without_requests_nothing_is_put_to_the_test(run: TrueRun) -> None:
    run.record.calls.clear()
    run.events = [event for event in run.events if "key" not in vars(event)]

    for requirement in ("M-05", "M-06", "M-07", "R-03"):
        assert judged(run, requirement) == (
            Verdict.not_applicable,
            "no console had a request sent by another one",
        )


def test_an_agent_that_called_and_knew_no_server_has_not_come_home(run: TrueRun) -> None:
    """M-05."""
    run.events = [event for event in run.events if "key" not in vars(event)]

    assert judged(run, "M-05") == (Verdict.failed, "hmc-c knew no call-home server to ask")


@pytest.mark.parametrize(
    ("kind", "requirement"), [(InterConsoleTried, "P-17"), (ClearRequestTried, "M-03")]
)
def test_without_the_trial_nothing_is_put_to_the_test(
    run: TrueRun, kind: type[InterConsoleTried | ClearRequestTried], requirement: str
) -> None:
    tried = [event for event in run.events if isinstance(event, kind)]
    gone = {(e.address, e.port) for e in tried if isinstance(e, ClearRequestTried)}
    gone |= {(e.address, p) for e in tried if isinstance(e, InterConsoleTried) for p in e.ports}
    for segment, frames in run.wire.items():
        own = [
            frame
            for frame in frames
            if frame.ip
            and {
                (frame.ip.source, frame.ip.source_port),
                (frame.ip.destination, frame.ip.destination_port),
            }
            & gone
        ]
        run.drop(segment, own)
    run.events = [event for event in run.events if not isinstance(event, kind)]

    assert judged(run, requirement)[0] is Verdict.not_applicable


def test_a_server_that_took_no_connection_is_not_judged_by_trials(run: TrueRun) -> None:
    """P-17, M-03: it is dead, or port 9920 is blocked."""
    run.events = [
        replace(e, ports=(0, 0), answers=("", ""))
        if isinstance(e, InterConsoleTried) and e.console == "hmc-b"
        else replace(e, port=0, status=0)
        if isinstance(e, ClearRequestTried) and e.console == "hmc-b"
        else e
        for e in run.events
    ]
    run.wire = {
        name: [
            f
            for f in frames
            if not (f.ip and 9920 in (f.ip.source_port, f.ip.destination_port))
            or "192.168.10.10" in (f.ip.source, f.ip.destination)
        ]
        for name, frames in run.wire.items()
    }

    for requirement in ("P-17", "M-03"):
        verdict, seen = judged(run, requirement)
        assert verdict is Verdict.held
        assert "refused" in seen
        assert "hmc-b" not in seen


def test_the_end_of_a_request_that_a_damaged_file_has_alone_is_no_request(run: TrueRun) -> None:
    key = next(event.key for event in run.events if isinstance(event, RequestFailed))
    run.events[:] = [
        event
        for event in run.events
        if not (isinstance(event, RequestForwarded) and event.key == key)
    ]

    verdict, seen = judged(run, "M-05")

    assert verdict is Verdict.held
    assert seen.startswith("4 requests of hmc-c sent by ")
