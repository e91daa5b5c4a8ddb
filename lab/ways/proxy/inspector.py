"""A proxy that breaks TLS open: ``python -m lab.ways.proxy.inspector``.

It answers CONNECT, and the TLS in the tunnel, too, with a certificate of the customer's own authority
(CHAIN). With a client that trusts this authority it reads all that is said, and says it on to the server by
TLS of its own; it verifies the server by AUTHORITY. With other clients it reads nothing. It refuses other
ports than 443 and, if there are any LISTED, other addresses.

Arguments: ADDRESS PORT CHAIN AUTHORITY [LISTED...].

A program of the lab's own: Debian's ``squid`` is built without ssl-bump, and ``squid-openssl``, which has it,
cannot be installed beside it. To clients it speaks TLS 1.2 at most, so that captures show its certificate.

On standard output: ``listening``, then for each request: time, client, target, status, the server's address
or ``-``, and how many bytes of content it has read from the client.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import sys
import threading
import time
from dataclasses import dataclass

from lab.agent.http1 import Malformed, Stream, split_authority
from lab.wait import Deadline
from lab.ways.opened_tls import DEADLINE_S, GOODBYE_S, READ_BYTES, pass_on, to_clients

HTTPS = "443"
_MADE = b"HTTP/1.1 200 Connection established\r\n\r\n"
_REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_BACKLOG = 64


@dataclass(slots=True)
class _Inspection:
    """One request of a client's."""

    client: str
    target: str = "-"
    status: int = 200
    server: str = "-"
    content_bytes: int = 0

    def hear(self, size: int) -> None:
        self.content_bytes += size

    def tell(self) -> None:
        _say(
            f"{time.time():.3f} {self.client} {self.target} {self.status} {self.server} {self.content_bytes}"
        )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def serve(address: str, port: int, chain: str, authority: str, listed: frozenset[str]) -> None:
    """Inspect whatever comes, until SIGTERM. Raises OSError if nothing can be listened for."""
    facing = to_clients(chain)
    trusting = ssl.create_default_context(cafile=authority)
    threads: list[threading.Thread] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.create_server((address, port), backlog=_BACKLOG) as listener:
        _say("listening")
        try:
            while True:
                connection, (client, _) = listener.accept()
                arguments = connection, facing, trusting, listed, _Inspection(client)
                threads.append(threading.Thread(target=_attend, args=arguments, daemon=True))
                threads[-1].start()
        finally:
            # Whoever has just left is still to be told of.
            end = Deadline(GOODBYE_S)
            for thread in threads:
                thread.join(end.left_s)


def _attend(
    connection: socket.socket,
    facing: ssl.SSLContext,
    trusting: ssl.SSLContext,
    listed: frozenset[str],
    told: _Inspection,
) -> None:
    """Serve one client; what it or the server does wrong ends the connection."""
    with connection, contextlib.suppress(OSError, Malformed, ValueError):
        try:
            connection.settimeout(DEADLINE_S)
            head = Stream(lambda: connection.recv(READ_BYTES)).head()
            if head is None:
                return
            method, told.target, _ = head.request_line()
            host, port = split_authority(told.target, HTTPS)
            address = _address(host) if (method, port) == ("CONNECT", HTTPS) else ""
            if not address or (listed and address not in listed):
                told.status = 403
                connection.sendall(_REFUSED)
                return
            connection.sendall(_MADE)
            with facing.wrap_socket(connection, server_side=True) as inner:
                _pass_on(inner, host, address, trusting, told)
        finally:
            told.tell()


def _address(host: str) -> str:
    """The first address of a name; empty if it has none."""
    try:
        return str(socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
    except OSError:
        return ""


def _pass_on(
    inner: ssl.SSLSocket, host: str, address: str, trusting: ssl.SSLContext, told: _Inspection
) -> None:
    """Let client and server talk, and read along."""
    with (
        socket.create_connection((address, int(HTTPS)), DEADLINE_S) as outer,
        trusting.wrap_socket(outer, server_hostname=host) as far,
    ):
        told.server = address
        pass_on(inner, far, told.hear)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], frozenset(sys.argv[5:]))
