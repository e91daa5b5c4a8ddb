"""``lab-service``: what is asked of the server, and what a user who has logged in can ask for."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.service.server import tool
from lab.service.server.client import without_token


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What a server was asked, which answers each with status 3."""
    monkeypatch.setattr(tool, "SOCKET", f"{tmp_path}/service.sock")
    for name in ("SSH_CONNECTION", "SSH_ORIGINAL_COMMAND"):
        monkeypatch.delenv(name, raising=False)
    seen: list[dict[str, Any]] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(tool.SOCKET)
        listener.listen()

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    line, streams, _, _ = socket.recv_fds(connection, 1 << 16, 3)
                    for stream in streams:
                        os.close(stream)
                    if not line:
                        return
                    seen.append({**json.loads(line), "streams": len(streams)})
                    connection.sendall(b'{"status": 3, "words": "done so"}\n')

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
    options = {"user": "representative", "console": None, "minutes": 30.0}
    assert asked == [{"verb": "authorize", "options": options, "connection": "", "streams": 3}]


OPTIONS = {
    "token": "", "console": None, "ppp_address": None, "user": None, "password": None, "response": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("command", "verb", "options"),
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
        (None, "status", {}),
    ],
)
def test_by_ssh_it_is_the_clients_words_that_count(
    asked: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    command: str | None,
    verb: str,
    options: dict[str, Any],
) -> None:
    by_ssh(monkeypatch, command)
    assert tool.main(["authorize", "--user", "clerk"]) == 3
    (order,) = asked
    assert (order["verb"], order["options"]) == (verb, options)
    assert order["connection"] == "10.2.0.40 5 10.2.0.30 22"


def test_by_ssh_what_is_no_verb_is_told_to_the_server(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_ssh(monkeypatch, "bash -i")
    with pytest.raises(SystemExit) as ended:
        tool.main([])
    assert ended.value.code == 2
    assert [(order["verb"], order["options"]) for order in asked] == [
        ("unknown", {"words": ["bash", "-i"]})
    ]


def test_a_quote_that_does_not_end_is_refused(
    asked: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    by_ssh(monkeypatch, "run -- echo 'x")
    assert tool.main([]) == 2
    assert "No closing quotation" in capsys.readouterr().err
    assert asked == []


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
