"""Sends alerts to those who have subscribed, by CIM-XML over HTTPS or HTTP (DSP0200, DSP1054).

Each destination has a thread, which tries again where a notice was not taken. A destination's certificate is
not looked at: it is the destination's own, and the module has never seen it.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, urlsplit
from xml.etree.ElementTree import Element

from lab.agent.http1 import Malformed, Stream
from lab.ibm.threads import SmallThread
from lab.imm.events import FailureRaised, NoticeSent
from lab.imm.messages import CONTENT_BYTES, Unreadable, export, put_property, read_exported
from lab.imm.repository import Repository
from lab.linux.nodes import Node
from lab.record.event import Tell
from lab.topology.management import SEVERITIES, ModulePlan

RETRIES, RETRY_S = 3, 20.0
"""DeliveryRetryAttempts and DeliveryRetryInterval: DSP1054's defaults."""
CONNECT_S, ANSWER_S = 10.0, 30.0
_DEVICE_ALERT = 5
"""AlertType."""
_PORTS = {"http": 80, "https": 443}
_TEXT_CHARACTERS = 200
_END_S = 30.0


class NoticeNotTaken(Exception):
    """A destination has not taken a notice; the message says why. Not a LabError: the event says so."""


class Notifier:
    """Of one module; ``stop`` ends all threads."""

    def __init__(
        self,
        node: Node,
        plan: ModulePlan,
        hosts: Mapping[str, str],
        repository: Repository,
        tls: ssl.SSLContext,
        tell: Tell,
    ) -> None:
        """``hosts``: name to address, as the module knows them."""
        self._node = node
        self._plan = plan
        self._hosts = hosts
        self._repository = repository
        self._tls = tls
        self._tell = tell
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._live: set[socket.socket] = set()
        self._raised = 0

    def raise_failure(self, severity: str, reference_code: str, text: str) -> str:
        """Hardware fails: every destination is told. Returns the alert's identifier."""
        now = time.time()
        with self._lock:
            self._raised += 1
            identifier = f"callhome-lab:{self._plan.node}:{now:.6f}:{self._raised}"
        self._tell(
            FailureRaised(
                source=self._plan.node,
                identifier=identifier,
                reference_code=reference_code,
                severity=severity,
                text=text,
            )
        )
        for url in self._repository.destinations():
            alert = _alert(identifier, now, severity, reference_code, text)
            content = export(alert, identifier)
            thread = SmallThread(
                name="imm-notice",
                target=self._deliver,
                args=(url, identifier, content),
                daemon=True,
            )
            with self._lock:
                self._threads = [each for each in self._threads if each.is_alive()]
                self._threads.append(thread)
            thread.start()
        return identifier

    def stop(self) -> None:
        """End what is going on, and wait for that."""
        self._stopping.set()
        with self._lock:
            threads, live = list(self._threads), list(self._live)
        for connection in live:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(_END_S)

    def _deliver(self, url: str, identifier: str, content: bytes) -> None:
        where = urlsplit(url)
        for attempt in range(1, RETRIES + 2):
            began, own_port, problem = time.time(), 0, ""
            host = where.hostname or ""
            address = self._hosts.get(host, host)
            port = where.port or _PORTS[where.scheme]
            try:
                with self._socket(address) as connection:
                    own_port = connection.getsockname()[1]
                    self._exchange(connection, (address, port), where, content)
            except NoticeNotTaken as error:
                problem = f"{error}"[:_TEXT_CHARACTERS]
            except OSError as error:  # SSLError is one
                problem = _why(error)
            if self._stopping.is_set():
                return
            self._tell(
                NoticeSent(
                    source=self._plan.node,
                    identifier=identifier,
                    address=address,
                    port=port,
                    own_port=own_port,
                    attempt=attempt,
                    began=began,
                    problem=problem,
                )
            )
            if not problem or self._stopping.wait(RETRY_S):
                return

    @contextlib.contextmanager
    def _socket(self, address: str) -> Iterator[socket.socket]:
        """A socket of the module's own address, in the module's node; raises OSError, NoticeNotTaken."""
        try:
            ipaddress.IPv4Address(address)
        except ValueError:
            raise NoticeNotTaken(f"the module knows no IPv4 address of {address}") from None
        connection = self._node.call(socket.socket, socket.AF_INET, socket.SOCK_STREAM)
        with connection:
            connection.bind((self._plan.address, 0))
            with self._lock:
                self._live.add(connection)
            try:
                yield connection
            finally:
                with self._lock:
                    self._live.discard(connection)

    def _exchange(
        self, connection: socket.socket, place: tuple[str, int], url: SplitResult, content: bytes
    ) -> None:
        """Send the notice, and read the answer. Raises OSError, NoticeNotTaken."""
        connection.settimeout(CONNECT_S)
        connection.connect(place)
        if url.scheme == "https":
            with self._tls.wrap_socket(connection.dup()) as secured:
                _export(secured, url, content)
        else:
            _export(connection, url, content)


def _export(connection: socket.socket, url: SplitResult, content: bytes) -> None:
    connection.settimeout(ANSWER_S)
    fields = (
        f"POST {url.path or '/'} HTTP/1.1",
        f"Host: {url.netloc.rpartition('@')[2]}",
        'Content-Type: application/xml; charset="utf-8"',
        f"Content-Length: {len(content)}",
        "CIMExport: MethodRequest",
        "CIMExportMethod: ExportIndication",
        "Connection: close",
    )
    connection.sendall("\r\n".join((*fields, "", "")).encode("latin-1") + content)
    stream = Stream(lambda: connection.recv(CONTENT_BYTES))
    try:
        head = stream.head()
        if head is None:
            raise NoticeNotTaken("the connection ended before an answer")
        status, reason = head.status_line()
        answer = bytearray()
        for part in stream.body(head.body_length()):
            answer += part
            if len(answer) > CONTENT_BYTES:
                raise NoticeNotTaken(f"the answer has more than {CONTENT_BYTES} bytes")
        if status != 200:
            raise NoticeNotTaken(f"it answers {status} {reason}")
        if problem := read_exported(bytes(answer)):
            raise NoticeNotTaken(problem)
    except (Malformed, Unreadable) as error:
        raise NoticeNotTaken(f"the answer makes no sense: {error}") from None


def _alert(identifier: str, now: float, severity: str, reference_code: str, text: str) -> Element:
    """CIM_AlertIndication."""
    instance = Element("INSTANCE", CLASSNAME="CIM_AlertIndication")
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    put_property(instance, "IndicationIdentifier", identifier)
    put_property(instance, "IndicationTime", f"{moment:%Y%m%d%H%M%S.%f}+000", "datetime")
    put_property(instance, "AlertType", _DEVICE_ALERT, "uint16")
    put_property(instance, "PerceivedSeverity", SEVERITIES[severity], "uint16")
    put_property(instance, "EventID", reference_code)
    put_property(instance, "Description", text)
    return instance


def _why(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    return error.strerror or f"{error}" or type(error).__name__
