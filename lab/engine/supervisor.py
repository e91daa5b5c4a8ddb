"""The supervisor of a lab that is up: it holds the inside, and lets other terminals in.

Each client speaks ``frames`` over a Unix socket as if it had the inside for itself; the supervisor
gives its sessions numbers of their own. A client that does not read is cut off, and holds up nobody;
no write of ours blocks, so that the inside, the clients and we can never wait for each other in a ring.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.engine.frames import Frame, FrameReader, Kind
from lab.engine.host import OpenLab
from lab.errors import LabBroke

MAIN_SESSION = 1
MAX_BACKLOG = 1 << 26
"""Bytes that a client may be behind before it is cut off."""
HANG_UP_S = 2.0
"""What programs of other terminals get to end when the lab goes down."""


@dataclass(slots=True)
class _Client:
    connection: socket.socket
    reader: FrameReader = field(default_factory=FrameReader)
    sessions: dict[int, int] = field(default_factory=dict)
    """The client's number to ours."""
    backlog: bytearray = field(default_factory=bytearray)


class Supervisor:
    """Serves until the lab's own program ends; ``herald`` gets what that program writes.

    ``starter`` is the line to whoever waits for the lab to be up: if he goes before, so does the lab.
    """

    def __init__(
        self,
        opened: OpenLab,
        listener: socket.socket,
        herald: Callable[[Kind, bytes], None],
        starter: socket.socket,
    ) -> None:
        self._channel = opened.channel
        self._death = opened.death
        self._listener = listener
        self._starter = starter
        self._terminations = _terminations()
        self._herald = herald
        self._selector = selectors.DefaultSelector()
        self._inside = FrameReader()
        self._clients: dict[int, _Client] = {}
        self._owners: dict[int, tuple[_Client, int]] = {}
        """Our number to the client and its own number."""
        self._next = MAIN_SESSION + 1
        self._status: int | None = None
        self._to_go = bytearray()
        """What the inside has not taken yet."""
        self._ready_to_write = -1
        self._up = False
        self._going_down = False
        self._hang_up_by: float | None = None

    def serve(self) -> int:
        """Carry frames until the main program's exit; its status."""
        self._selector.register(self._channel, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._starter, selectors.EVENT_READ)
        self._selector.register(self._terminations, selectors.EVENT_READ)

        while self._status is None:
            for key, events in self._selector.select(self._patience_s()):
                self._on_event(key, events)
            if self._hang_up_by is not None and not (self._owners and self._patience_s()):
                self._end_main()
        return self._status

    def _on_event(self, key: selectors.SelectorKey, events: int) -> None:
        if key.fileobj is self._channel:
            self._from_inside()
        elif key.fd == self._ready_to_write:
            self._flush_to_inside()
        elif key.fileobj is self._listener:
            self._accept()
        elif key.fileobj is self._terminations:
            self._terminations.recv(1)
            self._go_down()
        elif key.fileobj is self._starter:
            self._selector.unregister(self._starter)
            if not self._up:
                self._go_down()
        elif client := self._clients.get(key.fd):
            self._serve_client(client, events)

    # Down.

    def _go_down(self) -> None:
        """Hang up every terminal first: what is started from there must not be in the way."""
        if not self._going_down:
            self._going_down = True
            self._hang_up_by = time.monotonic() + HANG_UP_S
            for ours in self._owners:
                self._signal(ours, signal.SIGHUP)

    def _patience_s(self) -> float | None:
        if self._hang_up_by is None:
            return None
        return max(0.0, self._hang_up_by - time.monotonic())

    def _end_main(self) -> None:
        """The lab's own program takes everything down in order and ends."""
        self._hang_up_by = None
        for ours in self._owners:
            self._signal(ours, signal.SIGKILL)
        self._signal(MAIN_SESSION, signal.SIGTERM)

    def _signal(self, session: int, number: signal.Signals) -> None:
        self._to_inside(Frame(Kind.signal, session, b"%d" % number))

    # To and fro.

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        self._clients[connection.fileno()] = _Client(connection)
        self._selector.register(connection, selectors.EVENT_READ)

    def _from_inside(self) -> None:
        data = self._channel.recv(1 << 20)
        if not data:
            raise self._death()

        for frame in self._inside.feed(data):
            if frame.session == MAIN_SESSION:
                self._up = self._up or frame.kind is Kind.output
                self._herald(frame.kind, frame.payload)
                if frame.kind is Kind.exit:
                    self._status = frame.number
            elif owner := self._owners.get(frame.session):
                client, number = owner
                self._to_client(client, Frame(frame.kind, number, frame.payload))
                if frame.kind is Kind.exit:
                    self._owners.pop(frame.session, None)  # Sending may have found him gone.
                    client.sessions.pop(number, None)

    def _serve_client(self, client: _Client, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._flush(client)
        if not events & selectors.EVENT_READ or client.connection.fileno() < 0:
            return

        try:
            data = client.connection.recv(1 << 16)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._drop(client)
            return
        try:
            for frame in client.reader.feed(data):
                self._from_client(client, frame)
        except LabBroke:
            self._drop(client)

    def _from_client(self, client: _Client, frame: Frame) -> None:
        if frame.kind is Kind.halt:
            self._go_down()
            return

        if frame.kind is Kind.open:
            client.sessions[frame.session] = self._next
            self._owners[self._next] = client, frame.session
            self._next += 1
        if frame.session in client.sessions:
            ours = client.sessions[frame.session]
            self._to_inside(Frame(frame.kind, ours, frame.payload))

    def _to_inside(self, frame: Frame) -> None:
        self._to_go += frame.encode()
        self._flush_to_inside()

    def _flush_to_inside(self) -> None:
        try:
            while self._to_go:
                del self._to_go[: self._channel.send(self._to_go)]
        except BlockingIOError:
            pass
        except ConnectionError:
            self._to_go.clear()  # Reading will tell how it died.
        if self._to_go and self._ready_to_write < 0:
            # A descriptor of its own: where one socket serves both ways, that is waited on already.
            self._ready_to_write = os.dup(self._channel.writer.fileno())
            self._selector.register(self._ready_to_write, selectors.EVENT_WRITE)
        elif not self._to_go and self._ready_to_write >= 0:
            self._selector.unregister(self._ready_to_write)
            os.close(self._ready_to_write)
            self._ready_to_write = -1

    def _to_client(self, client: _Client, frame: Frame) -> None:
        client.backlog += frame.encode()
        self._flush(client)
        if len(client.backlog) > MAX_BACKLOG:
            self._drop(client)

    def _flush(self, client: _Client) -> None:
        if client.connection.fileno() < 0:
            return
        try:
            while client.backlog:
                del client.backlog[: client.connection.send(client.backlog)]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(client)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.backlog else 0)
        self._selector.modify(client.connection, wanted)

    def _drop(self, client: _Client) -> None:
        """A client has gone: what it ran is hung up, as a terminal would do it."""
        if client.connection.fileno() < 0:
            return
        self._selector.unregister(client.connection)
        del self._clients[client.connection.fileno()]
        client.connection.close()
        for ours in client.sessions.values():
            self._owners.pop(ours, None)
            self._signal(ours, signal.SIGHUP)


def _terminations() -> socket.socket:
    """Gives a byte for each SIGTERM to this process, instead of its end."""
    read, write = socket.socketpair()
    write.setblocking(False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.set_wakeup_fd(write.detach())
    return read
