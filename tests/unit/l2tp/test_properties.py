"""A network that loses, doubles and reorders: tunnels and calls come about all the same."""

from __future__ import annotations

from random import Random

from hypothesis import event, given
from hypothesis import strategies as st

from lab.l2tp.call import L2tpCall
from lab.l2tp.delivery import Arrived, Delivery, Patience
from lab.l2tp.outputs import (
    CallAsked,
    CallCleared,
    CallEstablished,
    ConnectionDown,
    ConnectionUp,
)
from lab.l2tp.requests import (
    ClearedBy,
    Clearing,
    IncomingCallRequest,
    LineConnection,
    OutgoingCallRequest,
)
from lab.l2tp.states import L2tpState
from lab.wire.l2tp_codes import CdnResult, StopResult
from tests.unit.examples import examples
from tests.unit.l2tp.wire import LAC, LNS, Wire

SEEDS = st.integers(0, 2**32)


@examples(300)
@given(SEEDS)
def test_a_bad_network_brings_up_everything_once(seed: int) -> None:
    """Five of a hundred datagrams are lost, as many doubled, as many late."""
    wire = Wire(seed=seed, loss=0.05, doubling=0.05, reordering=0.05)
    ours = wire.planes[LAC].open(LNS, wire.now)
    incoming = ours.place(IncomingCallRequest("1"), wire.now)
    wire.wait(60)
    (up,) = wire.of(LNS, ConnectionUp)
    outgoing = up.connection.place(OutgoingCallRequest("2"), wire.now)
    wire.wait(200)
    assert {*wire.established(LAC)} > {incoming}
    assert {*wire.established(LNS)} > {outgoing}
    for peer in (LAC, LNS):
        assert len(wire.of(peer, ConnectionUp)) == 1
        assert len(wire.of(peer, CallAsked)) == 1
        assert len(wire.of(peer, CallEstablished)) == 2
        assert not wire.of(peer, CallCleared)
        assert not wire.of(peer, ConnectionDown)
        assert wire.planes[peer].settled

    incoming.clear(Clearing.call(CdnResult.carrier_lost), wire.now)
    wire.wait(60)
    ours.close(Clearing.connection(StopResult.cleared), wire.now)
    wire.wait(100)
    for peer in (LAC, LNS):
        results = [event.clearing.result for event in wire.cleared(peer)]
        assert results == [CdnResult.carrier_lost, StopResult.cleared]
        assert [event.clearing.result for event in wire.down(peer)] == [StopResult.cleared]
        assert not wire.planes[peer].connections


@examples(200)
@given(SEEDS, st.floats(0.0, 0.05), st.sampled_from([0.0, 0.05]))
def test_both_may_ask_at_once_for_one_tunnel(seed: int, later_s: float, badness: float) -> None:
    wire = Wire(seed=seed, loss=badness, doubling=badness, reordering=badness)
    wire.planes[LAC].open(LNS, wire.now, single=True)
    wire.wait(later_s)
    wire.planes[LNS].open(LAC, wire.now, single=True)
    wire.wait(300)
    ends = [
        {(c.local_id, c.remote_id)[:: 1 if peer == LAC else -1] for c in plane.connections.values()}
        for peer, plane in wire.planes.items()
    ]
    assert len(ends[0]) == 1
    assert ends[0] == ends[1]


ACTS = ("in", "out", "answer", "answer", "connect", "connect", "clear", "wait", "wait", "wait")


@examples(300)
@given(SEEDS, st.integers(0, 80), st.sampled_from([0.0, 0.05]))
def test_in_the_end_both_sides_know_the_same_calls(seed: int, count: int, badness: float) -> None:
    """Whatever both do, in whatever order, and whatever crosses on the way."""
    wire = Wire(seed=seed, loss=badness, doubling=badness, reordering=badness)
    ours = wire.planes[LAC].open(LNS, wire.now)
    wire.wait(60)
    (up,) = wire.of(LNS, ConnectionUp)
    ends = {LAC: ours, LNS: up.connection}
    wire.answers = wire.connects = False
    source = Random(seed)
    for _ in range(count):
        act, peer = source.choice(ACTS), source.choice([LAC, LNS])
        number = source.randrange(20)
        calls = list(ends[peer].calls.values())
        # The first call with which it can be done, from one on that is drawn.
        calls = calls[number % len(calls) :] + calls[: number % len(calls)] if calls else []
        match act:
            case "in":
                ends[peer].place(IncomingCallRequest(str(number)), wire.now)
            case "out":
                ends[peer].place(OutgoingCallRequest(str(number)), wire.now)
            case "answer":
                any(call.answer(wire.now) for call in calls)
            case "connect":
                any(call.connect(LineConnection(number + 1), wire.now) for call in calls)
            case "clear":
                said = Clearing.call(CdnResult.administrative)
                any(call.clear(said, wire.now) for call in calls)
            case _:
                wire.wait([0.005, 0.02, 0.05, 2.0][number % 4])
    came = len(wire.established(LAC))
    event(f"{min(came, 3)} calls or more came about, {bool(wire.cleared(LAC))} ended")
    wire.wait(300)
    assert not wire.down(LAC)
    assert not wire.down(LNS)
    known = [sorted(map(_seen, end.calls.values())) for end in ends.values()]
    assert known[0] == known[1]
    for peer in (LAC, LNS):
        told = [event.call for event in wire.cleared(peer)]
        assert len(told) == len({*told})
        assert all(event.clearing.by is not ClearedBy.flaw for event in wire.cleared(peer))


def _seen(call: L2tpCall) -> tuple[object, ...]:
    """A call as either side must know it: whose it is, and what was said of it."""
    ids = (call.local_id, call.remote_id) if call.asked_here else (call.remote_id, call.local_id)
    up = call.state is L2tpState.established
    # Who asked learns the other ID with the reply.
    known = ids if up else ids[:1]
    outgoing = isinstance(call.request, OutgoingCallRequest)
    return (outgoing, up, known, repr(call.request), call.serial_number, repr(call.line))


class Pair:
    """Two ends of reliable delivery, with a network between them that does as the seed says."""

    def __init__(self, seed: int, windows: tuple[int, int], badness: float) -> None:
        self.random = Random(seed)
        self.badness = badness
        self.now = 0.0
        self.network: list[tuple[float, int, int, int, bytes]] = []
        patience = Patience(retransmissions=10**6)
        self.ends = [Delivery(self._sender(side), patience, windows[side]) for side in (0, 1)]
        for side in (0, 1):
            self.ends[side].open_window(windows[1 - side])
        self.got: list[list[bytes]] = [[], []]

    def _sender(self, side: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
        def send(_session_id: int, ns: int, nr: int, body: bytes) -> None:
            while self.random.random() >= self.badness:
                at = self.now + self.random.choice([0.01, 0.01, 0.01, 0.5, 3.0])
                self.network.append((at, 1 - side, ns, nr, body))
                if self.random.random() >= self.badness:
                    break

        return send

    def step(self) -> bool:
        dues = [(end.due, side) for side, end in enumerate(self.ends) if end.due is not None]
        if not self.network and not dues:
            return False
        if self.network and (not dues or min(self.network)[0] <= min(dues)[0]):
            packet = min(self.network)
            self.network.remove(packet)
            self.now, side, ns, nr, body = packet[0], *packet[1:]
            ready = self.ends[side].take(ns, nr, Arrived(0, body), self.now)
            assert ready is not None
            self.got[side] += [arrived.body for arrived in ready]
            self.ends[side].acknowledge()
        else:
            due, side = min(dues)
            self.now = max(self.now, due)
            assert self.ends[side].tick(self.now)
        return True


@examples(200)
@given(
    SEEDS,
    st.integers(0, 40),
    st.integers(0, 40),
    st.tuples(st.integers(1, 10), st.integers(1, 10)),
    st.sampled_from([0.0, 0.05, 0.3]),
)
def test_every_message_is_delivered_once_and_in_order(
    seed: int, here: int, there: int, windows: tuple[int, int], badness: float
) -> None:
    pair = Pair(seed, windows, badness)
    sent = [[b"%d" % number for number in range(count)] for count in (here, there)]
    todo = [*[0] * here, *[1] * there]
    pair.random.shuffle(todo)
    pushed = [0, 0]
    for side in todo:
        pair.ends[side].push(0, sent[side][pushed[side]], pair.now)
        pushed[side] += 1
        for _ in range(pair.random.randrange(4)):
            pair.step()
    while pair.step():
        for side in (0, 1):
            assert pair.got[1 - side] == sent[side][: len(pair.got[1 - side])]
    assert pair.got == [sent[1], sent[0]]
    assert all(end.settled for end in pair.ends)
