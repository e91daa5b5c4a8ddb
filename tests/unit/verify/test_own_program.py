"""Runs with a program of the user's own in the place of IBM's servers: true runs, without the ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.ibm.events import TlsTried
from lab.record.daemon_event import DaemonEnded
from lab.topology.model import Role
from lab.topology.own_program import OwnProgram
from lab.verify import Verdict
from lab.wire.decode import TCP
from tests.recordings.true_run import Recordings, TrueRun
from tests.unit.verify.errand_mutations import is_fix_request

REASON = "sdc runs a program of the user's own, my-server, and keeps no ledger"
RUNS = (
    "direct", "direct-snat", "direct-names", "direct-ranges", "direct-region", "direct-ipv6", "dual-stack",
    "traditional", "ursf", "simplified", "esa-linux", "esa-aix", "ds8000", "upload", "vpn", "vpn-nat", "dial",
    "proxy", "proxy-auth", "failover",
)  # fmt: skip
BY_LEDGER = {"OUT-32", "OUT-37", "OUT-38", "OUT-40", "OUT-41", "OUT-42"}
"""What cannot be told by packets alone: TLS hides which errand a connection was for."""


def own(run: TrueRun) -> TrueRun:
    """As if a program of the user's own had answered all that IBM's servers did."""
    (sdc,) = run.topology.with_role(Role.sdc)
    program = OwnProgram(node=sdc.name, argv=("/home/me/my-server",), folder="/home/me")
    run.topology = replace(run.topology, own_programs=(program,))
    run.record.ledger.clear()
    return run


@pytest.mark.parametrize("name", RUNS)
def test_no_finding_fails_for_want_of_a_ledger(name: str, recordings: Recordings) -> None:
    before = recordings(name).judge()
    after = own(recordings(name)).judge()

    for requirement, found in after.items():
        was = before[requirement].verdict
        wanted = Verdict.not_applicable if requirement in BY_LEDGER else was
        assert found.verdict is wanted, f"{requirement}: {found.seen}"
        if requirement in BY_LEDGER and was is Verdict.held:
            assert found.seen == REASON, requirement
    assert own(recordings(name)).diagnose() == recordings(name).diagnose()


def test_without_a_program_of_the_own_an_empty_ledger_fails(recordings: Recordings) -> None:
    """The other half of the above: it is the program that makes the difference."""
    run = recordings("direct")
    run.record.ledger.clear()

    assert run.judge()["OUT-03"].seen == "no server recorded a caller"


def test_packets_are_judged_all_the_same(recordings: Recordings) -> None:
    """A POST in clear, a fix for which somebody logs in, a connection to a server of nobody's."""
    run = own(recordings("traditional"))
    for frame in run.find("fw-inet", is_fix_request):
        run.change(frame, frame.data.replace(b"GET ", b"PUT ", 1))

    found = run.judge()

    assert found["OUT-33"].verdict is Verdict.failed
    assert found["OUT-41"].verdict is Verdict.failed
    assert "a fix is asked for by PUT" in found["OUT-41"].seen


def test_an_upload_that_nobody_took_is_not_put_to_the_test(recordings: Recordings) -> None:
    """A program that serves HTTPS alone refuses FTP, which is no fault of the agent's."""
    run = own(recordings("upload"))
    for segment in run.wire:
        said = run.find(
            segment, lambda p: p.protocol == TCP and p.source_port == 21 and bool(p.payload)
        )
        run.drop(segment, said)
    run.events = [e for e in run.events if "uploaded" not in type(e).__name__.lower()]

    found = run.judge()["OUT-43"]

    assert found.verdict is Verdict.not_applicable
    assert found.seen == f"no server took an upload: {REASON}"


FAULTY = {
    "direct.blocked-443": "port-blocked",
    "direct.server-down": "nothing",
    "esa-linux.blocked-443": "port-blocked",
    "direct.dns-silent": "",
}


@pytest.mark.parametrize("name", FAULTY)
def test_a_diagnosis_by_packets_stays(name: str, recordings: Recordings) -> None:
    before = recordings(name).diagnose()
    after = own(recordings(name)).diagnose()

    assert (after.cause, after.sentence) == (before.cause, before.sentence)


@pytest.mark.parametrize(
    "name",
    ["direct.expired-certificate", "direct.unknown-authority", "direct.server-503", "direct.slow-server",
     "direct.server-resets", "direct.old-tls-only"],
)  # fmt: skip
def test_what_only_the_ledger_told_is_said_of_nobody(name: str, recordings: Recordings) -> None:
    """No sentence speaks of a ledger, and none blames the way, which the packets show to be open."""
    found = own(recordings(name)).diagnose()

    told = f"{found.sentence} {found.hint}"
    assert "ledger" not in told
    assert "firewall" not in told
    assert found.cause != "nothing"


def ended(run: TrueRun) -> TrueRun:
    how, time = "with exit status 7", run.record.ended
    event = DaemonEnded(source="sdc", program="my-server", how=how, time=time)
    run.events = [*run.events, event]
    return run


def test_a_program_that_ended_is_the_diagnosis(recordings: Recordings) -> None:
    found = ended(own(recordings("direct"))).diagnose()

    assert found.cause == "own-program-ended"
    assert found.sentence.startswith("sdc's my-server ended with exit status 7 before the lab did")
    assert "logs/sdc/my-server.log" in found.hint


def test_its_tls_is_not_judged_once_it_has_ended(recordings: Recordings) -> None:
    run = ended(own(recordings("direct")))
    assert any(isinstance(event, TlsTried) for event in run.events)

    found = run.judge()["P-13"]

    assert found.verdict is Verdict.not_applicable
    assert found.seen == "sdc's my-server ended with exit status 7 during the run"
