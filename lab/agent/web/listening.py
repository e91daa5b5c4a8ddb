"""The sockets of the web user interface: one thread accepts, each connection has a thread of its own.

Neither ``http.server`` nor ``socketserver`` or ``wsgiref``: their loops look twice a second whether they are
to end, and a clock that leaps while all is idle (the lab's) could not leap. Messages are read by
``lab.agent.http1``, which the agent has loaded already.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import socket
import ssl
import threading
from collections.abc import Iterator

from lab.agent.http1 import Head, Malformed, Stream
from lab.agent.web.exchange import Answering, WebReply, WebRequest
from lab.agent.web.pages import Reader, message_page
from lab.errors import PrerequisiteError, UsageError
from lab.wait import Deadline

HANDSHAKE_S = 10.0
REQUEST_S = 20.0
"""From the first byte of a request to the end of the reply; it includes what PAM takes for a refusal."""
IDLE_S = 15.0
"""Between two requests of a connection."""
CALLERS = 32
"""At once; more wait in the backlog."""
_BACKLOG = 32
_READ_BYTES = 16 * 1024
_TLS_HANDSHAKE = b"\x16"
"""The first byte of a connection by TLS (RFC 8446 5.1)."""
_END_S = 10.0


def context(certificate: str, key: str) -> ssl.SSLContext:
    """TLS 1.2 and newer, with the files of a certificate and a key. Raises UsageError."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    try:
        made.load_cert_chain(certificate, key, password="")  # "": never ask at a terminal
    except OSError as error:  # SSLError is one
        raise UsageError(
            f"the agent cannot use {certificate} with the key {key}: {error}",
            hint="give both as PEM in the settings ([web], certificate and key), or neither of them",
        ) from error
    return made


def listener(address: str, port: int, key: str = "[web], port") -> socket.socket:
    """A socket that listens; an empty address: all of this system's. Raises PrerequisiteError.

    ``key`` names the setting that has the port.
    """
    try:
        if not address and socket.has_dualstack_ipv6():
            with contextlib.suppress(OSError):
                return socket.create_server(
                    ("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
                )
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.create_server((address, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        hint = {
            errno.EADDRINUSE: f"end the program that has it, or choose another in the settings ({key})",
            errno.EACCES: f"run the agent as root, or choose a port above 1023 in the settings ({key})",
            errno.EADDRNOTAVAIL: "give an address of this system in the settings ([web], address), or none",
        }.get(error.errno or 0, f"choose another port in the settings ({key})")
        raise PrerequisiteError(
            f"the agent cannot listen on port {port}: {os.strerror(error.errno or 0)}",
            hint=hint,
        ) from error


@contextlib.contextmanager
def serving(
    desk: Answering,
    tls: ssl.SSLContext | None,
    listening: socket.socket,
    kind: type[threading.Thread] = threading.Thread,
    most_of_one: int = CALLERS,
) -> Iterator[threading.Thread]:
    """Answer whoever calls, while the ``with`` block runs; afterwards no thread and no socket is left.

    Without ``tls`` it is HTTP in clear. Yields the thread that accepts; ``kind`` is what all threads are.
    ``most_of_one``: who has so many connections from one address is turned away, so that others have room.
    """
    wake, waker = socket.socketpair()
    with listening, wake, waker:
        server = _Server(desk, tls, kind, most_of_one)
        thread = kind(name="web", target=server.accept, args=(listening, wake), daemon=True)
        thread.start()
        try:
            yield thread
        finally:
            server.stop()
            waker.send(b"x")
            thread.join(_END_S)
            server.part()


class _Server:
    def __init__(
        self,
        desk: Answering,
        tls: ssl.SSLContext | None,
        kind: type[threading.Thread],
        most_of_one: int,
    ) -> None:
        self._most_of_one = most_of_one
        self._desk = desk
        self._tls = tls
        self._kind = kind
        self._room = threading.Semaphore(CALLERS)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._live: dict[WebCaller, threading.Thread] = {}

    def accept(self, listening: socket.socket, wake: socket.socket) -> None:
        """Without a timeout: see the module."""
        listening.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(listening, selectors.EVENT_READ)
            selector.register(wake, selectors.EVENT_READ)
            while not self._stopping.is_set():
                selector.select()
                self._take(listening)

    def _take(self, listening: socket.socket) -> None:
        self._room.acquire()
        if self._stopping.is_set():
            return
        try:
            connection, address = listening.accept()
        except (BlockingIOError, ConnectionError):  # the caller has gone again
            self._room.release()
            return
        except OSError:  # out of descriptors or memory: let some connections end
            self._room.release()
            self._stopping.wait(1.0)
            return
        peer = str(address[0]).removeprefix(
            "::ffff:"
        )  # IPv4 at a socket of both (RFC 4291 2.5.5.2)
        with self._lock:
            has_enough = sum(each.peer == peer for each in self._live) >= self._most_of_one
        if has_enough:
            connection.close()
            self._room.release()
            return
        caller = WebCaller(connection, peer, self._desk, self._tls)
        thread = self._kind(name="web-caller", target=self._serve, args=(caller,), daemon=True)
        with self._lock:
            self._live[caller] = thread
        try:
            thread.start()
        except RuntimeError:  # no more threads: this caller is turned away, the next may pass
            connection.close()
            with self._lock:
                del self._live[caller]
            self._room.release()

    def _serve(self, caller: WebCaller) -> None:
        try:
            caller.run()
        finally:
            with self._lock:
                self._live.pop(caller, None)
            self._room.release()

    def stop(self) -> None:
        """Take nobody any more."""
        self._stopping.set()
        self._room.release()  # the accepting thread may be waiting for room

    def part(self) -> None:
        """Close all connections, and wait for their threads; afterwards nothing is accepted (``stop``)."""
        with self._lock:
            live = dict(self._live)
        for caller in live:
            caller.abort()
        for thread in live.values():
            thread.join(_END_S)


class WebCaller:
    """One connection, from its first byte to its close. Nothing that a peer does raises out of ``run``."""

    def __init__(
        self, connection: socket.socket, peer: str, desk: Answering, tls: ssl.SSLContext | None
    ) -> None:
        self._socket = connection
        self.peer = peer
        self._desk = desk
        self._tls = tls
        self._deadline = Deadline(HANDSHAKE_S)
        self._lock = threading.Lock()
        """Guards which socket ``abort`` shuts down."""
        self._open = True

    def run(self) -> None:
        try:
            self._socket.setblocking(True)
            self._socket.settimeout(HANDSHAKE_S)
            first = self._socket.recv(1, socket.MSG_PEEK)
            if not first:
                return
            if self._tls is not None and not self._shake(self._tls, first):
                return
            stream = Stream(self._receive)
            while self._exchange(stream):
                pass
        except OSError:  # a peer that is silent, gone, or speaks no TLS that we do; SSLError is one
            pass
        finally:
            with self._lock:
                self._open = False
                self._socket.close()

    def _shake(self, tls: ssl.SSLContext, first: bytes) -> bool:
        """The handshake; False for a peer that begins with something else."""
        if first != _TLS_HANDSHAKE:
            self._refuse_clear()
            return False
        with self._lock:
            self._socket = tls.wrap_socket(
                self._socket, server_side=True, do_handshake_on_connect=False
            )
        self._socket.do_handshake()
        return True

    def abort(self) -> None:
        """Make every blocking call of ``run`` return."""
        with self._lock, contextlib.suppress(OSError):
            if self._open:
                # Not SSLSocket.shutdown, which would take the TLS state from under the thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _refuse_clear(self) -> None:
        """Say by HTTP in clear that there is none (E-02). The request is not read, and so never served."""
        port = self._socket.getsockname()[1]
        text = f"This port speaks HTTPS alone. Go to https://HOST:{port}{self._desk.path}\n"
        self._socket.sendall(WebReply(400, text, kind="text/plain").render(close=True))
        self._part()

    def _part(self) -> None:
        """End our half, and read over what still comes: a reset would take the reply from the peer."""
        self._socket.settimeout(1.0)
        socket.socket.shutdown(self._socket, socket.SHUT_WR)
        for _ in range(16):
            if not socket.socket.recv(self._socket, _READ_BYTES):
                return

    def _exchange(self, stream: Stream) -> bool:
        """Serve one request; False if it was the last."""
        self._deadline = Deadline(IDLE_S)
        try:
            head = stream.head()
            if head is None:
                return False
            self._deadline = Deadline(REQUEST_S)
            method, target, version = head.request_line()
            request = WebRequest(method, target, head.fields, self._body(head, stream), self.peer)
        except Malformed as error:
            page = message_page("Not understood", f"{error}.", "this system", Reader())
            self._socket.sendall(WebReply(error.status, page).render(close=True))
            return False
        reply = self._desk.answer(request)
        close = version == "HTTP/1.0" or head.lists("connection", "close")
        self._socket.settimeout(REQUEST_S)
        self._socket.sendall(reply.render(head_only=method == "HEAD", close=close))
        return not close

    def _body(self, head: Head, stream: Stream) -> bytes:
        length = head.body_length() or 0
        if length < 0:
            raise Malformed(411, "the length of the content is needed")
        if length > self._desk.content_bytes:
            raise Malformed(413, f"a content of more than {self._desk.content_bytes} bytes")
        return b"".join(stream.body(length))

    def _receive(self) -> bytes:
        left_s = self._deadline.left_s
        if not left_s:
            raise TimeoutError
        self._socket.settimeout(left_s)
        return self._socket.recv(_READ_BYTES)
