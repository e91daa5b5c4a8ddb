"""Trials of consoles' TCP port 9920 from another console's host: hand-made offers, and no TLS at all.

A client that knows RSA key exchange alone is to fail (P-17), and one that knows Diffie-Hellman's is to be
answered, which proves that the offers are sound. Neither ends its handshake. A client without TLS is to be
refused (M-03).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Sequence

from lab.agent.inter_console import MARK, REQUESTS, VERSION
from lab.consoles.tried import OFFERS, status_of
from lab.ibm.tls_trials import TLS_1_2, TRY_S, offer
from lab.topology.consoles import INTER_CONSOLE_PORT as PORT
from lab.ways.consoles.events import ClearRequestTried, InterConsoleTried

_ANSWER_BYTES = 4096


def run(
    source: str, console: str, address: str, names: Sequence[str]
) -> tuple[InterConsoleTried, ClearRequestTried]:
    """Try a console at an address with offers, and without TLS; runs in the source's network."""
    where = (address, PORT)
    first, *others = (OFFERS[name] for name in names)
    tried = [offer(where, console, TLS_1_2, first)]
    # A console that takes no TCP is not waited for again.
    tried += [offer(where, console, TLS_1_2, each) if tried[0][1] else tried[0] for each in others]
    by_tls = InterConsoleTried(
        source=source,
        console=console,
        address=tried[0][0],
        destination=address,
        offers=(*names,),
        ports=tuple(port for _, port, _ in tried),
        answers=tuple(answer for _, _, answer in tried),
    )
    key = f"clear-{os.urandom(8).hex()}"
    own, port, status = _ask_in_clear(address, key) if tried[0][1] else ("", 0, 0)
    in_clear = ClearRequestTried(
        source=source,
        console=console,
        address=own,
        port=port,
        destination=address,
        key=key,
        status=status,
    )
    return by_tls, in_clear


def _ask_in_clear(address: str, key: str) -> tuple[str, int, int]:
    """The own address and port, and the status of the answer to a request that makes sense but for TLS."""
    members = {MARK: VERSION, "path": "/heartbeat", "content": "{}", "forwarded": True}
    body = json.dumps(members)
    request = (
        f"PUT {REQUESTS}{key} HTTP/1.1\r\nHost: {address}:{PORT}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    )
    own, port, received = "", 0, b""
    # What has come until the console or the deadline ends it is the answer.
    with (
        contextlib.suppress(OSError),
        socket.create_connection((address, PORT), TRY_S) as connection,
    ):
        own, port = connection.getsockname()[:2]
        connection.sendall(request.encode())
        while len(received) < _ANSWER_BYTES and (part := connection.recv(_ANSWER_BYTES)):
            received += part
    return own, port, status_of(received)
