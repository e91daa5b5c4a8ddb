"""Whatever a caller sends, the server answers as HTTP says, tells the ledger, hangs never, and goes on.

`--hypothesis-profile wild` sends a hundred thousand requests.
"""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.ibm import conversation
from lab.ibm.answers import REASONS
from lab.ibm.conversation import Limits
from lab.ibm.server import Server
from lab.topology.servers import Speaks
from tests.unit.ibm.sites import ADDRESSES, Site, lab_threads, speaking

AT_ONCE = 20
HANGS_S = 20.0
LIMITS = Limits(body_bytes=100_000)

GOOD_METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS"])
METHODS = st.sampled_from([b"get", b"G(T", b"", b"PRI", b"CONNECT"]) | st.binary(max_size=8)
GOOD_TARGETS = st.sampled_from([b"/", b"/heartbeat", b"*", b"http://x/y", b"//", b"/%00", b"/?"])
TARGETS = st.sampled_from([b"", b" ", b"/" + b"a" * 40_000]) | st.binary(max_size=12)
GOOD_VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"])
VERSIONS = st.sampled_from([b"HTTP/2.0", b"HTTP/9", b"", b"http/1.1", b"HTTP/1.1 "])
GOOD_FIELDS = st.sampled_from(
    [b"Host: x", b"Host:", b"Connection: close", b"Connection: keep-alive, x", b"A: " + b"b" * 5000,
     b"Expect: 100-continue", b"Content-Length: 0", b"Content-Length: 3", b"Content-Length: 100001",
     b"Content-Length: 50000", b"Transfer-Encoding: chunked", b"Transfer-Encoding: \tchunked "]
)  # fmt: skip
FIELDS = st.sampled_from(
    [b"HOST : x", b": v", b"Expect: tea", b" folded", b"A: \0", b"A: x\ry", b"A" * 40_000,
     b"Content-Length: -1", b"Content-Length: 3, 3", b"Content-Length: 99999999999999999999",
     b"Content-Length: \xb3", b"Transfer-Encoding: gzip"]
) | st.binary(max_size=20)  # fmt: skip
BODIES = st.sampled_from(
    [b"", b"abc", b"0\r\n\r\n", b"3\r\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"FFFFFFFFF\r\n",
     b"-1\r\n", b"1;x=y\r\na\r\n0\r\nT: u\r\n\r\n", b"[" * 50_000, b'{"system": "x"}', b"\r\n" * 100]
) | st.binary(max_size=30)  # fmt: skip
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b""])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Something like a request, with a mistake or several, or none."""

    def mostly(good: st.SearchStrategy[bytes], wild: st.SearchStrategy[bytes]) -> bytes:
        return draw(wild if draw(st.integers(0, 9)) == 9 else good)

    if draw(st.integers(0, 19)) == 19:
        return draw(st.binary(max_size=200))
    line = b" ".join(
        [
            mostly(GOOD_METHODS, METHODS),
            mostly(GOOD_TARGETS, TARGETS),
            mostly(GOOD_VERSIONS, VERSIONS),
        ]
    )
    fields = [mostly(GOOD_FIELDS, FIELDS) for _ in range(draw(st.integers(0, 4)))]
    if draw(st.integers(0, 3)):
        fields.append(b"Host: x")
    data = draw(ENDS).join([line, *fields, b"", draw(BODIES)])
    if draw(st.integers(0, 9)) == 9:
        data = data[: draw(st.integers(0, len(data)))]
    if data and draw(st.integers(0, 9)) == 9:
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw(st.binary(min_size=1, max_size=2)) + data[at + 1 :]
    return data * draw(st.sampled_from([1, 1, 1, 2]))


@pytest.fixture(scope="module", params=["http", "https", "https without TLS"])
def stand(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Server]]:
    """The last takes uploads as HTTPS does: a handshake for each request would be most of the time."""
    folder: Path = tmp_path_factory.mktemp("wild")
    site = Site(folder, speaking(Speaks.https if request.param == "https" else Speaks.http))
    with pytest.MonkeyPatch.context() as patch, site.server(LIMITS) as server:
        if request.param == "https without TLS":
            patch.setattr(conversation, "uploads", lambda method, length: False)
        yield site, server
    assert lab_threads() == []


def say(site: Site, data: bytes) -> tuple[bytes, int]:
    """All that is answered, and from which port it was asked; TimeoutError if the server hangs."""
    with socket.create_connection((ADDRESSES[0], site.port), timeout=HANGS_S) as client:
        port = int(client.getsockname()[1])
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except TimeoutError:
            raise
        except OSError:
            pass  # the server has left already
        answer = b""
        with contextlib.suppress(ConnectionError):
            while part := client.recv(1 << 16):
                answer += part
        return answer, port


def statuses(answer: bytes) -> list[int]:
    """Of answers one after another, each of which must be whole."""
    found = []
    while answer:
        head, blank, rest = answer.partition(b"\r\n\r\n")
        assert blank, answer
        line, *fields = head.split(b"\r\n")
        match = re.fullmatch(rb"HTTP/1\.1 (\d{3}) [A-Za-z ]+", line)
        assert match, line
        if match[1] == b"100":
            answer = rest
            continue
        found.append(int(match[1]))
        length = next(int(f.split()[1]) for f in fields if f.lower().startswith(b"content-length:"))
        # What answers a HEAD has a length and no content.
        has_content = rest.startswith(b"{")
        assert not has_content or len(rest) >= length
        answer = rest[length:] if has_content else rest
    return found


@given(many=st.lists(requests(), min_size=1, max_size=AT_ONCE))
def test_wild_requests(stand: tuple[Site, Server], many: list[bytes]) -> None:
    site, server = stand
    is_clear = site.topology.servers[0].speaks is Speaks.http
    for data in many:
        before = len(server._ledger._entries)
        answer, port = say(site, data)

        entries = server._ledger._entries[before:]
        assert entries, data
        assert {entry.peer_port for entry in entries} == {port}
        told = [entry.status for entry in entries if entry.status]
        if is_clear:
            assert told == statuses(answer), data
            assert set(told) <= set(REASONS)
        else:
            assert not told, "nobody shook hands"
            assert {entry.kind for entry in entries} <= {"handshake", "no-request"}
    server.check()
    good, _ = say(site, b"GET / HTTP/1.0\r\n\r\n")
    assert good.startswith(b"HTTP/1.1 200 OK") == is_clear
