"""Whatever arrives: nothing raises, nothing hangs, and what stands is not touched by strangers."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from lab.l2tp.call import L2tpCall
from lab.l2tp.connection import ControlConnection
from lab.l2tp.messages import MESSAGES, ControlMessage, read_message, write_datagram, write_message
from lab.l2tp.outputs import ConnectionDown, L2tpOutput, SendDatagram
from lab.l2tp.requests import Clearing, IncomingCallRequest, LineConnection, OutgoingCallRequest
from lab.l2tp.states import L2tpState
from lab.wire import l2tp
from lab.wire.l2tp_codes import ControlType
from tests.unit.examples import examples
from tests.unit.l2tp.samples import SAMPLES, avp, body
from tests.unit.l2tp.wire import LAC, LNS, Wire

BODIES = [write_message(sample) for sample in SAMPLES] + [b""]
WORD = st.integers(0, 65535)
SMALL = st.integers(0, 5)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """The body of a message with some octets changed, cut out or put in."""
    octets = bytearray(draw(st.sampled_from(BODIES)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(len(octets) - 1, 0)))
        match draw(st.integers(0, 3)):
            case 0 if octets:
                octets[at] = draw(st.integers(0, 255))
            case 1:
                del octets[at : at + draw(st.integers(1, 8))]
            case 2:
                octets[at:at] = draw(st.binary(max_size=8))
            case _:
                octets = octets[:at]
    return bytes(octets)


@examples(2000)
@given(st.one_of(st.binary(max_size=200), mutated()))
def test_reading_never_raises(octets: bytes) -> None:
    reading = read_message(octets)
    if reading.flaw is None and reading.message is not None:
        # What is accepted has all that it must have, and can be said again.
        again = read_message(write_message(reading.message))
        assert again.message == reading.message
        assert {*MESSAGES[reading.message.kind].needed} <= {*reading.message.avps}
        passed_on(reading.message)
    l2tp.parse(octets)
    l2tp.control_datagram(octets)


def passed_on(message: ControlMessage) -> None:
    """What a peer says of a call can be said to another peer."""
    wire = Wire()
    ours, theirs = wire.connect()
    match message.kind:
        case ControlType.CDN | ControlType.StopCCN:
            call = ours.place(IncomingCallRequest(), wire.now)
            call.clear(Clearing.told(message), wire.now)
        case ControlType.ICRQ:
            ours.place(IncomingCallRequest.of(message), wire.now)
        case ControlType.OCRQ:
            theirs.place(OutgoingCallRequest.of(message), wire.now)
        case ControlType.ICCN:
            wire.connects = False
            call = ours.place(IncomingCallRequest(), wire.now)
            wire.wait(1)
            assert call.connect(LineConnection.of(message), wire.now)
        case _:
            pass
    wire.wait(1)
    assert wire.planes[LAC].settled
    assert wire.planes[LNS].settled


Said = tuple[str, int, int, int, int, bytes]
DATAGRAMS = st.lists(
    st.one_of(
        st.tuples(st.just("raw"), SMALL, SMALL, SMALL, SMALL, st.binary(max_size=80)),
        # Into the standing tunnel, as its peer: the numbers are near the right ones.
        st.tuples(st.sampled_from(["peer", "lns"]), SMALL, SMALL, SMALL, SMALL, mutated()),
        st.tuples(st.just("waits"), SMALL, SMALL, SMALL, SMALL, st.just(b"")),
        st.tuples(st.just("first"), SMALL, SMALL, SMALL, SMALL, mutated()),
    ),
    max_size=30,
)


def check(wire: Wire) -> None:
    """Time can go on, and each node knows what it has."""
    wire.wait(300)
    for peer, plane in wire.planes.items():
        for connection in plane.connections.values():
            assert connection.state is not L2tpState.idle
            for call in connection.calls.values():
                assert call.state is not L2tpState.closed
                assert call.connection is connection
        ended = [event.call for event in wire.cleared(peer)]
        assert len(ended) == len({*ended}), "a call ended twice"
        assert all(call.state is L2tpState.closed for call in ended)


@examples(400)
@given(DATAGRAMS, st.integers(0, 3))
def test_whatever_a_peer_says(said: list[Said], seed: int) -> None:
    wire = Wire(seed=seed)
    ours, theirs = wire.connect()
    ours.place(IncomingCallRequest("1"), wire.now)
    theirs.place(OutgoingCallRequest("2"), wire.now)
    wire.wait(1)
    sessions = [0, *ours.calls, 77]
    for how, a, b, c, d, octets in said:
        delivery = theirs.delivery
        ns = (delivery._first + delivery._numbered + max(a - 2, 0)) % 65536
        nr = (delivery._expected - max(b - 3, 0)) % 65536
        session_id = sessions[c % len(sessions)]
        plane = wire.planes[LAC]
        match how:
            case "raw":
                plane.receive(octets, LNS, wire.now)
            case "first":
                plane.receive(write_datagram(0, 0, a // 4, b // 4, octets), LNS, wire.now)
            case "waits":
                wire.wait([0.01, 1.0, 8.0, 20.0, 59.0, 61.0][d])
            case "peer":
                plane.receive(
                    write_datagram(ours.local_id, session_id, ns, nr, octets), LNS, wire.now
                )
            case _:
                # The LNS's own numbers go on, so that more of it is taken.
                if theirs.state is L2tpState.established and octets:
                    theirs.delivery.push(session_id, octets, wire.now)
                    wire.wait(0.1)
        wire.collect()
    check(wire)


COUNT = 100_000
SCCRQ = body(avp(0, "0001"), avp(2, "0100"), avp(3, "00000003"), avp(7, "68"))


def wild(random: Random, connection: ControlConnection, call: L2tpCall) -> bytes:
    """A datagram as a stranger may send it who knows L2TP, and of this tunnel no more than its IDs."""
    kind = random.randrange(5)
    tunnel_id, session_id, ns, nr = (random.randrange(65536) for _ in range(4))
    if kind == 0:
        return random.randbytes(random.randrange(60))
    if kind == 1:
        octets = bytearray(random.choice(BODIES))
        if octets:
            octets[random.randrange(len(octets))] ^= 1 << random.randrange(8)
        return write_datagram(tunnel_id, session_id, ns, nr, bytes(octets))
    if kind == 2:
        # Data of the call.
        return bytes.fromhex("0002") + call.local_id.to_bytes(2, "big") + random.randbytes(40)
    if kind == 3:
        # A SCCRQ that is answered, and never completed.
        return write_datagram(0, 0, 0, 0, SCCRQ + avp(9, f"{random.randrange(1, 65536):04x}"))
    tunnel_id = random.choice([0, connection.local_id, connection.remote_id])
    session_id = random.choice([0, call.local_id, call.remote_id])
    return write_datagram(tunnel_id, session_id, ns, nr, random.choice(BODIES))


def test_a_hundred_thousand_wild_datagrams_change_nothing() -> None:
    wire = Wire()
    connection, _ = wire.connect()
    call = connection.place(IncomingCallRequest("1"), wire.now)
    wire.wait(1)
    assert call.state.value == "established"
    plane, random = wire.planes[LAC], Random(1)
    told: list[L2tpOutput] = []
    answers = 0
    strangers = [("10.0.0.3", 1701), (LNS[0], 1702), ("10.0.0.4", 4500)]
    for number in range(COUNT):
        data = wild(random, connection, call)
        plane.receive(data, strangers[number % 3], wire.now)
        if number % 100 == 0:
            wire.now += 0.01
            plane.tick(wire.now)
            outputs = plane.take()
            told += [output for output in outputs if not isinstance(output, SendDatagram)]
            answers += len(outputs)
            assert len(plane.connections) <= plane.settings.half_open_limit + 1

    # All that was told is that some of the wild ones' tunnels never came about.
    for event in told:
        assert isinstance(event, ConnectionDown)
        assert event.connection is not connection
    assert connection.state.value == call.state.value == "established"
    assert sum(plane.ignored.values()) > COUNT // 2
    assert COUNT // 10 < answers < COUNT
    assert plane.ignored["half open, and the oldest of too many"] > COUNT // 10
    # And it still works.
    second = connection.place(OutgoingCallRequest("2"), wire.now)
    wire.wait(5)
    assert second in wire.established(LAC)
    assert call.connect(LineConnection(1), wire.now) is False
    assert not wire.cleared(LAC)
    assert not [event for event in wire.down(LAC) if event.connection is connection]
