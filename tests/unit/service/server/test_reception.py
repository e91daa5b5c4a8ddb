"""What comes to the server's socket: whoever may ask, and rubbish."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

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


def ask(request: bytes) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(tool.SOCKET)
        asker.sendall(request)
        line = asker.makefile("rb").readline()
    return dict(json.loads(line)) if line else {}


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n", b"{}\n", b"[" * 60_000 + b"\n", b"\xff\xfe\n",
        b'{"verb": "x", "options": {}, "connection": ""}\n',
        b'{"verb": "run", "options": {"command": ["id"]}, "connection": ""}\n',
        b'{"verb": "authorize", "options": {}, "connection": ""}\n',
        b'{"verb": "authorize", "options": {"user": "representative", "minutes": "soon"}, '
        b'"connection": ""}\n',
    ],
)  # fmt: skip
def test_garbage_gets_an_answer_and_ends_nothing(served: Reception, garbage: bytes) -> None:
    assert ask(garbage) == {"status": 2, "words": "this is no request"}
    served.check()
    answer = ask(b'{"verb": "status", "options": {}, "connection": ""}\n')
    assert answer == {"status": 0, "words": "no session stands"}


def test_who_goes_before_the_answer_ends_nothing(served: Reception) -> None:
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(tool.SOCKET)
        asker.sendall(b'{"verb": "stat')
    assert ask(b'{"verb": "status", "options": {}, "connection": ""}\n')["status"] == 0
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
    options = {"user": user, "console": console, "minutes": 5}
    answer = ask(
        json.dumps({"verb": "authorize", "options": options, "connection": ""}).encode() + b"\n"
    )
    assert (answer["status"], answer["words"].splitlines()[0]) == (2, words)


def test_what_ends_it_is_told(served: Reception, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> tuple[int, object]:
        raise RuntimeError("a defect")

    monkeypatch.setattr(served, "_caller", broken)
    assert ask(b'{"verb": "status", "options": {}, "connection": ""}\n') == {}
    wait_until("the reception's end", lambda: served._broke.error, 10.0)
    with pytest.raises(ThreadBroke, match="a defect"):
        served.check()
