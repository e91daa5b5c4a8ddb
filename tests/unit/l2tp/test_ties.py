"""Both sides ask for a control connection at once (RFC 2661 4.4.3, Tie Breaker)."""

from __future__ import annotations

import pytest

from lab.l2tp.outputs import (
    ConnectionUp,
    Peer,
    SendDatagram,
)
from lab.l2tp.requests import (
    ClearedBy,
    IncomingCallRequest,
)
from lab.wire.l2tp_codes import StopResult
from tests.unit.l2tp.wire import LAC, LNS, Wire


def tied(ours: bytes, theirs: bytes) -> Wire:
    wire = Wire()
    for peer, other, value in ((LAC, LNS, ours), (LNS, LAC, theirs)):
        connection = wire.planes[peer].open(other, wire.now, single=bool(value))
        connection.place(IncomingCallRequest(), wire.now)
        # The SCCRQ is built when it is asked for: put the value into it.
        for output in (outputs := wire.planes[peer].take()):
            assert isinstance(output, SendDatagram)
            data = output.data.replace(connection.tie_breaker, value) if value else output.data
            wire._carry(peer, SendDatagram(data, output.peer))
        assert len(outputs) == 1
        connection.tie_breaker = value
    wire.wait(40)
    return wire


@pytest.mark.parametrize(
    ("ours", "theirs", "winner"),
    [
        (b"\0" * 7 + b"\1", b"\0" * 7 + b"\2", LAC),
        (b"\xff" * 8, b"\0" * 7 + b"\2", LNS),
        (b"\xff" * 8, b"", LAC),
        (b"", b"\xff" * 8, LNS),
    ],
)
def test_a_tie_leaves_one_tunnel_and_no_call_is_lost(
    ours: bytes, theirs: bytes, winner: Peer
) -> None:
    wire = tied(ours, theirs)
    for peer in (LAC, LNS):
        assert len(wire.of(peer, ConnectionUp)) == 1
        (connection,) = wire.planes[peer].connections.values()
        assert connection.asked_here is (peer == winner)
        assert len(wire.established(peer)) == 2
        assert {call.connection for call in wire.established(peer)} == {connection}
        assert not wire.cleared(peer)
    loser = LNS if winner == LAC else LAC
    assert [event.clearing.by for event in wire.down(loser)] == [ClearedBy.tie]
    assert not wire.down(winner)


def test_a_tie_that_is_even_leaves_none() -> None:
    wire = tied(b"\5" * 8, b"\5" * 8)
    for peer in (LAC, LNS):
        assert not wire.of(peer, ConnectionUp)
        assert [event.clearing.by for event in wire.down(peer)] == [ClearedBy.tie]
        assert len(wire.cleared(peer)) == 1


def test_without_tie_breakers_there_are_two_tunnels() -> None:
    wire = tied(b"", b"")
    for peer in (LAC, LNS):
        assert len(wire.of(peer, ConnectionUp)) == 2
        assert len(wire.established(peer)) == 2


def test_a_second_tunnel_where_both_want_one_alone() -> None:
    wire = Wire()
    wire.planes[LAC].open(LNS, wire.now, single=True)
    wire.wait(1)
    wire.planes[LNS].open(LAC, wire.now, single=True)
    wire.wait(1)
    assert [e.clearing.result for e in wire.down(LNS)] == [StopResult.exists_already]
    assert len(wire.of(LAC, ConnectionUp)) == 1
