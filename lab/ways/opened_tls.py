"""TLS that is broken open between a client and a server: two connections, and what passes between them.

Of the programs that do so: a proxy (``lab.ways.proxy.inspector``), and a firewall
(``lab.ways.direct.interceptor``).
"""

from __future__ import annotations

import select
import ssl
from collections.abc import Callable

DEADLINE_S = 60.0
GOODBYE_S = 2.0
READ_BYTES = 16 * 1024


def to_clients(chain: str) -> ssl.SSLContext:
    """The TLS that clients get, with the certificate and key of a file."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # So that captures show the certificate.
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    made.load_cert_chain(chain)
    return made


def pass_on(inner: ssl.SSLSocket, far: ssl.SSLSocket, heard: Callable[[int], None]) -> None:
    """Let client and server talk until one ends; ``heard`` gets the sizes of what the client says, in bytes.

    Raises OSError if a connection breaks.
    """
    others = {inner: far, far: inner}
    while ready := _ready(inner, far):
        for end in ready:
            data = _read(end)
            if data is None:
                continue
            if not data:
                others[end].settimeout(GOODBYE_S)
                others[end].unwrap()
                return
            if end is inner:
                heard(len(data))
            others[end].sendall(data)


def _read(end: ssl.SSLSocket) -> bytes | None:
    """What an end says; nothing if it has ended, None if what came was TLS's own (RFC 8446 4.6)."""
    end.settimeout(0)
    try:
        return end.recv(READ_BYTES)
    except ssl.SSLWantReadError:
        return None
    finally:
        end.settimeout(DEADLINE_S)


def _ready(*ends: ssl.SSLSocket) -> list[ssl.SSLSocket]:
    """The ends from which something can be read; none if nothing comes for too long."""
    # What OpenSSL has decrypted already makes no socket ready.
    pending = [end for end in ends if end.pending()]
    return pending or select.select(ends, [], [], DEADLINE_S)[0]
