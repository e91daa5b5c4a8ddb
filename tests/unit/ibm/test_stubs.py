"""A user's stubs: which request they answer, with what, and how they fail."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lab.ibm.server import Server
from lab.ibm.stubs import path_of
from lab.topology import stub_file
from lab.topology.model import Topology
from lab.topology.servers import Speaks, Stub
from tests.unit.ibm.sites import ADDRESSES, Site, entries, lab_threads, speaking

STUBS = """
- { method: POST, path: /api/tickets, status: 201, headers: { Location: /api/tickets/7 }, body: '{"id": 7}' }
- { host: localhost, path: /who, body: by name }
- { host: name-127.0.0.3, path: /who, body: by the listed name }
- { path: /who, body: anybody }
- { pattern: '/v[0-9]+/ping', body: pong }
- { method: DELETE, path: /api/*, status: 204 }
- { path: /heartbeat, status: 503, body: closed }
- { path: /slow, body: at last, delay: 300ms }
- { path: /very-slow, delay: 1h }
- { path: /reset, failure: reset }
- { path: /close, failure: close }
- { path: /cut, body: 0123456789, failure: truncate }
- { path: /hang, failure: hang }
"""


@contextmanager
def stubbed(
    folder: Path,
    text: str = STUBS,
    change: Callable[[Topology], Topology] = lambda topology: topology,
) -> Iterator[tuple[Site, Server]]:
    file = folder / "acme.yaml"
    file.write_text(text.replace("body: 0123456789", 'body: "0123456789"'))
    stubs: tuple[Stub, ...] = stub_file.load(file, "acme.yaml")
    site = Site(folder, lambda topology: change(replace(topology, stubs=stubs)))
    with site.server() as server:
        yield site, server
    assert lab_threads() == []


def connect(site: Site, address: str = ADDRESSES[0]) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=site.ca_file)
    raw = socket.create_connection((address, site.port), timeout=10)
    return context.wrap_socket(raw, server_hostname=address)


def ask(site: Site, method: str, path: str, *, host: str = "x", body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
    with connect(site) as client:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_stub_answers_and_the_ledger_says_which(tmp_path: Path) -> None:
    with stubbed(tmp_path) as (site, server):
        answer = ask(site, "POST", "/api/tickets?urgent=1", body=b"broken")

        head, _, content = answer.partition(b"\r\n\r\n")
        assert head.split(b"\r\n") == [
            b"HTTP/1.1 201 Created",
            b"Location: /api/tickets/7",
            b"Content-Length: 9",
            b"Connection: close",
        ]
        assert content == b'{"id": 7}'
        (entry,) = entries(server, 1)
        assert (entry.kind, entry.status, entry.stub) == ("stub", 201, "acme.yaml:2")
        assert (entry.method, entry.target) == ("POST", "/api/tickets?urgent=1")
        assert entry.body_bytes == 6
        assert entry.body_sha256 == hashlib.sha256(b"broken").hexdigest()
        assert (entry.server, entry.rows) == ("name-127.0.0.2", ("A-01",))


def test_what_no_stub_matches_gets_what_it_always_gets_and_is_recorded(tmp_path: Path) -> None:
    with stubbed(tmp_path) as (site, server):
        for method, path in (("POST", "/api/other"), ("GET", "/api/tickets"), ("GET", "/v1/pong")):
            assert b"HTTP/1.1 200 OK" in ask(site, method, path)

        assert [(e.kind, e.stub) for e in entries(server, 3)] == [
            ("upload", ""),
            ("request", ""),
            ("request", ""),
        ]


@pytest.mark.parametrize(
    ("host", "address", "said"),
    [
        ("LocalHost:443", ADDRESSES[0], b"by name"),
        ("x", ADDRESSES[1], b"by the listed name"),
        ("x", ADDRESSES[0], b"anybody"),
        ("[::1]:443", ADDRESSES[0], b"anybody"),
    ],
)
def test_the_called_name_chooses(tmp_path: Path, host: str, address: str, said: bytes) -> None:
    with stubbed(tmp_path) as (site, _), connect(site, address) as client:
        client.sendall(f"GET /who HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))

    assert answer.endswith(b"\r\n\r\n" + said)


def test_patterns_methods_of_any_name_and_the_heartbeat_itself(tmp_path: Path) -> None:
    with stubbed(tmp_path) as (site, _):
        assert ask(site, "GET", "/v12/ping").endswith(b"pong")
        gone = ask(site, "DELETE", "/api/tickets/7")
        assert gone.startswith(b"HTTP/1.1 204 No Content\r\n")
        assert b"Content-Length" not in gone
        assert ask(site, "POST", "/heartbeat").startswith(b"HTTP/1.1 503 ")
        assert ask(site, "HEAD", "/who").endswith(b"Content-Length: 7\r\nConnection: close\r\n\r\n")


def test_a_connection_lives_on_after_a_stub(tmp_path: Path) -> None:
    with stubbed(tmp_path) as (site, server), connect(site) as client:
        client.sendall(
            b"POST /api/tickets HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
            b"GET /who HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        answer = b"".join(iter(lambda: client.recv(65536), b""))

        assert answer.count(b"HTTP/1.1 ") == 2
        assert answer.endswith(b"anybody")
        assert len({entry.peer_port for entry in entries(server, 2)}) == 1


def test_a_delay_is_waited_for_and_the_entry_is_there_before(tmp_path: Path) -> None:
    with stubbed(tmp_path) as (site, server), connect(site) as client:
        started = time.monotonic()
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        entries(server, 1)
        assert b"".join(iter(lambda: client.recv(65536), b"")).endswith(b"at last")
        assert time.monotonic() - started >= 0.3


def test_a_reset(tmp_path: Path) -> None:
    """In clear: Python 3.11 takes a reset below TLS for an end."""
    with stubbed(tmp_path, change=speaking(Speaks.http)) as (site, server):
        with socket.create_connection((ADDRESSES[0], site.port), timeout=10) as client:
            client.sendall(b"GET /reset HTTP/1.1\r\nHost: x\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                client.recv(1)
        (entry,) = entries(server, 1)
        assert (entry.kind, entry.stub) == ("stub", "acme.yaml:11")


def test_an_end_without_an_answer_and_one_in_the_middle_of_it(tmp_path: Path) -> None:
    with stubbed(tmp_path) as (site, _):
        assert ask(site, "GET", "/close") == b""
        head, _, content = ask(site, "GET", "/cut").partition(b"\r\n\r\n")
        assert b"Content-Length: 10" in head
        assert content == b"01234"


@pytest.mark.parametrize("path", ["/hang", "/very-slow"])
def test_what_hangs_ends_with_the_client_or_the_lab(tmp_path: Path, path: str) -> None:
    with stubbed(tmp_path) as (site, server):
        with connect(site) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            entries(server, 1)
            client.settimeout(0.2)
            with pytest.raises(TimeoutError):
                client.recv(1)
        with connect(site) as other:  # the others are served meanwhile
            other.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            entries(server, 2)
            assert any(thread.name == "sdc-caller" for thread in threading.enumerate())
            assert json.loads(ask(site, "GET", "/").partition(b"\r\n\r\n")[2])["status"] == "ready"


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a/b?c=/d", "/a/b"),
        ("*", "*"),
        ("https://host:443/a?b", "/a"),
        ("http://host", "/"),
        ("/a://b/c", "/a://b/c"),
        ("host:443", "host:443"),
    ],
)
def test_the_path_of_a_target(target: str, path: str) -> None:
    assert path_of(target) == path


def test_a_binary_body_arrives_as_it_is(tmp_path: Path) -> None:
    content = bytes(range(256)) * 300
    (tmp_path / "body").write_bytes(content)
    with stubbed(tmp_path, "- { path: /b, body_file: body }\n") as (site, _):
        assert ask(site, "GET", "/b").partition(b"\r\n\r\n")[2] == content
        assert base64.b64encode(content)
