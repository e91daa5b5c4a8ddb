"""The bytes between the host and an inside: one descriptor to read from and one to write to.

They are two, because in virtual time the guest's kernel writes to its own end without a wait queue
(a write must take no time), so that end has to block; and its reading end must not. Two ends of one
socket share that flag. Frames are not known here.
"""

from __future__ import annotations

import socket
from typing import NamedTuple


class Channel(NamedTuple):
    """The host's end; one socket for both ways, where the other end is an ordinary program."""

    reader: socket.socket
    writer: socket.socket

    def recv(self, size: int) -> bytes:
        """Some bytes; none when the other end has gone."""
        try:
            return self.reader.recv(size)
        except ConnectionError:
            return b""

    def send(self, data: memoryview) -> int:
        """Give away what is taken without waiting; raises BlockingIOError if that is nothing."""
        return self.writer.send(data, socket.MSG_DONTWAIT)

    def sendall(self, data: bytes) -> None:
        self.writer.sendall(data)

    def end(self) -> None:
        """Nothing more comes from here, and nothing more is read: whoever writes need not wait."""
        self.writer.shutdown(socket.SHUT_WR)
        self.reader.shutdown(socket.SHUT_RD)
