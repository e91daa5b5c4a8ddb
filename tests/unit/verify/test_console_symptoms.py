"""What is told of consoles that do not discover each other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.consoles.events import ConsoleDiscovered, RequestFailed, RequestForwarded
from lab.consoles.hello import PORT
from lab.ways.consoles import symptoms
from tests.recordings.true_run import Recordings, TrueRun

A, SYSTEM = "192.168.10.10", "192.168.128.10"


def unknown(run: TrueRun, knower: str, other: str) -> None:
    run.unhear(
        lambda e: isinstance(e, ConsoleDiscovered) and (e.source, e.console) == (knower, other)
    )


def test_who_is_known_needs_no_diagnosis(recordings: Recordings) -> None:
    assert recordings("consoles").diagnose().cause == "nothing"
    assert recordings("consoles-ds8000").diagnose().cause == "nothing"


def test_who_is_not_on_the_wire_is_silent(recordings: Recordings) -> None:
    run = recordings("consoles")
    run.drop("lan-a", run.find("lan-a", lambda p: p.uses_udp(PORT) and p.source == A))
    unknown(run, "hmc-b", "hmc-a")

    found = run.diagnose()
    assert found.cause == "console-silent"
    assert found.sentence == (
        "hmc-a is silent: no datagram to UDP 9900 on lan-a, so hmc-b does not know hmc-a"
    )


def test_who_is_on_the_wire_is_not_let_in(recordings: Recordings) -> None:
    run = recordings("consoles")
    unknown(run, "hmc-b", "hmc-a")

    found = run.diagnose()
    assert found.cause == "udp-9900-blocked"
    assert found.hint == "let UDP 9900 in at the firewall of hmc-b (M-04, F-17)"


@pytest.mark.parametrize(
    ("lost", "cause", "words"),
    [
        (
            SYSTEM,
            "system-silent",
            "cec-1 is silent: 5 datagrams of hmc-a to UDP 9900 on svc-a, none",
        ),
        ("", "system-not-told", "hmc-a sent 5 datagrams to cec-1 on svc-a, and cec-1 sent 9"),
    ],
)
def test_a_system_is_silent_or_lacks_the_other(
    lost: str, cause: str, words: str, recordings: Recordings
) -> None:
    run = recordings("consoles")
    if lost:
        run.drop("svc-a", run.find("svc-a", lambda p: p.uses_udp(PORT) and p.source == lost))
    unknown(run, "hmc-a", "hmc-c")

    found = run.diagnose()
    assert found.cause == cause
    assert words in found.sentence


def test_a_server_that_does_not_get_home_is_told_where_another_one_did(
    recordings: Recordings,
) -> None:
    run = recordings("consoles-failover")
    sent = next(e for e in run.events if isinstance(e, RequestForwarded))
    other = replace(sent, console="hmc-b", time=sent.time - 0.01)
    words = "hmc-b does not reach IBM: no answer"
    failed = RequestFailed(
        source="hmc-c", time=sent.time, console="hmc-b", key=sent.key, problem=words
    )
    run.events += [other, failed]

    found = symptoms.find_failed_server(symptoms.ForwardTrail(run.case(), "hmc-c"))

    assert found is not None
    assert found.sentence == (
        f"hmc-b did not send hmc-c's request: {words}, and hmc-a sent it; IBM has it from 1 call as one "
        "ticket"
    )


def test_a_firewall_between_two_networks_is_told(recordings: Recordings) -> None:
    run = recordings("consoles")
    asked = next(
        e.time for e in run.events if isinstance(e, RequestForwarded) and e.source == "hmc-c"
    )
    far = run.find("lan-a", lambda p: "192.168.20.10" in (p.source, p.destination))
    run.drop("lan-a", far)
    answers = run.find("lan-b", lambda p: p.destination == "192.168.20.10")
    run.drop("lan-b", [frame for frame in answers if frame.time >= asked])

    found = symptoms.find_wall(symptoms.ForwardTrail(run.case(), "hmc-c"))

    assert found is not None
    assert found.sentence == (
        "hmc-c has discovered hmc-a, and firewall lets no TCP 9920 through to it: 1 SYN on lan-b, none on "
        "lan-a"
    )
    assert symptoms.find_wall(symptoms.ForwardTrail(run.case(), "hmc-b")) is None
