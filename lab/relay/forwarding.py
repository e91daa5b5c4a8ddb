"""An end's session, once the relay has joined it: channels by TLS on one side, TCP connections on the other.

One thread, nothing blocks, and what is held is bounded: a connection is read only as far as its channel has
room, and TLS only while the relay takes what is queued. ``ConsoleEnd`` leads channels to the console's own
ports, ``RepresentativeEnd`` makes channels of connections to itself.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from lab.linux.worker import readable
from lab.relay.channels import MOST_CHANNELS, ChannelNotice, Channels, Noticed
from lab.relay.flow import READ_BYTES, TlsFlow, describe
from lab.relay.frames import Party, PortDenial, Refusal
from lab.wait import Deadline

QUEUE_BYTES = 256 * 1024
"""With so much queued for the relay no connection is read."""
MOST_QUEUED = 1 << 20
"""With so much queued for the relay nothing more is heard of it, either."""
FAREWELL_S = 5.0
_BACKLOG = MOST_CHANNELS


@dataclass(frozen=True, slots=True)
class SessionOver:
    """Why a session has ended."""

    reason: Refusal | None
    """None if it was cut off."""
    words: str = ""

    @property
    def name(self) -> str:
        return self.reason.name.replace("_", "-") if self.reason is not None else "cut-off"


@dataclass(slots=True)
class _Pipe:
    """A TCP connection, and the channel that it belongs to."""

    number: int
    connection: socket.socket
    port: int
    """Of the console."""
    connecting: bool = False
    out: bytearray = field(default_factory=bytearray)
    """What has to go to the connection; never more than the channel's window."""
    read_out: bool = False
    """Whether the connection has ended its direction."""
    over: bool = False
    """Whether the channel has ended its direction."""
    shut: bool = False
    """Whether the connection knows that."""


class SessionEnd(ABC):
    """One end; ``run`` in a thread of its own."""

    def __init__(self, part: Party, flow: TlsFlow, early: bytes) -> None:
        self.channels = Channels(part)
        self._flow = flow
        self._early = early
        self._pipes: dict[int, _Pipe] = {}

    @property
    @abstractmethod
    def leaves_because(self) -> Refusal:
        """What the other end is told when this one is told to end."""

    @abstractmethod
    def _note(self, noticed: Noticed) -> None:
        """What is not the same at both ends."""

    def _others(self) -> dict[int, Callable[[], None]]:
        """What to wait for beside TLS and connections, and what to do then."""
        return {}

    def run(self, told: int) -> SessionOver:
        """Until the session ends, or ``told`` is readable; then every connection is closed."""
        try:
            self._take(self._early)
            while self.channels.ended is None:
                self._send()
                ready = self._wait(told)
                if told in ready:
                    self.channels.end(self.leaves_because)
                    break
                self._serve(ready)
            return self._part()
        except OSError as error:
            return SessionOver(None, describe(error))
        finally:
            for pipe in self._pipes.values():
                pipe.connection.close()
            self._pipes.clear()

    def _part(self) -> SessionOver:
        """Send what is queued, as far as the other end takes it, and say goodbye."""
        assert self.channels.ended is not None, "it is over"
        reason, words = self.channels.ended
        with contextlib.suppress(OSError):
            deadline = Deadline(FAREWELL_S)
            self._send()
            while self._flow.queued and _ready(self._flow, select.POLLOUT, deadline):
                self._flow.flush()
            self._flow.say_goodbye()
            while not self._flow.drain() and _ready(self._flow, select.POLLIN, deadline):
                pass
        return SessionOver(reason, words)

    def _send(self) -> None:
        self._flow.queue(self.channels.take())
        self._flow.flush()

    @property
    def _hears(self) -> bool:
        return self._flow.queued < MOST_QUEUED

    def _wait(self, told: int) -> set[int]:
        if self._hears and self._flow.holds_more:
            return {self._flow.fileno()}
        poller = readable(told, *self._others())
        poller.register(self._flow.fileno(), self._flow.events(reads=self._hears))
        for pipe in self._pipes.values():
            # Of a connection with nothing to do a poll would tell the same again and again.
            if wanted := self._wanted(pipe):
                poller.register(pipe.connection.fileno(), wanted)
        patience_ms = None
        if self._flow.queued:
            patience_ms = 1000 * max(0.0, self._flow.stalls_at - time.monotonic()) + 1
        return {number for number, _ in poller.poll(patience_ms)}

    def _wanted(self, pipe: _Pipe) -> int:
        if pipe.connecting:
            return select.POLLOUT
        reads = (
            not pipe.read_out
            and self._flow.queued < QUEUE_BYTES
            and self.channels.may_send(pipe.number) > 0
        )
        return (select.POLLIN if reads else 0) | (select.POLLOUT if pipe.out else 0)

    def _serve(self, ready: set[int]) -> None:
        for number, action in self._others().items():
            if number in ready:
                action()
        for pipe in list(self._pipes.values()):
            if pipe.connection.fileno() in ready:
                self._serve_pipe(pipe)
        if self._flow.fileno() in ready and self._hears:
            data = self._flow.read()
            if data is None:
                raise ConnectionError("the other end has gone without a word")
            self._take(data)

    def _take(self, data: bytes) -> None:
        for noticed in self.channels.receive(data):
            pipe = self._pipes.get(noticed.channel)
            match noticed.what:
                case ChannelNotice.arrived if pipe is not None:
                    pipe.out += noticed.data
                    self._push(pipe)
                case ChannelNotice.finished if pipe is not None:
                    pipe.over = True
                    self._push(pipe)
                case ChannelNotice.reset if pipe is not None:
                    self._close(pipe)
                case _:
                    self._note(noticed)

    # Connections.

    def _add(
        self, number: int, connection: socket.socket, port: int, *, connecting: bool = False
    ) -> None:
        self._pipes[number] = _Pipe(number, connection, port, connecting)

    def _close(self, pipe: _Pipe) -> None:
        pipe.connection.close()
        self._pipes.pop(pipe.number, None)

    def _serve_pipe(self, pipe: _Pipe) -> None:
        if pipe.connecting:
            self._connected(pipe)
            return
        self._push(pipe)
        size = min(READ_BYTES, self.channels.may_send(pipe.number))
        if pipe.number not in self._pipes or pipe.read_out or not size:
            return
        try:
            data = pipe.connection.recv(size)
        except BlockingIOError:
            return
        except OSError:
            self._give_up(pipe)
            return
        if data:
            self.channels.send(pipe.number, data)
            return
        pipe.read_out = True
        self.channels.finish(pipe.number)
        self._close_if_done(pipe)

    def _connected(self, pipe: _Pipe) -> None:
        """A connection of the console's own has come about, or has not."""
        raise AssertionError("only a console connects")

    def _push(self, pipe: _Pipe) -> None:
        """Send to a connection what it takes."""
        if pipe.connecting:
            return
        try:
            while pipe.out:
                sent = pipe.connection.send(bytes(pipe.out[:READ_BYTES]))
                del pipe.out[:sent]
                self.channels.give_room(pipe.number, sent)
            if pipe.over and not pipe.shut:
                pipe.shut = True
                pipe.connection.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:
            self._give_up(pipe)
            return
        self._close_if_done(pipe)

    def _give_up(self, pipe: _Pipe) -> None:
        """The connection takes nothing more; what it said last is passed on."""
        with contextlib.suppress(OSError):
            size = min(READ_BYTES, self.channels.may_send(pipe.number))
            if size and (data := pipe.connection.recv(size)):
                self.channels.send(pipe.number, data)
        self.channels.reset(pipe.number)
        self._close(pipe)

    def _close_if_done(self, pipe: _Pipe) -> None:
        if pipe.read_out and pipe.shut:
            self._close(pipe)


class ConsoleEnd(SessionEnd):
    """The HMC's end: each channel leads to a port of its own, if the customer permits it."""

    def __init__(
        self,
        flow: TlsFlow,
        early: bytes,
        ports: tuple[int, ...],
        reach: Callable[[int], socket.socket],
    ) -> None:
        """``reach`` begins a connection to a port of the console's own, which does not block."""
        super().__init__(Party.console, flow, early)
        self.led: set[int] = set()
        """The ports to which channels were led."""
        self.denied = 0
        """So many times something else was asked for."""
        self._reach = reach
        self.channels.permit(ports)

    leaves_because = Refusal.disabled

    def _note(self, noticed: Noticed) -> None:
        if noticed.what is ChannelNotice.denied:
            self.denied += 1
        if noticed.what is ChannelNotice.asked:
            try:
                connection = self._reach(noticed.number)
            except OSError:
                self.channels.deny(noticed.channel, PortDenial.no_answer)
                return
            self._add(noticed.channel, connection, noticed.number, connecting=True)

    def _connected(self, pipe: _Pipe) -> None:
        if pipe.connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.channels.deny(pipe.number, PortDenial.no_answer)
            self._close(pipe)
            return
        pipe.connecting = False
        self.led.add(pipe.port)
        self.channels.accept(pipe.number)


class RepresentativeEnd(SessionEnd):
    """IBM's end: a listener for each port of the console, and questions of other threads."""

    def __init__(
        self, flow: TlsFlow, early: bytes, listen: Callable[[int], socket.socket | None]
    ) -> None:
        """``listen`` opens a listener for a port of the console, which does not block; None: none."""
        super().__init__(Party.representative, flow, early)
        self.permitted = False
        """Whether the console has said which ports may be asked for."""
        self._listen = listen
        self._listeners: list[tuple[int, socket.socket]] = []
        self._asked: dict[int, tuple[int, Answered]] = {}
        self._wishes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    leaves_because = Refusal.left

    def close(self) -> None:
        """Once the thread has ended."""
        for _, listener in self._listeners:
            listener.close()
        os.close(self._wake)

    def wish(self, action: Callable[[], None]) -> None:
        """Have the session's thread do something, from any other."""
        self._wishes.put(action)
        os.eventfd_write(self._wake, 1)

    def ask(self, port: int, answered: Answered) -> None:
        """Open a channel to a port, and give it up again; in the session's thread."""
        self._asked[self.channels.open(port)] = port, answered

    def send_raw(self, data: bytes) -> None:
        """What no representative would send; in the session's thread."""
        self._flow.queue(data)

    def _others(self) -> dict[int, Callable[[], None]]:
        others = {self._wake: self._fulfil}
        # Whoever comes when there are as many channels as may be waits until one is free.
        if len(self.channels) < MOST_CHANNELS:
            for port, listener in self._listeners:
                others[listener.fileno()] = partial(self._take_client, port, listener)
        return others

    def _fulfil(self) -> None:
        os.eventfd_read(self._wake)
        with contextlib.suppress(queue.Empty):
            while True:
                self._wishes.get_nowait()()

    def _take_client(self, port: int, listener: socket.socket) -> None:
        if len(self.channels) < MOST_CHANNELS:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                connection.setblocking(False)
                self._add(self.channels.open(port), connection, port)

    def _note(self, noticed: Noticed) -> None:
        number = noticed.channel
        if noticed.what is ChannelNotice.permitted:
            for port in self.channels.ports:
                if (listener := self._listen(port)) is not None:
                    self._listeners.append((port, listener))
            self.permitted = True
        elif number in self._asked:
            port, answered = self._asked.pop(number)
            if noticed.what is ChannelNotice.opened:
                self.channels.reset(number)
                answered(port, "")
            else:
                answered(port, PortDenial(noticed.number).name.replace("_", "-"))
        elif noticed.what is ChannelNotice.denied and (pipe := self._pipes.get(number)) is not None:
            self._close(pipe)


Answered = Callable[[int, str], None]
"""A port was opened, or not, and why."""


def _ready(flow: TlsFlow, events: int, deadline: Deadline) -> bool:
    poller = select.poll()
    poller.register(flow.fileno(), events)
    return bool(poller.poll(1000 * deadline.left_s)) and not deadline.passed
