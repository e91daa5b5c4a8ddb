"""What comes to the server's socket: whoever may ask, and rubbish."""

from __future__ import annotations

import os
import re
import shlex
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from lab.errors import ThreadBroke
from lab.linux.nodes import Node
from lab.linux.process import Popen
from lab.service.server import reception, tool
from lab.service.server.audit import Audit
from lab.service.server.office import Office, Verb
from lab.service.server.reception import Reception
from lab.service.server.tokens import Authorizations
from lab.wait import wait_until


class HereAtOnce:
    """A node whose calls are made here."""

    name = "service"

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)


class NoWayIn:
    connected = False
    verbs: Mapping[str, Verb] = {}

    def knock(self, options: Mapping[str, Any]) -> str:
        raise RuntimeError("a defect")

    def authenticate(self, options: Mapping[str, Any]) -> str:
        raise AssertionError("nobody gets here")

    def leave(self) -> None:
        pass

    def run(self, argv: Sequence[str], uid: int, streams: Sequence[int]) -> Popen[bytes]:
        raise AssertionError("nobody gets here")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reception]:
    monkeypatch.setattr(tool, "SOCKET", f"{tmp_path}/service.sock")
    records = Audit("service", tmp_path, lambda event: None)
    office = Office(["hmc"], ["representative"], Authorizations(os.urandom), records, NoWayIn())
    node = cast(Node, HereAtOnce())
    with reception.start(node, office, {}, lambda address, port: "") as made:
        yield made


class Answer(NamedTuple):
    status: int
    words: str


def ask(request: bytes, streams: int = 3) -> Answer | None:
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(tool.SOCKET)
        socket.send_fds(asker, [request], range(streams))
        asker.shutdown(socket.SHUT_WR)
        status, found, words = asker.makefile().read().partition("\n")
    return Answer(int(status), words) if found else None


def at_the_console(*words: str) -> Answer | None:
    return ask(tool.request("", tool.WORDS, words))


NO_REQUEST = Answer(2, "lab-service: this is no request\n")
IDLE = Answer(0, "no session stands\n")


@pytest.mark.parametrize(
    "garbage",
    [
        b"", b"\n", b"{}\n", b"[" * 70_000, b"\xff\xfe\n", b"-1\n", b"9" * 5000 + b"\n", b"0\n", b"4\nline",
        b"99\nline",
    ],
)  # fmt: skip
def test_garbage_gets_an_answer_and_ends_nothing(served: Reception, garbage: bytes) -> None:
    assert ask(garbage) == NO_REQUEST
    assert at_the_console("status") == IDLE
    served.check()


@pytest.mark.parametrize("streams", [1, 2])
def test_who_passes_no_streams_gets_no_program(served: Reception, streams: int) -> None:
    assert ask(tool.request("", tool.WORDS, ["run", "--", "id"]), streams) == NO_REQUEST


@pytest.mark.parametrize(
    "words",
    [
        [], [""], ["authorize"], ["authorize", "--user", "representative", "--minutes", "soon"],
        ["bash", "-i"], ["\udcff", "%s"], ["ask", "x"],
    ],
)  # fmt: skip
def test_what_is_no_command_line_is_told_as_argparse_does(
    served: Reception, words: list[str], tmp_path: Path
) -> None:
    answer = at_the_console(*words)
    assert answer is not None
    assert answer.status == 2
    usage, _, fault = answer.words.strip().rpartition("\n")
    assert usage.startswith("usage: lab-service")
    assert re.match(r"lab-service( \w+)?: error: ", fault)
    assert not (tmp_path / "audit.jsonl").exists()
    by_line = ask(tool.request("", tool.LINE, [shlex.join(words), *words[:1]]))
    assert by_line is not None
    assert by_line.words.splitlines()[-1] == "lab-service: refused: the server has no such tool"
    assert (tmp_path / "audit.jsonl").read_text().count('"no-tool"') == 1
    served.check()


def test_a_quote_that_does_not_end_is_refused(served: Reception) -> None:
    answer = ask(tool.request("", tool.LINE, ["run -- echo 'x"]))
    assert answer is not None
    assert answer.words.splitlines() == [
        "lab-service: run -- echo 'x: No closing quotation",
        "lab-service: refused: the server has no such tool",
    ]


def test_help_is_help(served: Reception) -> None:
    for words in (["--help"], ["connect", "-h"]):
        answer = at_the_console(*words)
        assert answer is not None
        assert answer.status == 0
        assert "--help" in answer.words
    served.check()


def test_who_goes_before_the_answer_ends_nothing(served: Reception) -> None:
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(tool.SOCKET)
        asker.sendall(b"12\nstat")
    assert at_the_console("status") == IDLE
    served.check()


@pytest.mark.parametrize(
    ("user", "console", "words"),
    [
        ("nobody", "hmc", "there is no user 'nobody'"),
        ("representative", "hmx", "there is no console 'hmx'"),
    ],
)
def test_an_officer_is_told_of_names_that_are_none(
    served: Reception, user: str, console: str, words: str
) -> None:
    answer = at_the_console("authorize", "--user", user, "--console", console, "--minutes", "5")
    assert answer is not None
    assert (answer.status, answer.words.splitlines()[0]) == (2, f"lab-service: {words}")


def test_what_ends_it_is_told(served: Reception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> tuple[int, object]:
        raise RuntimeError("a defect")

    monkeypatch.setattr(served, "_caller", broken)
    assert at_the_console("status") is None
    wait_until("the reception's end", lambda: served._broke.error, 60.0)
    with pytest.raises(ThreadBroke, match="a defect"):
        served.check()
