"""HTTP/1.1 framing by vectors, each also fed byte by byte."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.agent.http1 import HEAD_BYTES, Malformed, Stream


def stream(data: bytes, step: int) -> Stream:
    parts: Iterator[bytes] = (data[at : at + step] for at in range(0, len(data), step))
    return Stream(lambda: next(parts, b""))


@pytest.fixture(params=[1, 7, 1 << 20])
def step(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def read_one(source: Stream) -> tuple[str, bytes]:
    head = source.head()
    assert head is not None
    return head.start, b"".join(source.body(head.body_length() or 0))


def test_two_requests_and_the_end(step: int) -> None:
    source = stream(
        b"\r\nPOST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
        b"GET /b HTTP/1.1\nHost:y\n\n",
        step,
    )

    assert read_one(source) == ("POST /a HTTP/1.1", b"hello")
    assert read_one(source) == ("GET /b HTTP/1.1", b"")
    assert source.head() is None


def test_chunks_with_extensions_and_trailers(step: int) -> None:
    source = stream(
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;name=value\r\nhello\r\n00A\r\n, world!!!\r\n0\r\nTrailer: x\r\n\r\n"
        b"GET / HTTP/1.1\r\n\r\n",
        step,
    )

    assert read_one(source) == ("PUT / HTTP/1.1", b"hello, world!!!")
    assert read_one(source) == ("GET / HTTP/1.1", b"")


def test_a_body_to_the_end_of_the_connection(step: int) -> None:
    source = stream(b"HTTP/1.1 200 OK\r\n\r\nall of it", step)
    head = source.head()

    assert head is not None
    assert head.status_line() == (200, "OK")
    assert head.body_length() is None
    assert b"".join(source.body(None)) == b"all of it"


def test_fields_are_joined_and_found_without_case(step: int) -> None:
    head = stream(
        b"GET / HTTP/1.1\r\nConnection: Keep-Alive\r\nCONNECTION:  close \r\n\r\n", step
    ).head()

    assert head is not None
    assert head.fields == {"connection": "Keep-Alive, close"}
    assert head.lists("connection", "close")
    assert not head.lists("connection", "clos")


def read_all(source: Stream) -> None:
    while (head := source.head()) is not None:
        head.request_line()
        list(source.body(head.body_length() or 0))


MALFORMED = {
    "no version": (b"GET /\r\n\r\n", 400),
    "spaces": (b"GET  / HTTP/1.1\r\n\r\n", 400),
    "method": (b"G(T / HTTP/1.1\r\n\r\n", 400),
    "new version": (b"GET / HTTP/2.0\r\n\r\n", 505),
    "other protocol": (b"GET / ICY/1.0\r\n\r\n", 400),
    "no colon": (b"GET / HTTP/1.1\r\nHost\r\n\r\n", 400),
    "space before colon": (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "folded": (b"GET / HTTP/1.1\r\nA: x\r\n y\r\n\r\n", 400),
    "bare CR": (b"GET / HTTP/1.1\r\nA: x\ry\r\n\r\n", 400),
    "NUL": (b"GET / HTTP/1.1\r\nA: \0\r\n\r\n", 400),
    "cut head": (b"GET / HTTP/1.1\r\nA: x\r\n", 400),
    "cut line": (b"GET / HT", 400),
    "both lengths": (
        b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "two lengths": (b"PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    "signed length": (b"PUT / HTTP/1.1\r\nContent-Length: +1\r\n\r\na", 400),
    "superscript length": (b"PUT / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\na", 400),
    "endless length": (b"PUT / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
    "coding": (b"PUT / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "cut body": (b"PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\na", 400),
    "chunk size": (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n", 400),
    "negative chunk": (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", 400),
    "huge chunk": (
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"F" * 16 + b"\r\n",
        400,
    ),
    "long chunk": (
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        400,
    ),
    "cut chunks": (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", 400),
    "cut trailers": (b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", 400),
    "long line": (b"GET /" + b"a" * HEAD_BYTES + b" HTTP/1.1\r\n\r\n", 431),
    "long head": (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * HEAD_BYTES, 431),
    "endless line": (b"a" * 3 * HEAD_BYTES, 431),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name: str, step: int) -> None:
    data, status = MALFORMED[name]
    source = stream(data, step)

    with pytest.raises(Malformed) as caught:
        read_all(source)
    assert caught.value.status == status


@pytest.mark.parametrize("line", [b"HTTP/1.1", b"HTTP/1.1 20 OK", b"HTTP/1.1 abc", b"200 OK"])
def test_malformed_status_line(line: bytes) -> None:
    head = stream(line + b"\r\n\r\n", 1 << 20).head()

    assert head is not None
    with pytest.raises(Malformed):
        head.status_line()
