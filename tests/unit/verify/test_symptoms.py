"""Every symptom of a way home speaks in one recording, or in a test of its own, and is silent in others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP

from lab.record.cause import CharonCause
from lab.topology.model import Way
from lab.verify.case import Case
from lab.verify.symptom import DialTrail, Trail
from lab.ways.consoles import symptoms as consoles
from lab.ways.dial import symptoms as dial
from lab.ways.direct import symptoms as direct
from lab.ways.proxy import symptoms as proxy
from lab.ways.vpn import session_symptoms, tunnel_symptoms
from lab.ways.vpn import symptoms as vpn
from lab.ways.vpn.events import CharonComplained
from lab.wire import ppp
from lab.wire.ppp import Code
from tests.recordings import plans
from tests.recordings.true_run import Recordings
from tests.unit.verify.test_diagnosis import LEFT_AS_IT_WAS

Symptom = Callable[[Any], object]

KINDS: dict[str, ModuleType] = {
    "direct": direct,
    "proxy": proxy,
    "vpn": vpn,
    "dial": dial,
    "consoles": consoles,
}
ELSEWHERE = {
    "call_symptoms.find_late_answers": "test_diagnosis.py: find_late_answers(",
    "call_symptoms.find_too_slow": 'test_diagnosis.py: "too-slow"',
    "session_symptoms.find_l2tp_silence": "test_symptoms.py: find_l2tp_silence(",
    "session_symptoms.find_mix_up": 'test_diagnosis.py: "mixed-up-clients"',
    "session_symptoms.find_no_address": "test_symptoms.py: find_no_address(",
    "symptoms.find_servers_way": (
        "../../integration/test_consoles.py: so hmc-a did not send hmc-b's request either"
    ),
    "symptoms.find_wall": "test_console_symptoms.py: find_wall(",
    "symptoms.find_closed_server": "test_symptoms.py: find_closed_server(",
    "telephone_symptoms.find_refused_command": 'test_diagnosis.py: "modem-refuses-setup"',
    "tunnel_symptoms.find_no_ikev1": 'test_diagnosis.py: "no-ikev1"',
    "tunnel_symptoms.find_other_selectors": "test_symptoms.py: find_other_selectors(",
    "upload_symptoms.find_blocked_upload": 'test_tls_symptoms.py: "upload-blocked"',
}
"""What no recording of a fault has: the test that makes it speak, and what is in that."""
HERE = Path(__file__).parent


def name_of(symptom: Symptom) -> str:
    return f"{symptom.__module__.rpartition('.')[2]}.{symptom.__name__}"


def symptoms_of(kind: str) -> dict[str, Symptom]:
    module = KINDS[kind]
    return {name_of(each): each for each in (*module.FAILURE, *module.SURVIVED)}


def trails(case: Case, way: Way, agent: str) -> list[Any]:
    if way.kind == "direct":
        return [Trail(case, agent, None)]
    if way.kind == "consoles":
        return [consoles.ForwardTrail(case, agent)]
    if way.kind == "dial":
        return [DialTrail(case, agent)]
    return list(KINDS[way.kind]._trails(case, agent))


def speaking(case: Case) -> dict[str, bool]:
    """Of each symptom that a run's ways have: whether it speaks of any agent."""
    found: dict[str, bool] = defaultdict(bool)
    for agent in case.topology.agents:
        for way in case.topology.ways_of(agent):
            for name, ask in symptoms_of(way.kind).items():
                found[name] |= any(ask(trail) is not None for trail in trails(case, way, agent))
    return found


@pytest.fixture(scope="module")
def heard(recordings: Recordings) -> dict[str, dict[str, bool]]:
    """Recording of a fault to what its symptoms do."""
    return {name: speaking(recordings(name).case()) for name in plans.faulty()}


def all_symptoms() -> set[str]:
    return {name for kind in KINDS for name in symptoms_of(kind)}


def test_every_symptom_speaks_somewhere(heard: dict[str, dict[str, bool]]) -> None:
    spoke = {name for found in heard.values() for name, told in found.items() if told}

    assert all_symptoms() - spoke == {*ELSEWHERE}


def test_every_symptom_is_silent_in_a_run_that_failed_of_something_else(
    heard: dict[str, dict[str, bool]],
) -> None:
    silent = {name for found in heard.values() for name, told in found.items() if not told}

    assert silent == all_symptoms()


@pytest.mark.parametrize("symptom", sorted(ELSEWHERE))
def test_the_others_have_a_test_of_their_own(symptom: str) -> None:
    file, _, words = ELSEWHERE[symptom].partition(": ")
    tests = (HERE / file).read_text().partition("\ndef ")[2]

    assert words in tests


def test_a_gateway_that_is_silent_inside_the_vpn_is_told(recordings: Recordings) -> None:
    run = recordings("vpn")
    run.unseal(run.inside(lambda item: not item.outgoing))

    (trail,) = trails(run.case(), run.topology.ways[0], "hmc")
    found = session_symptoms.find_l2tp_silence(trail)

    assert found is not None
    assert found.cause == "l2tp-silent"
    assert "does not answer L2TP: " in found.sentence


def test_a_gateway_that_gives_no_address_is_told(recordings: Recordings) -> None:
    run = recordings("vpn")
    of_gateway = run.inside(lambda i: i.ppp and i.ppp.protocol == ppp.IPCP and not i.outgoing)
    run.unseal(of_gateway)

    (trail,) = trails(run.case(), run.topology.ways[0], "hmc")
    found = session_symptoms.find_no_address(trail)

    assert of_gateway
    assert found is not None
    assert (found.cause, "IPCP does not open" in found.sentence) == ("pool-empty", True)


def test_a_client_that_never_heard_of_its_success_is_not_told_of_an_empty_pool(
    recordings: Recordings,
) -> None:
    """PPP says CHAP's success once: where a link loses it, the client asks for no address."""
    run = recordings("vpn")
    run.unseal(run.inside(lambda i: i.ppp and i.ppp.protocol == ppp.IPCP and i.outgoing))
    answers = (Code.configure_ack, Code.configure_nak)
    run.unseal(run.inside(lambda i: i.ppp and i.ppp.protocol == ppp.IPCP and i.ppp.code in answers))

    (trail,) = trails(run.case(), run.topology.ways[0], "hmc")
    assert session_symptoms.find_no_address(trail) is None


def test_a_gateway_that_wants_other_selectors_is_told(recordings: Recordings) -> None:
    run = recordings("vpn")
    (trail,) = trails(run.case(), run.topology.ways[0], "hmc")
    assert tunnel_symptoms.find_other_selectors(trail) is None

    complaint = CharonComplained(source=trail.gateway, cause=CharonCause.other_selectors)
    run.events.append(complaint)
    (trail,) = trails(run.case(), run.topology.ways[0], "hmc")
    found = tunnel_symptoms.find_other_selectors(trail)

    assert found is not None
    assert (found.cause, "protects UDP 1701" in found.sentence) == ("other-selectors", True)


def test_a_server_that_is_closed_to_a_proxy_is_told(recordings: Recordings) -> None:
    run = recordings("proxy")
    (node,) = [n for n in run.topology.nodes if n.name == "proxy-1"]
    called = {
        f.ip.destination for f in run.find(node.uplink.segment, lambda p: p.is_bare_syn) if f.ip
    }
    closed = next(e.address for e in run.topology.endpoints if e.address not in called)
    syn = IP(src=node.uplink.ip, dst=closed) / TCP(sport=4001, dport=443, flags="S")
    (trail, *_) = trails(run.case(), run.topology.ways[0], "hmc")
    assert proxy.find_closed_server(trail) is None

    run.put(node.uplink.segment, "proxy-1", "firewall", bytes(syn), run.record.calls[0].ended)
    (trail, *_) = trails(run.case(), run.topology.ways[0], "hmc")
    found = proxy.find_closed_server(trail)

    assert found is not None
    assert found.cause == "server-blocked"
    assert f"does not let proxy-1 out by TCP 443 to {closed}" in found.sentence


@pytest.mark.parametrize("name", LEFT_AS_IT_WAS)
def test_no_symptom_speaks_of_a_good_run(name: str, recordings: Recordings) -> None:
    found = speaking(recordings(name).case())

    assert found
    assert [symptom for symptom, told in found.items() if told] == []
