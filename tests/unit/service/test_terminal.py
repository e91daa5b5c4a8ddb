"""The log-in at the DS8000's terminal: what is shown, who is let in, and what garbage comes to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.secret import Secret
from lab.service import terminal
from lab.service.challenge import Challenges, response
from lab.service.terminal import (
    ASK_PASSWORD,
    ASK_RESPONSE,
    ASK_USER,
    MOST_BYTES,
    MOST_CHARACTERS,
    PROMPT_S,
    LogInDenial,
    LogInState,
    TerminalLogIn,
)
from lab.topology.service import MOST_TRIES
from lab.topology.terminal import TerminalAccount
from tests.unit.examples import examples

ACCOUNT = TerminalAccount(user="ibmrep", password=Secret("s3cret pass"), key=Secret("token"))
PPP = bytes.fromhex("7eff7d23c0217d217d217d207d347d227d267d207d207d207d207d257d267e")
"""LCP's Configure-Request as an asynchronous line carries it (RFC 1662 4)."""
TELNET = bytes.fromhex("fffd18fffd20fffd23fffd27")
"""IAC DO for four options (RFC 854)."""


class Caller:
    """Who types at a log-in; the clock stands still unless it is told to go on."""

    def __init__(self, wrong: int = 0) -> None:
        self.log_in = TerminalLogIn("hmc", ACCOUNT, Challenges(ACCOUNT.key), wrong)
        self.now = 1000.0
        self.shown = self.log_in.begin(self.now)

    def type(self, text: str | bytes) -> str:
        """What the terminal shows for it."""
        data = text.encode() if isinstance(text, str) else text
        shown = self.log_in.receive(data, self.now)
        self.shown += shown
        return shown.decode()

    @property
    def challenge(self) -> str:
        """The last one that is shown."""
        return self.shown.decode().rpartition(terminal.CHALLENGE)[2].split("\r\n")[0]

    def give_account(self) -> str:
        return self.type(f"{ACCOUNT.user}\r") + self.type(f"{ACCOUNT.password.reveal()}\r")

    def try_in(self) -> None:
        self.give_account()
        self.type(response(ACCOUNT.key, self.challenge) + "\r")


@pytest.fixture
def caller() -> Caller:
    return Caller()


class TestLettingIn:
    def test_the_dialogue_is_text_and_ends_in_a_session(self, caller: Caller) -> None:
        assert caller.shown.decode().endswith(f"remote service\r\n\r\n{ASK_USER}")
        assert caller.type("ibmrep\r") == f"ibmrep\r\n{ASK_PASSWORD}"
        assert caller.type("s3cret pass\r").endswith(f"\r\n{ASK_RESPONSE}")
        assert caller.log_in.state is LogInState.asking
        right = response(ACCOUNT.key, caller.challenge)
        assert caller.type(f"{right}\r") == f"{right}\r\n"
        assert (caller.log_in.state, caller.log_in.denials) == (LogInState.let_in, [])

    def test_the_password_is_not_shown(self, caller: Caller) -> None:
        caller.give_account()
        assert ACCOUNT.password.reveal().encode() not in caller.shown

    @pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\0"])
    def test_a_line_ends_as_terminals_end_it(self, caller: Caller, end: str) -> None:
        caller.type(f"ibmrep{end}{ACCOUNT.password.reveal()}{end}")
        caller.type(response(ACCOUNT.key, caller.challenge) + end)
        assert caller.log_in.state is LogInState.let_in

    @pytest.mark.parametrize(
        "typed",
        [
            "ibmrex\bp\r",
            "ibmrex\x7fp\r",
            "root\x15ibmrep\r",
            "ibm\x1b[D\x1bOA\x1b7rep\r",
            "\b\bibmrep\r",
        ],
    )
    def test_a_line_is_edited(self, caller: Caller, typed: str) -> None:
        caller.type(typed)
        caller.type(f"{ACCOUNT.password.reveal()}\r")
        assert caller.challenge
        assert caller.log_in.denials == []

    def test_a_character_that_is_taken_back_goes_from_the_screen(self, caller: Caller) -> None:
        assert caller.type("ab\b\x15") == "ab\b \b\b \b"
        assert caller.type("ibmrep\rx\b") == f"ibmrep\r\n{ASK_PASSWORD}"

    def test_what_is_typed_ahead_is_the_sessions(self, caller: Caller) -> None:
        caller.give_account()
        caller.type(response(ACCOUNT.key, caller.challenge) + "\r\nuname\r")
        caller.type("exit\r")
        assert caller.log_in.rest == b"uname\rexit\r"

    def test_a_line_feed_may_come_late(self, caller: Caller) -> None:
        caller.try_in()
        caller.type("\nexit\r")
        assert caller.log_in.rest == b"exit\r"


class TestDenying:
    @pytest.mark.parametrize(
        ("user", "password"),
        [("ibmrep", "wrong"), ("root", "s3cret pass"), ("root", "x"), ("ibmrep", "")],
    )
    def test_what_was_wrong_of_the_account_is_not_said(
        self, caller: Caller, user: str, password: str
    ) -> None:
        caller.type(f"{user}\r")
        assert caller.type(f"{password}\r") == f"\r\n\r\n{terminal.DENIED}\r\n\r\n{ASK_USER}"
        assert caller.log_in.denials == [LogInDenial.account]
        assert terminal.CHALLENGE.encode() not in caller.shown

    def test_a_wrong_response_is_denied(self, caller: Caller) -> None:
        caller.give_account()
        assert terminal.DENIED in caller.type("0" * 32 + "\r")
        assert caller.log_in.denials == [LogInDenial.response]

    def test_the_response_to_an_earlier_challenge_is_denied(self, caller: Caller) -> None:
        caller.give_account()
        earlier = response(ACCOUNT.key, caller.challenge)
        caller.type("\r")
        caller.give_account()
        caller.type(f"{earlier}\r")
        assert caller.log_in.denials == [LogInDenial.response] * 2
        caller.try_in()
        assert caller.log_in.state is LogInState.let_in

    def test_three_wrong_tries_lock_out(self, caller: Caller) -> None:
        caller.type("root\rx\r")
        caller.give_account()
        caller.type("0\r")
        assert len(caller.log_in.denials) == MOST_TRIES - 1
        assert caller.type("root\ry\r").endswith(f"\r\n{terminal.TOO_MANY}\r\n")
        assert caller.log_in.state is LogInState.locked_out
        assert len(caller.log_in.denials) == MOST_TRIES
        caller.try_in()
        assert caller.log_in.state is LogInState.locked_out
        assert caller.log_in.rest == b""

    def test_tries_of_earlier_calls_count(self) -> None:
        caller = Caller(wrong=2)
        caller.type("root\rx\r")
        assert (caller.log_in.state, caller.log_in.wrong) == (LogInState.locked_out, 3)

    def test_hanging_up_in_the_middle_is_a_wrong_try(self, caller: Caller) -> None:
        caller.type("ibm")
        caller.log_in.leave()
        assert caller.log_in.denials == [LogInDenial.left]
        silent = Caller()
        silent.log_in.leave()
        assert silent.log_in.denials == []

    def test_a_session_does_not_leave_the_log_in(self, caller: Caller) -> None:
        caller.try_in()
        caller.log_in.leave()
        assert (caller.log_in.state, caller.log_in.denials) == (LogInState.let_in, [])


class TestTime:
    def test_silence_ends_without_a_wrong_try(self, caller: Caller) -> None:
        assert caller.log_in.look(caller.now + PROMPT_S - 1) == b""
        assert terminal.TOO_LATE.encode() in caller.log_in.look(caller.log_in.deadline)
        assert (caller.log_in.state, caller.log_in.denials) == (LogInState.timed_out, [])

    def test_a_try_that_is_not_finished_is_a_wrong_one(self, caller: Caller) -> None:
        caller.give_account()
        caller.now += PROMPT_S
        caller.type(response(ACCOUNT.key, caller.challenge) + "\r")
        assert (caller.log_in.state, caller.log_in.denials) == (
            LogInState.timed_out,
            [LogInDenial.silence],
        )

    def test_the_third_of_them_locks_out(self) -> None:
        caller = Caller(wrong=2)
        caller.type("x")
        caller.log_in.look(caller.now + PROMPT_S)
        assert caller.log_in.state is LogInState.locked_out

    def test_empty_lines_give_no_more_time(self, caller: Caller) -> None:
        caller.now += PROMPT_S - 1
        caller.type("\r\r\r")
        caller.now += 1
        caller.type("\r")
        assert caller.log_in.state is LogInState.timed_out

    def test_each_prompt_has_its_time(self, caller: Caller) -> None:
        for part in (f"{ACCOUNT.user}\r", f"{ACCOUNT.password.reveal()}\r"):
            caller.now += PROMPT_S - 1
            caller.type(part)
        caller.now += PROMPT_S - 1
        caller.type(response(ACCOUNT.key, caller.challenge) + "\r")
        assert caller.log_in.state is LogInState.let_in


class TestGarbage:
    @pytest.mark.parametrize(
        "garbage",
        [b"A" * 100_000, PPP * 1000, TELNET * 1000, b"\x1b[" + b"1" * 5000, b"\r" * 5000,
         bytes(range(256)) * 50, b"\x1b" * 5000, b"\0" * 5000, b"\x15" * 5000],
    )  # fmt: skip
    def test_it_locks_out_and_nothing_is_kept(self, caller: Caller, garbage: bytes) -> None:
        caller.type(garbage)
        assert caller.log_in.state is LogInState.locked_out
        assert {*caller.log_in.denials} <= {LogInDenial.garbage, LogInDenial.account}
        assert caller.log_in.rest == b""
        most = MOST_TRIES * MOST_BYTES * len(f"\r\n{ASK_USER}") + 1000
        assert len(caller.shown) < most

    def test_a_long_line_rings_the_bell(self, caller: Caller) -> None:
        shown = caller.type("a" * (MOST_CHARACTERS + 2))
        assert shown == "a" * MOST_CHARACTERS + "\a\a"

    @given(st.lists(st.binary(max_size=60), max_size=60))
    @examples(300)
    def test_it_lets_nobody_in(self, parts: list[bytes]) -> None:
        caller = Caller()
        for part in parts:
            caller.type(part)
        assert caller.log_in.state in (LogInState.asking, LogInState.locked_out)
        assert len(caller.log_in.denials) <= MOST_TRIES
        assert terminal.CHALLENGE.encode() not in caller.shown

    @given(st.binary(max_size=400), st.integers(0, 400))
    @examples(300)
    def test_portions_make_no_difference(self, data: bytes, cut: int) -> None:
        whole, parted = Caller(), Caller()
        whole.type(data)
        parted.type(data[:cut])
        parted.type(data[cut:])
        assert whole.shown == parted.shown
        assert (whole.log_in.state, whole.log_in.denials) == (
            parted.log_in.state,
            parted.log_in.denials,
        )
