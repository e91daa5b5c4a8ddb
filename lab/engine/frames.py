"""The frames between the host and the inside of a lab: many sessions over one byte stream.

A session is one program inside, with its input, output, errors, window size, signals and exit status.
Bytes in, frames out; no descriptor, clock or thread here. The same frames run over the guest's serial
line (host to guest) and over a Unix socket (another terminal to the supervisor of ``lab up``).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from lab.errors import LabBroke

_HEADER = struct.Struct("!BII")
MAX_PAYLOAD = 1 << 20
WINDOW = 1 << 17
"""How many bytes of input may be under way before the other end has said ``taken``.

Bounds what piles up inside for a program that does not read; and since a Unix socket holds more,
whoever sends input hardly ever has to wait.
"""


class FrameKind(IntEnum):
    """What a frame carries; ``<`` marks the direction from inside to host."""

    configure = 1
    """Session 0, first of all: JSON, how the inside is to be laid out."""
    open = 3
    """JSON ``Program``: start it under this session number."""
    input = 4
    """Bytes for standard input; empty: end of input."""
    taken = 5
    """< A decimal number of input bytes that the program has been given."""
    output = 6
    """< Bytes of standard output, or of the terminal."""
    errors = 7
    """< Bytes of standard error."""
    resize = 8
    """``<rows> <columns>`` of the terminal."""
    signal = 9
    """A decimal signal number for the program's process group; answered by ``taken`` or ``exit``."""
    exit = 10
    """< The decimal exit status; 128 + n for signal n. Last frame of a session."""
    refused = 11
    """< Text: why the program could not be started; followed by ``exit``."""
    halt = 12
    """Session 0: end everything and power off."""


class ChannelFrame(NamedTuple):
    """One frame on the channel between host and inside."""

    kind: FrameKind
    session: int
    payload: bytes = b""

    def encode(self) -> bytes:
        return _HEADER.pack(self.kind, self.session, len(self.payload)) + self.payload

    @property
    def number(self) -> int:
        return int(self.payload)

    @property
    def data(self) -> Any:
        return json.loads(self.payload)


def json_frame(kind: FrameKind, session: int, value: object) -> ChannelFrame:
    """A frame that carries JSON."""
    return ChannelFrame(kind, session, json.dumps(value).encode())


class FrameReader:
    """Collects bytes in any portions and gives whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[ChannelFrame]:
        """Take bytes; raises LabBroke on an unknown kind or an impossible length."""
        self._buffer += data

        while len(self._buffer) >= _HEADER.size:
            kind, session, length = _HEADER.unpack_from(self._buffer)
            if length > MAX_PAYLOAD:
                raise LabBroke(f"a frame of {length} bytes came over the lab's channel")

            end = _HEADER.size + length
            if len(self._buffer) < end:
                return

            payload = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            try:
                yield ChannelFrame(FrameKind(kind), session, payload)
            except ValueError:
                raise LabBroke(f"a frame of kind {kind} came over the lab's channel") from None
