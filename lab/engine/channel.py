"""The bytes between the host and an inside: one descriptor to read from and one to write to.

They are two, because in virtual time the guest's kernel writes to its own end without a wait queue
(a write must take no time), so that end has to block; and its reading end must not. Two ends of one
socket share that flag. Frames are not known here.
"""

from __future__ import annotations

import socket
from types import TracebackType


class Channel:
    """The host's end; ``fileno`` is the one to wait on for reading."""

    def __init__(self, reader: socket.socket, writer: socket.socket) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    def over(cls, connection: socket.socket) -> Channel:
        """One socket for both ways, where the other end is an ordinary program."""
        return cls(connection, connection)

    def fileno(self) -> int:
        return self.reader.fileno()

    def recv(self, size: int) -> bytes:
        """Some bytes; none when the other end has gone."""
        try:
            return self.reader.recv(size)
        except ConnectionError:
            return b""

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Give away what is taken without waiting; raises BlockingIOError if that is nothing."""
        return self.writer.send(data, socket.MSG_DONTWAIT)

    def sendall(self, data: bytes) -> None:
        self.writer.sendall(data)

    def set_patience(self, seconds: float | None) -> None:
        """How long ``recv`` waits before TimeoutError."""
        self.reader.settimeout(seconds)

    def end(self) -> None:
        """Nothing more comes from here, and nothing more is read: whoever writes need not wait."""
        self.writer.shutdown(socket.SHUT_WR)
        self.reader.shutdown(socket.SHUT_RD)

    def __enter__(self) -> Channel:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.reader.close()
        self.writer.close()
