"""Why a dialler of the user's own did not get through: what each symptom says, and where it is silent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import IP, UDP

from lab.record.command_event import CommandRun
from lab.telephony import family_file
from lab.telephony.events import (
    CallConnected,
    CallRefused,
    CallRings,
    HungUp,
    ModemSaid,
    TerminalSaid,
)
from lab.topology.modem_family import FamilyOfNode
from lab.topology.telephone import Outcome
from lab.verify import Diagnosis
from lab.wire import ppp
from lab.wire.calls import Carried
from lab.wire.ppp import Code
from tests.recordings.true_run import Recordings, TrueRun

HMC, LINE = "hmc", "hmc"


def own(run: TrueRun, status: int = 7) -> TrueRun:
    """What the lab's dialler did was done by a program of the user's: nobody notes it."""
    record = run.record
    began = min((attempt.started for attempt in record.dialled), default=record.started) - 1.0
    # The lab's trials came later.
    ended = max((attempt.time for attempt in record.dialled), default=record.ended) + 20.0
    record.dialled, record.calls, record.tries, record.ppp = [], [], [], []
    record.path_up, record.blame, record.error = 0.0, None, ""
    record.commands = [
        CommandRun(source=HMC, started=began, time=ended, program="wvdial", status=status)
    ]
    record.command_status = status
    return run


@pytest.mark.parametrize(
    ("recording", "cause", "words"),
    [
        ("dial.no-answer", "no-answer", "rings, and nobody takes the call"),
        ("dial.voice", "voice", "a person takes the calls"),
        ("dial.no-dialtone", "no-dialtone", "heard no dial tone"),
        ("dial.wrong-pap-password", "wrong-pap-password", "with Nak"),
        ("dial.pap-refused", "pap-refused", "hmc refuses PAP"),
        ("dial.chap-only-peer", "chap-only-peer", "takes CHAP (C223) only"),
        ("dial.dns-silent", "dns-silent", "the name server 203.0.113.53 is silent"),
    ],
)
def test_what_befalls_the_labs_dialler_befalls_anothers(
    recording: str, cause: str, words: str, recordings: Recordings
) -> None:
    found = own(recordings(recording)).diagnose()
    assert (found.cause, words in found.sentence) == (cause, True), found.sentence


@pytest.mark.parametrize(
    ("recording", "cause", "words"),
    [
        ("dial.busy", "busy", "18005550100 is busy"),
        ("dial.training-fails", "training-fails", "do not agree on how to go on"),
    ],
)
def test_who_gives_up_after_one_call(
    recording: str, cause: str, words: str, recordings: Recordings
) -> None:
    """The lab's dialler got through by a second one: of a command that did, too, nothing is told."""
    run = own(recordings(recording))
    assert run.diagnose().cause == "nothing"

    second = min(
        e.time for e in run.events if isinstance(e, CallRings | CallRefused) and e.call == 2
    )
    run.events = [event for event in run.events if event.time < second]
    run.carried = [item for item in run.carried if item.call == 1]
    found = run.diagnose()
    assert (found.cause, words in found.sentence) == (cause, True), found.sentence


def test_of_a_dialler_that_got_through_nothing_is_made_up(recordings: Recordings) -> None:
    assert own(recordings("dial")).diagnose().cause == "nothing"


def test_nothing_is_told_of_a_command_that_went_well(recordings: Recordings) -> None:
    assert own(recordings("dial.busy"), status=0).diagnose().cause == "nothing"


def says(run: TrueRun, *lines: tuple[str, str]) -> Diagnosis:
    """A dialogue of a user's program with the modem, without a call."""
    own(run)
    since = run.record.commands[0].started
    # Only what was said before that is the lab's.
    run.events[:] = [event for event in run.events if event.time < since]
    for number, (line, answer) in enumerate(lines, 1):
        at = since + number
        run.events.append(TerminalSaid(source=HMC, line=LINE, text=f"{line}<CR>", time=at))
        told = f"{line}<CR>" + (f"<CR><LF>{answer}<CR><LF>" if answer else "")
        run.events.append(ModemSaid(source=HMC, line=LINE, text=told, time=at + 0.1))
    run.carried = []
    return run.diagnose()


@pytest.mark.parametrize(
    ("family", "line", "answer", "cause", "words"),
    [
        (
            "usr-courier",
            "AT&F1&Q5",
            "ERROR",
            "modem-refuses-setup",
            "a usr-courier, answers AT&F1&Q5",
        ),
        ("multitech", "AT$BA0$MB14400Q1", "", "modem-quiet", "was told AT$BA0$MB14400Q1"),
        ("", "AT$BA0$MB14400Q1", "", "nothing", ""),
    ],
)
def test_a_line_is_read_as_the_modems_family_takes_it(
    family: str, line: str, answer: str, cause: str, words: str, recordings: Recordings
) -> None:
    run = recordings("dial")
    if family:
        made = FamilyOfNode(node="hmc", family=family_file.load(Path(), family))
        run.topology = replace(run.topology, modem_families=(made,))

    found = says(run, (line, answer))

    assert found.cause == cause
    assert words in found.sentence
    assert ("AT&F1E1V1Q0&C1&D2" in found.hint) is (answer == "ERROR")


@pytest.mark.parametrize(
    ("lines", "cause", "words"),
    [
        ([("ATZ", "OK"), ("AT&Y9!", "ERROR")], "modem-refuses-setup", "answers AT&Y9! with ERROR"),
        ([("ATZ", "OK"), ("ATE0Q1", "")], "modem-quiet", "was told ATE0Q1"),
        ([("ATZ", "OK"), ("ATE0Q0", "")], "nothing", ""),
        ([("ATZ", "OK"), ("ATE0Q1X4", "OK")], "nothing", ""),
        ([("AT&Y9!", "ERROR"), ("ATZ", "OK")], "nothing", ""),
        ([("ATZ", "OK")], "nothing", ""),
        ([], "nothing", ""),
    ],
)
def test_a_modem_that_is_set_up_wrongly(
    lines: list[tuple[str, str]], cause: str, words: str, recordings: Recordings
) -> None:
    found = says(recordings("dial"), *lines)
    assert (found.cause, words in found.sentence) == (cause, True), found.sentence


def last_call(run: TrueRun) -> int:
    return max(event.call for event in run.events if isinstance(event, CallConnected))


@pytest.mark.parametrize(
    ("who", "cause"), [("hmc", "hung-up-early"), ("lig-1", "nothing")], ids=["caller", "called"]
)
def test_who_hangs_up_before_the_modems_are_connected(
    who: str, cause: str, recordings: Recordings
) -> None:
    run = own(recordings("dial"))
    number = last_call(run)
    (connected,) = [e for e in run.events if isinstance(e, CallConnected) and e.call == number]
    run.events = [e for e in run.events if e.time < connected.time]
    run.events.append(HungUp(source="pstn", call=number, line=who, time=connected.time))
    run.carried = [item for item in run.carried if item.call < number]

    found = run.diagnose()

    assert found.cause == cause, found.sentence
    assert cause == "nothing" or "before the modems were connected" in found.sentence


@pytest.mark.parametrize(
    ("number", "cause"), [("5551234", "unlisted-number"), ("18005550100", "unobtainable")]
)
def test_a_number_out_of_service_is_the_clients_or_is_not(
    number: str, cause: str, recordings: Recordings
) -> None:
    run = own(recordings("dial.unobtainable"))
    for place, event in enumerate(run.events):
        if isinstance(event, CallRefused):
            assert event.outcome is Outcome.unobtainable
            run.events[place] = replace(event, number=number)
    assert run.diagnose().cause == cause


def lcp(item: Carried, code: int) -> Carried:
    """An LCP packet in its place, which names CHAP with MD5 as what the other end is to authenticate by."""
    option = b"\x03\x05\xc2\x23\x05"
    body = bytes([code, 1]) + (4 + len(option)).to_bytes(2, "big") + option
    return replace(item, ppp=ppp.PppFrame(ppp.LCP, body))


@pytest.mark.parametrize(
    ("answer", "cause"),
    [(Code.configure_reject, "gateway-asked-to-authenticate"), (Code.configure_ack, "nothing")],
)
def test_a_client_that_asks_the_gateway_to_authenticate_itself(
    answer: int, cause: str, recordings: Recordings
) -> None:
    run = own(recordings("dial.wrong-pap-password"))
    first = [i for i in run.carried if i.ppp and i.ppp.protocol == ppp.LCP]
    asked = next(i for i in first if i.outgoing)
    answered = next(i for i in first if not i.outgoing and i.call == asked.call)
    run.events = [e for e in run.events if getattr(e, "call", 0) <= asked.call]
    run.carried = [lcp(asked, Code.configure_request), lcp(answered, answer)]

    assert run.diagnose().cause == cause


@pytest.mark.parametrize(
    ("server", "cause"), [("203.0.113.53", "not-by-telephone"), ("8.8.8.8", "wrong-resolver")]
)
def test_what_is_for_the_gateways_name_server_and_leaves_by_a_wire(
    server: str, cause: str, recordings: Recordings
) -> None:
    run = own(recordings("dial"))
    near = run.topology.node(HMC).interface("lan").ip
    query = IP(src=near, dst=server) / UDP(sport=4000, dport=53) / DNS(qd=DNSQR(qname="x.test"))
    run.put("lan", HMC, "firewall", bytes(query), run.record.commands[0].time - 1.0)

    found = run.diagnose()

    assert found.cause == cause, found.sentence


def test_ppp_that_was_never_begun(recordings: Recordings) -> None:
    """With frames of the gateway alone; and where the client answers one, it is silent."""
    run = own(recordings("dial.wrong-pap-password"))
    both = [*run.carried]
    run.carried = [i for i in both if not i.outgoing and i.ppp and i.ppp.protocol == ppp.LCP]
    found = run.diagnose()
    assert (found.cause, "and hmc sent no PPP" in found.sentence) == ("no-ppp", True)

    run.carried = [i for i in both if not (i.ppp and i.ppp.protocol == ppp.PAP)]
    assert run.diagnose().cause == "nothing"
