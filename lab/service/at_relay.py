"""IBM's representative at the Service Server, by Internet: gets a code of the relay, waits, and works.

Each session has a network namespace for its tools. What the console permits is reached there, as ports of
``FORWARDS``, an address of the loopback. A port that another program has gets one that is free.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from lab.errors import ProtocolError, UsageError
from lab.linux.nodes import Node
from lab.linux.worker import Broke, start_worker
from lab.record.event import Tell
from lab.relay import calling, frames
from lab.relay.calling import RelayLine, RelayRefused
from lab.relay.codes import EXTENSION_S, VALID_S
from lab.relay.events import PortAsked, PortsAsked, WaitedAtRelay
from lab.relay.forwarding import RepresentativeEnd, SessionOver
from lab.relay.frames import Party, Refusal, RelayFrame, RelayKind
from lab.service.by_internet import at_relay
from lab.service.events import spans
from lab.topology.model import RemoteService
from lab.wait import comes_true, wait_until
from tunnels.answering import ToldToEnd

FORWARDS = "127.0.0.2"
READY_S = 240.0
"""Longer than an end takes to come to a relay, or to give up."""
WAITS_S = VALID_S + EXTENSION_S + 60.0
ASKS_S = 600.0
"""For an answer of the console about every port."""
AT_ONCE = 4_096
"""So many ports are asked for while no answer has come yet."""
_BACKLOG = 16


class RelayedRepresentative:
    """A representative at a relay: one code, and one session, at a time."""

    def __init__(
        self,
        node: Node,
        service: RemoteService,
        authority: Path,
        tell: Tell,
        namespace: Callable[[], contextlib.AbstractContextManager[Node]],
    ) -> None:
        """``namespace`` makes the one in which the tools of a session run."""
        self._namespace = namespace
        self.said = ""
        self.code = ""
        """The last one that the relay gave; empty if it gave none."""
        self.used_code = ""
        """Of the last session that came about."""
        self.valid_s = 0
        """For so long the code was valid when the relay said so."""
        self.forwards: dict[int, tuple[str, int]] = {}
        """Ports of the console, and where they are reached."""
        self.over: SessionOver | None = None
        """Why the last session ended."""
        self._node = node
        self._service = service
        self._authority = authority
        self._tell = tell
        self._end: RepresentativeEnd | None = None
        self._started = 0.0
        self._tools: Node | None = None
        self._broke = Broke("the representative at the relay")
        self._given_up = True
        """Whether the thread has nothing to do any more."""
        self._wishes: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._work = contextlib.ExitStack()

    @property
    def connected(self) -> bool:
        return self._end is not None and self._end.permitted and not self._ended

    @property
    def waiting(self) -> bool:
        """Whether there is a code that no customer has entered yet."""
        return bool(self.code) and self._end is None and not self._ended

    @property
    def place(self) -> Node:
        """The tools' namespace, which has nothing but the ports that lead on; else the server itself."""
        return self._tools or self._node

    def knock(self) -> bool:
        """Get a code of the relay; whether it gave one."""
        self.leave()
        self.said, self.code, self.over = "", "", None
        self._tools = self._work.enter_context(self._namespace())
        self._started, self._given_up = time.time(), False
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._work.callback(os.close, self._wake)
        self._work.enter_context(start_worker(self._attend, "representative at the relay"))
        wait_until("the relay has given a code", lambda: self.code or self._ended, READY_S)
        return bool(self.code) and not self._ended

    def authenticate(self, service: RemoteService) -> bool:
        """Wait until a customer has entered the code; whether a session stands."""
        comes_true("the customer enters the code", lambda: self.connected or self._ended, WAITS_S)
        if not self.connected and not self.said:
            words = "nobody has entered the code"
            self.said = words if self.over is None else f"the session is over: {self.over.name}"
        result = "joined" if self.connected else self.said
        self._tell(WaitedAtRelay(source=self._node.name, started=self._started, result=result))
        return self.connected

    def extend(self) -> int:
        """Have the relay take the code for longer; for how many seconds from now it does.

        Raises UsageError without a code, ProtocolError if the relay refuses.
        """
        if not self.waiting:
            raise UsageError("there is no code that is waited with", hint="lab-service invite")
        before, self.valid_s, self.said = self.valid_s, 0, ""
        self._wishes.put(RelayFrame(RelayKind.extend).encode())
        os.eventfd_write(self._wake, 1)
        wait_until(
            "the relay has answered", lambda: self.valid_s or self.said or self._end, READY_S
        )
        if self.said:
            refusal, self.said, self.valid_s = self.said, "", before
            raise ProtocolError(refusal)
        return self.valid_s

    def leave(self) -> None:
        """End the session, and leave the relay. Does nothing if there is none."""
        self._work.close()
        self._end, self._tools = None, None
        self._broke.check()

    stop = leave

    # In a session.

    def ask(self, port: int) -> str:
        """What the console says to a port: ``open``, or why not."""
        answers: list[str] = []
        end = self._session
        end.wish(lambda: end.ask(port, lambda _, denied: answers.append(denied or "open")))
        comes_true("an answer of the console", lambda: answers or self._ended, READY_S)
        answer = answers[0] if answers else "none"
        self._tell(PortAsked(source=self._node.name, port=port, answer=answer))
        return answer

    def ask_ports(self, ports: Iterable[int]) -> str:
        """Ask the console for many ports; those that it opened, as ``22, 30000-30009``."""
        end, asked = self._session, sorted({*ports})
        asking = _Asking(end, asked)
        end.wish(asking.begin)
        comes_true(
            "an answer about every port",
            lambda: asking.answered == len(asked) or self._ended,
            ASKS_S,
        )
        told = PortsAsked(
            source=self._node.name,
            permitted=spans(end.channels.ports),
            asked=len(asked),
            answered=asking.answered,
            opened=spans(asking.opened),
        )
        self._tell(told)
        return told.opened

    def name_a_host(self, port: int, host: str) -> SessionOver | None:
        """Ask for a port of another host, which no frame has a place for; how the session then ended."""
        end = self._session
        wrong = RelayFrame(RelayKind.open, 1, frames.U16.pack(port) + host.encode()).encode()
        end.wish(partial(end.send_raw, wrong))
        comes_true("the session is over", lambda: self.over, READY_S)
        return self.over

    @property
    def _session(self) -> RepresentativeEnd:
        if not self.connected or self._end is None:
            raise UsageError("no session stands", hint="lab-service connect")
        return self._end

    @property
    def _ended(self) -> bool:
        return bool(self.over) or self._given_up

    # The thread.

    def _attend(self, told: int) -> None:
        with self._broke, contextlib.suppress(ToldToEnd):
            try:
                self._be_at_relay(told)
            except RelayRefused as refused:
                self.said = refused.reason.words
            except ProtocolError as error:
                self.said = error.message
        self._given_up = True

    def _be_at_relay(self, told: int) -> None:
        with at_relay(
            self._service, self._service.relay_inside, Party.representative,
            self._node, self._authority, told, self._tell,
        ) as line:  # fmt: skip
            self.code, self.valid_s = calling.invite(line)
            self._wait_for_customer(line)
            end = RepresentativeEnd(line.flow, line.rest(), self._listen)
            self.forwards.clear()
            self._end = end
            try:
                self.over = end.run(told)
            finally:
                end.close()

    def _wait_for_customer(self, line: RelayLine) -> None:
        """Until the relay has joined the code's customer; meanwhile more time may be asked for."""
        while True:
            try:
                frame = line.hear(WAITS_S, self._wake)
            except RelayRefused as refused:
                if refused.reason is not Refusal.not_extended:
                    raise
                self.said = refused.message
                continue
            if frame is None:
                self._send_wishes(line)
            elif frame.kind is RelayKind.code:
                self.code, self.valid_s = calling.read_code(frame)
            elif frame.kind is RelayKind.joined:
                self.used_code = self.code
                return
            else:
                raise ProtocolError(f"the relay says {frame.kind.name}")

    def _send_wishes(self, line: RelayLine) -> None:
        os.eventfd_read(self._wake)
        with contextlib.suppress(queue.Empty):
            while True:
                line.say(self._wishes.get_nowait())

    def _listen(self, port: int) -> socket.socket:
        listener = self.place.call(_listener, port)
        self.forwards[port] = listener.getsockname()
        return listener


class _Asking:
    """Many ports of the console are asked for, some at a time; in the session's thread."""

    def __init__(self, end: RepresentativeEnd, ports: Iterable[int]) -> None:
        self.opened: set[int] = set()
        self.answered = 0
        self._end = end
        self._ports: Iterator[int] = iter(ports)

    def begin(self) -> None:
        for _ in range(AT_ONCE):
            self._ask_next()

    def _ask_next(self) -> None:
        if (port := next(self._ports, None)) is not None:
            self._end.ask(port, self._note)

    def _note(self, port: int, denied: str) -> None:
        self.answered += 1
        if not denied:
            self.opened.add(port)
        self._ask_next()


def _listener(port: int) -> socket.socket:
    """At the port, or at a free one."""
    made = socket.socket()
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((FORWARDS, port))
            made.listen(_BACKLOG)
        except OSError:
            made.close()
            made = socket.create_server((FORWARDS, 0), backlog=_BACKLOG)
            made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made
