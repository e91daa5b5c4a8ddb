"""The web user interface on sockets of loopback, called by curl and openssl (E-01, E-02)."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.agent.web import certificate, listening
from lab.agent.web.desk import FORM_BYTES, Desk
from lab.errors import PrerequisiteError, UsageError
from lab.wait import wait_until
from tests.ports import free_port
from tests.unit.web.office import MadeUpAccounts, MadeUpAgent

DEADLINE_S = 60.0


class Served:
    """A web user interface on loopback."""

    def __init__(self, port: int, ca_file: str) -> None:
        self.port = port
        self.ca_file = ca_file
        self.accounts = MadeUpAccounts()

    def curl(self, *arguments: str, scheme: str = "https", path: str = "/esa") -> str:
        argv = ["curl", "-sS", "-m", "30", "--noproxy", "*", "--cacert", self.ca_file, *arguments]
        url = f"{scheme}://127.0.0.1:{self.port}{path}"
        done = subprocess.run([*argv, url], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    @contextlib.contextmanager
    def tls(self) -> Iterator[ssl.SSLSocket]:
        context = ssl.create_default_context(cafile=self.ca_file)
        with (
            socket.create_connection(("127.0.0.1", self.port), DEADLINE_S) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as wrapped,
        ):
            yield wrapped

    def say(self, text: bytes) -> bytes:
        """Everything that is answered to some bytes, up to the end of the connection."""
        with self.tls() as wrapped:
            wrapped.sendall(text)
            return b"".join(iter(lambda: wrapped.recv(65536), b""))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return certificate.kept(tmp_path_factory.mktemp("web"), ("localhost", "127.0.0.1"))


@pytest.fixture
def served(files: tuple[str, str]) -> Iterator[Served]:
    before = {*threading.enumerate()}
    opened = listening.listener("127.0.0.1", 0)
    served = Served(opened.getsockname()[1], files[0])
    desk = Desk(MadeUpAgent(), served.accounts, (), time.monotonic, print)
    with listening.serving(desk, listening.context(*files), opened):
        yield served
    assert {*threading.enumerate()} <= before


def test_curl_comes_in_by_tls(served: Served) -> None:
    told = served.curl("-i")
    assert told.startswith("HTTP/1.1 303 See Other\n")
    assert "Location: /esa/login?to=status" in told
    assert "<h1>Log in</h1>" in served.curl("-L")


@pytest.mark.parametrize("path", ["/esa", "/", "/esa/style.css", "/esa/login"])
def test_http_in_clear_is_told_where_to_go_and_served_nothing(served: Served, path: str) -> None:
    """E-02."""
    told = served.curl("-i", scheme="http", path=path)
    assert told.startswith("HTTP/1.1 400 Bad Request\n")
    assert told.endswith(f"This port speaks HTTPS alone. Go to https://HOST:{served.port}/esa\n")
    assert "Set-Cookie" not in told
    assert "Location" not in told


def test_a_password_in_clear_is_not_even_read(served: Served) -> None:
    told = served.curl(
        "-i", "-d", "user=operator&password=opensesame", scheme="http", path="/esa/login"
    )
    assert told.startswith("HTTP/1.1 400 Bad Request\n")
    assert served.accounts.asked == []


def test_bytes_that_are_nothing_are_refused(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), DEADLINE_S) as plain:
        plain.sendall(b"\0" * 100)
        assert plain.recv(65536).startswith(b"HTTP/1.1 400 ")
    with socket.create_connection(("127.0.0.1", served.port), DEADLINE_S) as plain:
        plain.sendall(b"\x16\x03\x01" + b"\xff" * 100)  # looks like TLS, and is none
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP" not in plain.recv(65536)
    assert "303 See Other" in served.curl("-i")


@pytest.mark.parametrize(
    ("option", "works"), [("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)]
)
def test_versions_of_tls(served: Served, option: str, works: bool) -> None:
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{served.port}", option]
    done = subprocess.run(
        [*argv, "-cipher", "DEFAULT:@SECLEVEL=0"], input=b"", capture_output=True, check=False
    )
    assert (done.returncode == 0) is works, done.stderr
    assert (b"New, TLSv1" in done.stdout) is works


def test_a_connection_lives_on(served: Served) -> None:
    told = served.curl("-v", f"https://127.0.0.1:{served.port}/esa/login")
    assert "Re-using existing connection" in told or "Reusing existing" in told
    with served.tls() as wrapped:
        wrapped.sendall(b"HEAD /esa/login HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        received = b""
        while received.count(b"\r\n\r\n") < 2:
            received += wrapped.recv(65536)
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert b"<h1>" not in received


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"what is this\r\n\r\n", 400),
        (b"GET /esa HTTP/2.0\r\n\r\n", 505),
        (b"GET /esa HTTP/1.1\r\nA: " + b"x" * 40000 + b"\r\n\r\n", 431),
        (b"POST /esa/login HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n", 413),
        (b"POST /esa/login HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (FORM_BYTES + 1), 413),
        (b"POST /esa/login HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST /esa/login HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
    ],
)
def test_malformed_messages(served: Served, text: bytes, status: int) -> None:
    answer = served.say(text)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close\r\n" in answer
    assert b"Content-Security-Policy" in answer


def test_a_peer_that_says_nothing_is_left(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "HANDSHAKE_S", 0.2)
    monkeypatch.setattr(listening, "IDLE_S", 0.2)
    with socket.create_connection(("127.0.0.1", served.port), DEADLINE_S) as plain:
        assert plain.recv(1) == b""
    monkeypatch.setattr(listening, "HANDSHAKE_S", DEADLINE_S)
    with served.tls() as wrapped:
        assert wrapped.recv(1) == b""
    monkeypatch.setattr(listening, "IDLE_S", DEADLINE_S)
    monkeypatch.setattr(listening, "REQUEST_S", 0.2)
    with served.tls() as wrapped:
        wrapped.sendall(b"POST /esa/login HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
        assert wrapped.recv(1) == b""


def test_more_callers_than_there_is_room_for_wait(
    files: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "CALLERS", 2)
    opened = listening.listener("127.0.0.1", 0)
    served = Served(opened.getsockname()[1], files[0])
    desk = Desk(MadeUpAgent(), served.accounts, (), time.monotonic, print)
    with listening.serving(desk, listening.context(*files), opened):
        with contextlib.ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(served.tls())
            late = stack.enter_context(
                socket.create_connection(("127.0.0.1", served.port), DEADLINE_S)
            )
            late.sendall(b"GET / HTTP/1.0\r\n\r\n")
            late.settimeout(0.3)
            with pytest.raises(TimeoutError):
                late.recv(1)
            stack.pop_all().close()
        assert "303 See Other" in served.curl("-i")


def test_an_end_while_somebody_is_connected(files: tuple[str, str]) -> None:
    port = free_port()
    opened = listening.listener("127.0.0.1", port)
    desk = Desk(MadeUpAgent(), MadeUpAccounts(), (), time.monotonic, print)
    with contextlib.ExitStack() as stack:
        with listening.serving(desk, listening.context(*files), opened):
            wrapped = stack.enter_context(Served(port, files[0]).tls())
        assert wrapped.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), DEADLINE_S)


def test_a_port_that_somebody_has() -> None:
    with (
        listening.listener("", 0) as taken,
        pytest.raises(PrerequisiteError, match="Address already in use") as caught,
    ):
        listening.listener("", taken.getsockname()[1])
    assert "[web], port" in caught.value.hint


def test_an_address_that_is_not_ours() -> None:
    with pytest.raises(PrerequisiteError, match="Cannot assign") as caught:
        listening.listener("192.0.2.1", 0)
    assert "[web], address" in caught.value.hint


def test_all_addresses_of_both_kinds() -> None:
    with listening.listener("", 0) as both:
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, both.getsockname()[1]), DEADLINE_S).close()


def test_a_certificate_is_made_once_and_kept_for_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "web"
    made = certificate.kept(folder, ("hmc.example", "192.0.2.1", "2001:db8::1"))
    before = [Path(file).read_bytes() for file in made]
    assert certificate.kept(folder, ("hmc.example",)) == made
    assert [Path(file).read_bytes() for file in made] == before
    modes = [oct(path.stat().st_mode & 0o777) for path in (folder, *map(Path, made))]
    assert modes == ["0o700", "0o600", "0o600"]

    argv = ["openssl", "x509", "-noout", "-text", "-in", made[0]]
    told = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert "DNS:hmc.example, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1" in told
    assert "TLS Web Server Authentication" in told


def test_a_certificate_that_is_no_good_is_made_anew(tmp_path: Path) -> None:
    names = ("localhost",)
    certificate_file, key_file = map(Path, certificate.kept(tmp_path, names))

    def changed() -> bool:
        before = certificate_file.read_bytes()
        certificate.kept(tmp_path, names)
        listening.context(str(certificate_file), str(key_file))
        return certificate_file.read_bytes() != before

    assert not changed()
    key_file.write_text("damaged")
    assert changed()
    certificate_file.unlink()
    certificate_file.write_text("")
    assert changed()

    before = certificate_file.read_bytes()
    year = 365 * 86400.0
    certificate.kept(tmp_path, names, time.time() + year)
    assert certificate_file.read_bytes() == before
    certificate.kept(tmp_path, names, time.time() + 3 * year)
    assert certificate_file.read_bytes() != before


def test_a_certificate_of_the_users_own_that_is_no_good(
    tmp_path: Path, files: tuple[str, str]
) -> None:
    for pair in ((str(tmp_path / "none"), files[1]), (files[1], files[0])):
        with pytest.raises(UsageError, match="cannot use") as caught:
            listening.context(*pair)
        assert "[web], certificate and key" in caught.value.hint


def test_the_threads_of_many_callers_end(served: Served) -> None:
    for _ in range(8):
        served.curl()
    wait_until("no thread", lambda: not _callers(), DEADLINE_S)


def _callers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "web-caller"]


def test_without_a_thread_a_caller_is_turned_away_and_the_next_one_is_served(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that accepts lives on, and no place is lost: as many are turned away as may come at once."""
    start = threading.Thread.start

    def no_more(thread: threading.Thread) -> None:
        if thread.name == "web-caller":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        for _ in range(listening.CALLERS + 1):
            with pytest.raises((ConnectionError, ssl.SSLError)), served.tls():
                pass
    assert "303" in served.curl("-i")
