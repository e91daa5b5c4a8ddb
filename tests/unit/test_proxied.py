"""The agent's way through a proxy: what it says, and what it makes of answers."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from lab.agent import client
from lab.agent.http1 import Head, Malformed, Stream
from lab.agent.proxied import ProxyRefused, ProxyUrl, is_log_in_wanted, request
from lab.record.cause import AgentCause
from tests.ports import free_port

SERVER = "https://esupport.ibm.com"


@pytest.mark.parametrize(
    ("url", "host", "port", "credentials"),
    [
        ("http://proxy:3128", "proxy", 3128, ""),
        ("http://proxy", "proxy", 80, ""),
        ("http://[2001:db8::1]:8080/", "2001:db8::1", 8080, ""),
        ("http://[2001:db8::1]", "2001:db8::1", 80, ""),
        ("http://me:it%40is%3a@proxy:1", "proxy", 1, "me:it@is:"),
        ("HTTP://a:b@c@proxy:1", "proxy", 1, "a:b@c"),
    ],
)
def test_a_url_of_a_proxy(url: str, host: str, port: int, credentials: str) -> None:
    proxy = ProxyUrl(url)
    assert (proxy.host, proxy.port) == (host, port)
    assert base64.b64decode(proxy.credentials).decode() == credentials


@pytest.mark.parametrize(
    "url",
    ["proxy:3128", "u:pw@h:1", "http:/u:pw@h", "https://proxy:1", "http://", "http://proxy:0",
     "http://proxy:x", "http://a:pw@h:70000", "http://proxy/path", "http://u:pw%zz@h:1",
     "http://u:pw@h :1\n"],
)  # fmt: skip
def test_what_is_no_url_of_a_proxy_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(ValueError, match=r"is not|no port|not percent") as refused:
        ProxyUrl(url)
    assert "pw" not in str(refused.value)


def test_a_request_has_the_host_and_a_log_in_only_when_it_is_asked_for() -> None:
    plain = request("h.test:443")
    assert plain == b"CONNECT h.test:443 HTTP/1.1\r\nHost: h.test:443\r\n\r\n"
    assert b"\r\nProxy-Authorization: Basic QQ==\r\n\r\n" in request("h.test:443", "QQ==")


def head(status: int, **fields: str) -> Head:
    return Head(f"HTTP/1.1 {status} So it is", {n.replace("_", "-"): v for n, v in fields.items()})


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        (head(200), False),
        (head(299), False),
        (head(407, proxy_authenticate='Basic realm="x"'), True),
        (head(407, proxy_authenticate='Digest realm="x", basic realm="y"'), True),
    ],
)
def test_an_answer(answer: Head, wanted: bool) -> None:
    assert is_log_in_wanted(answer) is wanted


@pytest.mark.parametrize(
    "answer",
    [
        head(407),
        head(407, proxy_authenticate="Digest x"),
        head(403),
        head(503),
        head(301),
        head(101),
    ],
)
def test_a_refusal(answer: Head) -> None:
    with pytest.raises(ProxyRefused, match="So it is"):
        is_log_in_wanted(answer)


@given(st.binary(max_size=200))
def test_wild_answers_are_refused_or_malformed(data: bytes) -> None:
    pieces = iter([data])
    with contextlib.suppress(Malformed, ProxyRefused):
        answer = Stream(lambda: next(pieces, b"")).head()
        assert answer is None or is_log_in_wanted(answer) in (True, False)


@contextlib.contextmanager
def played(*answers: Callable[[socket.socket], object]) -> Iterator[tuple[str, list[bytes]]]:
    """A proxy that does one thing for each connection, and what it was asked."""
    asked: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(4096))
                with contextlib.suppress(OSError):
                    answer(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        thread.join(10)
        listener.close()


def says(text: str) -> Callable[[socket.socket], object]:
    return lambda connection: connection.sendall(text.encode())


def makes_a_tunnel_without_tls(connection: socket.socket) -> None:
    """Answer the ClientHello in clear. It is read first: who closes with bytes unread sends a reset."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    assert connection.recv(65536).startswith(b"\x16\x03"), "a TLS record of a handshake"
    connection.sendall(b"no TLS at all")


def call(ca_file: str, *proxies: str, total_s: float = 10.0) -> list[client.Attempt]:
    caller = client.AgentCaller(ca_file, proxies, total_s=total_s, rounds=1)
    return client.call_home([SERVER], caller, system="x")


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("authority") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(f"{file}")
    return f"{file}"


@pytest.mark.parametrize(
    ("answer", "cause", "words"),
    [
        (says("HTTP/1.1 503 Busy\r\n\r\n"), AgentCause.proxy_refused, "503 Busy"),
        (says("HTTP/1.1 407 Who\r\n\r\n"), AgentCause.proxy_log_in, "407 Who"),
        (says("SSH-2.0-x\r\n\r\n"), AgentCause.malformed, ""),
        (says(""), AgentCause.malformed, "without an answer"),
        (makes_a_tunnel_without_tls, AgentCause.tls, ""),
        (lambda connection: connection.shutdown(socket.SHUT_RDWR), AgentCause.malformed, ""),
    ],
)
def test_a_proxy_that_is_none(
    ca_file: str, answer: Callable[[socket.socket], object], cause: AgentCause, words: str
) -> None:
    with played(answer) as (place, asked):
        (attempt,) = call(ca_file, f"http://{place}")
    assert (attempt.cause, attempt.proxy) == (cause, f"http://{place}")
    assert words in attempt.detail
    assert asked == [request("esupport.ibm.com:443")]


def test_a_silent_proxy_is_given_up_in_time(ca_file: str) -> None:
    done = threading.Event()
    with played(lambda connection: done.wait(10)) as (place, _):
        (attempt,) = call(ca_file, f"http://{place}", total_s=0.2)
        done.set()
    assert (attempt.phase, attempt.cause) == ("CONNECT", AgentCause.timed_out)


def test_the_log_in_is_said_once_it_is_asked_for_and_not_in_the_story(ca_file: str) -> None:
    wants = says('HTTP/1.1 407 Log in\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n')
    told: list[str] = []
    with played(wants, wants) as (place, asked):
        proxies = [f"http://me:hush@{place}"]
        caller = client.AgentCaller(ca_file, proxies, told.append, rounds=1)
        (attempt,) = client.call_home([SERVER], caller, system="x")
    assert asked == [
        request("esupport.ibm.com:443"),
        request("esupport.ibm.com:443", base64.b64encode(b"me:hush").decode()),
    ]
    assert attempt.cause is AgentCause.proxy_log_in
    assert "hush" not in " ".join([*told, str(attempt.as_dict())])


def test_the_next_proxy_is_asked(ca_file: str) -> None:
    busy = says("HTTP/1.1 503 Busy\r\n\r\n")
    with played(busy) as (place, _):
        refusing = f"http://127.0.0.1:{free_port()}"
        attempts = call(ca_file, refusing, f"http://{place}")
    assert [attempt.cause for attempt in attempts] == [
        AgentCause.proxy_unreached,
        AgentCause.proxy_refused,
    ]


def test_a_proxys_name_that_is_none(ca_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*asked: object, **how: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    (attempt,) = call(ca_file, "http://proxy.test:3128")
    assert (attempt.phase, attempt.cause) == ("proxy", AgentCause.proxy_unreached)
    assert attempt.detail == "name or service not known"
