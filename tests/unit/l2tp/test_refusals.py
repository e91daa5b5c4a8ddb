"""Messages that cannot be accepted, and what their senders are told (RFC 2661 4.1, 4.2, 7.1)."""

from __future__ import annotations

import pytest

from lab.l2tp.avps import AvpValue, Q931Cause
from lab.l2tp.messages import (
    write_message,
)
from lab.l2tp.outputs import (
    CallAsked,
    CallCleared,
    ConnectionDown,
    ConnectionUp,
)
from lab.l2tp.requests import (
    ClearedBy,
    Clearing,
    LineConnection,
    OutgoingCallRequest,
)
from lab.wire import l2tp
from lab.wire.l2tp_codes import Avp, CdnResult, ControlType, GeneralError, StopResult
from tests.unit.l2tp.hand_made import HandMade, only_result
from tests.unit.l2tp.samples import SAMPLES, avp, body
from tests.unit.l2tp.wire import LAC, LNS, Wire

# Refusals of control connections.


@pytest.mark.parametrize(
    ("octets", "result", "error"),
    [
        (HandMade().sccrq(challenge=b"x" * 16), StopResult.not_authorized, 0),
        (HandMade().sccrq(protocol_version=0x0200), StopResult.version_not_supported, 0x0100),
        (
            HandMade().sccrq() + avp(99),
            StopResult.general_error,
            GeneralError.unknown_mandatory_avp,
        ),
        (
            HandMade().sccrq() + avp(11, "61" * 16, bits=0xC000),
            StopResult.general_error,
            GeneralError.unknown_mandatory_avp,
        ),
        (HandMade().sccrq() + avp(10, "00"), StopResult.general_error, GeneralError.wrong_length),
        (HandMade().sccrq() + avp(10, "0000"), StopResult.general_error, GeneralError.out_of_range),
        (
            body(avp(0, "0001"), avp(2, "0100"), avp(3, "00000003"), avp(9, "0009")),
            StopResult.general_error,
            GeneralError.vendor_specific,
        ),
    ],
)
def test_a_request_that_cannot_be_accepted(octets: bytes, result: int, error: int) -> None:
    hand = HandMade()
    for _ in range(3):
        hand.ns = hand.nr = 0
        assert only_result(hand.say(octets), ControlType.StopCCN) == (result, error)
        head = l2tp.control_datagram(hand.raw[-1])
        assert head is not None
        assert (head.tunnel_id, head.ns, head.nr) == (9, 0, 1)
    assert not hand.plane.connections
    assert not hand.told


def test_an_unknown_avp_that_is_not_mandatory_is_no_hindrance() -> None:
    hand = HandMade()
    (reply,) = hand.say(hand.sccrq() + avp(99, "31", bits=0))
    assert reply.kind is ControlType.SCCRP
    (connection,) = hand.plane.connections.values()
    assert [*connection.passed_over] == ["AVP 99 is unknown"]


@pytest.mark.parametrize(
    ("added", "result"),
    [
        ({Avp.challenge: b"x" * 16}, StopResult.not_authorized),
        ({Avp.challenge_response: b"x" * 16}, StopResult.not_authorized),
        ({Avp.protocol_version: 0x0201}, StopResult.version_not_supported),
    ],
)
def test_a_reply_that_cannot_be_accepted(added: dict[Avp, AvpValue], result: StopResult) -> None:
    hand = HandMade()
    connection = hand.plane.open(LAC, hand.now)
    hand.hear()
    hand.tunnel_id, hand.nr = connection.local_id, 1
    avps: dict[Avp, AvpValue] = {
        Avp.protocol_version: 0x0100,
        Avp.framing_capabilities: 3,
        Avp.host_name: "lns",
        Avp.assigned_tunnel_id: 12,
    }
    stops = hand.send(ControlType.SCCRP, avps | added)
    assert only_result(stops, ControlType.StopCCN)[0] == result
    head = l2tp.control_datagram(hand.raw[-1])
    assert head is not None
    assert head.tunnel_id == 12
    (down,) = hand.told
    assert isinstance(down, ConnectionDown)
    assert (down.clearing.result, down.clearing.by) == (result, ClearedBy.flaw)


def test_a_response_that_nobody_asked_for() -> None:
    hand = HandMade()
    (reply,) = hand.say(hand.sccrq())
    hand.tunnel_id = reply.number(Avp.assigned_tunnel_id)
    stops = hand.send(ControlType.SCCCN, {Avp.challenge_response: b"x" * 16})
    assert only_result(stops, ControlType.StopCCN) == (StopResult.not_authorized, 0)


@pytest.mark.parametrize(
    ("octets", "result", "error"),
    [
        (body(avp(0, "000d")), StopResult.general_error, GeneralError.out_of_range),
        (body(avp(7, "61")), StopResult.general_error, GeneralError.vendor_specific),
        (
            body(avp(0, "0006"), avp(77)),
            StopResult.general_error,
            GeneralError.unknown_mandatory_avp,
        ),
        (body(avp(0, "0003")), StopResult.state_machine_error, 0),
        (HandMade().sccrq(), StopResult.state_machine_error, 0),
    ],
)
def test_a_message_that_ends_the_tunnel(octets: bytes, result: int, error: int) -> None:
    hand = HandMade()
    hand.establish()
    hand.send(ControlType.ICRQ, {Avp.assigned_session_id: 3, Avp.call_serial_number: 1})
    assert only_result(hand.say(octets), ControlType.StopCCN) == (result, error)
    cleared, down = hand.told[-2:]
    assert isinstance(cleared, CallCleared)
    assert isinstance(down, ConnectionDown)
    assert cleared.clearing is down.clearing
    # What comes then is acknowledged, and no more.
    assert hand.send(ControlType.HELLO) == []


def test_an_unknown_message_that_is_not_mandatory_is_passed_over() -> None:
    hand = HandMade()
    hand.establish()
    assert hand.say(body(avp(0, "0063", bits=0), avp(99))) == []
    assert not any(isinstance(event, ConnectionDown) for event in hand.told)


# Refusals of calls.

OCRQ: dict[Avp, AvpValue] = {
    Avp.assigned_session_id: 3,
    Avp.call_serial_number: 1,
    Avp.minimum_bps: 300,
    Avp.maximum_bps: 33600,
    Avp.bearer_type: 0,
    Avp.framing_type: 1,
    Avp.called_number: "1",
}


@pytest.mark.parametrize(
    "changed",
    [
        {Avp.bearer_type: 1},
        {Avp.bearer_type: 3},
        {Avp.framing_type: 2},
        {Avp.framing_type: 0},
        {Avp.minimum_bps: 40000},
    ],
)
def test_a_call_that_was_not_offered(changed: dict[Avp, AvpValue]) -> None:
    """Here are analog lines, and synchronous framing."""
    hand = HandMade(framing=1)
    hand.establish()
    answers = hand.send(ControlType.OCRQ, OCRQ | changed)
    wanted = (CdnResult.general_error, GeneralError.out_of_range)
    assert only_result(answers, ControlType.CDN) == wanted
    head = l2tp.control_datagram(hand.raw[-1])
    assert head is not None
    assert head.session_id == 3
    assert not any(isinstance(event, CallAsked) for event in hand.told)
    assert hand.send(ControlType.OCRQ, OCRQ) == []
    assert isinstance(hand.told[-1], CallAsked)


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        (body(avp(0, "000a"), avp(14, "0003")), GeneralError.vendor_specific),
        (body(avp(0, "000a"), avp(14, "0003"), avp(15, "01")), GeneralError.wrong_length),
        (
            body(avp(0, "000a"), avp(14, "0003"), avp(15, "00000001"), avp(18, "00000010")),
            GeneralError.out_of_range,
        ),
        (
            body(avp(0, "000a"), avp(14, "0003"), avp(15, "00000001"), avp(88)),
            GeneralError.unknown_mandatory_avp,
        ),
    ],
)
def test_a_flaw_of_a_call_ends_the_call_alone(octets: bytes, error: GeneralError) -> None:
    hand = HandMade()
    hand.establish()
    answers = hand.say(octets)
    assert only_result(answers, ControlType.CDN) == (CdnResult.general_error, error)
    assert not any(isinstance(event, ConnectionDown) for event in hand.told)
    # And of one that is there already.
    hand.send(ControlType.ICRQ, {Avp.assigned_session_id: 4, Avp.call_serial_number: 1})
    session_id = hand.session_id
    answers = hand.say(body(avp(0, "000c"), avp(24, "00000001"), avp(88)), session_id)
    wanted = (CdnResult.general_error, GeneralError.unknown_mandatory_avp)
    assert only_result(answers, ControlType.CDN) == wanted
    assert isinstance(hand.told[-1], CallCleared)
    assert not any(isinstance(event, ConnectionDown) for event in hand.told)


def test_framing_that_was_not_asked_for() -> None:
    wire = Wire()
    wire.connects = False
    _, theirs = wire.connect()
    theirs.place(OutgoingCallRequest("1"), wire.now)
    wire.wait(1)
    (asked,) = wire.of(LAC, CallAsked)
    asked.call.connect(LineConnection(33600, framing=theirs.framing), wire.now)
    wire.wait(1)
    (cleared,) = wire.cleared(LNS)
    assert (cleared.clearing.by, cleared.clearing.error) == (
        ClearedBy.flaw,
        GeneralError.out_of_range,
    )
    assert not wire.established(LNS)


@pytest.mark.parametrize(
    "kind", [ControlType.ICRP, ControlType.ICCN, ControlType.CDN, ControlType.SLI]
)
def test_messages_of_no_call_are_passed_over(kind: ControlType) -> None:
    hand = HandMade()
    hand.establish()
    (sample,) = (sample for sample in SAMPLES if sample.kind is kind)
    for session_id in (0, 777):
        assert hand.say(write_message(sample), session_id) == []
    assert isinstance(hand.told[-1], ConnectionUp)


def test_xl2tpd_is_not_sent_the_cause() -> None:
    """It acknowledges a CDN with a Q.931 Cause Code, and keeps the call."""
    for vendor, wanted in (("xelerance.com", None), ("", Q931Cause(17))):
        hand = HandMade()
        hand.establish(vendor_name=vendor)
        hand.send(ControlType.OCRQ, OCRQ)
        (call,) = (event.call for event in hand.told if isinstance(event, CallAsked))
        call.clear(Clearing.call(CdnResult.busy, cause=Q931Cause(17)), hand.now)
        (cdn,) = hand.hear()
        assert cdn.cause == wanted
        assert cdn.result.result == CdnResult.busy
