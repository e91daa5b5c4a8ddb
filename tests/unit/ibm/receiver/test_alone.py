"""The receiver as a server: on loopback, by TLS, with curl as the client."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from lab.ibm.receiver import alone
from lab.ibm.receiver.alone import LoneSite
from lab.ibm.receiver.desk import STORE_FILE
from tests.unit.ibm.receiver.asking import HEARTBEAT, enrolment
from tests.unit.ibm.sites import entries, lab_threads

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[LoneSite]:
    with alone.receiving(tmp_path) as site:
        yield site
    assert lab_threads() == []


def curl(site: LoneSite, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        ["curl", "-sS", "-m", "20", "--cacert", site.ca_file, "-w", "\n%{http_code}", *arguments],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def asked(site: LoneSite, method: str, target: str, content: object) -> dict[str, Any]:
    """What the first site answers to a request that nobody authenticates."""
    host = site.url.removeprefix("https://")
    context = ssl.create_default_context(cafile=site.ca_file)
    connection = HTTPSConnection(host, timeout=20, context=context)
    with contextlib.closing(connection):
        head = {"Content-Type": "application/json"}
        connection.request(method, f"/service/{target}", json.dumps(content), head)
        told: dict[str, Any] = json.loads(connection.getresponse().read())
        return told


def put(content: object) -> tuple[str, ...]:
    return "-X", "PUT", "-H", "Content-Type: application/json", "-d", json.dumps(content)


@needs_curl
def test_a_machine_enrols_and_reports_by_curl(site: LoneSite) -> None:
    status, told = curl(site, *put(enrolment()), f"{site.url}/service/enrolments/e1")
    assert status == 201
    known = ("-u", f"{told['id']}:{told['password']}")
    beat = f"{site.urls[1]}/service/heartbeats/h1"

    assert curl(site, *put(HEARTBEAT), beat)[0] == 401
    assert curl(site, *known, *put(HEARTBEAT), beat)[0] == 201
    assert curl(site, *known, *put(HEARTBEAT), beat)[0] == 200
    assert curl(site, *known, f"{site.urls[1]}/service/openapi.json")[1]["openapi"] == "3.1.0"

    ledger = entries(site.server, 5)
    assert [(e.kind, e.status, e.report) for e in ledger] == [
        ("service: enrolment", 201, "e1"),
        ("service: heartbeat", 401, "h1"),
        ("service: heartbeat", 201, "h1"),
        ("service: heartbeat", 200, "h1"),
        ("service: openapi", 200, ""),
    ]
    assert [e.authenticated_as for e in ledger] == ["", "", told["id"], told["id"], ""]
    assert {e.system for e in ledger} == {"8284-22A*21ABCDE", ""}


@needs_curl
def test_no_password_is_in_any_file_in_clear(site: LoneSite, tmp_path: Path) -> None:
    _, told = curl(site, *put(enrolment()), f"{site.url}/service/enrolments/e1")
    known = ("-u", f"{told['id']}:{told['password']}")
    site.receiver.change_password_now(told["id"])
    _, answer = curl(site, *known, f"{site.url}/service/fixes")
    _, key = curl(site, *known, f"{site.url}/service/access-key")
    secrets = told["password"], answer["password_change"]["password"], key["key"]

    entries(site.server, 3)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            text = path.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in text], path
    assert told["id"].encode() in (tmp_path / "logs" / "sdc" / STORE_FILE).read_bytes()


def connected(site: LoneSite) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=site.ca_file)
    plain = socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2])), timeout=20)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_a_refusal_leaves_the_connection_open(site: LoneSite) -> None:
    request = b"GET /service/fixes HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(site) as client:
        for _ in range(3):
            client.sendall(request)
            answer = client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
            assert b"\r\nConnection: keep-alive\r\n" in answer
    assert len(entries(site.server, 3)) == 3


def test_what_is_longer_than_an_operation_takes_is_refused_before_its_body(site: LoneSite) -> None:
    with connected(site) as client:
        client.sendall(
            b"PUT /service/heartbeats/h1 HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 413 ")
