"""The reference agent's upload by FTPS: its statuses, and what it says first."""

from __future__ import annotations

import ftplib
import os
import socket
import threading
from pathlib import Path

import pytest
import trustme

from lab.agent import upload


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("LAB_CA_FILE", os.fspath(tmp_path / "ca.pem"))
    return authority


@pytest.mark.parametrize("arguments", [[], ["host", "name"], ["host", "name", "many"]])
def test_wrong_use_is_told(
    arguments: list[str], trusted: trustme.CA, capsys: pytest.CaptureFixture[str]
) -> None:
    assert upload.main(arguments) == 2
    assert "HOST NAME BYTES" in capsys.readouterr().err


def test_what_goes_wrong_is_the_last_line(
    trusted: trustme.CA, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(ftplib.FTP_TLS, "connect", refuse)

    assert upload.main(["a.test", "x", "1"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "[Errno 111] Connection refused"


def test_auth_tls_comes_before_user(
    trusted: trustme.CA, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that has no TLS gets no user, and the upload fails."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(ftplib.FTP_TLS, "port", listener.getsockname()[1])

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"220 ready\r\n")
                heard.append(connection.recv(1000))
                connection.sendall(b"502 no TLS\r\n")
                heard.append(connection.recv(1000))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert upload.main(["127.0.0.1", "x", "1"]) == 1
        thread.join(20)
    assert heard[0] == b"AUTH TLS\r\n"
    assert not any(b"USER" in said for said in heard)
    assert "502 no TLS" in capsys.readouterr().err
