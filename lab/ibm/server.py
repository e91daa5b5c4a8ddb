"""IBM's servers: the listeners of every listed address and port, and the threads that serve them.

The sockets are opened inside the node, everything else runs in the lab's process: one thread
accepts on all addresses, each connection has a thread of its own. Only the standard library, and of
that neither ``http.server`` nor ``asyncio`` (let alone aiohttp): in the guest an import costs more
than a whole call home. What is said on a connection belongs to ``conversation``, and by FTP to ``ftps``,
which is imported when somebody calls there.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import DaemonError, LabBroke
from lab.ibm import tls
from lab.ibm.conversation import Conversation, Limits, Shared
from lab.ibm.ledger import open_ledger
from lab.ibm.threads import SmallThread
from lab.linux import listening
from lab.names import count
from lab.record.record import Transaction
from lab.topology.model import Topology
from lab.topology.receiving import ADMINISTRATION_ADDRESS, ADMINISTRATION_PORT
from lab.topology.servers import ListedServer, Speaks, TlsPlan

if TYPE_CHECKING:
    from lab.ibm.errand_desk import ErrandDesk
    from lab.ibm.ftps import FtpsTalk
    from lab.ibm.receiver.administration import AdministrationTalk
    from lab.ibm.receiver.desk import Receiver
    from lab.ibm.stubs import Stubs
    from lab.linux.nodes import Node
    from lab.ways.ground import Ground

    Talk = Conversation | FtpsTalk | AdministrationTalk

_BACKLOG = 128
CA_FILE = "ca.pem"
"""As ``authority`` writes it, which the guest does not import."""
_END_S = 30.0
ADMINISTRATION = "administration"
"""What listens for the people at the receiver, in the place of a listed name."""
SSL = "ssl"
"""The traditional way that a topology has which names none."""


@contextlib.contextmanager
def serving(
    topology: Topology,
    node: Node,
    run_dir: Path,
    limits: Limits | None = None,
    administration: tuple[str, int] | None = None,
) -> Iterator[Server]:
    """IBM's servers, while the ``with`` block runs; afterwards no thread and no socket is left.

    Reads the certificates in ``keys`` of the run directory; writes ``logs/<node>/ledger.jsonl`` and
    ``keys/tls.keylog``, with which Wireshark reads the captures. ``administration``: address and port at
    which the people at the receiver are heard, if they are.
    """
    limits = limits or Limits()
    with contextlib.ExitStack() as stack:
        keys_dir = os.fspath(run_dir / "keys")
        key_log = stack.enter_context(_key_log(node.name, keys_dir))
        contexts = {
            plan.name: tls.contexts(plan, node.name, keys_dir, key_log) for plan in topology.tls
        }
        ledger = stack.enter_context(open_ledger(run_dir / "logs" / node.name / "ledger.jsonl"))
        listed_servers = topology.servers
        if administration is not None:
            listed_servers = (*listed_servers, _administration(*administration))
        listeners = node.call(
            listening.by_tcp,
            node.name,
            [(listed.address, listed.port) for listed in listed_servers],
            _BACKLOG,
            "it must own every address that the papers list for a server",
        )
        for listener in listeners:
            stack.enter_context(listener)

        shared = Shared(
            ledger,
            key_log,
            _stubs(topology),
            limits,
            lambda: _desk(topology, node, keys_dir),
            lambda: _receiver(topology, node, run_dir),
        )
        stack.callback(shared.close)
        plans = {plan.name: plan for plan in topology.tls}
        server = Server(node.name, shared, _Greeter(node, shared, plans, contexts, keys_dir).greet)
        server.renew = lambda: _renew(plans, contexts, node.name, keys_dir)
        at = dict(zip(listeners, listed_servers, strict=True))
        yield stack.enter_context(server.accepting(at))


@contextlib.contextmanager
def start(ground: Ground, node: Node) -> Iterator[Server]:
    """IBM's servers, on their node; tells what of their TLS cannot be had here."""
    at = (ADMINISTRATION_ADDRESS, ADMINISTRATION_PORT)
    with serving(ground.topology, node, ground.run_dir, administration=at) as server:
        for plan in ground.topology.tls:
            if lacking := tls.missing(plan):
                from lab.ibm.events import TlsNotOffered

                ground.story.tell(
                    TlsNotOffered(
                        source=node.name,
                        plan=plan.name,
                        asked_by=plan.requirement,
                        suites=", ".join(lacking),
                        library=f"{' '.join(ssl.OPENSSL_VERSION.split()[:2])} has none of it",
                    )
                )
        yield server


def _renew(
    plans: Mapping[str, TlsPlan], contexts: Mapping[str, tls.Contexts], node: str, keys_dir: str
) -> None:
    for name, plan in plans.items():
        tls.renew(contexts[name], plan, node, keys_dir)


def _desk(topology: Topology, node: Node, keys_dir: str) -> ErrandDesk:
    from lab.ibm.errand_desk import ErrandDesk

    return ErrandDesk(node, topology.servers, topology.back_ends, f"{keys_dir}/{CA_FILE}")


def _administration(address: str, port: int) -> ListedServer:
    return ListedServer(
        name=ADMINISTRATION, address=address, port=port, rows=(), speaks=Speaks.http, tls=""
    )


def _receiver(topology: Topology, node: Node, run_dir: Path) -> Receiver:
    from lab.ibm.receiver.desk import Receiver
    from lab.topology import receiving

    variant = next((errand.variant for errand in topology.errands if errand.variant), SSL)
    configured = receiving.urls(topology.servers, variant)
    logs_dir, keys_dir = run_dir / "logs" / node.name, run_dir / "keys"
    receiver = Receiver(logs_dir, keys_dir, topology.servers, configured)
    receiver.keep_time()
    return receiver


def _stubs(topology: Topology) -> Stubs | None:
    """A user's, if there are any: few topologies have them."""
    if not topology.stubs:
        return None
    from lab.ibm.stubs import Stubs

    return Stubs(topology.stubs)


def _key_log(node: str, keys_dir: str) -> tls.KeyLog:
    try:
        return tls.KeyLog(keys_dir)
    except OSError as error:
        raise LabBroke(
            f"{node} cannot write the secrets of TLS to {keys_dir}: {error.strerror}",
            hint="make room there, or choose another run directory with --out",
        ) from error


class _Greeter:
    """Who speaks with a caller, by what the paper lists for the address and port that was called."""

    def __init__(
        self,
        node: Node,
        shared: Shared,
        plans: Mapping[str, TlsPlan],
        contexts: Mapping[str, tls.Contexts],
        keys_dir: str,
    ) -> None:
        self._node = node
        self._shared = shared
        self._plans = plans
        self._contexts = contexts
        self._keys_dir = keys_dir

    def greet(self, connection: socket.socket, listed: ListedServer) -> Talk:
        if listed.speaks is Speaks.ftps:
            from lab.ibm import ftps

            plan = self._plans[listed.tls]
            return ftps.FtpsTalk(connection, listed, plan, self._keys_dir, self._node, self._shared)
        if listed.name == ADMINISTRATION:
            from lab.ibm.receiver.administration import AdministrationTalk

            return AdministrationTalk(connection, self._shared)
        # Of HTTP in clear there is no context.
        return Conversation(connection, listed, self._contexts.get(listed.tls), self._shared)


class Server:
    """The threads that serve; made by ``serving``."""

    def __init__(
        self, node: str, shared: Shared, greet: Callable[[socket.socket, ListedServer], Talk]
    ) -> None:
        self._node = node
        self._shared = shared
        self._ledger = shared.ledger
        self._greet = greet
        self._stopping = threading.Event()
        self._room = threading.Semaphore(shared.limits.connections)
        self._lock = threading.Lock()
        self._live: dict[Talk, threading.Thread] = {}
        self.renew: Callable[[], None] = lambda: None
        """Show callers new certificates; the run has to have been prepared with some."""

    @contextlib.contextmanager
    def accepting(self, listeners: Mapping[socket.socket, ListedServer]) -> Iterator[Server]:
        """Serve whoever calls, while the ``with`` block runs."""
        wake, waker = socket.socketpair()
        with wake, waker:
            self._acceptor = SmallThread(
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

    @property
    def receiver(self) -> Receiver:
        """What answers below ``/service/``, for who works at IBM's side: resets, closes a problem (E-10)."""
        return self._shared.receiver

    def _accept(self, listeners: Mapping[socket.socket, ListedServer], wake: socket.socket) -> None:
        """The accepting thread: no timeout, so that virtual time may leap while nobody calls."""
        with selectors.DefaultSelector() as selector:
            for listener, listed in listeners.items():
                selector.register(listener, selectors.EVENT_READ, (listener, listed))
            selector.register(wake, selectors.EVENT_READ)

            while not self._stopping.is_set():
                for key, _ in selector.select():
                    if key.data is not None:
                        self._take(*key.data)

    def _take(self, listener: socket.socket, listed: ListedServer) -> None:
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
        talk = self._greet(connection, listed)
        thread = SmallThread(name="sdc-caller", target=self._serve, args=(talk,), daemon=True)
        thread.stack_bytes = talk.stack_bytes
        with self._lock:
            self._live[talk] = thread

        try:
            thread.start()
        except RuntimeError:  # no more threads: this caller is turned away, the next may pass
            connection.close()
            with self._lock:
                del self._live[talk]
            self._room.release()

    def _serve(self, talk: Talk) -> None:
        try:
            talk.run()
        finally:
            with self._lock:
                self._live.pop(talk, None)
            self._room.release()

    def _stop(self, waker: socket.socket) -> None:
        self._stopping.set()
        self._room.release()  # the acceptor may be waiting for room
        waker.send(b"x")
        self._acceptor.join(_END_S)

        with self._lock:
            live = dict(self._live)
        for talk in live:
            talk.abort()
        for thread in live.values():
            thread.join(_END_S)

        stuck = [thread.name for thread in (self._acceptor, *live.values()) if thread.is_alive()]
        if stuck:
            raise DaemonError(
                "sdc", f"{count(len(stuck), 'thread')} did not end within {_END_S:g} s"
            )
