"""Where the symptoms of TLS stay silent, and what they say where the trials were not made."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lab.ibm.events import TlsTried
from lab.topology.servers import PASSIVE_PORTS
from lab.verify import tls_symptoms
from lab.verify.symptom import Trail
from lab.ways.proxy import symptoms
from lab.wire.decode import Packet
from tests.recordings.true_run import Recordings, TrueRun

UPLOADS = "170.225.15.31"
PROTOCOL_VERSION, HANDSHAKE_FAILURE, UNKNOWN_CA = 70, 40, 48


def alerts(run: TrueRun, old: int, new: int) -> None:
    """Other alerts, on every wire."""
    found = 0
    for segment in run.wire:
        for frame in [*run.wire[segment]]:
            if frame.ip and frame.ip.payload[-2:] == bytes([2, old]):
                run.change(frame, frame.data[:-1] + bytes([new]))
                found += 1
    assert found


def test_another_alert_is_no_old_tls(recordings: Recordings) -> None:
    run = recordings("direct.old-tls-only")
    assert tls_symptoms.find_old_tls(Trail(run.case(), "hmc", None)) is not None
    alerts(run, PROTOCOL_VERSION, HANDSHAKE_FAILURE)

    assert tls_symptoms.find_old_tls(Trail(run.case(), "hmc", None)) is None
    assert run.diagnose().cause == "agent-failure"


@pytest.mark.parametrize("name", ["direct", "esa-aix", "upload", "direct.server-down"])
def test_where_tls_comes_about_nothing_is_said(name: str, recordings: Recordings) -> None:
    """Also not of the lab's own trials, which get that alert in esa-aix."""
    case = recordings(name).case()

    assert tls_symptoms.find_old_tls(Trail(case, case.topology.agents[0], None)) is None


def test_without_trials_it_is_not_said_what_the_server_speaks(recordings: Recordings) -> None:
    run = recordings("direct.old-tls-only")
    assert "it speaks TLSv1 only" in run.diagnose().sentence
    run.events = [event for event in run.events if not isinstance(event, TlsTried)]

    found = run.diagnose()

    assert found.cause == "old-tls"
    assert "hmc offers TLSv1.2 and TLSv1.3" in found.sentence
    assert "it speaks" not in found.sentence


def blocks(*ports: int) -> Callable[[TrueRun], None]:
    """The firewall loses what goes to these ports of A-30, from the first SYN on."""

    def change(run: TrueRun) -> None:
        def of_port(packet: Packet) -> bool:
            ends = {packet.source_port, packet.destination_port}
            return UPLOADS in (packet.source, packet.destination) and bool(ends & {*ports})

        for segment in ("fw-inet", "dmz"):
            run.drop(segment, run.find(segment, of_port))
        run.drop("lan", run.find("lan", lambda p: of_port(p) and not p.is_bare_syn))

    return change


def data_port(run: TrueRun) -> int:
    syns = run.find("lan", lambda p: p.is_bare_syn and p.destination_port in PASSIVE_PORTS)
    assert syns[0].ip is not None
    return syns[0].ip.destination_port


def test_an_upload_that_the_firewall_loses_is_told(recordings: Recordings) -> None:
    run = recordings("upload")
    blocks(21, data_port(run))(run)

    found = run.diagnose()

    assert found.cause == "upload-blocked"
    assert (
        "the upload of hmc to 170.225.15.31:21 is lost at firewall: 1 SYN on lan" in found.sentence
    )
    assert "TCP 21 and TCP 65024 to 65535" in found.hint


def test_data_ports_that_the_firewall_does_not_open_are_told(recordings: Recordings) -> None:
    run = recordings("upload")
    port = data_port(run)
    blocks(port)(run)

    found = run.diagnose()

    assert found.cause == "upload-blocked"
    assert f"the upload's data connection of hmc to 170.225.15.31:{port} is lost" in found.sentence


def test_an_upload_that_gets_through_is_not_told(recordings: Recordings) -> None:
    assert recordings("upload").diagnose().cause == "nothing"


def test_an_upload_server_that_is_silent_is_not_the_firewalls_doing(recordings: Recordings) -> None:
    run = recordings("upload")
    of_upload = run.find("lan", lambda p: UPLOADS in (p.source, p.destination))
    run.drop("lan", [f for f in of_upload if f.ip and not f.ip.is_bare_syn])

    assert run.diagnose().cause == "server-silent"


@pytest.mark.parametrize("name", ["proxy", "proxy.proxy-busy", "proxy-failover"])
def test_a_proxy_that_passes_tls_on_does_not_inspect(name: str, recordings: Recordings) -> None:
    case = recordings(name).case()

    for stop in case.topology.proxies:
        assert symptoms.find_inspection(symptoms.ProxyTrail(case, "hmc", stop)) is None


def test_an_agent_that_ends_it_without_an_alert_is_told_so(recordings: Recordings) -> None:
    run = recordings("proxy.proxy-inspects")
    assert "ends it with the alert unknown_ca" in run.diagnose().sentence
    frames = [f for f in run.wire["lan"] if f.ip and f.ip.payload[-2:] == bytes([2, UNKNOWN_CA])]
    run.drop("lan", frames)

    found = run.diagnose()

    assert found.cause == "proxy-inspects"
    assert "certificate of customer.test, TLS inspection" in found.sentence
    assert "alert" not in found.sentence
