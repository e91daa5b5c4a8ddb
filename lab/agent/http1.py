"""HTTP/1.1 message framing (RFC 9112) for the lab's own server and agent: heads and bodies.

No sockets, no clock, no routing. ``http.client`` and ``http.server`` would do, but importing them
costs as much as TLS itself, and in the guest every imported page is dear; so this module and the
agent import next to nothing (no dataclasses: they import ``inspect``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

HEAD_BYTES = 32 * 1024
_CHUNK_LINE_BYTES = 4096
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_TOKEN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~")


class Malformed(ValueError):
    """What came is not HTTP/1.1; ``status`` is what a server answers.

    Not a LabError: a peer's mistake is a line of the ledger or of the agent's story, and never
    leaves the conversation.
    """

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


class Head:
    """The start line and the fields of a message; field names are in lower case."""

    __slots__ = ("fields", "start")

    def __init__(self, start: str, fields: dict[str, str]) -> None:
        self.start = start
        self.fields = fields

    def lists(self, field: str, token: str) -> bool:
        """Whether a comma-separated field names a token (``Connection: close``)."""
        return token in (part.strip().lower() for part in self.fields.get(field, "").split(","))

    def request_line(self) -> tuple[str, str, str]:
        """Method, target and version (RFC 9112 3)."""
        parts = self.start.split(" ")
        if len(parts) != 3 or not _is_token(parts[0]) or not parts[1].isprintable():
            raise Malformed(400, "the first line is not a request line")

        self._check_version(parts[2])
        return parts[0], parts[1], parts[2]

    def status_line(self) -> tuple[int, str]:
        """Status code and reason (RFC 9112 4)."""
        version, _, rest = self.start.partition(" ")
        code, _, reason = rest.partition(" ")
        self._check_version(version)
        if len(code) != 3 or not _is_number(code):
            raise Malformed(400, "the first line is not a status line")

        return int(code), reason

    def body_length(self) -> int | None:
        """The body's length (RFC 9112 6.3): -1 if chunked, None if the fields do not say."""
        length = self.fields.get("content-length")
        coding = self.fields.get("transfer-encoding")

        if coding is not None:
            if length is not None:  # RFC 9112 6.3: the stuff of request smuggling
                raise Malformed(400, "both Content-Length and Transfer-Encoding")
            if coding.lower() != "chunked":
                raise Malformed(501, "a transfer coding other than chunked")
            return -1

        if length is None:
            return None

        if not _is_number(length) or len(length) > 18:
            raise Malformed(400, "Content-Length is not a number")
        return int(length)

    @staticmethod
    def _check_version(version: str) -> None:
        if not version.startswith("HTTP/"):
            raise Malformed(400, "the first line has no HTTP version")
        if version not in ("HTTP/1.0", "HTTP/1.1"):
            raise Malformed(505, "a version other than HTTP/1.0 and HTTP/1.1")


class Stream:
    """The incoming half of a connection; ``receive`` gives its next bytes, none at its end."""

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._buffer = bytearray()
        self.received = 0

    @property
    def consumed(self) -> int:
        """How much of what was received belongs to messages that were read."""
        return self.received - len(self._buffer)

    @property
    def pending(self) -> bool:
        """Whether bytes of an unfinished message are there."""
        return bool(self._buffer)

    def head(self) -> Head | None:
        """The next message's head; None if the connection ended before its first byte."""
        room = HEAD_BYTES
        lines: list[str] = []

        while True:
            line = self._line(room, 431, "the head")
            if line is None and not lines:
                return None
            if line is None:
                raise Malformed(400, "the connection ended inside the head")

            room -= len(line) + 2
            if line:
                lines.append(line)
            elif lines:  # RFC 9112 2.2: empty lines before the start line are skipped
                return Head(lines[0], _parse_fields(lines[1:]))

    def body(self, length: int | None) -> Iterator[bytes]:
        """A body of the given length, chunked if -1, up to the end of the connection if None."""
        if length is None:
            return self._until_end()
        return self._chunks() if length < 0 else self._counted(length)

    def _until_end(self) -> Iterator[bytes]:
        while self._buffer or self._fill():
            part = bytes(self._buffer)
            self._buffer.clear()
            yield part

    def _counted(self, length: int) -> Iterator[bytes]:
        while length:
            if not self._buffer and not self._fill():
                raise Malformed(400, "the connection ended inside the body")

            part = bytes(self._buffer[:length])
            del self._buffer[:length]
            length -= len(part)
            yield part

    def _chunks(self) -> Iterator[bytes]:
        """RFC 9112 7.1; chunk extensions and trailers are read over."""
        while size := self._chunk_size():
            yield from self._counted(size)
            if self._line(2, 400, "a chunk") != "":
                raise Malformed(400, "a chunk does not end where its size says")

        room = HEAD_BYTES
        while (trailer := self._line(room, 431, "the trailers")) != "":
            if trailer is None:
                raise Malformed(400, "the connection ended inside the trailers")
            room -= len(trailer) + 2

    def _chunk_size(self) -> int:
        line = self._line(_CHUNK_LINE_BYTES, 400, "a chunk's size")
        digits = (line or "").partition(";")[0].strip()
        if not 0 < len(digits) <= 15 or not set(digits) <= _HEXADECIMAL:
            raise Malformed(400, "a chunk's size is not a hexadecimal number")

        return int(digits, 16)

    def _line(self, room: int, too_long: int, what: str) -> str | None:
        """The next line without its end; None if the connection ended before its first byte."""
        searched = 0

        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > room:
                raise Malformed(too_long, f"{what} is too long")
            if not self._fill():
                if self._buffer:
                    raise Malformed(400, f"the connection ended inside {what}")
                return None

        if end > room:
            raise Malformed(too_long, f"{what} is too long")

        # RFC 9112 2.2: a bare LF may be taken as the end of a line, which people who type into
        # ``openssl s_client`` are glad of.
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        if b"\r" in line or b"\0" in line:
            raise Malformed(400, f"a control character in {what}")
        return line.decode("latin-1")

    def _fill(self) -> bool:
        data = self._receive()
        self._buffer += data
        self.received += len(data)
        return bool(data)


def _parse_fields(lines: list[str]) -> dict[str, str]:
    fields: dict[str, str] = {}

    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _is_token(name):  # also folded lines: obsolete (RFC 9112 5.2)
            raise Malformed(400, "a field line is not NAME: VALUE")

        name = name.lower()
        value = value.strip(" \t")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value

    return fields


def _is_token(text: str) -> bool:
    return bool(text) and set(text) <= _TOKEN


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def split_authority(authority: str, port: str) -> tuple[str, str]:
    """Host and port, also of ``[2001:db8::1]:443``; ``port`` is the one if none is written (RFC 3986 3.2)."""
    if authority.startswith("["):
        host, _, rest = authority[1:].partition("]")
        return host, rest.removeprefix(":") or port

    host, _, written = authority.partition(":")
    return host, written or port
