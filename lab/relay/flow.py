"""TLS over a TCP socket that does not block: bytes in and out, and what to wait for. Judges nothing."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

READ_BYTES = 65_536
_RECORD_BYTES = 16_384
"""The most that TLS sends at once (RFC 8446 5.1)."""
STALLED_S = 120.0
"""For so long a peer may take nothing of what is queued for it."""
ALPN = "callhome-lab-relay/1"


class FlowBroke(OSError):
    """The connection is of no use any more; the words are for people."""


def server_context(chain: Path, key_log: Path) -> ssl.SSLContext:
    """A relay's. Raises OSError for a certificate that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    # TLS would create it with the rights of the umask; it opens every captured session.
    os.close(os.open(key_log, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    context.keylog_filename = os.fspath(key_log)
    context.num_tickets = 0  # Nothing is resumed: each session has a code of its own.
    return _modern(context)


def client_context(authority: Path) -> ssl.SSLContext:
    """An end's, which looks at the relay's certificate and name. Raises OSError for a wrong file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    return _modern(context)


def _modern(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols([ALPN])
    return context


def describe(error: OSError) -> str:
    """A socket's or TLS's error in a few words: ``certificate verify failed: hostname mismatch``."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate verify failed: {error.verify_message}"
    if isinstance(error, ssl.SSLEOFError):
        return "the peer ended the connection"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return (error.strerror or str(error)).lower()


class TlsFlow:
    """One end of a TLS connection, over a socket that it closes. For one thread at a time."""

    def __init__(
        self,
        connection: socket.socket,
        context: ssl.SSLContext,
        *,
        server: bool = False,
        name: str | None = None,
    ) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option, value in _KEEPALIVE:
            connection.setsockopt(*option, value)
        self._tls = context.wrap_socket(
            connection, server_side=server, server_hostname=name, do_handshake_on_connect=False
        )
        self._out = bytearray()
        self._moved = time.monotonic()
        """When bytes last went out, or began to wait."""
        self._blocked_on_write = False
        """Whether TLS itself has to send before it can go on."""
        self._shaken = False
        """Whether the handshake is over."""
        self.received = 0
        self.sent = 0

    def fileno(self) -> int:
        return self._tls.fileno()

    @property
    def queued(self) -> int:
        """Bytes that wait to be sent."""
        return len(self._out)

    @property
    def holds_more(self) -> bool:
        """Whether TLS has read bytes already that ``read`` has not given yet: no poll tells of them."""
        return self._shaken and self._tls.pending() > 0

    @property
    def version(self) -> str:
        return self._tls.version() or ""

    def events(self, *, reads: bool = True) -> int:
        """What to poll the socket for."""
        wanted = select.POLLIN if reads or not self._shaken else 0
        sends = bool(self._out) if self._shaken else False
        return wanted | (select.POLLOUT if sends or self._blocked_on_write else 0)

    def shake(self) -> bool:
        """Go on with the handshake; whether it is over. Raises OSError if it fails."""
        if not self._shaken:
            self._shaken = self._attempt(self._tls.do_handshake) is not _NOT_YET
        return self._shaken

    def read(self) -> bytes | None:
        """What has come, up to ``READ_BYTES``; nothing if no more is there yet, None at the end."""
        try:
            data = self._attempt(lambda: self._tls.recv(READ_BYTES))
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return None
        if data is _NOT_YET:
            return b""
        assert isinstance(data, bytes)
        self.received += len(data)
        return data or None

    def queue(self, data: bytes) -> None:
        """Send this when it can be sent; ``flush`` does."""
        if data and not self._out:
            self._moved = time.monotonic()
        self._out += data

    def flush(self) -> None:
        """Send what can be sent now. Raises OSError, also if the peer has taken nothing for too long."""
        while self._shaken and self._out:
            sent = self._attempt(lambda: self._tls.send(bytes(self._out[:_RECORD_BYTES])))
            if sent is _NOT_YET:
                break
            assert isinstance(sent, int)
            del self._out[:sent]
            self.sent += sent
            self._moved = time.monotonic()
        if self._out and time.monotonic() > self._moved + STALLED_S:
            raise FlowBroke(f"the peer has taken nothing for {STALLED_S:g} s")

    @property
    def stalls_at(self) -> float:
        """When ``flush`` gives up if nothing moves, by ``time.monotonic``; while something is queued."""
        return self._moved + STALLED_S

    def _attempt(self, action: Callable[[], object]) -> object:
        self._blocked_on_write = False
        try:
            return action()
        except ssl.SSLWantReadError:
            return _NOT_YET
        except ssl.SSLWantWriteError:
            self._blocked_on_write = True
            return _NOT_YET

    def say_goodbye(self) -> None:
        """End this direction, of TLS and of TCP, as far as that is possible at once.

        A socket that is closed with unread bytes sends a reset, which may overtake what was said last: so let
        the peer end its direction, too, and ``read`` until then.
        """
        with contextlib.suppress(OSError, ValueError):
            if self._shaken:
                self._tls.unwrap()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._tls, socket.SHUT_WR)

    def drain(self) -> bool:
        """After the goodbye: throw away what comes; whether the peer has ended its direction."""
        try:
            while data := socket.socket.recv(self._tls, READ_BYTES):
                del data
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Close the socket, with a goodbye if there was none."""
        self.say_goodbye()
        self._tls.close()


_NOT_YET = object()
_KEEPALIVE = (
    ((socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 60),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPINTVL), 15),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPCNT), 4),
)
"""A peer that is gone without a word is found within two minutes."""
