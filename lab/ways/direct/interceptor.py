"""A firewall that breaks TLS open: ``python -m lab.ways.direct.interceptor``.

Connections to servers are redirected to it by the firewall's rules (``lab.linux.inspection``). The program
connects to the server that the client meant. When the client has said its ClientHello, the program speaks TLS
with the server by the same name, verifies the server by AUTHORITY, and then answers the client with a
certificate of the customer's own authority (CHAIN). With a client that trusts this authority it passes on
what both say.

Arguments: PORT CHAIN AUTHORITY ADDRESS...

On standard output: ``listening``, then a line for each connection: time, client, server, the name that the
client asked for or ``-``, and how far it came: ``no server``, ``refused`` by the client, or the bytes of
content that were read from the client.
"""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from lab.names import place
from lab.wait import Deadline
from lab.ways.opened_tls import DEADLINE_S, GOODBYE_S, pass_on, to_clients

_BACKLOG = 64
_ORIGINAL_DST = 80
"""SO_ORIGINAL_DST of linux/netfilter_ipv4.h, and IP6T_SO_ORIGINAL_DST of ip6_tables.h."""
_IPV4, _IPV6 = struct.Struct("!2xH4s8x"), struct.Struct("!2xH4x16s4x")
"""sockaddr_in and sockaddr_in6 behind the family."""


@dataclass(slots=True)
class _Interception:
    """One connection of a client's."""

    client: str
    server: str = "-"
    name: str = "-"
    fate: str = "no server"
    content_bytes: int = 0

    def hear(self, size: int) -> None:
        self.content_bytes += size
        self.fate = f"{self.content_bytes}"

    def tell(self) -> None:
        _say(f"{time.time():.3f} {self.client} {self.server} {self.name} {self.fate}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def serve(port: int, chain: str, authority: str, addresses: list[str]) -> None:
    """Break open whatever comes, until SIGTERM. Raises OSError if nothing can be listened for."""
    trusting = ssl.create_default_context(cafile=authority)
    threads: list[threading.Thread] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            listener = socket.create_server((address, port), family=family, backlog=_BACKLOG)
            selector.register(stack.enter_context(listener), selectors.EVENT_READ)
        _say("listening")
        try:
            for connection, client in _accepted(selector):
                arguments = connection, chain, trusting, _Interception(client)
                threads.append(threading.Thread(target=_attend, args=arguments, daemon=True))
                threads[-1].start()
        finally:
            # Whoever has just left is still to be told of.
            end = Deadline(GOODBYE_S)
            for thread in threads:
                thread.join(end.left_s)


def _accepted(selector: selectors.BaseSelector) -> Iterator[tuple[socket.socket, str]]:
    while True:
        for key, _ in selector.select():
            assert isinstance(key.fileobj, socket.socket), "registered"
            # Whoever has left already is nobody.
            with contextlib.suppress(ConnectionAbortedError):
                connection, (client, *_) = key.fileobj.accept()
                yield connection, str(client)


def original_destination(connection: socket.socket) -> tuple[str, int]:
    """Address and port that a client meant, before the firewall's rules changed them. Raises OSError."""
    if connection.family == socket.AF_INET6:
        level, form = socket.IPPROTO_IPV6, _IPV6
    else:
        level, form = socket.IPPROTO_IP, _IPV4
    port, address = form.unpack(connection.getsockopt(level, _ORIGINAL_DST, form.size))
    return socket.inet_ntop(connection.family, address), port


def _attend(
    connection: socket.socket, chain: str, trusting: ssl.SSLContext, told: _Interception
) -> None:
    """Serve one client; what the client or the server does wrong ends the connection."""
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError, ValueError):
        stack.callback(told.tell)
        stack.enter_context(connection)
        connection.settimeout(DEADLINE_S)
        address, port = original_destination(connection)
        told.server = place(address, port)
        outer = stack.enter_context(socket.create_connection((address, port), DEADLINE_S))
        facing = to_clients(chain)
        far: list[ssl.SSLSocket] = []

        def verify(_client: object, name: str | None, _context: object) -> int | None:
            """Called when the ClientHello has been read: verify the server before the client is answered."""
            told.name = name or "-"
            try:
                secured = trusting.wrap_socket(outer, server_hostname=name or address)
            except OSError:
                return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
            far.append(stack.enter_context(secured))
            told.fate = "refused"
            return None

        facing.sni_callback = verify
        with facing.wrap_socket(connection, server_side=True) as inner:
            told.fate = "0"
            pass_on(inner, far[0], told.hear)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
