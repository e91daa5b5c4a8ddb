"""HTTP in clear: downloads only (OUT-33, P-19)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.ibm.server import Server
from lab.topology.servers import Speaks
from tests.unit.ibm.sites import ADDRESSES, Site, entries, lab_threads, speaking


@pytest.fixture
def clear(tmp_path: Path) -> Site:
    return Site(tmp_path, speaking(Speaks.http))


@pytest.fixture
def server(clear: Site) -> Iterator[Server]:
    with clear.server() as server:
        yield server
    assert lab_threads() == []


def say(site: Site, data: bytes) -> bytes:
    with socket.create_connection((ADDRESSES[0], site.port), timeout=10) as client:
        client.sendall(data)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_download(clear: Site, server: Server, method: str) -> None:
    answer = say(clear, f"{method} /fix HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    (entry,) = entries(server, 1)
    assert (entry.kind, entry.method, entry.target) == ("request", method, "/fix")
    assert (entry.tls_version, entry.cipher, entry.sni) == ("", "", "")


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n",
        b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n",
        b"POST /heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n",
        b"PATCH / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n",
        b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n",
    ],
)
def test_an_upload_is_refused_before_its_body(clear: Site, server: Server, head: bytes) -> None:
    answer = say(clear, head + b"\r\n")

    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"100 Continue" not in answer
    assert b"\r\nConnection: close\r\n" in answer
    (entry,) = entries(server, 1)
    assert (entry.kind, entry.status) == ("refused", 403)
    assert (entry.method, entry.body_bytes) == (head.split()[0].decode(), 0)


def test_tls_at_a_port_of_http_is_no_request(clear: Site, server: Server) -> None:
    answer = say(clear, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    (entry,) = entries(server, 1)
    assert (entry.kind, entry.status) == ("malformed", 400)


def test_who_says_nothing_is_recorded(clear: Site, server: Server) -> None:
    with socket.create_connection((ADDRESSES[0], clear.port), timeout=10):
        pass

    (entry,) = entries(server, 1)
    assert (entry.kind, entry.status) == ("no-request", 0)


def test_half_a_connection_gets_its_answer(clear: Site, server: Server) -> None:
    with socket.create_connection((ADDRESSES[0], clear.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(entries(server, 1)) == 1
