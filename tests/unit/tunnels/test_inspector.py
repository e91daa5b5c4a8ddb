"""The proxy that breaks TLS open, on loopback, without a lab."""

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

from lab.ways import opened_tls
from lab.ways.proxy import inspector as program
from tunnels import inspector

HOST = "localhost"
REQUEST = b"POST / HTTP/1.1\r\n\r\n"
DEADLINE_S = 20.0


@dataclass
class Bench:
    """A server of IBM's, and what a client of the proxy's is served by."""

    port: int
    facing: ssl.SSLContext
    trusting: ssl.SSLContext
    customers: trustme.CA
    ibms: trustme.CA


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    ibms, customers = trustme.CA(), trustme.CA(organization_name="customer.test")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ibms.issue_cert(HOST).configure_cert(server)
    chain = tmp_path / "chain.pem"
    customers.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(chain)
    facing = opened_tls.to_clients(f"{chain}")
    trusting = ssl.create_default_context()
    ibms.configure_trust(trusting)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setattr(program, "HTTPS", f"{port}")
        threading.Thread(target=answer, args=(listener, server), daemon=True).start()
        yield Bench(port, facing, trusting, customers, ibms)


def answer(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Say what was said, in capitals."""
    with contextlib.suppress(OSError):
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True) as tls:
            tls.sendall(tls.recv(1000).upper())
            tls.unwrap()


def attended(bench: Bench, target: str, listed: frozenset[str] = frozenset()) -> socket.socket:
    ours, theirs = socket.socketpair()
    ours.settimeout(DEADLINE_S)
    told = program._Inspection("192.0.2.9")
    threading.Thread(
        target=program._attend,
        args=(theirs, bench.facing, bench.trusting, listed, told),
        daemon=True,
    ).start()
    ours.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    return ours


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """The line of the one request, without its time."""
    from lab.wait import wait_until

    lines: list[str] = []

    def came() -> bool:
        lines.extend(capsys.readouterr().out.splitlines())
        return bool(lines)

    wait_until("the proxy's line", came, DEADLINE_S)
    (line,) = lines
    return line.partition(" ")[2]


def test_it_reads_what_a_client_says_that_trusts_it(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    with attended(bench, f"{HOST}:{bench.port}") as connection:
        assert b" 200 " in connection.recv(1000)
        with trusting(bench.customers).wrap_socket(connection, server_hostname=HOST) as tls:
            assert tls.version() == "TLSv1.2"
            tls.sendall(REQUEST)
            assert tls.recv(1000) == REQUEST.upper()

    target = f"{HOST}:{bench.port}"
    assert told(capsys) == f"192.0.2.9 {target} 200 127.0.0.1 {len(REQUEST)}"


def test_it_reads_nothing_of_a_client_that_trusts_ibm_alone(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    with attended(bench, f"{HOST}:{bench.port}") as connection:
        assert b" 200 " in connection.recv(1000)
        with pytest.raises(ssl.SSLCertVerificationError):
            trusting(bench.ibms).wrap_socket(connection, server_hostname=HOST)

    assert told(capsys) == f"192.0.2.9 {HOST}:{bench.port} 200 - 0"


@pytest.mark.parametrize(
    ("port", "listed"), [(22, frozenset[str]()), (0, frozenset({"192.0.2.1"}))]
)
def test_it_refuses_other_ports_and_addresses(
    port: int, listed: frozenset[str], bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    with attended(bench, f"{HOST}:{port or bench.port}", listed) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 403 ")
    assert " 403 - 0" in told(capsys)


def test_its_lines_are_read() -> None:
    line = "1795.976 10.0.0.1 a.test:443 200 192.0.2.1 165"

    event = inspector.parse(line, "proxy-1")

    assert (event.source, event.time, event.client) == ("proxy-1", 1795.976, "10.0.0.1")
    assert (event.method, event.target, event.status) == ("CONNECT", "a.test:443", 200)
    assert (event.server, event.content_bytes) == ("192.0.2.1", 165)
    assert inspector.parse("1.000 10.0.0.1 a:443 403 - 0", "p").server == ""
    with pytest.raises(ValueError, match="unpack"):
        inspector.parse("rubbish", "p")


def test_what_it_needs_is_where_the_authority_writes_it() -> None:
    from lab.ibm import authority

    assert (authority.INSPECTOR_FILE, authority.CA_FILE) == (inspector.CHAIN, inspector.AUTHORITY)
    assert Path(f"{inspector.PROGRAM.replace('.', '/')}.py").name == "inspector.py"
