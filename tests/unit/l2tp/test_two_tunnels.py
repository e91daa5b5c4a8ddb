"""A call that goes on over a second tunnel, as an i5/OS partition lends its VPN to an HMC (OUT-27)."""

from __future__ import annotations

from lab.l2tp.call import L2tpCall
from lab.l2tp.connection import ControlConnection
from lab.l2tp.outputs import (
    CallAccepted,
    CallAsked,
    CallCleared,
    CallEstablished,
    ConnectionDown,
    ConnectionUp,
    L2tpOutput,
    Peer,
)
from lab.l2tp.requests import ClearedBy, Clearing, IncomingCallRequest, LineConnection
from lab.wire.l2tp_codes import CdnResult, GeneralError, StopResult
from tests.unit.l2tp.wire import Wire, settings

HMC: Peer = ("10.1.0.1", 1701)
I5: Peer = ("10.1.0.2", 1701)
GATEWAYS: tuple[Peer, ...] = (("10.2.0.1", 1701), ("10.2.0.2", 1701))


class Partition:
    """Takes a call from one side on to the first gateway that answers."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.todo = list(GATEWAYS)
        self.caller: L2tpCall | None = None
        self.onward: L2tpCall | None = None
        wire.handlers[I5] = self.react

    def try_next(self) -> None:
        assert self.caller is not None
        if not self.todo:
            text = "no gateway answers"
            error = GeneralError.vendor_specific
            self.caller.clear(
                Clearing.call(CdnResult.general_error, text, error=error), self.wire.now
            )
            return
        tunnel = self.wire.planes[I5].open(self.todo.pop(0), self.wire.now)
        request = self.caller.request
        assert isinstance(request, IncomingCallRequest)
        self.onward = tunnel.place(request, self.wire.now, self.caller.serial_number)

    def react(self, output: L2tpOutput) -> None:
        now, caller, onward = self.wire.now, self.caller, self.onward
        match output:
            case CallAsked(call):
                self.caller = call
                self.try_next()
            case CallAccepted():
                assert caller is not None
                caller.answer(now)
            case CallEstablished(call) if call is caller:
                assert onward is not None
                assert call.line is not None
                onward.connect(call.line, now)
            case CallCleared(call, clearing) if call is onward:
                assert caller is not None
                if clearing.by is ClearedBy.silence:
                    self.try_next()
                else:
                    caller.clear(clearing if clearing.of_call else GONE, now)
            case CallCleared(call, clearing) if call is caller and onward is not None:
                onward.clear(clearing if clearing.of_call else GONE, now)
            case _:
                pass


GONE = Clearing.call(CdnResult.carrier_lost)


def lent() -> tuple[Wire, Partition, L2tpCall]:
    wire = Wire({peer: settings(peer[0]) for peer in (HMC, I5, *GATEWAYS)})
    partition = Partition(wire)
    tunnel = wire.planes[HMC].open(I5, wire.now)
    return wire, partition, tunnel.place(IncomingCallRequest(), wire.now, 77)


def test_connected_there_before_it_is_connected_here() -> None:
    wire, _, call = lent()
    wire.wait(1)
    assert wire.established(HMC) == [call]
    (at_gateway,) = wire.established(GATEWAYS[0])
    assert at_gateway.serial_number == call.serial_number == 77
    assert at_gateway.line == call.line == LineConnection(64000)
    order = [
        (peer, type(what))
        for _, peer, what in wire.told
        if isinstance(what, ConnectionUp | CallAsked | CallAccepted | CallEstablished)
    ]
    wanted = [
        (GATEWAYS[0], CallAsked),
        (I5, CallAccepted),
        (HMC, CallAccepted),
        (I5, CallEstablished),
        (GATEWAYS[0], CallEstablished),
    ]
    assert [each for each in order if each in wanted] == [
        *wanted[:3],
        (I5, CallEstablished),
        (I5, CallEstablished),
        (GATEWAYS[0], CallEstablished),
    ]


def test_the_second_gateway_where_the_first_is_silent() -> None:
    wire, _, call = lent()
    wire.passes = lambda source, datagram: GATEWAYS[0] not in (source, datagram.peer)
    wire.wait(40)
    assert wire.established(HMC) == [call]
    assert wire.established(GATEWAYS[1])


def test_no_gateway_answers() -> None:
    wire, _, call = lent()
    wire.passes = lambda source, datagram: not {source, datagram.peer} & {*GATEWAYS}
    wire.wait(80)
    (cleared,) = wire.cleared(HMC)
    assert cleared.call is call
    assert str(cleared.clearing) == (
        "result 2 (the error code says why), error 6 (the text says why): no gateway answers"
    )
    # The tunnel to the partition stays: another call can be tried.
    assert not wire.of(HMC, ConnectionDown)


def test_whoever_hangs_up_ends_both() -> None:
    for peer in (HMC, GATEWAYS[0]):
        wire, partition, _ = lent()
        wire.wait(1)
        (call,) = wire.established(peer)
        call.clear(Clearing.call(CdnResult.administrative, "enough"), wire.now)
        wire.wait(1)
        other = GATEWAYS[0] if peer == HMC else HMC
        (cleared,) = wire.cleared(other)
        assert (cleared.clearing.result, cleared.clearing.text) == (3, "enough")
        tunnels: list[ControlConnection] = [*wire.planes[I5].connections.values()]
        assert [tunnel.calls for tunnel in tunnels] == [{}, {}]
        assert partition.todo == [GATEWAYS[1]]


def test_a_partition_that_shuts_down() -> None:
    wire, _, _ = lent()
    wire.wait(1)
    plane = wire.planes[I5]
    # One that never answers is no reason to wait.
    plane.open(("10.2.0.9", 1701), wire.now)
    plane.close(Clearing.connection(StopResult.shutting_down), wire.now)
    assert not plane.settled
    wire.wait(1)
    assert plane.settled
    for peer in (HMC, GATEWAYS[0]):
        (down,) = wire.down(peer)
        assert down.clearing.result == StopResult.shutting_down
        assert len(wire.cleared(peer)) == 1
