"""A command in a lab on a terminal: job control, window size and interrupts, as on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.integration.labs import DEADLINE_S
from tests.integration.users import User, processes

pytestmark = pytest.mark.kernel

Terminal = pexpect.spawn


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    return User.settle(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def standing(user: User) -> Iterator[str]:
    with user.standing("direct") as name:
        yield name


RUN = ("run", "direct", "--clock", "real", "--quiet", "--", "bash", "--norc", "--noediting")
SHELL = ("exec", "hmc", "--", "bash", "--norc", "--noediting")


@pytest.fixture(params=[RUN, SHELL], ids=["run", "exec"])
def shell(request: pytest.FixtureRequest, user: User, standing: str) -> Iterator[Terminal[bytes]]:
    """A shell in a node of a lab, on a terminal."""
    terminal = user.terminal(*request.param, size=(33, 101))
    terminal.expect_exact(b"$ ")
    try:
        yield terminal
    finally:
        terminal.close(force=True)


def say(shell: Terminal[bytes], line: str, *answers: str) -> None:
    """Type a line, and see the answers and then the prompt."""
    shell.sendline(line.encode())
    for answer in answers:
        shell.expect(answer.encode())
    shell.expect_exact(b"$ ")


def test_shell(shell: Terminal[bytes]) -> None:
    # Size, from the start and as it changes, also for a program that waits for the change.
    say(shell, "stty size", "33 101")
    shell.setwinsize(20, 60)
    say(shell, "sleep 0.3; stty size", "20 60")
    say(shell, "trap 'stty size' WINCH; echo -n", "")
    shell.setwinsize(44, 55)
    say(shell, "sleep 0.3", "44 55")

    # Job control.
    shell.sendline(b"cat")
    shell.sendline(b"one")
    shell.expect_exact(b"one\r\none")
    shell.send(b"\x1a")
    shell.expect_exact(b"Stopped")
    shell.expect_exact(b"$ ")
    shell.sendline(b"fg")
    shell.expect_exact(b"cat\r\n")
    shell.sendline(b"two")
    shell.expect_exact(b"two\r\ntwo")
    shell.send(b"\x04")
    shell.expect_exact(b"$ ")

    # Interrupts reach the foreground, however many there are, and nobody else.
    for _ in range(5):
        shell.send(b"\x03")
        shell.expect_exact(b"$ ")
    shell.sendline(b"sleep 1000; echo status $?")
    shell.expect_exact(b"$?\r\n")
    shell.send(b"\x03")
    shell.expect_exact(b"$ ")
    say(shell, "echo after $?", "after 130")

    # More than a terminal takes at a time, to a program that says nothing meanwhile.
    shell.sendline(b"stty -echo; sleep 1; head -n 3000 | wc -c; stty echo")
    shell.send(b"0123456789012345678901234567890123456789\n" * 3000)
    shell.expect_exact(b"123000")
    shell.expect_exact(b"$ ")

    shell.sendline(b"exit 9")
    shell.expect(pexpect.EOF)
    shell.wait()
    assert shell.exitstatus == 9


def test_the_terminal_is_as_before(user: User) -> None:
    terminal = pexpect.spawn(
        "sh", env={**user.env, "PS1": "$ "}, cwd=os.fspath(user.home), timeout=DEADLINE_S
    )
    try:
        terminal.expect_exact(b"$ ")
        words = " ".join(user.argv("run", "direct", "--quiet", "--", "true"))
        terminal.sendline(
            f"stty -g >before; {words}; stty -g >after; cmp before after && echo sa''me".encode()
        )
        terminal.expect_exact(b"same")
    finally:
        terminal.close(force=True)


def test_interrupt_typed_in_a_scenario(user: User, tmp_path: Path) -> None:
    # It ends by itself after a minute: its agent waits for an answer.
    words = ("run", "direct", "--clock", "real", "--fault", "slow-server")
    terminal = user.terminal(*words, "--out", os.fspath(tmp_path / "run"))
    try:
        terminal.expect(rb"path +\S")
        terminal.send(b"\x03")
        terminal.expect(pexpect.EOF)
        terminal.wait()
        assert terminal.exitstatus == 130
        assert not processes(os.fspath(tmp_path / "run"))
    finally:
        terminal.close(force=True)


def test_a_terminal_that_goes(user: User, tmp_path: Path) -> None:
    words = ("run", "direct", "--quiet", "--out", os.fspath(tmp_path / "run"))
    terminal = user.terminal(*words, "--", "bash", "--norc", "--noediting")
    try:
        terminal.expect_exact(b"$ ")
        pid = terminal.pid
        assert pid
        os.close(terminal.fileno())
        terminal.child_fd, terminal.closed = -1, True
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
        assert not processes(os.fspath(tmp_path / "run"))
    finally:
        if terminal.pid and processes(os.fspath(tmp_path / "run")):
            os.kill(terminal.pid, signal.SIGKILL)
