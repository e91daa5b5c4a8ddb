"""Authorizations: whom a token serves, for which console, until when, and how often."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import UsageError
from lab.service.server.tokens import MOST_MINUTES, AccessDenied, Authorizations, Denial

NOW = 1_000.0


def denied(known: Authorizations, token: str, user: str, console: str, now: float = NOW) -> Denial:
    with pytest.raises(AccessDenied) as refused:
        known.check(token, user, console, now)
    return refused.value.reason


def test_a_token_serves_its_user_for_its_console() -> None:
    known = Authorizations(os.urandom)
    first = known.issue("kim", "hmc", 30, NOW).reveal()
    second = known.issue("lee", "hmc", 30, NOW).reveal()
    assert known.check(first, "kim", "hmc", NOW).number == 1
    assert known.check(second, "lee", "hmc", NOW).number == 2
    assert denied(known, first, "lee", "hmc") is Denial.other_user
    assert denied(known, first, "kim", "hmc-2") is Denial.other_console
    assert denied(known, "", "kim", "hmc") is Denial.no_token
    assert denied(known, first[:-1], "kim", "hmc") is Denial.unknown_token


def test_a_token_is_read_as_people_type_it() -> None:
    known = Authorizations(os.urandom)
    token = known.issue("kim", "hmc", 30, NOW).reveal()
    assert [len(group) for group in token.split("-")] == [5] * 5
    for typed in (token.lower(), token.replace("-", ""), f" {token.replace('-', ' ')} "):
        assert known.check(typed, "kim", "hmc", NOW).number == 1


@pytest.mark.parametrize(
    ("later_s", "valid"), [(0, True), (59.999, True), (60, False), (1e9, False)]
)
def test_a_token_expires_at_the_end_of_its_minutes(later_s: float, valid: bool) -> None:
    known = Authorizations(os.urandom)
    token = known.issue("kim", "hmc", 1, NOW).reveal()
    if valid:
        assert known.check(token, "kim", "hmc", NOW + later_s).expires == NOW + 60
    else:
        assert denied(known, token, "kim", "hmc", NOW + later_s) is Denial.expired


def test_a_token_serves_one_session() -> None:
    known = Authorizations(os.urandom)
    token, other = (known.issue("kim", "hmc", 1, NOW).reveal() for _ in range(2))
    known.use_up(token)
    assert denied(known, token, "kim", "hmc") is Denial.used_up
    # Also when it has expired since: that it was used says more.
    assert denied(known, token, "kim", "hmc", NOW + 60) is Denial.used_up
    assert known.check(other, "kim", "hmc", NOW).number == 2


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf"), MOST_MINUTES + 1])
def test_minutes_that_are_no_time_are_refused(minutes: float) -> None:
    with pytest.raises(UsageError, match="an authorization cannot be for"):
        Authorizations(os.urandom).issue("kim", "hmc", minutes, NOW)


@given(st.text())
def test_no_text_is_a_token_by_chance(text: str) -> None:
    known = Authorizations(lambda count: bytes(count))
    token = known.issue("kim", "hmc", 1, NOW).reveal()
    assert token == "-".join(["AAAAA"] * 5)
    reasons = (Denial.unknown_token, Denial.no_token)
    if "".join(c for c in text.upper() if c.isalnum()) != "A" * 25:
        assert denied(known, text, "kim", "hmc") in reasons


def test_each_denial_has_words() -> None:
    assert all(denial.words for denial in Denial)
    assert len({denial.words for denial in Denial}) == len(Denial)
