"""Challenge and response: what a token makes of a nonce, and that each nonce is good for one answer."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from lab.secret import Secret
from lab.service.challenge import DIGITS, NONCE_BYTES, Challenges, response

KEY = Secret("Jefe")


def in_order(*nonces: bytes) -> Callable[[int], bytes]:
    left = iter(nonces)
    return lambda count: next(left)


class TestResponse:
    def test_it_is_the_hmac_of_rfc_4231(self) -> None:
        """RFC 4231 4.3, test case 2: the same key and text."""
        expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        assert response(KEY, "what do ya want for nothing?") == expected[:DIGITS]

    def test_another_key_or_challenge_gives_another(self) -> None:
        right = response(KEY, "00" * NONCE_BYTES)
        assert right != response(KEY, "00" * (NONCE_BYTES - 1) + "01")
        assert right != response(Secret("jefe"), "00" * NONCE_BYTES)


class TestChallenges:
    def test_the_right_response_is_accepted_once(self) -> None:
        challenges = Challenges(KEY)
        right = response(KEY, challenges.issue())
        assert challenges.accepts(right)
        assert not challenges.accepts(right)

    def test_a_challenge_is_used_up_by_a_wrong_response(self) -> None:
        challenges = Challenges(KEY)
        right = response(KEY, challenges.issue())
        assert not challenges.accepts("0" * DIGITS)
        assert not challenges.accepts(right)

    def test_the_response_to_an_earlier_challenge_is_denied(self) -> None:
        challenges = Challenges(KEY)
        earlier = response(KEY, challenges.issue())
        challenges.issue()
        assert not challenges.accepts(earlier)

    def test_nothing_is_accepted_before_a_challenge(self) -> None:
        assert not Challenges(KEY).accepts(response(KEY, ""))

    def test_challenges_are_fresh_and_as_long_as_they_say(self) -> None:
        challenges = Challenges(KEY)
        issued = {challenges.issue() for _ in range(100)}
        assert len(issued) == 100
        assert {len(each) for each in issued} == {DIGITS}

    def test_capitals_may_be_typed(self) -> None:
        challenges = Challenges(KEY, in_order(b"\xab" * NONCE_BYTES))
        assert challenges.accepts(response(KEY, challenges.issue()).upper())

    @given(st.text(max_size=80))
    def test_no_other_text_is_accepted(self, said: str) -> None:
        challenges = Challenges(KEY, in_order(b"\x01" * NONCE_BYTES))
        right = response(KEY, challenges.issue())
        assert challenges.accepts(said) == (said.lower() == right)
