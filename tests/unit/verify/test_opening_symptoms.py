"""What a firewall keeps back, a dead network, a server that came back: told only where it is so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scapy.layers.inet import IP, TCP

from lab.topology.model import Topology
from lab.verify import Diagnosis
from lab.verify.finding import Verdict
from lab.verify.internet_symptoms import find_silent_server, find_unopened_address
from lab.verify.symptom import Trail
from lab.ways.direct import opening_symptoms
from tests.recordings.true_run import Recordings, TrueRun
from tests.unit.verify.mutation import lost
from tests.unit.verify.opening_mutations import ECCGW, backup_is_silent, first_call
from tests.unit.verify.proxy_mutations import reworded

CLEAN = ("direct", "ds8000", "direct-ranges", "direct-region")
SYMPTOMS = (
    opening_symptoms.find_blocked_server,
    opening_symptoms.find_dead_network,
    opening_symptoms.find_returned_server,
    find_silent_server,
    find_unopened_address,
)


def trail(run: TrueRun, agent: str = "hmc", topology: Topology | None = None) -> Trail:
    return Trail(run.case(topology), agent, None)


def told(found: Diagnosis | None) -> str:
    return found.sentence if found is not None else ""


@pytest.mark.parametrize("name", CLEAN)
def test_of_a_good_run_nothing_is_made_up(name: str, recordings: Recordings) -> None:
    """The other region's addresses are closed on purpose: that is no finding of a silent server."""
    run = recordings(name)
    assert run.diagnose().cause == "nothing"
    for agent in run.topology.agents:
        assert not any(symptom(trail(run, agent)) for symptom in SYMPTOMS)


@pytest.mark.parametrize(
    ("name", "address", "segment"),
    [
        ("ds8000.eccgw-blocked", ECCGW, "lan-a"),
        ("ds8000.config-server-blocked", "204.146.30.17", "lan-a"),
        ("direct-ranges.address-blocked", "129.42.56.189", "lan"),
    ],
)
def test_a_server_is_not_blocked_where_its_syn_leaves(
    name: str, address: str, segment: str, recordings: Recordings
) -> None:
    run = recordings(name)
    symptom = opening_symptoms.find_blocked_server
    assert f"TCP 443 to {address} " in told(symptom(trail(run)))

    for frame in run.find(segment, lambda p: p.is_bare_syn and p.destination == address):
        assert frame.ip is not None
        run.put("fw-inet", "firewall", "internet", frame.data[14:], frame.time + 0.001)

    assert symptom(trail(run)) is None
    assert told(find_silent_server(trail(run))).startswith(f"{address}:443 is silent")


def test_a_silent_server_is_told_of_an_agent_that_is_a_server_too(recordings: Recordings) -> None:
    """A console answers the SYNs of others at a port of the console's own."""
    run = recordings("direct.server-down")
    own = run.topology.node("hmc").interface("lan").ip
    answer = IP(src=own, dst="192.0.2.7") / TCP(sport=9920, dport=4000, flags="SA")
    run.put("lan", "hmc", "firewall", bytes(answer), run.end)

    sentence = told(find_silent_server(trail(run)))
    assert sentence.startswith("129.42.56.189:443 is silent")
    assert sentence.endswith("; 129.42.60.189 answered")


def test_a_network_that_was_down_for_long_is_no_server_that_another_took_the_place_of(
    recordings: Recordings,
) -> None:
    """R-09: when all servers had been silent, no other one was left to be asked within a minute."""
    run = recordings("direct-region.primary-down")
    backup_is_silent(run)
    for frame in run.find("lan", lambda _: True):
        if frame.time > first_call(run).ended:
            run.change(frame, time=frame.time + 200.0)

    found = run.judge()["R-09"]
    assert found.verdict is Verdict.not_applicable
    assert found.seen.endswith("s later, and no other server before")


def test_a_syn_that_was_sent_when_the_lab_went_down_is_not_lost(recordings: Recordings) -> None:
    run = recordings("ds8000.eccgw-blocked")
    syns = run.find("lan-a", lambda p: p.is_bare_syn and p.destination == ECCGW)
    run.record.ended = syns[0].time + 0.5

    assert opening_symptoms.find_blocked_server(trail(run)) is None


def test_who_asks_a_blocked_server_once_is_told_of_all_ports(recordings: Recordings) -> None:
    """Of several that are closed each is named, and the cause is none of the groups'."""
    run = recordings("ds8000")
    lost("fw-inet", lambda p: p.destination in (ECCGW, "129.42.26.224"))(run)

    found = opening_symptoms.find_blocked_server(trail(run))

    assert found is not None
    assert found.cause == "server-blocked"
    assert "TCP 443 to 129.42.26.224 (www-945.ibm.com)" in found.sentence
    assert f"TCP 443 to {ECCGW} " in found.sentence
    assert found.hint.startswith(f"open TCP 443 to {ECCGW} and TCP 443 to 129.42.26.224")


def test_a_network_is_not_dead_from_which_something_left(recordings: Recordings) -> None:
    run = recordings("ds8000.network-down")
    symptom = opening_symptoms.find_dead_network
    assert "hmc-b called home meanwhile" in told(symptom(trail(run)))
    assert symptom(trail(run, "hmc-b")) is None

    frame = run.find("lan-a", lambda p: p.is_bare_syn)[0]
    run.put("fw-inet", "firewall", "internet", frame.data[14:], frame.time + 0.001)

    assert symptom(trail(run)) is None


def test_nor_is_a_network_that_did_not_come_back(recordings: Recordings) -> None:
    """That is a failure, and a failure has words of its own."""
    run = recordings("ds8000.network-down")
    last = max(n for n, call in enumerate(run.record.calls) if call.agent == "hmc")
    run.record.calls[last] = replace(run.record.calls[last], succeeded=False)

    assert opening_symptoms.find_dead_network(trail(run)) is None


@pytest.mark.parametrize("what", ["the backup's answers", "the primary's answers", "what left"])
def test_a_server_did_not_come_back_without(what: str, recordings: Recordings) -> None:
    run = recordings("direct-region.primary-down")
    symptom = opening_symptoms.find_returned_server
    assert "129.42.160.48:443 was silent for a time" in told(symptom(trail(run)))

    first = run.record.calls[0]
    if what == "the backup's answers":
        answers = run.find("lan", lambda p: p.is_syn_ack)
        run.drop("lan", [frame for frame in answers if frame.time <= first.ended])
    elif what == "the primary's answers":
        lost("lan", lambda p: p.is_syn_ack and p.source == "129.42.160.48")(run)
    else:
        syns = run.find("fw-inet", lambda p: p.is_bare_syn and p.destination == "129.42.160.48")
        run.drop("fw-inet", [frame for frame in syns if frame.time <= first.ended])

    assert symptom(trail(run)) is None


def test_an_address_is_unopened_only_where_no_rule_is_for_its_port(recordings: Recordings) -> None:
    run = recordings("direct-ranges.address-blocked")
    lost("fw-inet", lambda p: True)(run)
    wall = run.topology.firewall
    assert wall is not None
    assert find_unopened_address(trail(run)) is None, "the range is open"

    narrow = replace(wall, rules=tuple(replace(rule, port=80) for rule in wall.rules))
    found = find_unopened_address(trail(run, topology=replace(run.topology, firewall=narrow)))

    assert "129.42.56.189 and 129.42.60.189 by TCP 443, which none of its rules names" in told(
        found
    )


def test_what_the_firewall_loses_of_the_first_gateway_is_told(recordings: Recordings) -> None:
    """The second gateway took over, and the first is not to blame."""
    run = recordings("vpn-nat.vpn1-silent")
    assert "vpn1 (129.42.160.16) is silent" in run.diagnose().sentence

    lost("fw-inet", lambda p: p.destination == "129.42.160.16")(run)

    found = run.diagnose()
    assert found.cause == "udp-500-lost"
    assert "UDP 500 (IKE) from hmc to vpn1 (129.42.160.16) is lost at firewall" in found.sentence
    assert found.sentence.endswith("vpn2 took over")


def test_a_log_in_that_was_taken_is_not_to_blame(recordings: Recordings) -> None:
    """After the log-in, the proxy did not get to a server."""
    run = recordings("proxy-auth")
    reworded(b"HTTP/1.1 200 ", b"HTTP/1.1 503 ")(run)
    lost("fw-inet", lambda p: True)(run)
    run.record.calls[:] = [replace(call, succeeded=False) for call in run.record.calls]

    found = run.diagnose()

    assert found.cause == "tcp-lost", found.sentence
    assert "lost at firewall" in found.sentence


def test_of_servers_that_answered_only_those_of_the_same_port_are_named(
    recordings: Recordings,
) -> None:
    """The agent also uploads a file by FTP: that server is no other one for HTTPS."""
    run = recordings("upload")
    for segment in run.wire:
        lost(segment, lambda p: p.source == "204.146.30.17")(run)

    assert told(find_silent_server(trail(run))).endswith("; servers at other ports answered")


def test_who_called_nobody_was_not_cut_off(recordings: Recordings) -> None:
    """OUT-05: an HMC that is told no address sends no SYN, and the network is not to blame."""
    run = recordings("ds8000.network-down")
    assert "hmc was cut off, and hmc-b called home" in run.judge()["OUT-05"].seen
    first = run.record.calls[0]
    syns = run.find("lan-a", lambda p: p.is_bare_syn)
    run.drop("lan-a", [f for f in syns if first.started <= f.time <= first.ended])

    assert "cut off" not in run.judge()["OUT-05"].seen


def test_a_call_that_failed_by_one_kind_of_way_is_not_held_against_another(
    recordings: Recordings,
) -> None:
    run = recordings("failover")
    (call,) = run.record.calls
    run.record.calls.append(replace(call, way="vpn", succeeded=False))
    assert run.judge()["OUT-23"].verdict is Verdict.held
    run.record.calls.append(replace(call, way="modem", succeeded=False))

    assert run.judge()["OUT-23"].verdict is Verdict.failed
