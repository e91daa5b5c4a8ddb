"""The supervisor of a lab that is up: it holds the inside, and lets other terminals in.

Each client speaks ``frames`` over a Unix socket as if it had the inside for itself; the supervisor
gives its sessions numbers of their own. A client that does not read is cut off, and holds up nobody.
"""

from __future__ import annotations

import selectors
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.engine.frames import Frame, FrameReader, Kind
from lab.engine.host import OpenLab

MAIN_SESSION = 1
MAX_BACKLOG = 1 << 26
"""Bytes that a client may be behind before it is cut off."""


@dataclass(slots=True)
class _Client:
    connection: socket.socket
    reader: FrameReader = field(default_factory=FrameReader)
    sessions: dict[int, int] = field(default_factory=dict)
    """The client's number to ours."""
    backlog: bytearray = field(default_factory=bytearray)


class Supervisor:
    """Serves until the lab's own program ends; ``herald`` gets what that program writes."""

    def __init__(
        self,
        opened: OpenLab,
        listener: socket.socket,
        herald: Callable[[Kind, bytes], None],
    ) -> None:
        self._opened = opened
        self._listener = listener
        self._herald = herald
        self._selector = selectors.DefaultSelector()
        self._inside = FrameReader()
        self._clients: dict[int, _Client] = {}
        self._owners: dict[int, tuple[_Client, int]] = {}
        """Our number to the client and its own number."""
        self._next = MAIN_SESSION + 1
        self._status: int | None = None

    def serve(self) -> int:
        """Carry frames until the main program's exit; its status."""
        self._selector.register(self._opened.channel, selectors.EVENT_READ)
        self._selector.register(self._listener, selectors.EVENT_READ)

        while self._status is None:
            for key, events in self._selector.select():
                if key.fileobj is self._opened.channel:
                    self._from_inside()
                elif key.fileobj is self._listener:
                    self._accept()
                elif client := self._clients.get(key.fd):
                    self._serve_client(client, events)
        return self._status

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setblocking(False)
        self._clients[connection.fileno()] = _Client(connection)
        self._selector.register(connection, selectors.EVENT_READ)

    def _from_inside(self) -> None:
        try:
            data = self._opened.channel.recv(1 << 20)
        except ConnectionError:
            data = b""
        if not data:
            raise self._opened.death()

        for frame in self._inside.feed(data):
            if frame.session == MAIN_SESSION:
                self._herald(frame.kind, frame.payload)
                if frame.kind is Kind.exit:
                    self._status = frame.number
            elif owner := self._owners.get(frame.session):
                client, number = owner
                self._to_client(client, Frame(frame.kind, number, frame.payload))
                if frame.kind is Kind.exit:
                    del self._owners[frame.session]
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
        for frame in client.reader.feed(data):
            self._from_client(client, frame)

    def _from_client(self, client: _Client, frame: Frame) -> None:
        if frame.kind is Kind.halt:
            # Down: the lab's own program takes everything down in order and ends.
            number = b"%d" % signal.SIGTERM
            self._to_inside(Frame(Kind.signal, MAIN_SESSION, number))
            return

        if frame.kind is Kind.open:
            client.sessions[frame.session] = self._next
            self._owners[self._next] = client, frame.session
            self._next += 1
        if frame.session in client.sessions:
            ours = client.sessions[frame.session]
            self._to_inside(Frame(frame.kind, ours, frame.payload))

    def _to_inside(self, frame: Frame) -> None:
        self._opened.channel.sendall(frame.encode())

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
            self._to_inside(Frame(Kind.signal, ours, b"%d" % signal.SIGHUP))
