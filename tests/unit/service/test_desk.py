"""A desk: requests by a socket, answers with an exit status, and programs that say them."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from lab.errors import ProtocolError, ThreadBroke, UsageError
from lab.linux.nodes import Node
from lab.service import desk, inbound
from lab.wait import wait_until

NO_MODEM = "10.9.0.99"
"""An address for which the modem does not do as it is told."""

Seen = list[tuple[str, Mapping[str, Any]]]


class HereNode:
    """A node whose calls are made here."""

    name = "here"

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """What a desk was asked."""
    monkeypatch.setattr(desk, "FOLDER", str(tmp_path))
    asked: Seen = []

    def note(verb: str, words: str) -> desk.Verb:
        def answer(options: Mapping[str, Any]) -> str:
            asked.append((verb, options))
            if words == "no sense":
                raise UsageError("it makes no sense", hint="do it otherwise")
            if options.get("ppp_address") == NO_MODEM:
                raise ProtocolError("nobody answers")
            return words

        return answer

    verbs = {
        "enable": note("enable", "on"),
        "status": note("status", "off"),
        "disable": note("disable", "no sense"),
    }
    node = cast(Node, HereNode())
    with desk.start(node, inbound.DESK, verbs):
        yield asked


def test_options_go_to_the_desk_and_words_come_back(
    seen: Seen, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inbound.main(["enable", "--ppp-address", "10.9.0.1", "--access", "hmc", "lpar-1"]) == 0
    assert inbound.main(["status"]) == 0
    assert capsys.readouterr().out == "on\noff\n"
    wanted = {"by": None, "ppp_address": "10.9.0.1", "access": ["hmc", "lpar-1"], "minutes": None}
    wanted |= {"code": None, "ports": None}
    assert seen == [("enable", wanted), ("status", {})]


def test_the_exit_status_is_that_of_the_error(
    seen: Seen, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inbound.main(["enable", "--ppp-address", NO_MODEM]) == 1
    assert inbound.main(["disable"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        "lab-inbound: nobody answers\nlab-inbound: it makes no sense\n  do it otherwise\n"
    )


@pytest.mark.parametrize("words", [["enable", "--minutes", "soon"], [], ["open"]])
def test_what_is_no_verb_does_not_come_to_the_desk(seen: Seen, words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        inbound.main(words)
    assert ended.value.code == 2
    assert seen == []


def test_where_there_is_no_desk_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(desk, "FOLDER", str(tmp_path))
    assert inbound.main(["status"]) == 2
    assert capsys.readouterr().err == "lab-inbound: there is no remote service in this node\n"


@pytest.mark.parametrize(
    "garbage",
    [b"\n", b"{}\n", b"[" * 60_000 + b"\n", b'{"verb": "x"}\n', b"\xff\xfe\n"],
)
def test_garbage_gets_an_answer_and_ends_nothing(
    garbage: bytes, seen: Seen, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as asker:
        asker.connect(f"{tmp_path}/{inbound.DESK}.sock")
        asker.sendall(garbage)
        answer = json.loads(asker.makefile("rb").readline())
    assert answer == {"status": 2, "words": "this is no request"}
    assert inbound.main(["status"]) == 0
    assert seen == [("status", {})]


def test_what_ends_a_desk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "FOLDER", str(tmp_path))

    def broken(options: Mapping[str, Any]) -> str:
        raise RuntimeError("a defect")

    with desk.start(cast(Node, HereNode()), inbound.DESK, {"status": broken}) as made:
        made.check()
        assert inbound.main(["status"]) == 4
        wait_until("the desk's end", lambda: made.error, 60.0)
        with pytest.raises(ThreadBroke, match="a defect"):
            made.check()


def test_a_verb_that_a_desk_does_not_have(seen: Seen, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.ask(inbound.DESK, "lab-inbound", "invite", {}) == 2
    assert capsys.readouterr().err.startswith("lab-inbound: no invite here: there is ")
    assert seen == []
