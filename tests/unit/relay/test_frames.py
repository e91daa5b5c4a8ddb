"""The relay's frames: whatever way bytes are cut, and whatever is wrong with them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.relay import frames
from lab.relay.frames import (
    HEAD,
    MOST_BODY,
    SHAPES,
    Party,
    Refusal,
    RelayFrame,
    RelayKind,
    RelayReader,
    WrongFrame,
)


@st.composite
def right_frames(draw: st.DrawFn) -> RelayFrame:
    kind = draw(st.sampled_from(list(RelayKind)))
    shape = SHAPES[kind]
    length = draw(
        st.sampled_from(sorted({shape.least, (shape.least + shape.most) // 2, shape.most}))
    )
    channel = draw(st.integers(1, 0xFFFF_FFFF)) if shape.of_channel else 0
    fill = draw(st.integers(0, 255))
    return RelayFrame(kind, channel, bytes([fill]) * length)


def read(chunks: list[bytes]) -> list[RelayFrame]:
    reader, found = RelayReader(), []
    for chunk in chunks:
        reader.feed(chunk)
        while (frame := reader.next()) is not None:
            found.append(frame)
    assert reader.rest() == b""
    return found


@given(st.lists(right_frames(), max_size=6), st.data())
def test_frames_come_through_however_they_are_cut(
    sent: list[RelayFrame], data: st.DataObject
) -> None:
    stream = b"".join(frame.encode() for frame in sent)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=20)))
    edges = [0, *cuts, len(stream)]
    assert read([stream[a:b] for a, b in pairwise(edges)]) == sent


def test_byte_by_byte() -> None:
    sent = [RelayFrame(RelayKind.open, 7, b"\x00\x16"), RelayFrame(RelayKind.data, 7, b"hello")]
    stream = b"".join(frame.encode() for frame in sent)
    assert read([bytes([byte]) for byte in stream]) == sent


@given(st.binary(max_size=200))
def test_rubbish_is_wrong_or_is_waited_for_and_never_more_than_a_body(rubbish: bytes) -> None:
    reader = RelayReader()
    reader.feed(rubbish)
    try:
        while reader.next() is not None:
            pass
    except WrongFrame:
        return
    held = reader.rest()
    assert len(held) < HEAD.size + MOST_BODY


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        ((99, 0, 0), "there is no kind 99 of frame"),
        ((0x16, 0x0301_0200, 0x0100), "finished with a body of 256 bytes"),
        ((RelayKind.data, 1, MOST_BODY + 1), "data with a body of 16385 bytes"),
        ((RelayKind.data, 1, 0), "data with a body of 0 bytes"),
        ((RelayKind.data, 0, 1), "data for channel 0"),
        ((RelayKind.open, 1, 12), "open with a body of 12 bytes"),
        ((RelayKind.redeem, 0, 8), "redeem with a body of 8 bytes"),
        ((RelayKind.invite, 3, 0), "invite for channel 3"),
    ],
)
def test_a_wrong_head_is_known_before_its_body_comes(
    head: tuple[int, int, int], problem: str
) -> None:
    reader = RelayReader()
    reader.feed(HEAD.pack(*head))
    with pytest.raises(WrongFrame, match=problem):
        reader.next()


def test_bodies_say_what_was_put_in() -> None:
    (hello,) = read([frames.hello(Party.console)])
    assert frames.read_hello(hello) == (1, Party.console)
    (code,) = read([frames.code("0012345", 299.999)])
    assert frames.read_code(code) == ("0012345", 300)
    (end,) = read([frames.refused(Refusal.left, "good\nnight", over=True)])
    assert end.kind is RelayKind.end
    assert frames.read_refused(end) == (Refusal.left, "good?night")


@pytest.mark.parametrize(
    "body", [b"CHL-RELAY\x01Q", b"SSH-2.0-ab\r", b"CHL-RELAX\x01C"], ids=["part", "ssh", "magic"]
)
def test_a_hello_that_is_none(body: bytes) -> None:
    with pytest.raises(WrongFrame, match="hello"):
        frames.read_hello(RelayFrame(RelayKind.hello, body=body))


@pytest.mark.parametrize("digits", [b"123456", b"12345678", b"123456x", b"\xb2" * 7])
def test_a_code_is_seven_digits(digits: bytes) -> None:
    with pytest.raises(WrongFrame, match="a code has 7 digits"):
        frames.digits(digits)


def test_a_refusal_for_no_known_reason() -> None:
    with pytest.raises(WrongFrame, match="refused for reason 250"):
        frames.read_refused(RelayFrame(RelayKind.refused, body=b"\xfa"))


def test_every_refusal_has_words() -> None:
    assert len({refusal.words for refusal in Refusal}) == len(Refusal)
