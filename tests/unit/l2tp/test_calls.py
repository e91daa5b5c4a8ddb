"""Tunnels and calls between two control planes on a network that loses nothing."""

from __future__ import annotations

import pytest

from lab.l2tp.avps import CallErrors, LinkAccm, Q931Cause
from lab.l2tp.outputs import (
    CallAccepted,
    CallAsked,
    ConnectionUp,
    LineErrorsTold,
    LinkInfoTold,
)
from lab.l2tp.requests import (
    ClearedBy,
    Clearing,
    IncomingCallRequest,
    LineConnection,
    OutgoingCallRequest,
)
from lab.l2tp.states import L2tpState, Machine
from lab.wire import l2tp
from lab.wire.l2tp_codes import BearerType, CdnResult, FramingType, GeneralError, StopResult
from tests.unit.l2tp.wire import LAC, LNS, Wire, settings


def test_both_ends_of_a_tunnel_know_each_other() -> None:
    wire = Wire()
    ours, theirs = wire.connect()
    assert [event.connection for event in wire.of(LAC, ConnectionUp)] == [ours]
    assert (ours.local_id, ours.remote_id) == (theirs.remote_id, theirs.local_id)
    assert (ours.host_name, theirs.host_name) == ("lns", "lac")
    assert ours.state is theirs.state is L2tpState.established
    assert ours.bearer == BearerType.analog
    assert wire.planes[LAC].settled
    assert wire.planes[LNS].settled


def test_an_incoming_call() -> None:
    wire = Wire()
    ours, _ = wire.connect()
    request = IncomingCallRequest("123", "456", "7", BearerType(0), 9)
    call = ours.place(request, wire.now, serial_number=77)
    wire.wait(1)

    (asked,) = wire.of(LNS, CallAsked)
    assert asked.call.machine is Machine.incoming_lns
    assert asked.call.request == request
    assert asked.call.serial_number == 77
    assert wire.established(LAC) == [call]
    assert wire.established(LNS) == [asked.call]
    assert (call.local_id, call.remote_id) == (asked.call.remote_id, asked.call.local_id)
    assert asked.call.line == LineConnection(64000)


def test_an_outgoing_call() -> None:
    wire = Wire()
    _, theirs = wire.connect()
    request = OutgoingCallRequest(
        "18005550100", 2400, 33600, BearerType.analog, FramingType.asynchronous, "sub"
    )
    call = theirs.place(request, wire.now, serial_number=5)
    wire.wait(1)

    (asked,) = wire.of(LAC, CallAsked)
    assert asked.call.machine is Machine.outgoing_lac
    assert asked.call.request == request
    assert asked.call.serial_number == 5
    assert wire.of(LNS, CallAccepted)[0].call is call
    assert wire.established(LNS) == [call]
    assert call.line == LineConnection(33600)
    assert (call.local_id, call.remote_id) == (asked.call.remote_id, asked.call.local_id)


def test_the_peer_waits_for_the_decision_and_for_the_connection() -> None:
    wire = Wire()
    wire.answers = wire.connects = False
    ours, theirs = wire.connect()
    incoming = ours.place(IncomingCallRequest(), wire.now)
    outgoing = theirs.place(OutgoingCallRequest("1"), wire.now)
    wire.wait(500)
    assert [call.state.value for call in (incoming, outgoing)] == ["wait-reply", "wait-reply"]
    (at_lns,), (at_lac,) = wire.of(LNS, CallAsked), wire.of(LAC, CallAsked)
    at_lns.call.answer(wire.now)
    at_lac.call.answer(wire.now)
    wire.wait(500)
    assert [call.state.value for call in (incoming, outgoing)] == ["wait-bearer", "wait-connect"]
    assert not wire.established(LAC)
    assert incoming.connect(LineConnection(1, rx_bps=2, sequencing_required=True), wire.now)
    assert at_lac.call.connect(LineConnection(28800), wire.now)
    wire.wait(1)
    assert at_lns.call.line == LineConnection(1, rx_bps=2, sequencing_required=True)
    assert outgoing.line == LineConnection(28800)
    assert {*wire.established(LAC)} == {incoming, at_lac.call}
    assert {*wire.established(LNS)} == {outgoing, at_lns.call}


@pytest.mark.parametrize("result", [*CdnResult])
def test_a_call_that_does_not_come_about_says_why(result: CdnResult) -> None:
    wire = Wire()
    wire.connects = False
    _, theirs = wire.connect()
    call = theirs.place(OutgoingCallRequest("1"), wire.now)
    wire.wait(1)
    (asked,) = wire.of(LAC, CallAsked)
    said = Clearing.call(result, "busy, said the line", cause=Q931Cause(17, advisory="user busy"))
    assert asked.call.clear(said, wire.now)
    wire.wait(1)
    (cleared,) = wire.cleared(LNS)
    assert cleared.call is call
    got = cleared.clearing
    assert (got.result, got.text, got.cause) == (result, said.text, said.cause)
    assert (got.error, got.by) == (GeneralError.none, ClearedBy.peer)
    assert result.meaning in str(got)
    assert wire.cleared(LAC)[0].clearing is said
    assert not theirs.calls


def test_a_call_is_refused_before_the_peer_knows_its_id() -> None:
    wire = Wire()
    wire.answers = False
    ours, theirs = wire.connect()
    call = ours.place(IncomingCallRequest(), wire.now)
    wire.wait(1)
    # The LAC gives up while the LNS has not replied: its CDN has no session ID of the LNS's.
    call.clear(Clearing.call(CdnResult.carrier_lost), wire.now)
    wire.wait(1)
    (cleared,) = wire.cleared(LNS)
    assert cleared.clearing.result == CdnResult.carrier_lost
    assert not theirs.calls
    assert not cleared.call.answer(wire.now)


def test_a_cdn_is_acknowledged_by_a_zlb_that_names_the_call() -> None:
    """xl2tpd forgets a call that it has cleared only for that; and it loses count at a second one."""
    wire = Wire()
    ours, _ = wire.connect()
    call = ours.place(IncomingCallRequest(), wire.now)
    wire.wait(1)
    call.clear(Clearing.call(CdnResult.administrative), wire.now)
    wire.collect()
    _, source, cdn = wire.sent[-1]
    assert source == LAC
    wire.wait(1)
    acknowledged = l2tp.control_datagram(wire.sent[-1][2].data)
    assert acknowledged is not None
    assert (acknowledged.session_id, acknowledged.body) == (call.local_id, b"")

    wire.planes[LNS].receive(cdn.data, LAC, wire.now)
    wire.collect()
    repeated = l2tp.control_datagram(wire.sent[-1][2].data)
    assert repeated is not None
    assert (repeated.session_id, repeated.body) == (0, b"")


def test_closing_a_tunnel_ends_its_calls() -> None:
    wire = Wire()
    ours, theirs = wire.connect()
    ours.place(IncomingCallRequest(), wire.now)
    theirs.place(OutgoingCallRequest("1"), wire.now)
    wire.wait(1)
    assert ours.close(Clearing.connection(StopResult.shutting_down, "bye"), wire.now)
    assert not ours.close(Clearing.connection(StopResult.cleared), wire.now)
    wire.wait(1)
    for peer, by in ((LAC, ClearedBy.local), (LNS, ClearedBy.peer)):
        (down,) = wire.down(peer)
        assert (down.clearing.result, down.clearing.by) == (StopResult.shutting_down, by)
        assert [event.clearing for event in wire.cleared(peer)] == [down.clearing] * 2
        assert isinstance(wire.told[-1][2], type(down))
    assert str(down.clearing) == "result 6 (the requester shuts down): bye"
    # For a whole cycle of retransmissions it is kept, to acknowledge them (RFC 2661 5.7).
    wire.wait(29)
    assert ours.local_id in wire.planes[LAC].connections
    wire.wait(2)
    assert not wire.planes[LAC].connections
    assert not wire.planes[LNS].connections


def test_reports_of_a_line() -> None:
    wire = Wire()
    ours, _ = wire.connect()
    call = ours.place(IncomingCallRequest(), wire.now)
    errors, accm = CallErrors(1, 2, 3, 4, 5, 6), LinkAccm(0, 0xA0000)
    assert not call.tell_line_errors(errors, wire.now)
    wire.wait(1)
    (theirs,) = wire.established(LNS)
    assert call.tell_line_errors(errors, wire.now)
    assert not call.tell_link_info(accm, wire.now)
    assert theirs.tell_link_info(accm, wire.now)
    assert not theirs.tell_line_errors(errors, wire.now)
    wire.wait(1)
    # Once a minute is enough (RFC 2661 6.13).
    assert not call.tell_line_errors(errors, wire.now)
    wire.wait(58)
    assert not call.tell_line_errors(errors, wire.now)
    wire.wait(2)
    assert call.tell_line_errors(CallErrors(7), wire.now)
    wire.wait(1)
    assert [e.errors for e in wire.of(LNS, LineErrorsTold)] == [errors, CallErrors(7)]
    assert [event.accm for event in wire.of(LAC, LinkInfoTold)] == [accm]


def test_a_peer_that_places_no_calls_is_not_asked() -> None:
    wire = Wire({LAC: settings("lac"), LNS: settings("lns")})
    object.__setattr__(wire.planes[LAC].settings, "bearer", None)
    _, theirs = wire.connect()
    theirs.place(OutgoingCallRequest("1"), wire.now)
    wire.wait(1)
    assert [event.clearing.result for event in wire.cleared(LNS)] == [CdnResult.no_facilities]
    assert not wire.of(LAC, CallAsked)


def test_a_call_waits_for_its_tunnel() -> None:
    wire = Wire()
    ours = wire.planes[LAC].open(LNS, wire.now)
    call = ours.place(IncomingCallRequest(), wire.now)
    given_up = ours.place(IncomingCallRequest(), wire.now)
    assert call.state is L2tpState.wait_tunnel
    given_up.clear(Clearing.call(CdnResult.administrative), wire.now)
    wire.wait(1)
    assert wire.established(LAC) == [call]
    assert len(wire.of(LNS, CallAsked)) == 1


def test_a_call_on_a_tunnel_that_ended_is_cleared_at_once() -> None:
    wire = Wire()
    ours, _ = wire.connect()
    ours.close(Clearing.connection(StopResult.cleared), wire.now)
    call = ours.place(IncomingCallRequest(), wire.now)
    wire.wait(1)
    assert [event.call for event in wire.cleared(LAC)] == [call]
