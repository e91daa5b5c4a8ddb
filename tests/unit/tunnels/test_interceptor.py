"""The firewall that breaks TLS open, on loopback, without a lab and without its rules."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from lab.ways.direct import interceptor as program
from tunnels import interceptor

HOST = "localhost"
REQUEST = b"POST / HTTP/1.1\r\n\r\n"
DEADLINE_S = 20.0


@dataclass
class Site:
    """A server of IBM's, and what the firewall has to break TLS open with."""

    server: socket.socket
    chain: Path
    trusting: ssl.SSLContext
    customers: trustme.CA
    ibms: trustme.CA
    names: list[str | None]
    """By which the server was asked for."""

    def attended(self) -> tuple[socket.socket, threading.Thread]:
        """A client's connection, and who serves it."""
        ours, theirs = socket.socketpair()
        ours.settimeout(DEADLINE_S)
        told = program._Interception("192.0.2.9")
        arguments = theirs, f"{self.chain}", self.trusting, told
        thread = threading.Thread(target=program._attend, args=arguments, daemon=True)
        thread.start()
        return ours, thread


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    ibms, customers = trustme.CA(), trustme.CA(organization_name="customer.test")
    names: list[str | None] = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    ibms.issue_cert(HOST, "127.0.0.1").configure_cert(server)
    chain = tmp_path / "chain.pem"
    customers.issue_cert(HOST, "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(chain)
    trusting = ssl.create_default_context()
    ibms.configure_trust(trusting)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        meant = listener.getsockname()
        monkeypatch.setattr(program, "original_destination", lambda connection: meant)
        threading.Thread(target=answer, args=(listener, server), daemon=True).start()
        yield Site(listener, chain, trusting, customers, ibms, names)


def answer(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Say what was said, in capitals."""
    with contextlib.suppress(OSError):
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.sendall(tls.recv(1000).upper())
            tls.unwrap()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def told(capsys: pytest.CaptureFixture[str], thread: threading.Thread) -> str:
    """The line of the one connection, without its time."""
    thread.join(DEADLINE_S)
    (line,) = capsys.readouterr().out.splitlines()
    return str(line).partition(" ")[2]


@pytest.mark.parametrize("asked", [HOST, "127.0.0.1"])
def test_it_reads_what_a_client_says_that_trusts_it(
    asked: str, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    connection, thread = site.attended()
    with (
        connection,
        trusting(site.customers).wrap_socket(connection, server_hostname=asked) as tls,
    ):
        assert tls.version() == "TLSv1.2"
        tls.sendall(REQUEST)
        assert tls.recv(1000) == REQUEST.upper()

    name = asked if asked == HOST else "-"
    where = ":".join(map(str, site.server.getsockname()))
    assert told(capsys, thread) == f"192.0.2.9 {where} {name} {len(REQUEST)}"
    assert site.names == [HOST if asked == HOST else None]


def test_it_reaches_the_server_before_a_client_refuses_it(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    connection, thread = site.attended()
    with connection, pytest.raises(ssl.SSLCertVerificationError):
        trusting(site.ibms).wrap_socket(connection, server_hostname=HOST)

    assert told(capsys, thread).endswith(f" {HOST} refused")
    assert site.names == [HOST]


def test_a_client_is_not_answered_where_the_server_is_not_ibms(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.trusting = trusting(site.customers)
    connection, thread = site.attended()
    with connection, pytest.raises(ssl.SSLError, match=r"(?i)internal.error"):
        trusting(site.customers).wrap_socket(connection, server_hostname=HOST)

    assert told(capsys, thread).endswith(f" {HOST} no server")


def test_what_is_no_tls_reaches_nobody(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    connection, thread = site.attended()
    with connection:
        connection.sendall(REQUEST)
        connection.shutdown(socket.SHUT_WR)
        assert told(capsys, thread).endswith(" - no server")
    assert site.names == []


def test_the_program_is_where_the_driver_looks_for_it() -> None:
    assert program.__name__ == interceptor.PROGRAM
