"""What programs of the nodes tell syslog(3): a socket behind each node's ``/dev/log``, one thread for all.

A message is a line of ``logs/<node>/syslog``: the lab's time at which it came, and the message as the program
sent it, with its priority, in whatever form (RFC 3164, RFC 5424). Control characters are written as rsyslog
writes them: ``#012`` is a newline. The file is made with the first message.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
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

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def render(message: bytes, came: float) -> str:
    """The line of a message that came at a time (seconds since 1970)."""
    second, millisecond = divmod(int(came * 1000), 1000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
    text = message.rstrip(b"\n\0").decode(errors="backslashreplace")
    escaped = _CONTROL.sub(lambda found: f"#{ord(found[0]):03o}", text)
    return f"{stamp}.{millisecond:03}Z {escaped}\n"


class LogSocket:
    """A node's socket and file."""

    def __init__(self, sock: socket.socket, path: Path) -> None:
        self._socket = sock
        self._path = path
        self._file: int | None = None
        self._lock = threading.Lock()

    def fileno(self) -> int:
        return self._socket.fileno()

    def take(self) -> bool:
        """Write what has come; False when that was all."""
        with self._lock:
            lines: list[str] = []
            # Whoever was told to take may come after the end.
            with contextlib.suppress(BlockingIOError):
                while len(lines) < _AT_ONCE and self.fileno() >= 0:
                    lines.append(render(self._socket.recv(MOST_BYTES), time.time()))
            if lines:
                self._write("".join(lines).encode())
            return len(lines) == _AT_ONCE

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
            self._socket.close()
            if self._file is not None:
                os.close(self._file)
                self._file = None


class SystemLog:
    """Listens for all nodes."""

    def __init__(self, epoll: select.epoll) -> None:
        self._epoll = epoll
        self._sockets: dict[int, LogSocket] = {}
        self.broke = Broke("the nodes' system log")

    def check(self) -> None:
        """Raise, once, what ended the thread before its time."""
        self.broke.check()

    def add(self, sock: socket.socket, path: Path) -> LogSocket:
        """Listen at a socket from now on; whoever asks for it removes it."""
        added = LogSocket(sock, path)
        self._sockets[added.fileno()] = added
        self._epoll.register(added, select.EPOLLIN)
        return added

    def remove(self, added: LogSocket) -> None:
        """Write what has come there, and listen no more."""
        self._sockets = {n: each for n, each in self._sockets.items() if each is not added}
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
        self.drop()

    def drop(self) -> None:
        """Listen no more at all."""
        for each in self._sockets.values():
            each.drop()


@contextlib.contextmanager
def start() -> Iterator[SystemLog]:
    """Nodes come and go in the context; afterwards nobody listens."""
    with select.epoll() as epoll:
        log = SystemLog(epoll)
        with start_worker(log.run, "system log", stack_bytes=_STACK_BYTES):
            yield log
        log.drop()
