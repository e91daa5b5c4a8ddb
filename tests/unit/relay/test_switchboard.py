"""The relay's decisions, without sockets: who is given a code, whose code is taken, who is dropped."""

from __future__ import annotations

from itertools import count

import pytest

from lab.relay import frames
from lab.relay.codes import Codes
from lab.relay.frames import Party, Refusal, RelayFrame, RelayKind
from lab.relay.switchboard import (
    CodeRefused,
    Dropped,
    Invited,
    Joined,
    Order,
    Said,
    Switchboard,
)

CONSOLE, REPRESENTATIVE = 1, 2
INVITE, EXTEND = RelayFrame(RelayKind.invite).encode(), RelayFrame(RelayKind.extend).encode()
JOINED = RelayFrame(RelayKind.joined).encode()


def redeem(digits: str) -> bytes:
    return RelayFrame(RelayKind.redeem, body=digits.encode()).encode()


@pytest.fixture
def board() -> Switchboard:
    """With both ends connected and greeted; the first code is 0000042."""
    board = Switchboard(Codes(count(42).__next__))
    greet(board, CONSOLE, Party.console, "198.51.100.2")
    greet(board, REPRESENTATIVE, Party.representative, "10.1.0.40")
    return board


def greet(board: Switchboard, number: int, part: Party, address: str) -> None:
    board.note_connected(number, address, 0.0)
    assert board.receive(number, frames.hello(part), 0.0) == [
        Said(number, frames.hello(Party.relay))
    ]


def refused(number: int, reason: Refusal, words: str = "") -> list[Order]:
    return [Said(number, frames.refused(reason, words)), Dropped(number, reason)]


def test_a_code_joins_two_connections(board: Switchboard) -> None:
    assert board.receive(REPRESENTATIVE, INVITE, 0.0) == [
        Said(REPRESENTATIVE, frames.code("0000042", 300.0)),
        Invited(REPRESENTATIVE, 300.0),
    ]
    assert board.receive(CONSOLE, redeem("0000042") + b"early", 10.0) == [
        Said(CONSOLE, JOINED),
        Said(REPRESENTATIVE, JOINED),
        Joined(CONSOLE, REPRESENTATIVE, b"early"),
    ]
    assert board.expire(1e9) == []


def test_a_used_code_is_told_from_an_unknown_one(board: Switchboard) -> None:
    board.receive(REPRESENTATIVE, INVITE, 0.0)
    board.receive(CONSOLE, redeem("0000042"), 1.0)
    greet(board, 3, Party.console, "198.51.100.2")
    assert board.receive(3, redeem("0000042") + redeem("0000043"), 2.0) == [
        CodeRefused(3, Refusal.used_code),
        Said(3, frames.refused(Refusal.used_code)),
        CodeRefused(3, Refusal.unknown_code),
        Said(3, frames.refused(Refusal.unknown_code)),
    ]


def test_three_wrong_codes_of_one_address_end_the_connection(board: Switchboard) -> None:
    board.receive(REPRESENTATIVE, INVITE, 0.0)
    board.receive(CONSOLE, redeem("1000001") + redeem("1000002"), 0.0)
    greet(board, 3, Party.console, "198.51.100.2")
    unknown = Refusal.unknown_code
    assert board.receive(3, redeem("1000003"), 0.0) == [
        CodeRefused(3, unknown),
        *refused(3, Refusal.too_many_tries, unknown.words),
    ]
    assert board.receive(CONSOLE, redeem("0000042"), 1.0) == [
        CodeRefused(CONSOLE, Refusal.too_many_tries),
        *refused(CONSOLE, Refusal.too_many_tries),
    ]
    greet(board, 4, Party.console, "203.0.113.77")
    assert Joined(4, REPRESENTATIVE, b"") in board.receive(4, redeem("0000042"), 1.0)


def test_an_extension_moves_the_end(board: Switchboard) -> None:
    board.receive(REPRESENTATIVE, INVITE, 0.0)
    assert board.next_deadline == 60.0  # of the console, which has not said a code
    board.note_gone(CONSOLE)
    assert board.next_deadline == 300.0
    assert board.receive(REPRESENTATIVE, EXTEND, 100.0) == [
        Said(REPRESENTATIVE, frames.code("0000042", 800.0)),
        Invited(REPRESENTATIVE, 800.0),
    ]
    assert board.receive(REPRESENTATIVE, EXTEND, 200.0) == [
        Said(REPRESENTATIVE, frames.refused(Refusal.not_extended))
    ]
    assert board.expire(899.0) == []
    assert board.expire(900.0) == refused(REPRESENTATIVE, Refusal.expired_code)
    greet(board, 3, Party.console, "198.51.100.2")
    assert CodeRefused(3, Refusal.expired_code) in board.receive(3, redeem("0000042"), 901.0)


def test_a_representative_that_leaves_takes_its_code_along(board: Switchboard) -> None:
    board.receive(REPRESENTATIVE, INVITE, 0.0)
    board.note_gone(REPRESENTATIVE)
    orders = board.receive(CONSOLE, redeem("0000042"), 1.0)
    assert CodeRefused(CONSOLE, Refusal.withdrawn_code) in orders


def test_who_says_nothing_is_dropped(board: Switchboard) -> None:
    board.note_connected(3, "198.51.100.2", 0.0)
    assert board.expire(20.0) == refused(3, Refusal.too_late)
    assert board.expire(60.0) == [
        *refused(CONSOLE, Refusal.too_late), *refused(REPRESENTATIVE, Refusal.too_late),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "data", "problem"),
    [
        (CONSOLE, INVITE, "invite is not for a relay now"),
        (CONSOLE, EXTEND, "extend is not for a relay now"),
        (CONSOLE, redeem("123456x"), "a code has 7 digits"),
        (REPRESENTATIVE, redeem("0000042"), "redeem is not for a relay now"),
        (REPRESENTATIVE, EXTEND, "extend is not for a relay now"),
        (REPRESENTATIVE, INVITE + INVITE, "a second invite by one connection"),
        (CONSOLE, frames.hello(Party.console), "hello is not for a relay now"),
        (CONSOLE, b"GET / HTTP/1.1\r\n\r\n", "there is no kind 71 of frame"),
        (3, INVITE, "invite in the place of hello"),
        (3, frames.hello(Party.relay), "hello of another relay"),
    ],
)
def test_a_wrong_frame_ends_the_connection(
    board: Switchboard, number: int, data: bytes, problem: str
) -> None:
    board.note_connected(3, "198.51.100.2", 0.0)
    orders = board.receive(number, data, 1.0)
    assert orders[-2:] == refused(number, Refusal.wrong_frame, problem)


def test_another_version(board: Switchboard) -> None:
    board.note_connected(3, "198.51.100.2", 0.0)
    body = frames.MAGIC + bytes((2, Party.console))
    orders = board.receive(3, RelayFrame(RelayKind.hello, body=body).encode(), 1.0)
    assert orders == refused(3, Refusal.other_version, "1 is spoken here, not 2")
