"""One connection by HTTPS or HTTP, from its TLS handshake to its close: reads requests, enters them in
the ledger, answers. What is answered is decided in ``answers`` and ``stubs``; listening is ``server``'s.

Nothing that a peer does raises out of ``Conversation.run``: each mishap is an entry in the ledger.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import struct
import threading
import time
from typing import TYPE_CHECKING

from lab.agent.http1 import Head, Malformed, Stream
from lab.ibm.answers import (
    HEARTBEAT_BYTES,
    Answer,
    HttpRequest,
    answer,
    forbidden,
    is_heartbeat,
    refusal,
    render,
    uploads,
)
from lab.ibm.shared import Limits as Limits
from lab.ibm.shared import Shared as Shared
from lab.ibm.threads import STACK_BYTES
from lab.ibm.tls import Contexts, TlsSocket
from lab.record.record import Transaction
from lab.topology.errand_kinds import PATHS
from lab.topology.receiving import SERVICE
from lab.topology.servers import Failure, ListedServer, Speaks
from lab.wait import Deadline

if TYPE_CHECKING:
    from lab.ibm.receiver.reception import ConnectionDesk

_READ_BYTES = 64 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TARGET_CHARACTERS = 2000
"""Of a target, in the ledger."""


class _Over(Exception):
    """The connection is to be closed at once."""


class Conversation:
    """Runs in a thread of its own; ``abort`` may come from another one."""

    stack_bytes = STACK_BYTES

    def __init__(
        self,
        connection: socket.socket,
        listed: ListedServer,
        contexts: Contexts | None,
        shared: Shared,
    ) -> None:
        """Without ``contexts`` nothing is encrypted."""
        self._socket = connection
        self._listed = listed
        self._contexts = contexts
        self._shared = shared
        self._limits = limits = shared.limits
        self._aborted = threading.Event()
        self._lock = threading.Lock()
        """Guards which socket ``abort`` shuts down, and that it is still open."""
        self._open = True
        self._deadline = Deadline(limits.handshake_s)
        self._stream = Stream(self._receive)
        self._counted = 0
        """Bytes of the stream that belong to entries already made."""
        self._silent = True
        """Whether the ledger has no entry yet from this connection."""
        self._method = self._target = ""
        """Of the request that is being read or answered."""
        self._body_bytes = 0
        self._body_sha256 = ""
        self._peer = self._local = ("", 0)
        self._receiver: ConnectionDesk | None = None

    def run(self) -> None:
        """Speak with the peer until one side ends it."""
        shaken = False
        try:
            self._peer = self._socket.getpeername()[:2]
            self._local = self._socket.getsockname()[:2]
            if self._contexts is not None:
                self._handshake(self._contexts)
            shaken = True
            while self._exchange():
                pass
            self._farewell()
        except _Over:
            pass
        except OSError as error:
            if self._silent or self._unentered:
                kind = self._mishap(error, shaken)
                reply = Answer(status=0, content=b"", kind=kind, detail=describe(error))
                self._enter(reply, alert_of(error))
        finally:
            with self._lock:
                self._open = False
                self._socket.close()

    def abort(self) -> None:
        """Make every blocking call of ``run`` return, so that its thread ends."""
        self._aborted.set()
        with self._lock, contextlib.suppress(OSError):
            if self._open:
                # Not SSLSocket.shutdown, which would take the TLS state from under the thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _handshake(self, contexts: Contexts) -> None:
        context = contexts.for_client(self._socket, self._limits.handshake_s)
        with self._lock:
            tls = context.wrap_socket(self._socket, server_side=True, do_handshake_on_connect=False)
            self._socket = tls
        tls.settimeout(self._limits.handshake_s)
        try:
            tls.do_handshake()
        finally:
            self._shared.key_log.save()

    def _mishap(self, error: OSError, shaken: bool) -> str:
        """What kind of entry tells that the connection broke, after the handshake (``shaken``) or before."""
        if self._stream.received:
            return "broken"
        # A client may look at our certificate when its handshake is over. curl 8.23 then leaves
        # without an alert, while TLS 1.3 still sends its tickets.
        return "no-request" if shaken and not isinstance(error, ssl.SSLError) else "handshake"

    @property
    def _unentered(self) -> bool:
        """Whether something came that no entry speaks of: a request that was not finished."""
        return self._stream.received > self._counted

    def _exchange(self) -> bool:
        """Serve one request; False if it was the last."""
        self._deadline = Deadline(self._limits.request_s)
        self._method = self._target = self._body_sha256 = ""
        self._body_bytes = 0

        try:
            head = self._stream.head()
            if head is None:
                if self._silent:
                    self._enter(Answer(status=0, content=b"", kind="no-request"))
                return False

            self._method, self._target, _ = head.request_line()
            in_clear = self._listed.speaks is Speaks.http
            if in_clear and uploads(self._method, head.body_length()):
                return self._refuse(forbidden(self._method))
            request, keep_alive = self._request(head)
        except Malformed as error:
            return self._refuse(refusal(error.status, str(error)))
        except TimeoutError:
            if not self._silent and not self._unentered:
                return False  # an idle connection that was kept alive long enough
            return self._refuse(refusal(408, "the request did not come in time", kind="broken"))

        said = f"{request.method} {request.target} {self._body_sha256}"
        reply = self._shared.answer(head.fields, said, lambda: self._make(request, head))
        self._enter(reply)
        return self._reply(reply, with_content=request.method != "HEAD", keep_alive=keep_alive)

    def _make(self, request: HttpRequest, head: Head) -> Answer:
        stubs = self._shared.stubs
        stubbed = stubs and stubs.answer(self._called(head), request.method, request.target)
        reply = stubbed or self._errand(request, head) or self._service(request, head)
        return reply or answer(request, self._shared.serial())

    def _errand(self, request: HttpRequest, head: Head) -> Answer | None:
        """What is answered to an errand; None if the request is none."""
        if not request.target.startswith(PATHS):
            return None
        inner = self._listed.speaks is Speaks.inner
        given = head.fields if inner else {}
        transaction = given.get("transaction") or f"SDC{self._shared.serial():07d}"
        return self._shared.desk.answer(request, self._listed, transaction, given.get("order"))

    def _service(self, request: HttpRequest, head: Head) -> Answer | None:
        """What the receiver answers; None if it is not asked."""
        receiver = self._receiver_of(request.target)
        return receiver.answer(request, head.fields) if receiver is not None else None

    def _receiver_of(self, target: str) -> ConnectionDesk | None:
        """The receiver, which knows this connection from now on; None if the target is none of its."""
        if not target.startswith(SERVICE) or not self._shared.receives:
            return None
        if self._receiver is None:
            from lab.ibm.receiver.reception import ConnectionDesk

            back_ends = self._shared.desk.back_ends
            self._receiver = ConnectionDesk(self._shared.receiver, self._listed, back_ends)
        return self._receiver

    def _called(self, head: Head) -> tuple[str, ...]:
        """Who is called: by the Host field and the SNI, the server's listed name, and its address."""
        field = head.fields.get("host", "").lower()
        host = field.partition("]")[0].lstrip("[") if "[" in field else field.partition(":")[0]
        names = (host, self._sni.lower(), self._listed.name.lower(), self._listed.address)
        return tuple(filter(None, names))

    def _reply(self, reply: Answer, *, with_content: bool, keep_alive: bool) -> bool:
        """Answer, or fail as a stub says; False if that was the last of the connection."""
        if reply.delay_s and self._aborted.wait(reply.delay_s):
            return False
        keep_alive = keep_alive and reply.served and reply.failure is Failure.none
        data = render(reply, with_content=with_content, keep_alive=keep_alive)
        match reply.failure:
            case Failure.none:
                self._send(data)
            case Failure.truncate:
                part = len(reply.content) if with_content else len(data)
                self._send(data[: len(data) - (part + 1) // 2])
            case Failure.reset:
                # The close that follows sends a reset: socket(7), SO_LINGER.
                self._socket.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                raise _Over
            case Failure.hang:
                self._hang()
            case Failure.close:
                pass
        return keep_alive

    def _hang(self) -> None:
        """Answer nothing until the client leaves."""
        deadline = Deadline(self._limits.hang_s)
        while not deadline.passed:
            self._socket.settimeout(deadline.left_s or 0.001)
            if not self._socket.recv(_READ_BYTES):
                return

    def _request(self, head: Head) -> tuple[HttpRequest, bool]:
        """Read a request to its end, and say whether the connection may live on."""
        method, target, version = head.request_line()
        modern = version == "HTTP/1.1"
        if modern and "host" not in head.fields:
            raise Malformed(400, "no Host field")  # RFC 9112 3.2

        length = head.body_length() or 0
        receiver = self._receiver_of(target)
        kept = is_heartbeat(method, target) or target.startswith(PATHS) or receiver is not None
        most = HEARTBEAT_BYTES if kept else self._limits.body_bytes
        if receiver is not None:
            most = receiver.most_bytes(method, target)
        if length > most:
            raise Malformed(413, f"a body of {length} bytes, of which {most} are taken")

        expectation = head.fields.get("expect", "").lower()
        if expectation not in ("", "100-continue"):
            raise Malformed(417, "an expectation other than 100-continue")
        if expectation and modern and length and not self._stream.pending:
            self._send(_CONTINUE)  # RFC 9110 10.1.1

        body = bytearray()
        try:
            size = self._read_body(length, most, body if kept else None)
        except (Malformed, OSError):
            if receiver is not None:
                cut = HttpRequest(
                    method=method, target=target, body=bytes(body), body_bytes=len(body)
                )
                receiver.cut_off(cut, head.fields)
            raise
        request = HttpRequest(method=method, target=target, body=bytes(body), body_bytes=size)
        # HTTP/1.0 clients that ask for keep-alive get none: they take an answer's end for the end.
        return request, modern and not head.lists("connection", "close")

    def _read_body(self, length: int, most: int, kept: bytearray | None) -> int:
        """How many bytes the body has; they are added to ``kept``."""
        limits = self._limits
        self._deadline = Deadline(limits.body_grace_s)
        started = time.monotonic()
        digest = hashlib.sha256()
        size = 0

        for part in self._stream.body(length):
            size += len(part)
            self._body_bytes = size
            digest.update(part)
            if size > most:
                raise Malformed(413, f"a body of more than {most} bytes")
            if kept is not None:
                kept += part

            allowed_s = limits.body_grace_s + size / limits.body_rate_byte_s
            self._deadline = Deadline(started + allowed_s - time.monotonic())

        if size:
            self._body_sha256 = digest.hexdigest()
        return size

    def _refuse(self, reply: Answer) -> bool:
        self._enter(reply)
        self._send(render(reply, with_content=True, keep_alive=False))
        return False

    def _receive(self) -> bytes:
        left_s = self._deadline.left_s
        if left_s == 0:
            raise TimeoutError("timed out")

        self._socket.settimeout(left_s)
        return self._socket.recv(_READ_BYTES)

    def _send(self, data: bytes) -> None:
        self._socket.settimeout(self._limits.send_s)
        self._socket.sendall(data)

    def _farewell(self) -> None:
        """End the connection so that the peer surely gets the last answer.

        A close with unread bytes would send a reset, which may overtake the answer (RFC 9112 9.6);
        so say goodbye in TLS, end our direction, and read the rest away for a while.
        """
        deadline = Deadline(self._limits.farewell_s)
        peer = self._socket
        if isinstance(peer, TlsSocket):
            with contextlib.suppress(OSError):
                peer.settimeout(self._limits.farewell_s)
                peer.unwrap()

        with contextlib.suppress(OSError):
            socket.socket.shutdown(peer, socket.SHUT_WR)
            while not deadline.passed:
                peer.settimeout(deadline.left_s or 0.001)
                if not socket.socket.recv(peer, _READ_BYTES):
                    return

    @property
    def _sni(self) -> str:
        return self._socket.sni if isinstance(self._socket, TlsSocket) else ""

    def _enter(self, reply: Answer, alert: str = "") -> None:
        tls = self._socket if isinstance(self._socket, TlsSocket) else None
        cipher = tls.cipher() if tls is not None else None
        # A caller may send its next request early; after a refusal all of it is one mishap.
        ended = self._stream.consumed if reply.served else self._stream.received
        self._shared.ledger.add(
            Transaction(
                time=time.time(),
                kind=reply.kind,
                system=reply.system,
                peer_ip=self._peer[0],
                peer_port=self._peer[1],
                server_ip=self._local[0],
                server_port=self._local[1],
                tls_version=(tls.version() or "") if tls is not None else "",
                cipher=cipher[0] if cipher else "",
                sni=self._sni,
                status=reply.status,
                bytes_in=ended - self._counted,
                detail=reply.detail,
                server=self._listed.name,
                rows=self._listed.rows,
                method=self._method,
                target=self._target[:_TARGET_CHARACTERS],
                body_bytes=self._body_bytes,
                body_sha256=self._body_sha256,
                stub=reply.stub,
                back_end=reply.back_end,
                back_end_port=reply.back_end_port,
                promised=reply.promised,
                alert=alert,
                report=reply.report,
                authenticated_as=reply.authenticated_as,
                key=reply.key,
                again=reply.again,
            )
        )
        self._counted = ended
        self._silent = False


def alert_of(error: OSError) -> str:
    """The alert that the client sent, by OpenSSL's name for it: ``certificate_expired``; else nothing."""
    reason = (error.reason or "") if isinstance(error, ssl.SSLError) else ""
    return reason.partition("_ALERT_")[2].lower()


def describe(error: OSError) -> str:
    """A socket's or TLS's error in a few words: ``tlsv1 alert unknown ca``."""
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ssl.SSLEOFError):
        return "the peer ended the connection"
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return (error.strerror or str(error)).lower()
