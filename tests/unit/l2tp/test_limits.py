"""What wild peers cannot make grow."""

from __future__ import annotations

import pytest

from lab.l2tp.avps import AvpValue
from lab.l2tp.messages import (
    ControlMessage,
    write_datagram,
    write_message,
)
from lab.l2tp.outputs import (
    ConnectionDown,
)
from lab.l2tp.requests import (
    ClearedBy,
    Clearing,
)
from lab.l2tp.states import L2tpState
from lab.wire.l2tp_codes import Avp, CdnResult, ControlType, GeneralError, StopResult
from tests.unit.l2tp.hand_made import HandMade, only_result
from tests.unit.l2tp.wire import LAC


def test_half_open_connections_are_few() -> None:
    hand = HandMade(half_open_limit=4)
    for number in range(1, 100):
        hand.ns = hand.nr = 0
        hand.say(hand.sccrq(assigned_tunnel_id=number))
    assert [c.remote_id for c in hand.plane.connections.values()] == [96, 97, 98, 99]
    assert len(hand.plane._asked) == 4
    assert hand.plane.ignored["half open, and the oldest of too many"] == 95


def test_connections_are_few() -> None:
    hand = HandMade(connection_limit=3)
    for number in range(1, 4):
        hand.ns = hand.nr = hand.tunnel_id = 0
        hand.establish(assigned_tunnel_id=number)
    hand.ns = hand.nr = hand.tunnel_id = 0
    stops = hand.say(hand.sccrq())
    wanted = (StopResult.general_error, GeneralError.no_resources)
    assert only_result(stops, ControlType.StopCCN) == wanted
    # One that ended makes room.
    next(iter(hand.plane.connections.values())).close(
        Clearing.connection(StopResult.cleared), hand.now
    )
    hand.hear()
    hand.ns = hand.nr = 0
    (reply,) = hand.say(hand.sccrq(assigned_tunnel_id=10))
    assert reply.kind is ControlType.SCCRP
    assert len(hand.plane.connections) == 3


def test_calls_are_few() -> None:
    hand = HandMade(call_limit=2)
    hand.establish()
    for number in (1, 2):
        avps: dict[Avp, AvpValue] = {Avp.assigned_session_id: number, Avp.call_serial_number: 1}
        assert hand.send(ControlType.ICRQ, avps) == []
    answers = hand.send(ControlType.ICRQ, avps | {Avp.assigned_session_id: 3})
    assert only_result(answers, ControlType.CDN) == (CdnResult.no_facilities_now, None)


def test_a_peer_that_asks_and_never_acknowledges_is_given_up() -> None:
    hand = HandMade(call_limit=1)
    hand.establish()
    (connection,) = hand.plane.connections.values()
    hand.nr = 1
    for number in range(1, 400):
        data = write_message(
            ControlMessage(
                ControlType.ICRQ, {Avp.assigned_session_id: number, Avp.call_serial_number: 1}
            )
        )
        hand.plane.receive(write_datagram(hand.tunnel_id, 0, hand.ns, 1, data), LAC, hand.now)
        hand.ns += 1
    hand.hear()
    (down,) = (event for event in hand.told if isinstance(event, ConnectionDown))
    assert down.clearing.by is ClearedBy.silence
    assert connection.state is L2tpState.closed


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("", "no L2TPv2"),
        ("00020001000200", "data"),
        ("4802001000010002000000000000ffff", "data"),
        ("000100010002ffff", "no L2TPv2"),
        ("c803000c0000000000000000", "no L2TPv2"),
        ("c802000c00000000000000", "no L2TPv2"),
        ("c802000c0000000000000000", "no tunnel ID"),
        ("c802000d0000000000000000", "malformed header"),
        ("c802000c000000000000000000", "malformed header"),
        ("8802000c0000000000000000", "malformed header"),
        ("c002000c0000000000000000", "malformed header"),
        ("ca02000c0000000000000000", "malformed header"),
        ("c902000c0000000000000000", "malformed header"),
        ("c802000c0001000000000000", "no such tunnel"),
    ],
)
def test_what_is_ignored_is_counted_by_reason(octets: str, reason: str) -> None:
    hand = HandMade()
    hand.plane.receive(bytes.fromhex(octets), LAC, hand.now)
    assert hand.plane.ignored == {reason: 1}
    assert hand.plane.take() == []
