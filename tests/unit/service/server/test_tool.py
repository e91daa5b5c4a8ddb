"""``lab-service``: what is asked of the server, and what a user who has logged in can ask for."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from lab.service.server import tool, verbs
from lab.service.server.client import without_token
from lab.service.server.verbs import NoVerb


class Request(NamedTuple):
    fields: list[str]
    streams: int


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Request]]:
    """What a server was asked, which answers each with status 3."""
    monkeypatch.setattr(tool, "SOCKET", f"{tmp_path}/service.sock")
    for name in ("SSH_CONNECTION", "SSH_ORIGINAL_COMMAND"):
        monkeypatch.delenv(name, raising=False)
    seen: list[Request] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(tool.SOCKET)
        listener.listen()

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    came, streams, _, _ = socket.recv_fds(connection, 1 << 16, 3)
                    for stream in streams:
                        os.close(stream)
                    if not came:
                        return
                    size, _, fields = came.partition(b"\n")
                    assert int(size) == len(fields)
                    seen.append(Request(fields.decode().split("\0"), len(streams)))
                    connection.sendall(b"3\nlab-service: done so\n")

        serving = threading.Thread(target=serve)
        serving.start()
        yield seen
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(tool.SOCKET)
        serving.join()


def by_ssh(monkeypatch: pytest.MonkeyPatch, command: str | None) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 59_001)
    monkeypatch.setenv("SSH_CONNECTION", "10.2.0.40 5 10.2.0.30 22")
    if command is not None:
        monkeypatch.setenv("SSH_ORIGINAL_COMMAND", command)


def test_at_the_servers_console(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["authorize", "--user", "representative", "--minutes", "30"]) == 3
    assert capsys.readouterr().err == "lab-service: done so\n"
    words = ["authorize", "--user", "representative", "--minutes", "30"]
    assert asked == [Request(["", "words", *words], 3)]


@pytest.mark.parametrize("command", ["run -- sh -c 'id; exit 3'", "bash -i", "", None])
def test_by_ssh_it_is_the_clients_words_that_count(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch, command: str | None
) -> None:
    by_ssh(monkeypatch, command)
    assert tool.main(["authorize", "--user", "clerk"]) == 3
    wanted = "status" if command is None else command
    assert asked == [Request(["10.2.0.40 5 10.2.0.30 22", "line", wanted], 3)]


def test_where_the_lab_goes_down_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "SOCKET", f"{tmp_path}/service.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(tool.SOCKET)
        listener.listen()
        closing = threading.Thread(target=lambda: listener.accept()[0].close())
        closing.start()
        assert tool.main(["status"]) == 4
        closing.join()
    assert capsys.readouterr().err == "lab-service: the lab is going down\n"


OPTIONS = {
    "token": "", "console": None, "ppp_address": None, "user": None, "password": None, "response": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "verb", "options"),
    [
        ("connect --token A-B", "connect", OPTIONS | {"token": "A-B"}),
        (
            "connect --user ibm --response 00",
            "connect",
            OPTIONS | {"user": "ibm", "response": "00"},
        ),
        ("invite --token A-B", "call", {"token": "A-B", "console": None}),
        ("type 'uname -n'", "type", {"command": "uname -n"}),
        ("ask 22 443", "ask", {"ports": [22, 443]}),
        ("lab-service hang-up", "hang-up", {}),
        ("run -- sh -c 'id; exit 3'", "run", {"command": ["sh", "-c", "id; exit 3"]}),
        (
            "authorize --user representative --minutes 30",
            "authorize",
            {"user": "representative", "console": None, "minutes": 30.0},
        ),
    ],
)
def test_a_command_line_is_an_order(line: str, verb: str, options: dict[str, Any]) -> None:
    assert verbs.read(verbs.words_of(line)) == (verb, options)


@pytest.mark.parametrize("line", ["bash -i", "", "run -- echo 'x", "ask x", "connect --no-such"])
def test_what_is_none_is_refused(line: str) -> None:
    with pytest.raises(NoVerb):
        verbs.read(verbs.words_of(line))


def test_where_there_is_no_server_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "SOCKET", f"{tmp_path}/nothing")
    assert tool.main(["status"]) == 2
    assert capsys.readouterr().err == "lab-service: there is no remote service in this node\n"


def test_no_token_is_shown() -> None:
    assert without_token(["call", "--token", "A-B", "--console", "hmc"]) == [
        "call", "--token", "...", "--console", "hmc",
    ]  # fmt: skip
    assert without_token(["call", "--token"]) == ["call", "--token"]
