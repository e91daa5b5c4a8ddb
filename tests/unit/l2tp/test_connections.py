"""Control connections: silence, keepalives, what is kept of those that ended, and addresses."""

from __future__ import annotations

import pytest

from lab.l2tp.avps import ResultValue
from lab.l2tp.messages import (
    ControlMessage,
    write_datagram,
    write_message,
)
from lab.l2tp.outputs import (
    ConnectionDown,
    ConnectionUp,
    Peer,
)
from lab.l2tp.requests import (
    ClearedBy,
    IncomingCallRequest,
)
from lab.l2tp.states import L2tpState
from lab.wire import l2tp
from lab.wire.l2tp_codes import Avp, ControlType, StopResult
from tests.unit.l2tp.hand_made import HandMade, only_result
from tests.unit.l2tp.wire import LAC, LNS, Wire


def test_a_peer_that_is_not_there() -> None:
    wire = Wire()
    wire.cut = True
    connection = wire.planes[LAC].open(LNS, wire.now)
    call = connection.place(IncomingCallRequest(), wire.now)
    wire.wait(100)
    assert wire.when(LAC, ConnectionDown) == [31.0]
    (down,) = wire.down(LAC)
    assert (down.clearing.by, str(down.clearing)) == (ClearedBy.silence, "no answer to SCCRQ")
    assert [(e.call, e.clearing) for e in wire.cleared(LAC)] == [(call, down.clearing)]
    assert [at for at, peer, _ in wire.sent if peer == LAC] == [0, 1, 3, 7, 15, 23]
    assert not wire.planes[LAC].connections
    assert wire.planes[LAC].next_due is None


@pytest.mark.parametrize("lost", [LAC, LNS])
def test_one_direction_is_lost(lost: Peer) -> None:
    """UDP 1701 passes one way: the side that hears nothing gives up, and so does the other one."""
    wire = Wire()
    wire.passes = lambda source, _: source != lost
    wire.planes[LAC].open(LNS, wire.now)
    wire.wait(100)
    (down,) = wire.down(LAC)
    assert down.clearing.by is ClearedBy.silence
    assert not wire.of(LNS, ConnectionUp)
    heard = [str(event.clearing) for event in wire.down(LNS)]
    assert heard == (["no answer to SCCRP"] if lost == LNS else [])


def test_hello_after_a_minute_of_silence() -> None:
    wire = Wire()
    wire.connect()
    before = len(wire.sent)
    wire.wait(58)
    assert len(wire.sent) == before
    wire.wait(5)
    assert 2 <= len(wire.sent) - before <= 4
    wire.wait(600)
    assert not wire.down(LAC)
    # One HELLO and its acknowledgement a minute, from whichever side is first.
    assert len(wire.sent) - before <= 4 * 12


def test_a_peer_that_went_is_noticed_by_hello() -> None:
    wire = Wire()
    ours, _ = wire.connect()
    ours.place(IncomingCallRequest(), wire.now)
    wire.wait(1)
    since, wire.cut = wire.now, True
    wire.wait(200)
    for peer in (LAC, LNS):
        (at,) = wire.when(peer, ConnectionDown)
        assert since + 59 < at - 31 < since + 61
        assert str(wire.down(peer)[0].clearing) == "no answer to HELLO"
        assert len(wire.cleared(peer)) == 1


def test_a_peer_that_acknowledges_and_says_nothing() -> None:
    hand = HandMade()
    connection = hand.plane.open(LAC, hand.now)
    hand.hear()
    hand.tunnel_id, hand.nr = connection.local_id, 1
    hand.say(b"")
    assert hand.plane.next_due == 60.0
    hand.now = 60.0
    hand.plane.tick(hand.now)
    assert only_result(hand.hear(), ControlType.StopCCN) == (StopResult.cleared, 0)
    (down,) = (event for event in hand.told if isinstance(event, ConnectionDown))
    assert down.clearing.text == "not established within 60 s"


def test_a_tick_that_comes_late() -> None:
    wire = Wire()
    wire.connect()
    wire.cut = True
    for _ in range(20):
        wire.now += 1000.0
        wire.planes[LAC].tick(wire.now)
    wire.collect()
    assert len(wire.down(LAC)) == 1


def test_stopccn_is_acknowledged_again() -> None:
    hand = HandMade()
    hand.establish()
    stop = write_message(
        ControlMessage(
            ControlType.StopCCN,
            {Avp.assigned_tunnel_id: 9, Avp.result_code: ResultValue(1)},
        )
    )
    hand.say(stop)
    assert isinstance(hand.told[-1], ConnectionDown)
    for hand.now in (1.0, 3.0, 7.0, 15.0, 31.0):
        hand.plane.tick(hand.now)
        hand.raw.clear()
        hand.ns -= 1
        hand.say(stop)
        head = l2tp.control_datagram(hand.raw[0])
        assert head is not None
        assert (head.tunnel_id, head.body, head.nr) == (9, b"", hand.ns)
    assert len([e for e in hand.told if isinstance(e, ConnectionDown)]) == 1
    hand.now = 62.0
    hand.plane.tick(hand.now)
    assert not hand.plane.connections
    hand.say(stop)
    assert hand.plane.ignored["no such tunnel"] == 1


@pytest.mark.parametrize(("window", "most"), [(1, 1), (2, 2), (None, 4), (9, 9)])
def test_the_window_that_the_peer_tells_is_kept(window: int | None, most: int) -> None:
    hand = HandMade()
    hand.establish(**({} if window is None else {"receive_window_size": window}))
    (connection,) = hand.plane.connections.values()
    for _ in range(60):
        connection.place(IncomingCallRequest(), hand.now)
    got = hand.nr
    under_way = []
    for _ in range(30):
        hand.hear()
        under_way.append(hand.nr - got)
        got += 1
        hand.plane.receive(write_datagram(hand.tunnel_id, 0, hand.ns, got, b""), LAC, hand.now)
    assert max(under_way) == most


# Addresses.


def test_the_peer_may_answer_from_another_port() -> None:
    hand = HandMade()
    connection = hand.plane.open(LAC, hand.now)
    hand.hear()
    hand.tunnel_id, hand.nr = connection.local_id, 1
    reply = hand.sccrq().replace(
        bytes.fromhex("8008000000000001"), bytes.fromhex("8008000000000002")
    )
    other = (LAC[0], 40000)
    (connected,) = hand.say(reply, source=other)
    assert connected.kind is ControlType.SCCCN
    assert connection.peer == other
    # From now on the port stays (RFC 2661 8.1).
    hand.say(write_message(ControlMessage(ControlType.HELLO)), source=LAC)
    assert hand.plane.ignored == {"not from the peer": 1}
    assert connection.state is L2tpState.established


def test_nobody_else_may_answer() -> None:
    hand = HandMade()
    connection = hand.plane.open(LAC, hand.now)
    hand.hear()
    hand.tunnel_id, hand.nr = connection.local_id, 1
    reply = hand.sccrq().replace(
        bytes.fromhex("8008000000000001"), bytes.fromhex("8008000000000002")
    )
    assert hand.say(reply, source=("10.0.0.3", 1701)) == []
    assert connection.state is L2tpState.wait_ctl_reply


def test_two_peers_may_have_the_same_id() -> None:
    hand = HandMade()
    hand.say(hand.sccrq(assigned_tunnel_id=7), source=LAC)
    hand.ns = hand.nr = 0
    hand.say(hand.sccrq(assigned_tunnel_id=7), source=("10.0.0.1", 1702))
    assert len(hand.plane.connections) == 2


def test_a_repeated_request_is_no_second_tunnel() -> None:
    hand = HandMade()
    hand.say(hand.sccrq())
    hand.ns = hand.nr = 0
    assert hand.say(hand.sccrq()) == []
    assert len(hand.plane.connections) == 1
    zlb = l2tp.control_datagram(hand.raw[-1])
    assert zlb is not None
    assert (zlb.body, zlb.nr) == (b"", 1)


def test_a_peer_that_was_started_again_may_use_its_id_again() -> None:
    hand = HandMade()
    hand.establish()
    hand.send(ControlType.StopCCN, {Avp.assigned_tunnel_id: 9, Avp.result_code: ResultValue(6)})
    hand.tunnel_id = hand.ns = hand.nr = 0
    assert hand.say(hand.sccrq()) == []
    hand.ns = 0
    (reply,) = hand.say(hand.sccrq(firmware_revision=2))
    assert reply.kind is ControlType.SCCRP
