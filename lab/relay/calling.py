"""How an end comes to the relay: TCP by one of the relay's ports, TLS, hello; then one question at a time.

Every SYN goes from an end to the relay, and none comes back (I-26, I-27). Each wait ends when the thread is
told to end, by ToldToEnd.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab.errors import ProtocolError
from lab.linux.worker import readable
from lab.relay import frames
from lab.relay.events import RelayTried
from lab.relay.flow import TlsFlow, describe
from lab.relay.frames import Party, Refusal, RelayFrame, RelayKind, RelayReader, WrongFrame
from lab.wait import Deadline
from tunnels.answering import ToldToEnd

CONNECT_S = 20.0
ANSWER_S = 20.0
"""For a handshake, and for an answer of the relay's."""

OpenSocket = Callable[[], socket.socket]
"""A TCP socket of the end's node."""


@dataclass(frozen=True, slots=True)
class RelayPlace:
    """Where a relay is."""

    name: str
    """That its certificate has to have."""
    address: str
    ports: tuple[int, ...]
    """In the order in which they are tried (the lab's choice: T2-10 lists them so)."""


class RelayRefused(ProtocolError):
    """The relay goes no further."""

    def __init__(self, relay: str, reason: Refusal, words: str) -> None:
        more = f" ({words})" if words else ""
        super().__init__(f"{relay} refuses: {reason.words}{more}")
        self.reason = reason


class NoRelay(ProtocolError):
    """By no port of the relay does an end come to it."""


class RelayLine:
    """An end's connection to the relay, until it is joined."""

    def __init__(self, relay: str, flow: TlsFlow, told: int) -> None:
        self.flow = flow
        self._relay = relay
        self._told = told
        self._reader = RelayReader()

    def say(self, data: bytes) -> None:
        """Send bytes to the relay. Raises ProtocolError if the connection is broken."""
        self.flow.queue(data)
        try:
            self.flow.flush()
        except OSError as error:
            raise ProtocolError(f"{self._relay}: {describe(error)}") from error

    def hear(self, seconds: float, also: int | None = None) -> RelayFrame | None:
        """The relay's next frame; None if ``also`` becomes readable first.

        Raises RelayRefused, ToldToEnd, ProtocolError for anything else that goes wrong.
        """
        deadline = Deadline(seconds)
        try:
            while (frame := self._reader.next()) is None:
                if not self.flow.holds_more:
                    others = (self._told,) if also is None else (self._told, also)
                    ready = _wait(self.flow, self.flow.events(), others, deadline)
                    if self._told in ready:
                        raise ToldToEnd
                    if also in ready:
                        return None
                    if not ready:
                        raise ProtocolError(f"{self._relay} has not answered in {seconds:g} s")
                self.flow.flush()
                data = self.flow.read()
                if data is None:
                    raise ProtocolError(f"{self._relay} has ended the connection")
                self._reader.feed(data)
            if frame.kind is RelayKind.refused:
                raise RelayRefused(self._relay, *frames.read_refused(frame))
        except WrongFrame as wrong:
            raise ProtocolError(f"{self._relay} does not keep to the protocol: {wrong}") from wrong
        except OSError as error:
            raise ProtocolError(f"{self._relay}: {describe(error)}") from error
        return frame

    def expect(self, kind: RelayKind, seconds: float = ANSWER_S) -> RelayFrame:
        """The relay's next frame, which has to be of a kind."""
        frame = self.hear(seconds)
        assert frame is not None, "nothing else was waited for"
        if frame.kind is not kind:
            raise ProtocolError(f"{self._relay} says {frame.kind.name} in the place of {kind.name}")
        return frame

    def rest(self) -> bytes:
        """What came behind ``joined`` already."""
        return self._reader.rest()


@contextlib.contextmanager
def at_relay(
    place: RelayPlace,
    part: Party,
    open_socket: OpenSocket,
    context: ssl.SSLContext,
    told: int,
    note: Callable[[RelayTried], None],
    source: str,
) -> Iterator[RelayLine]:
    """A connection to the relay that has got its hello, by the first port that leads there.

    Raises NoRelay if none does, ToldToEnd, and RelayRefused.
    """
    problems = []
    for port in place.ports:
        attempt = _RelayAttempt(place, port, told)
        with contextlib.ExitStack() as undo:
            try:
                line = attempt.make(part, open_socket, context, undo)
            except (OSError, ProtocolError) as error:
                problem = error.message if isinstance(error, ProtocolError) else describe(error)
                note(attempt.tried(source, problem))
                if isinstance(error, RelayRefused):
                    raise
                problems.append(f"port {port}: {problem} ({attempt.phase})")
                continue
            note(attempt.tried(source, ""))
            yield line
            return
    raise NoRelay(
        f"{source} does not come to {place.name} ({place.address}): {'; '.join(problems)}"
    )


class _RelayAttempt:
    """To come to the relay by one port."""

    def __init__(self, place: RelayPlace, port: int, told: int) -> None:
        self.phase = "connect"
        self._place = place
        self._port = port
        self._told = told
        self._version = ""

    def make(
        self,
        part: Party,
        open_socket: OpenSocket,
        context: ssl.SSLContext,
        undo: contextlib.ExitStack,
    ) -> RelayLine:
        connection = undo.enter_context(open_socket())
        self._connect(connection)
        self.phase = "TLS"
        flow = TlsFlow(connection, context, name=self._place.name)
        undo.callback(flow.close)
        self._shake(flow)
        self._version = flow.version
        self.phase = "hello"
        line = RelayLine(self._place.name, flow, self._told)
        line.say(frames.hello(part))
        try:
            version, other = frames.read_hello(line.expect(RelayKind.hello))
        except WrongFrame as wrong:
            raise ProtocolError(f"{self._place.name} is no relay: {wrong}") from wrong
        if (version, other) != (frames.VERSION, Party.relay):
            raise ProtocolError(f"{self._place.name} is no relay of version {frames.VERSION}")
        return line

    def tried(self, source: str, problem: str) -> RelayTried:
        return RelayTried(
            source=source,
            address=self._place.address,
            port=self._port,
            phase=self.phase,
            tls_version=self._version,
            problem=problem,
        )

    def _connect(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            connection.connect((self._place.address, self._port))
        if not self._wait_for(connection, select.POLLOUT, Deadline(CONNECT_S)):
            raise ProtocolError(f"no answer in {CONNECT_S:g} s")
        number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))

    def _shake(self, flow: TlsFlow) -> None:
        deadline = Deadline(ANSWER_S)
        while not flow.shake():
            if not self._wait_for(flow, flow.events(), deadline):
                raise ProtocolError(f"no answer in {ANSWER_S:g} s")

    def _wait_for(self, what: socket.socket | TlsFlow, events: int, deadline: Deadline) -> bool:
        ready = _wait(what, events, (self._told,), deadline)
        if self._told in ready:
            raise ToldToEnd
        return bool(ready)


def _wait(
    what: socket.socket | TlsFlow, events: int, others: tuple[int, ...], deadline: Deadline
) -> set[int]:
    """What is ready of these; nothing if the deadline passed."""
    poller = readable(*others)
    poller.register(what.fileno(), events)
    return {number for number, _ in poller.poll(1000 * deadline.left_s + 1)}


def redeem(line: RelayLine, digits: str) -> None:
    """Say the customer's code; returns when the session is joined. Raises RelayRefused."""
    line.say(RelayFrame(RelayKind.redeem, body=digits.encode()).encode())
    line.expect(RelayKind.joined)


def invite(line: RelayLine) -> tuple[str, int]:
    """A code for a customer, and for how many seconds from now it is valid."""
    line.say(RelayFrame(RelayKind.invite).encode())
    return read_code(line.expect(RelayKind.code))


def read_code(frame: RelayFrame) -> tuple[str, int]:
    """The same, as the relay has said it; raises ProtocolError if it is none."""
    try:
        return frames.read_code(frame)
    except WrongFrame as wrong:
        raise ProtocolError(f"the relay gives no code: {wrong}") from wrong
