"""What programs of the nodes say, with the lab's time: one thread for all.

What a program tells syslog(3) comes by a socket behind each node's ``/dev/log``. A message is a line of
``logs/<node>/syslog``: the time, and the message as the program sent it, with its priority, in whatever form
(RFC 3164, RFC 5424). Control characters are written as rsyslog writes them: ``#012`` is a newline.
What a daemon writes to its standard output and error comes by a socket of its own (``daemon_log``).

The time is the one at which the program sent: the kernel notes it (socket(7), SO_TIMESTAMPNS), so that a busy
machine moves no line behind the packets that follow it. A file is made with the first message.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from lab.linux.worker import Broke, start_worker

SYSLOG = "syslog"
"""The file, beside the logs of a node's daemons."""
MOST_BYTES = 1 << 16
"""Of a message; what is longer is cut off."""
_AT_ONCE = 64
"""Messages that are written together."""

_STACK_BYTES = 256 * 1024

_SO_TIMESTAMPNS = 35
"""In Linux's asm-generic/socket.h; Python has no name for it."""
_TIMESPEC = struct.Struct("@qq")
_NS = 10**9

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def stamp(came: float) -> str:
    """A time (seconds since 1970) in microseconds, rounded as the timeline rounds the times of packets."""
    second, fraction = divmod(round(round(came, 6) * 10**6), 10**6)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{fraction:06}Z"


def render(message: bytes, came: float) -> str:
    """The line of a message of syslog(3) that came at a time (seconds since 1970)."""
    text = message.rstrip(b"\n\0").decode(errors="backslashreplace")
    escaped = _CONTROL.sub(lambda found: f"#{ord(found[0]):03o}", text)
    return f"{stamp(came)} {escaped}\n"


class LogSocket:
    """A node's socket and file."""

    def __init__(self, epoll: select.epoll, sock: socket.socket, path: Path) -> None:
        self._epoll = epoll
        self._socket = sock
        self._path = path
        self._file: int | None = None
        self._lock = threading.Lock()
        self.number = sock.fileno()
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        epoll.register(sock, select.EPOLLIN)

    @property
    def ended(self) -> bool:
        """Whether nothing comes any more."""
        return self._socket.fileno() < 0

    def take(self) -> bool:
        """Write what has come; False when that was all. Any thread may ask, also after the end."""
        with self._lock:
            lines: list[bytes] = []
            while len(lines) < _AT_ONCE and (message := self._receive()) is not None:
                lines.append(self._render(*message))
            if lines:
                self._write(b"".join(lines))
            return len(lines) == _AT_ONCE

    def _receive(self) -> tuple[bytes, float] | None:
        """A message, and the time at which it was sent; None if there is none now, or will be none."""
        if self.ended:
            return None
        try:
            data, beside, _, _ = self._socket.recvmsg(MOST_BYTES, socket.CMSG_SPACE(_TIMESPEC.size))
        except BlockingIOError:
            return None
        for _, kind, value in beside:
            if kind == _SO_TIMESTAMPNS:
                second, nanosecond = _TIMESPEC.unpack(value)
                return data, (second * _NS + nanosecond) / _NS
        # Every message has its time, even an empty one: this is the end of all who could send.
        self._close()
        return None

    def _render(self, message: bytes, came: float) -> bytes:
        return render(message, came).encode()

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._file = os.open(self._path, flags, 0o644)
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def close(self) -> None:
        """Write what is left, and take no more."""
        try:
            while self.take():
                pass
        finally:
            self.drop()

    def drop(self) -> None:
        """Take no more: whoever has something to tell is refused, and does not wait."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if not self.ended:
            # By hand, for a process that was forked may have the socket, too; the epoll may be closed.
            with contextlib.suppress(OSError, ValueError):
                self._epoll.unregister(self._socket)
            self._socket.close()
        if self._file is not None:
            os.close(self._file)
            self._file = None


class OutputSocket(LogSocket):
    """A daemon's standard output and error: the time is in front of each line."""

    _within = False
    """Whether the last line has no end yet."""

    def _render(self, message: bytes, came: float) -> bytes:
        front = f"{stamp(came)} ".encode()
        begun = message if self._within or not message else front + message
        self._within = bool(message) and not message.endswith(b"\n")
        lines = begun.removesuffix(b"\n").replace(b"\n", b"\n" + front)
        return lines if self._within else lines + b"\n"


class SystemLog:
    """Listens for all nodes."""

    def __init__(self, epoll: select.epoll) -> None:
        self._epoll = epoll
        self._sockets: dict[int, LogSocket] = {}
        self._lock = threading.Lock()
        self.broke = Broke("the nodes' system log")

    def check(self) -> None:
        """Raise, once, what ended the thread before its time."""
        self.broke.check()

    def add(self, sock: socket.socket, path: Path) -> LogSocket:
        """Listen at a socket from now on; whoever asks for it removes it."""
        return self._listen(LogSocket(self._epoll, sock, path))

    def add_output(self, path: Path) -> tuple[LogSocket, socket.socket]:
        """Listen to a daemon until it has ended, and all that it has started; also its end of the socket."""
        # Of this kind, for then each write(2) is a message with its time, and the end of all writers is told.
        sock, output = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return self._listen(OutputSocket(self._epoll, sock, path)), output

    def _listen(self, added: LogSocket) -> LogSocket:
        with self._lock:
            self._sockets[added.number] = added
        return added

    def _forget(self, ended: LogSocket) -> None:
        """No more events of it are waited for; its number may be another one's by now."""
        with self._lock:
            if self._sockets.get(ended.number) is ended:
                del self._sockets[ended.number]

    def remove(self, added: LogSocket) -> None:
        """Write what has come there, and listen no more."""
        self._forget(added)
        added.close()

    def run(self, told: int) -> None:
        """Write whatever comes, until ``told`` is readable."""
        with self.broke:
            self._epoll.register(told, select.EPOLLIN)
            while True:
                for number, _ in self._epoll.poll():
                    if number == told:
                        return
                    # Another thread may have removed it just now.
                    if (there := self._sockets.get(number)) is not None:
                        there.take()
                        if there.ended:
                            self._forget(there)
        self.drop()

    def drop(self) -> None:
        """Listen no more at all."""
        with self._lock:
            left = tuple(self._sockets.values())
        for each in left:
            each.drop()


@contextlib.contextmanager
def start() -> Iterator[SystemLog]:
    """Nodes come and go in the context; afterwards nobody listens."""
    with select.epoll() as epoll:
        log = SystemLog(epoll)
        with start_worker(log.run, "system log", stack_bytes=_STACK_BYTES):
            yield log
        log.drop()
