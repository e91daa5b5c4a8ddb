"""The representative at a terminal against the console's log-in; and what the panel takes for a terminal."""

from __future__ import annotations

import contextlib
import os
import threading
import tty
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from lab.errors import ProtocolError, UsageError
from lab.secret import Secret
from lab.service import wanted
from lab.service.challenge import Challenges, response
from lab.service.shell import PROMPT
from lab.service.terminal import LogInState, TerminalLogIn
from lab.service.typist import Typist
from lab.topology import catalogue, load, resolve
from lab.topology.model import RemoteService
from lab.topology.service import Inbound
from lab.topology.terminal import TerminalAccount

ACCOUNT = TerminalAccount(user="ibmrep", password=Secret("s3cret"), key=Secret("token"))
HOST = "hmc"
WRONG = "0" * 32


@dataclass
class Console:
    """A console at the other end of the line: its log-in, then a shell that gives each line back."""

    port: int
    log_in: TerminalLogIn

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            os.write(self.port, self.log_in.begin(0.0))
            while self.log_in.state is LogInState.asking:
                os.write(self.port, self.log_in.receive(os.read(self.port, 4096), 0.0))
            prompt = PROMPT.format(host=HOST).encode()
            while self.log_in.state is LogInState.let_in:
                os.write(self.port, prompt)
                line = os.read(self.port, 4096)
                if not line or line == b"exit\r":
                    break
                os.write(self.port, line + b"\nseen: " + line + b"\n")
            # What was said last is lost if the line goes before it is read.
            while self.log_in.state is LogInState.locked_out:
                os.read(self.port, 4096)
        os.close(self.port)


@pytest.fixture
def line() -> Iterator[tuple[Typist, TerminalLogIn]]:
    """A typist, and the log-in that it is connected to."""
    port, end = os.openpty()
    for descriptor in (port, end):
        tty.setraw(descriptor)
    console = Console(port, TerminalLogIn(HOST, ACCOUNT, Challenges(ACCOUNT.key)))
    thread = threading.Thread(target=console.serve)
    thread.start()
    try:
        yield Typist(end, HOST), console.log_in
    finally:
        os.close(end)
        thread.join(20.0)


class TestTypist:
    def test_who_knows_all_is_let_in_and_works(self, line: tuple[Typist, TerminalLogIn]) -> None:
        typist, log_in = line
        assert typist.log_in(ACCOUNT)
        assert log_in.state is LogInState.let_in
        assert typist.run("id") == "seen: id"
        assert not typist.hung_up

    def test_after_a_wrong_try_the_next_may_be_right(
        self, line: tuple[Typist, TerminalLogIn]
    ) -> None:
        typist, log_in = line
        assert not typist.log_in(replace(ACCOUNT, password=Secret("wrong")))
        assert not typist.log_in(ACCOUNT, WRONG)
        assert typist.typed_response == WRONG
        assert typist.log_in(ACCOUNT)
        assert len(log_in.denials) == 2

    def test_three_wrong_tries_are_all(self, line: tuple[Typist, TerminalLogIn]) -> None:
        typist, log_in = line
        assert [typist.log_in(ACCOUNT, WRONG) for _ in range(3)] == [False] * 3
        with pytest.raises(ProtocolError, match="too many tries"):
            typist.log_in(ACCOUNT)
        assert log_in.state is LogInState.locked_out

    def test_a_line_that_goes_is_told(self, line: tuple[Typist, TerminalLogIn]) -> None:
        typist, _ = line
        assert typist.log_in(ACCOUNT)
        typist.say_good_bye()
        assert typist.hung_up
        with pytest.raises(ProtocolError, match="the line has gone"):
            typist.run("id")

    def test_the_response_is_that_of_the_challenge(
        self, line: tuple[Typist, TerminalLogIn]
    ) -> None:
        typist, _ = line
        other = replace(ACCOUNT, key=Secret("another token"))
        assert not typist.log_in(other)
        assert len(typist.typed_response) == len(response(ACCOUNT.key, ""))


@pytest.fixture
def service() -> RemoteService:
    found = resolve.resolve(load.load("service-ds8000"), b"tests").service
    assert found is not None
    return found


class TestPanel:
    def test_a_terminal_has_no_address_and_reaches_the_console(
        self, service: RemoteService
    ) -> None:
        assert wanted.told(service, {}) == service
        assert (service.ppp_address, service.caller_address) == ("", "")
        assert service.console_allowed
        assert [(p.alias, p.allowed) for p in service.partitions] == [("", False)]

    @pytest.mark.parametrize(
        ("options", "problem"),
        [
            ({"access": ["image-1"]}, "reaches hmc only, and not image-1"),
            ({"ppp_address": "10.9.0.1"}, "has no PPP address"),
            ({"by": "modem"}, "no remote service by modem"),
        ],
    )
    def test_what_makes_no_sense_is_refused(
        self, service: RemoteService, options: dict[str, object], problem: str
    ) -> None:
        with pytest.raises(UsageError, match=problem):
            wanted.told(service, options)

    @pytest.mark.parametrize("by", [by for by in Inbound if by not in (Inbound.none, "internet")])
    def test_ds8880_refuses_all_but_internet(self, service: RemoteService, by: Inbound) -> None:
        """I-29, G-05."""
        later = replace(service, ways_in=catalogue.profile("ds8880").inbound)
        with pytest.raises(UsageError, match=f"no remote service by {by}"):
            wanted.told(later, {"by": by})
        assert wanted.told(later, {"by": "internet"}).by is Inbound.internet

    def test_the_account_is_secret(self, service: RemoteService) -> None:
        assert service.terminal_account is not None
        assert service.terminal_account.password.reveal() not in f"{service}"
        assert service.terminal_account.key.reveal() not in f"{service}"
        assert service.terminal_account.password != service.terminal_account.key

    def test_generations_without_a_terminal_have_no_account(self) -> None:
        other = resolve.resolve(load.load("service-modem"), b"tests").service
        assert other is not None
        assert other.terminal_account is None
