"""The supervisor of a lab that is up: it holds the inside, and lets other terminals in.

Each client speaks ``frames`` over a Unix socket as if it had the inside for itself; the supervisor
gives its sessions numbers of their own. A client that does not read is cut off, and holds up nobody;
no write of ours blocks, so that the inside, the clients and we can never wait for each other in a ring.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from lab.engine.frames import ChannelFrame, FrameKind, FrameReader
from lab.engine.host import OpenLab
from lab.errors import LabBroke

MAIN_SESSION = 1
MAX_BACKLOG = 1 << 26
"""Bytes that a client may be behind before it is cut off."""
HANG_UP_S = 2.0
"""What programs of other terminals get to end when the lab goes down."""
FOR_NOW = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED)
"""Why accept(2) may fail that ends no lab: want of room, or a client that has gone already."""
LOOK_S = 1.0
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, eq=False)
class _Client:
    writer: asyncio.StreamWriter
    sessions: dict[int, int] = field(default_factory=dict)
    """The client's number to ours."""


class Supervisor:
    """Serves until the lab's own program ends; ``herald`` gets what that program writes.

    ``starter`` is the line to whoever waits for the lab to be up: if he goes before, so does the lab.
    """

    def __init__(
        self,
        opened: OpenLab,
        listener: socket.socket,
        herald: Callable[[FrameKind, bytes], None],
        starter: socket.socket,
    ) -> None:
        self._channel = opened.channel
        self._death = opened.death
        self._listener = listener
        self._starter = starter
        self._herald = herald
        self._owners: dict[int, tuple[_Client, int]] = {}
        """Our number to the client and its own number."""
        self._next = MAIN_SESSION + 1
        self._up = False
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(self) -> int:
        """Carry frames until the main program's exit; its status."""
        try:
            return asyncio.run(self._serve())
        finally:
            # All is going down by now: a second request changes nothing.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

    async def _serve(self) -> int:
        loop = asyncio.get_running_loop()
        self._exit_status: asyncio.Future[int] = loop.create_future()
        self._going_down = asyncio.Event()
        self._hung_up = asyncio.Event()
        """Whether no program of another terminal runs."""
        self._hung_up.set()
        self._left = asyncio.Event()
        """Whether a client has gone since the last one was let in."""

        loop.add_signal_handler(signal.SIGTERM, self._going_down.set)
        loop.add_reader(self._starter, self._on_starter)
        # Copies: the channel is still of use when the loop has gone.
        reader, self._inside = await asyncio.open_connection(sock=self._channel.reader.dup())
        # Kept, too: a StreamWriter that nobody holds closes the connection of its reader (Python 3.13).
        self._listening = self._inside
        if self._channel.writer is not self._channel.reader:
            _, self._inside = await asyncio.open_connection(sock=self._channel.writer.dup())
        for work in (self._hear_inside(reader), self._accept(), self._take_down()):
            self._start(work)
        try:
            return await self._exit_status
        finally:
            for writer in (self._inside, self._listening):
                writer.transport.abort()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        """Let something go on beside all else; what it raises ends the supervisor."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._exit_status.done():
            self._exit_status.set_exception(error)

    # Down.

    def _on_starter(self) -> None:
        asyncio.get_running_loop().remove_reader(self._starter)
        if not self._up:
            self._going_down.set()

    async def _take_down(self) -> None:
        """Hang up every terminal first: what is started from there must not be in the way.

        Then the lab's own program takes everything down in order and ends.
        """
        await self._going_down.wait()
        for ours in self._owners:
            self._signal(ours, signal.SIGHUP)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HANG_UP_S):
                await self._hung_up.wait()
        for ours in self._owners:
            self._signal(ours, signal.SIGKILL)
        self._signal(MAIN_SESSION, signal.SIGTERM)

    def _signal(self, session: int, number: signal.Signals) -> None:
        self._to_inside(ChannelFrame(FrameKind.signal, session, b"%d" % number))

    # To and fro.

    async def _hear_inside(self, reader: asyncio.StreamReader) -> None:
        frames = FrameReader()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                for frame in frames.feed(data):
                    self._from_inside(frame)
        raise self._death()

    def _from_inside(self, frame: ChannelFrame) -> None:
        if frame.session == MAIN_SESSION:
            self._up = self._up or frame.kind is FrameKind.output
            self._herald(frame.kind, frame.payload)
            if frame.kind is FrameKind.exit:
                self._exit_status.set_result(frame.number)
        elif owner := self._owners.get(frame.session):
            client, number = owner
            self._to_client(client, ChannelFrame(frame.kind, number, frame.payload))
            if frame.kind is FrameKind.exit:
                client.sessions.pop(number, None)  # It may have been given twice.
                self._disown(frame.session)

    async def _accept(self) -> None:
        self._listener.setblocking(False)
        while True:
            self._left.clear()
            try:
                connection, _ = await asyncio.get_running_loop().sock_accept(self._listener)
            except OSError as error:
                if error.errno not in FOR_NOW:
                    raise
                # Who waits at the socket is taken when another has left, or at the next look.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._left.wait()
                continue
            self._start(self._attend(connection))

    async def _attend(self, connection: socket.socket) -> None:
        """Serve a client; once it has gone, hang up what it ran, as a terminal would do it."""
        reader, writer = await asyncio.open_connection(sock=connection)
        client = _Client(writer)
        frames = FrameReader()
        try:
            with contextlib.suppress(ConnectionError, LabBroke):
                while data := await reader.read(_CHUNK):
                    for frame in frames.feed(data):
                        self._from_client(client, frame)
        finally:
            writer.transport.abort()
            self._left.set()
        for ours in client.sessions.values():
            self._signal(ours, signal.SIGHUP)
            self._disown(ours)

    def _from_client(self, client: _Client, frame: ChannelFrame) -> None:
        if frame.kind is FrameKind.halt:
            self._going_down.set()
            return

        if frame.kind is FrameKind.open:
            client.sessions[frame.session] = self._next
            self._owners[self._next] = client, frame.session
            self._hung_up.clear()
            self._next += 1
        if ours := client.sessions.get(frame.session):
            self._to_inside(ChannelFrame(frame.kind, ours, frame.payload))

    def _disown(self, ours: int) -> None:
        del self._owners[ours]
        if not self._owners:
            self._hung_up.set()

    def _to_inside(self, frame: ChannelFrame) -> None:
        self._inside.write(frame.encode())

    def _to_client(self, client: _Client, frame: ChannelFrame) -> None:
        transport = client.writer.transport
        if not transport.is_closing():
            client.writer.write(frame.encode())
        if transport.get_write_buffer_size() > MAX_BACKLOG:
            transport.abort()
