"""``sdc``: the HTTPS listeners of every listed server address, and the threads that serve them.

The sockets are opened inside the node, everything else runs in the lab's process: one thread
accepts on all addresses, each connection has a thread of its own. Only the standard library, and of
that neither ``http.server`` nor ``asyncio`` (let alone aiohttp): in the guest an import costs more
than a whole call home. What is said on a connection belongs to ``conversation`` and ``answers``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import DaemonError, LabBroke
from lab.ibm.conversation import Conversation, Limits, TlsSocket
from lab.ibm.ledger import Ledger, open_ledger
from lab.linux import listening
from lab.names import count
from lab.record.record import Transaction
from lab.topology.model import Topology

if TYPE_CHECKING:
    from lab.linux.nodes import Node
    from lab.ways.ground import Ground

_BACKLOG = 128
_STACK_BYTES = 256 * 1024
_END_S = 30.0


@contextlib.contextmanager
def serving(
    topology: Topology, node: Node, run_dir: Path, limits: Limits | None = None
) -> Iterator[Server]:
    """IBM's servers, while the ``with`` block runs; afterwards no thread and no socket is left.

    Reads ``keys/sdc.pem`` of the run directory; writes ``logs/<node>/ledger.jsonl`` and
    ``keys/tls.keylog``, with which Wireshark reads the captures.
    """
    places = sorted({(each.address, each.port) for each in topology.endpoints})
    with contextlib.ExitStack() as stack:
        context = _tls_context(node.name, run_dir / "keys")
        ledger = stack.enter_context(open_ledger(run_dir / "logs" / node.name / "ledger.jsonl"))
        listeners = node.call(
            listening.by_tcp,
            node.name,
            places,
            _BACKLOG,
            "it must own every address of the topology's endpoints",
        )
        for listener in listeners:
            stack.enter_context(listener)

        server = Server(node.name, context, ledger, limits or Limits())
        yield stack.enter_context(server.accepting(listeners))


def start(ground: Ground, node: Node) -> AbstractContextManager[Server]:
    """IBM's servers, on their node."""
    return serving(ground.topology, node, ground.run_dir)


class Server:
    """The threads that serve; made by ``serving``."""

    def __init__(self, node: str, context: ssl.SSLContext, ledger: Ledger, limits: Limits) -> None:
        self._node = node
        self._context = context
        self._ledger = ledger
        self._limits = limits
        self._stopping = threading.Event()
        self._room = threading.Semaphore(limits.connections)
        self._serial = itertools.count(1)
        self._lock = threading.Lock()
        self._live: dict[Conversation, threading.Thread] = {}

    @contextlib.contextmanager
    def accepting(self, listeners: list[socket.socket]) -> Iterator[Server]:
        """Serve whoever calls, while the ``with`` block runs."""
        wake, waker = socket.socketpair()
        with wake, waker:
            self._acceptor = _SmallThread(
                name="sdc", target=self._accept, args=(listeners, wake), daemon=True
            )
            self._acceptor.start()
            try:
                yield self
            finally:
                self._stop(waker)

    def check(self) -> None:
        """Raise DaemonError if nobody can call any more."""
        if not self._acceptor.is_alive():
            raise DaemonError(self._node, "the servers accept no connections any more")

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """The ledger so far."""
        return self._ledger.transactions

    def _accept(self, listeners: list[socket.socket], wake: socket.socket) -> None:
        """The accepting thread: no timeout, so that virtual time may leap while nobody calls."""
        with selectors.DefaultSelector() as selector:
            for listener in listeners:
                selector.register(listener, selectors.EVENT_READ, listener)
            selector.register(wake, selectors.EVENT_READ)

            while not self._stopping.is_set():
                for key, _ in selector.select():
                    if key.data is not None:
                        self._take(key.data)

    def _take(self, listener: socket.socket) -> None:
        """Accept one connection when there is room; until then callers wait in the backlog."""
        self._room.acquire()
        if self._stopping.is_set():
            return

        try:
            connection, _ = listener.accept()
        except (BlockingIOError, ConnectionError):  # the caller has gone again
            self._room.release()
            return
        except OSError:  # out of descriptors or memory: let some connections end
            self._room.release()
            self._stopping.wait(1.0)
            return

        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        serial = self._serial.__next__
        conversation = Conversation(connection, self._context, self._ledger, serial, self._limits)
        thread = _SmallThread(
            name="sdc-caller", target=self._serve, args=(conversation,), daemon=True
        )
        with self._lock:
            self._live[conversation] = thread

        try:
            thread.start()
        except RuntimeError:  # no more threads: this caller is turned away, the next may pass
            connection.close()
            with self._lock:
                del self._live[conversation]
            self._room.release()

    def _serve(self, conversation: Conversation) -> None:
        try:
            conversation.run()
        finally:
            with self._lock:
                self._live.pop(conversation, None)
            self._room.release()

    def _stop(self, waker: socket.socket) -> None:
        self._stopping.set()
        self._room.release()  # the acceptor may be waiting for room
        waker.send(b"x")
        self._acceptor.join(_END_S)

        with self._lock:
            live = dict(self._live)
        for conversation in live:
            conversation.abort()
        for thread in live.values():
            thread.join(_END_S)

        stuck = [thread.name for thread in (self._acceptor, *live.values()) if thread.is_alive()]
        if stuck:
            raise DaemonError(
                "sdc", f"{count(len(stuck), 'thread')} did not end within {_END_S:g} s"
            )


def _tls_context(node: str, keys_dir: Path) -> ssl.SSLContext:
    chain = keys_dir / "sdc.pem"
    key_log = keys_dir / "tls.keylog"

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(chain)
        # TLS would create it with the rights of the umask; it opens every captured session.
        os.close(os.open(key_log, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        context.keylog_filename = os.fspath(key_log)
    except OSError as error:  # SSLError is one
        raise LabBroke(
            f"{node} cannot use its certificate {chain}: {error.strerror or error}",
            hint="authority.issue writes it before the lab boots",
        ) from error

    context.set_alpn_protocols(["http/1.1"])
    context.sslsocket_class = TlsSocket
    context.sni_callback = _remember_sni
    return context


class _SmallThread(threading.Thread):
    """A thread with a small stack: the lab locks its memory, so every page of it is paid for.

    Nothing that a caller sends may decide how deep its thread calls: see ``nesting``.
    """

    def start(self) -> None:
        before = threading.stack_size(_STACK_BYTES)
        try:
            super().start()
        finally:
            threading.stack_size(before)


def _remember_sni(
    connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, context: ssl.SSLContext
) -> None:
    if isinstance(connection, TlsSocket):
        connection.sni = name or ""
