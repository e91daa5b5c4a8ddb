"""Connection codes: one use, five minutes, ten more once, three wrong ones (T2-10)."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.relay.codes import LOCKED_S, REMEMBERED_S, Codes, Tries
from lab.relay.frames import Refusal


def some_codes() -> Codes:
    return Codes(count(42).__next__)


def test_a_code_has_seven_digits_and_is_taken_once() -> None:
    codes = some_codes()
    assert codes.issue(5, 0.0) == "0000042"
    assert codes.redeem("0000042", 10.0) == 5
    assert codes.redeem("0000042", 11.0) is Refusal.used_code
    assert codes.redeem("0000042", 1e4) is Refusal.used_code


def test_a_code_that_nobody_was_given() -> None:
    assert some_codes().redeem("1234567", 0.0) is Refusal.unknown_code


@pytest.mark.parametrize(("extend_at", "late"), [(None, 300.0), (299.0, 900.0)])
def test_a_code_expires(extend_at: float | None, late: float) -> None:
    codes = some_codes()
    digits = codes.issue(5, 0.0)
    if extend_at is not None:
        assert codes.extend(digits, extend_at) is None
    assert codes.expires(digits) == late
    assert codes.redeem(digits, late) is Refusal.expired_code
    fresh = codes.issue(6, 0.0)
    if extend_at is not None:
        assert codes.extend(fresh, extend_at) is None
    assert codes.redeem(fresh, late - 0.001) == 6


def test_a_code_is_extended_once_and_in_time() -> None:
    codes = some_codes()
    digits = codes.issue(5, 0.0)
    assert codes.extend(digits, 300.0) is Refusal.expired_code
    digits = codes.issue(5, 0.0)
    assert codes.extend(digits, 100.0) is None
    assert codes.extend(digits, 200.0) is Refusal.not_extended
    codes.redeem(digits, 300.0)
    assert codes.extend(digits, 301.0) is Refusal.used_code


def test_a_code_whose_owner_has_left() -> None:
    codes = some_codes()
    digits = codes.issue(5, 0.0)
    codes.withdraw(digits)
    assert codes.redeem(digits, 1.0) is Refusal.withdrawn_code


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40))
def test_no_code_is_given_twice_while_it_is_remembered(drawn: list[int]) -> None:
    numbers = iter([*drawn, *range(4, 100)])
    codes = Codes(numbers.__next__)
    given_out = [codes.issue(n, 0.0) for n in range(20)]
    assert len(set(given_out)) == 20


def test_an_old_code_is_forgotten() -> None:
    codes = some_codes()
    digits = codes.issue(5, 0.0)
    later = 300.0 + REMEMBERED_S
    assert codes.redeem(digits, later - 1) is Refusal.expired_code
    codes.issue(6, later)
    assert codes.redeem(digits, later) is Refusal.unknown_code


def test_three_wrong_codes_lock_an_address_for_a_while() -> None:
    tries = Tries()
    assert [tries.note_wrong("192.0.2.1", at) for at in (0.0, 1.0, 2.0)] == [False, False, True]
    assert tries.locked("192.0.2.1", 3.0)
    assert not tries.locked("192.0.2.2", 3.0)
    assert not tries.locked("192.0.2.1", 2.0 + LOCKED_S)
    assert not tries.note_wrong("192.0.2.1", 2.0 + LOCKED_S)


def test_a_right_code_forgives_the_wrong_ones() -> None:
    tries = Tries()
    tries.note_wrong("192.0.2.1", 0.0)
    tries.note_wrong("192.0.2.1", 0.0)
    tries.note_right("192.0.2.1")
    assert not tries.note_wrong("192.0.2.1", 1.0)


def test_wrong_tries_are_held_for_a_bounded_number_of_addresses() -> None:
    tries = Tries()
    for n in range(5_000):
        tries.note_wrong(f"address {n}", 0.0)
    assert len(tries._wrong) == 1_000
