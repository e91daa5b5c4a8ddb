"""Runs with a program of the user's own in the place of IBM's servers: true runs, without the ledger."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.record.daemon_event import DaemonEnded
from lab.topology.model import Role
from lab.topology.own_program import OwnProgram
from lab.verify import Verdict
from lab.ways.proxy.events import ConnectTried, Proxied
from lab.ways.vpn.events import COMPLAINTS
from lab.wire.decode import TCP, Packet
from tests.recordings.true_run import ETHERNET, Recordings, TrueRun
from tests.unit.verify.errand_mutations import is_fix_request

REASON = "sdc runs a program of the user's own, my-server, and keeps no ledger"
RUNS = (
    "direct", "direct-snat", "direct-names", "direct-ranges", "direct-region", "direct-ipv6", "dual-stack",
    "traditional", "ursf", "simplified", "esa-linux", "esa-aix", "ds8000", "upload", "vpn", "vpn-nat", "dial",
    "proxy", "proxy-auth", "failover",
)  # fmt: skip
BY_LEDGER = {"OUT-32", "OUT-37", "OUT-38", "OUT-40", "OUT-41", "OUT-42"}
"""What cannot be told by packets alone: TLS hides which errand a connection was for."""
OF_IBM = {"P-13", "P-14", "P-15", "P-16"}
"""What IBM's servers are claimed to speak, and nobody else's."""


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
        wanted = Verdict.not_applicable if requirement in BY_LEDGER | OF_IBM else was
        assert found.verdict is wanted, f"{requirement}: {found.seen}"
        if requirement in BY_LEDGER and was is Verdict.held:
            assert found.seen == REASON, requirement
        if requirement in OF_IBM:
            assert found.seen == f"the TLS is not that of IBM's servers: {REASON}"
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


def test_a_port_that_a_program_leaves_closed_is_not_silent(recordings: Recordings) -> None:
    """A reset is an answer: no server is said to be down for it."""
    run = own(recordings("upload"))
    flags = ETHERNET + 20 + 13
    (server,) = run.case().ftps
    for segment in run.wire:
        for frame in run.find(segment, lambda p: p.is_syn_ack and p.source_port == 21):
            run.change(frame, frame.data[:flags] + b"\x14" + frame.data[flags + 1 :])
        whole = run.find(segment, lambda p: server in (p.source, p.destination))
        run.drop(segment, [f for f in whole if f.ip and not _of_port_21(f.ip)])

    assert run.diagnose().cause == "nothing"
    for segment in run.wire:
        run.drop(segment, run.find(segment, lambda p: p.is_reset))
    assert run.diagnose().cause == "server-silent"


def _of_port_21(packet: Packet) -> bool:
    asked = packet.is_bare_syn and packet.destination_port == 21
    return asked or (packet.is_reset and packet.source_port == 21)


def far_end(run: TrueRun, *roles: Role) -> TrueRun:
    """As if programs of the user's own had been at the other end, of which no daemon of the lab's tells."""
    nodes = [node.name for role in roles for node in run.topology.with_role(role)]
    programs = tuple(OwnProgram(node=n, argv=("my-gateway",), folder="/") for n in nodes)
    run.topology = replace(run.topology, own_programs=programs)
    told = (*COMPLAINTS, Proxied)
    run.events = [e for e in run.events if not (isinstance(e, told) and e.source in nodes)]
    return run


@pytest.mark.parametrize("name", ["vpn", "vpn-nat", "vpn-two-hmcs", "vpn-rekeyed", "failover"])
def test_gateways_are_judged_by_packets(name: str, recordings: Recordings) -> None:
    before = recordings(name)
    after = far_end(recordings(name), Role.vpn_gateway)

    assert after.judge() == before.judge()
    assert after.diagnose() == before.diagnose()


@pytest.mark.parametrize(
    "fault", ["wrong-psk", "wrong-identity", "wrong-chap-secret", "drop-udp-500"]
)
def test_a_gateway_need_not_say_what_is_wrong(fault: str, recordings: Recordings) -> None:
    before = recordings(f"vpn-nat.{fault}").diagnose()
    after = far_end(recordings(f"vpn-nat.{fault}"), Role.vpn_gateway).diagnose()

    assert after.cause == before.cause


@pytest.mark.parametrize(
    "name", ["proxy", "proxy-auth", "proxy-failover", "proxy-failover.proxy-down"]
)
def test_proxies_are_judged_by_packets(name: str, recordings: Recordings) -> None:
    before = recordings(name)
    after = far_end(recordings(name), Role.proxy)

    assert after.judge() == before.judge()
    assert after.diagnose() == before.diagnose()


def test_nobody_can_lead_a_proxy_of_the_own_astray(recordings: Recordings) -> None:
    """OUT-17 says what it did not try; of the lab's own proxy that is a failure of the run."""
    for program, verdict in ((False, Verdict.failed), (True, Verdict.held)):
        run = recordings("service-proxy")
        if program:
            far_end(run, Role.service_proxy)
        run.events = [e for e in run.events if not (isinstance(e, ConnectTried) and e.resolved)]
        found = run.judge()["OUT-17"]
        assert found.verdict is verdict
    assert found.seen.endswith(
        "no listed name was led to another address, as ss-proxy runs my-gateway, which is the user's own"
    )


def test_what_a_program_of_the_own_has_made_goes_with_the_node(recordings: Recordings) -> None:
    run = far_end(recordings("vpn"), Role.vpn_gateway)
    run.record.leftovers += ["vpn1: state of 192.0.2.1"]
    assert run.judge()["g6"].verdict is Verdict.held
    run.record.leftovers += ["hmc: state of 192.0.2.1"]
    assert run.judge()["g6"].seen == "left over: hmc: state of 192.0.2.1"


def test_a_process_of_a_program_of_the_own_does_not(recordings: Recordings) -> None:
    """The lab ends all of them: one that is left is the lab's failure."""
    run = far_end(recordings("vpn"), Role.vpn_gateway)
    run.record.leftovers += ["vpn1: process 4711"]
    assert run.judge()["g6"].seen == "left over: vpn1: process 4711"


def test_who_called_a_gateway_of_the_own_is_not_told(recordings: Recordings) -> None:
    run = far_end(recordings("vpn"), Role.vpn_gateway)
    run.record.ike.clear()

    assert run.case().why_left_down == (
        "the way home was left down; vpn1 runs my-gateway, the user's own, and tells the lab nothing of who "
        "called it; vpn2 runs my-gateway, the user's own, and tells the lab nothing of who called it"
    )
