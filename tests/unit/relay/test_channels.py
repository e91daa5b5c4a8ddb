"""Channels of a session: what is sent arrives, what is held is bounded, what is wrong ends the session."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.relay.channels import MOST_CHANNELS, WINDOW, ChannelNotice, Channels
from lab.relay.frames import (
    HEAD,
    MOST_BODY,
    U16,
    U32,
    Party,
    PortDenial,
    Refusal,
    RelayFrame,
    RelayKind,
    hello,
    refused,
)

PORTS = (22, 443)


class Pair:
    """Both ends, and what their sockets would have got."""

    def __init__(self) -> None:
        self.console = Channels(Party.console)
        self.representative = Channels(Party.representative)
        self.got: dict[tuple[Party, int], bytearray] = defaultdict(bytearray)
        self.held: dict[tuple[Party, int], int] = defaultdict(int)
        """Bytes that arrived, and did not go on to a socket."""
        self.finished: set[tuple[Party, int]] = set()
        self.console.permit(PORTS)
        self.pass_on()

    def end(self, part: Party) -> Channels:
        return self.console if part is Party.console else self.representative

    def pass_on(self, cut: int = 1 << 30) -> None:
        """Until neither end has anything to say."""
        while True:
            quiet = True
            for part, other in (
                (Party.console, Party.representative),
                (Party.representative, Party.console),
            ):
                data = self.end(other).take()
                quiet &= not data
                for start in range(0, len(data), cut):
                    self._hear(part, data[start : start + cut])
            if quiet:
                return

    def _hear(self, part: Party, data: bytes) -> None:
        for noticed in self.end(part).receive(data):
            key = part, noticed.channel
            if noticed.what is ChannelNotice.asked:
                self.console.accept(noticed.channel)
            elif noticed.what is ChannelNotice.arrived:
                self.got[key] += noticed.data
                self.held[key] += len(noticed.data)
                assert self.held[key] <= WINDOW
            elif noticed.what is ChannelNotice.finished:
                self.finished.add(key)

    def read(self, part: Party, number: int) -> None:
        """A slow reader has taken what was held for it."""
        size = self.held.pop((part, number), 0)
        self.end(part).give_room(number, size)


OTHER = {Party.console: Party.representative, Party.representative: Party.console}
PARTS, NUMBERS = st.sampled_from([Party.console, Party.representative]), st.integers(1, 4)
VERBS = st.sampled_from(["open", "send", "send", "send", "read", "finish", "reset", "pass"])
STEPS = st.lists(
    st.tuples(VERBS, PARTS, NUMBERS),
    max_size=60,
)


class Story(Pair):
    """Steps of both ends, and what should have arrived."""

    def __init__(self, size: int, cut: int) -> None:
        super().__init__()
        self.sent: dict[tuple[Party, int], bytearray] = defaultdict(bytearray)
        self.broken: set[int] = set()
        self._size = size
        self._cut = cut

    def step(self, verb: str, part: Party, number: int) -> None:
        end = self.end(part)
        match verb:
            case "open":
                self.representative.open(PORTS[0])
            case "pass":
                self.pass_on(self._cut)
            case "read":
                self.read(part, number)
            case "send" if size := min(self._size, end.may_send(number)):
                data = bytes([len(self.sent[part, number]) % 251]) * size
                end.send(number, data)
                self.sent[OTHER[part], number] += data
            case "finish" if end.may_send(number):
                end.finish(number)
            case "reset":
                end.reset(number)
                self.broken.add(number)
            case _:
                pass  # There is no room, or no such channel yet.


@given(STEPS, st.sampled_from([(50, 1), (3_000, 7), (30_000, 1_000), (30_000, 1 << 30)]))
def test_what_is_sent_arrives_in_order_and_never_more_than_there_is_room_for(
    steps: list[tuple[str, Party, int]], sizes: tuple[int, int]
) -> None:
    story = Story(*sizes)
    for step in steps:
        story.step(*step)
    story.pass_on(sizes[1])

    assert story.console.ended is None
    assert story.representative.ended is None
    for (part, number), data in story.sent.items():
        got = bytes(story.got[part, number])
        assert data.startswith(got)
        assert number in story.broken or got == data


def test_a_slow_reader_stops_its_channel_and_no_other() -> None:
    pair = Pair()
    slow, fast = pair.representative.open(22), pair.representative.open(443)
    pair.pass_on()
    pair.representative.send(slow, bytes(WINDOW))
    assert pair.representative.may_send(slow) == 0
    pair.pass_on()
    for _ in range(10):
        pair.representative.send(fast, bytes(WINDOW))
        pair.pass_on()
        pair.read(Party.console, fast)
        pair.pass_on()
    assert pair.representative.may_send(slow) == 0
    pair.read(Party.console, slow)
    pair.pass_on()
    assert pair.representative.may_send(slow) == WINDOW


def test_both_directions_end_by_themselves() -> None:
    pair = Pair()
    number = pair.representative.open(22)
    pair.pass_on()
    pair.representative.finish(number)
    pair.pass_on()
    pair.console.send(number, b"still here")
    pair.console.finish(number)
    pair.pass_on()
    assert pair.got[Party.representative, number] == b"still here"
    assert pair.finished == {(Party.console, number), (Party.representative, number)}
    assert (len(pair.console), len(pair.representative)) == (0, 0)


def test_a_port_that_is_not_permitted() -> None:
    pair = Pair()
    number = pair.representative.open(80)
    (asked,) = pair.console.receive(pair.representative.take())
    assert (asked.what, asked.number) == (ChannelNotice.denied, 80)
    (denied,) = pair.representative.receive(pair.console.take())
    assert (denied.what, denied.channel, denied.number) == (
        ChannelNotice.denied,
        number,
        PortDenial.not_permitted,
    )
    assert (len(pair.console), len(pair.representative)) == (0, 0)


def test_no_more_channels_than_there_may_be() -> None:
    pair = Pair()
    for _ in range(MOST_CHANNELS + 1):
        pair.representative.open(22)
    pair.pass_on()
    assert len(pair.console) == len(pair.representative) == MOST_CHANNELS


def test_what_was_under_way_when_a_channel_was_given_up_is_passed_over() -> None:
    pair = Pair()
    number = pair.representative.open(22)
    pair.pass_on()
    pair.console.send(number, b"late")
    late = pair.console.take()
    pair.representative.reset(number)
    assert pair.representative.receive(late) == []
    pair.pass_on()
    assert pair.representative.ended is None


def test_a_channel_that_was_given_up_while_it_was_opened() -> None:
    pair = Pair()
    number = pair.representative.open(22)
    pair.representative.reset(number)
    noticed = pair.console.receive(pair.representative.take())
    assert [each.what for each in noticed] == [ChannelNotice.asked, ChannelNotice.reset]
    pair.console.accept(number)
    pair.console.deny(number, PortDenial.no_answer)
    assert pair.console.take() == b""


def test_more_time_that_is_asked_of_the_relay_too_late_is_no_mistake() -> None:
    pair = Pair()
    assert pair.console.receive(RelayFrame(RelayKind.extend).encode()) == []
    assert pair.console.ended is None


def of_channel(kind: RelayKind, body: bytes = b"", number: int = 1) -> bytes:
    return RelayFrame(kind, number, body).encode()


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (b"\x63" + bytes(6), "there is no kind 99 of frame"),
        (of_channel(RelayKind.data, bytes(MOST_BODY)) * 5, "more data in channel 1 than there is room for"),
        (of_channel(RelayKind.data, b"x", 2), "data for channel 2, which nobody has opened"),
        (of_channel(RelayKind.open, b"\x00\x16"), "channel 1 is opened again"),
        (of_channel(RelayKind.open, b"\x00\x16lpar-1", 2), "open with a body of 8 bytes"),
        (of_channel(RelayKind.opened), "opened is not for a console in a session"),
        (of_channel(RelayKind.room, U32.pack(1)), "room for 65537 bytes in channel 1"),
        (of_channel(RelayKind.room, U32.pack(0xFFFF_FFFF)), "room for 4295032831 bytes in channel 1"),
        (of_channel(RelayKind.finished) * 2, "finished in channel 1, which was finished"),
        (of_channel(RelayKind.finished) + of_channel(RelayKind.data, b"x"),
         "data in channel 1, which was finished"),
        (hello(Party.representative), "hello is not for a console in a session"),
    ],
)  # fmt: skip
def test_a_wrong_frame_ends_the_session_and_says_why(stream: bytes, problem: str) -> None:
    pair = Pair()
    pair.representative.open(22)
    pair.pass_on()
    noticed = pair.console.receive(stream)
    assert noticed[-1].what is ChannelNotice.ended
    assert pair.console.ended == (Refusal.wrong_frame, problem)
    assert pair.console.take() == refused(Refusal.wrong_frame, problem, over=True)
    assert pair.console.receive(of_channel(RelayKind.data, b"more")) == []


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (of_channel(RelayKind.data, b"x"), "data in the place of what is permitted"),
        (RelayFrame(RelayKind.permitted, body=b"\x00\x16\x01").encode(),
         "permitted in the place of what is permitted"),
    ],
)  # fmt: skip
def test_a_representative_hears_first_what_is_permitted(stream: bytes, problem: str) -> None:
    end = Channels(Party.representative)
    end.receive(stream)
    assert end.ended == (Refusal.wrong_frame, problem)


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        (of_channel(RelayKind.data, b"x"), "data for channel 1, which is not open yet"),
        (of_channel(RelayKind.opened) * 2, "opened for channel 1, which is open"),
        (of_channel(RelayKind.denied, b"\x63"), "channel 1 denied for reason 99"),
        (
            of_channel(RelayKind.open, b"\x00\x16", 2),
            "open is not for a representative in a session",
        ),
    ],
)
def test_a_console_that_does_not_keep_to_the_protocol(stream: bytes, problem: str) -> None:
    end = Channels(Party.representative)
    end.receive(RelayFrame(RelayKind.permitted, body=U16.pack(22)).encode())
    end.open(22)
    end.receive(stream)
    assert end.ended == (Refusal.wrong_frame, problem)


def test_an_end_is_told_and_nothing_follows_it() -> None:
    pair = Pair()
    pair.representative.open(22)
    pair.pass_on()
    pair.representative.end(Refusal.left)
    (noticed,) = pair.console.receive(pair.representative.take())
    assert (noticed.what, noticed.number) == (ChannelNotice.ended, Refusal.left)
    assert (len(pair.console), len(pair.representative)) == (0, 0)
    pair.console.end(Refusal.disabled)
    assert pair.console.take() == b""
    assert pair.console.ended == (Refusal.left, "")


@given(st.binary(max_size=300))
def test_rubbish_never_raises(rubbish: bytes) -> None:
    pair = Pair()
    pair.representative.open(22)
    pair.pass_on()
    pair.console.receive(rubbish)
    pair.representative.receive(rubbish)
    assert len(pair.console.take()) <= 2 * (HEAD.size + 1 + 200) + 300
