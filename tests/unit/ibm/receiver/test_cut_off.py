"""Connections that break in the middle of an upload: what came is kept, byte for byte, and no more."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.ibm.receiver import alone
from lab.ibm.receiver.alone import LoneSite
from lab.ibm.shared import Limits
from tests.unit.ibm.receiver.asking import HEARTBEAT, PROBLEM, enrolment
from tests.unit.ibm.receiver.test_alone import asked, connected
from tests.unit.ibm.sites import entries, lab_threads

DATA = random.Random(1).randbytes(300_000)
AT = "/service/problems/p1/data/dump"


class Uploader:
    """A machine that has declared an upload, and knows what it has been told."""

    def __init__(self, site: LoneSite) -> None:
        self.site = site
        told = asked(site, "PUT", "enrolments/e1", enrolment())
        self.auth = base64.b64encode(f"{told['id']}:{told['password']}".encode()).decode()
        self.ask("PUT", "/service/problems/p1", PROBLEM)
        digest = hashlib.sha256(DATA).hexdigest()
        self.ask("PUT", AT, {"bytes": len(DATA), "sha256": digest})

    def head(self, method: str, target: str, *fields: str) -> bytes:
        lines = (
            f"{method} {target} HTTP/1.1",
            "Host: x",
            f"Authorization: Basic {self.auth}",
            *fields,
            "",
            "",
        )
        return "\r\n".join(lines).encode()

    def ask(self, method: str, target: str, content: object = None) -> dict[str, Any]:
        body = b"" if content is None else json.dumps(content).encode()
        fields = f"Content-Length: {len(body)}", "Content-Type: application/json"
        with connected(self.site) as client:
            client.sendall(self.head(method, target, *fields, "Connection: close") + body)
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        told: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
        return told

    def part(self, offset: int, *fields: str) -> bytes:
        kind = "Content-Type: application/offset+octet-stream"
        return self.head("PATCH", AT, kind, f"Upload-Offset: {offset}", *fields)

    @property
    def offset(self) -> int:
        return int(self.ask("GET", AT)["offset"])


@pytest.fixture
def uploader(tmp_path: Path) -> Iterator[Uploader]:
    with alone.receiving(tmp_path) as site:
        yield Uploader(site)
    assert lab_threads() == []


@pytest.mark.parametrize("sent", [0, 1, 16_000, 299_999])
def test_what_came_of_a_part_is_kept(uploader: Uploader, sent: int) -> None:
    with connected(uploader.site) as client:
        client.sendall(uploader.part(0, f"Content-Length: {len(DATA)}") + DATA[:sent])
        socket.socket.shutdown(client, socket.SHUT_WR)  # without a word of TLS
        while client.recv(65536):
            pass
    assert uploader.offset == sent
    with connected(uploader.site) as client:
        client.sendall(uploader.part(sent, f"Content-Length: {len(DATA) - sent}") + DATA[sent:])
        assert b'"complete": true' in client.recv(65536)


def test_an_upload_in_many_pieces_each_cut_off_somewhere(uploader: Uploader) -> None:
    """Chunked bodies that stop inside a chunk, counted ones that are cut off: at the end all is there."""
    chance = random.Random(7)
    cuts = 0
    while (offset := uploader.offset) < len(DATA):
        piece = DATA[offset : offset + chance.randrange(1, 60_000)]
        cut = chance.randrange(len(piece) + 1)
        before = len(uploader.site.transactions)
        with connected(uploader.site) as client:
            if chance.random() < 0.5:
                client.sendall(
                    uploader.part(offset, "Transfer-Encoding: chunked")
                    + b"%x\r\n" % len(piece)
                    + piece[:cut]
                )
            else:
                client.sendall(uploader.part(offset, f"Content-Length: {len(piece)}") + piece[:cut])
        entries(uploader.site.server, before + 1)
        cuts += 1
        assert offset <= uploader.offset <= offset + cut
    assert cuts > 5
    assert uploader.ask("GET", AT)["complete"] is True


def test_a_part_that_comes_too_slowly_is_kept_as_far_as_it_came(tmp_path: Path) -> None:
    limits = Limits(body_grace_s=0.2, body_rate_byte_s=1e9)
    with alone.receiving(tmp_path, limits=limits) as site:
        uploader = Uploader(site)
        with connected(site) as client:
            client.sendall(uploader.part(0, f"Content-Length: {len(DATA)}") + DATA[:5000])
            assert client.recv(65536).startswith(b"HTTP/1.1 408 ")
        assert uploader.offset == 5000


def test_without_a_password_nothing_is_kept(uploader: Uploader) -> None:
    uploader.auth = "eDp5"
    with connected(uploader.site) as client:
        client.sendall(uploader.part(0, f"Content-Length: {len(DATA)}") + DATA[:5000])
    entries(uploader.site.server, 4)
    site = uploader.site
    (machine,) = site.receiver.listing("machines")
    assert machine["held_bytes"] < 1000


@pytest.mark.parametrize("length", [-1, 1])
def test_half_a_message_is_no_message(uploader: Uploader, length: int) -> None:
    """Nor is one that was to be longer, though what came looks whole."""
    body = json.dumps(HEARTBEAT).encode()
    announced = len(body) + max(length, 0)
    fields = f"Content-Length: {announced}", "Content-Type: application/json"
    with connected(uploader.site) as client:
        head = uploader.head("PUT", "/service/heartbeats/h1", *fields)
        client.sendall(head + body[: len(body) + min(length, 0)])
    last = entries(uploader.site.server, 4)[-1]
    assert last.kind in ("malformed", "broken")
    other = uploader.ask("PUT", "/service/heartbeats/h1", {**HEARTBEAT, "reason": "another"})
    assert "transaction" in other, "nothing was stored under that name"
