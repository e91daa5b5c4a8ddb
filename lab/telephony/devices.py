"""A modem's serial port: a pseudo-terminal with a lasting name in its node.

What a PTY cannot carry has a stand-in. Circuit 108 (DTR) is on from when somebody opens the port, which
inotify(7) tells, until nobody has it open any more, which reading the PTY tells; whoever opens it in the
same moment hides that. Circuit 109 (DCD) going off is a hang-up, as on a real port, for whoever has not set
CLOCAL: the PTY is closed and a fresh one takes its name. There is no circuit 125; ``RING`` tells it. Instead
of circuit 106 (CTS) a write waits, once the PTY itself is full: it holds some 22 KB each way.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
import termios
import tty
from pathlib import Path

from lab import _linux
from lab.nodes import Node

_KEPT = (
    "null", "zero", "full", "random", "urandom", "tty", "ptmx", "console", "ppp", "net",
    "pts", "shm", "fd", "stdin", "stdout", "stderr",
)  # fmt: skip
"""What programs of a node may need of the surrounding /dev."""
_CFLAG = 2

READ_BYTES = 4096
"""At once. More would end up in the modem, where the program cannot take it back."""


class Watch:
    """Tells which ports were opened; ``fileno`` is readable when there is news."""

    def __init__(self) -> None:
        self._fd = _linux.inotify_init()

    def fileno(self) -> int:
        return self._fd

    def add(self, path: str) -> int:
        """The number by which ``news`` will name it."""
        return _linux.inotify_add_watch(self._fd, path, _linux.IN_OPEN)

    def remove(self, number: int) -> None:
        """Tell no more of it."""
        _linux.inotify_rm_watch(self._fd, number)

    def news(self) -> set[int]:
        """The numbers of those that were opened. Of two openings in a row inotify tells one."""
        with contextlib.suppress(BlockingIOError):
            events = _linux.inotify_events(os.read(self._fd, 1 << 16))
            return {number for number, mask in events if mask & _linux.IN_OPEN}
        return set()

    def close(self) -> None:
        os.close(self._fd)


class Port:
    """A serial port in a node; ``plug`` makes it, ``unplug`` takes it away for good."""

    def __init__(self, node: Node, device: str, watch: Watch) -> None:
        self.device = device
        self.is_open = False
        """Whether a program has it open."""
        self.master = -1
        self.watched = -1
        self._node = node
        self._watch = watch
        self._place = ""
        self._pending = bytearray()

    def plug(self) -> None:
        """Make the port. Its line is raw from the start: nothing that the modem says is echoed to it."""
        self.master, slave = os.openpty()
        tty.setraw(slave, termios.TCSANOW)
        os.set_blocking(self.master, False)
        self._place = os.ttyname(slave)
        os.close(slave)
        self.watched = self._watch.add(self._place)
        self._node.call(_name_device, self.device, self._place)

    def unplug(self) -> None:
        """Close it for everybody; whoever has it open is hung up on."""
        if self.master < 0:
            return
        self._node.call(_forget_device, self.device)
        os.close(self.master)
        self.master = self.watched = -1
        self._pending.clear()
        self.is_open = False

    @property
    def minds_carrier(self) -> bool:
        """Whether somebody has it open who wants to be hung up on when the carrier goes."""
        return self.is_open and not termios.tcgetattr(self.master)[_CFLAG] & termios.CLOCAL

    @property
    def waiting(self) -> int:
        """How many bytes wait until the program reads on."""
        return len(self._pending)

    def closed(self) -> None:
        """Nobody had it open any more: the next one must not read what the last one left.

        ``is_open`` tells whether the next one is there already.
        """
        self._pending.clear()
        # Under way to the reading end, and arrived there; the latter only that end itself can discard.
        termios.tcflush(self.master, termios.TCOFLUSH)
        self._watch.remove(self.watched)
        end = os.open(self._place, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            termios.tcflush(end, termios.TCIFLUSH)
        finally:
            os.close(end)
        self.watched = self._watch.add(self._place)
        self.is_open = self._in_use()

    def _in_use(self) -> bool:
        """Whether a program has it open, or has written something and gone."""
        look = select.poll()
        look.register(self.master, select.POLLIN)
        states = dict(look.poll(0)).get(self.master, 0)
        return bool(states & select.POLLIN) or not states & select.POLLHUP

    def read(self) -> bytes | None:
        """What the program wrote; None once nobody has the port open any more."""
        try:
            return os.read(self.master, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return None

    def write(self, data: bytes) -> None:
        """For the program; lost if none has the port open."""
        if self.is_open:
            self._pending += data
            self.flush()

    def flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._pending:
                del self._pending[: os.write(self.master, self._pending)]


def furnish(node: Node) -> None:
    """Give a node a /dev of its own, where ports can be named as on any machine."""
    node.call(_furnish)


def _furnish() -> None:
    fresh = Path("/run/lab/dev")
    fresh.mkdir()
    _linux.mount("tmpfs", os.fspath(fresh), "tmpfs", 0, "mode=755")
    for name in _KEPT:
        old, new = Path("/dev", name), fresh / name
        if old.is_symlink():
            new.symlink_to(old.readlink())
        elif old.is_dir():
            new.mkdir()
            _linux.mount(os.fspath(old), os.fspath(new), "", _linux.MS_BIND | _linux.MS_REC)
        elif old.exists():
            there = old.stat()
            os.mknod(new, stat.S_IFMT(there.st_mode) | 0o666, there.st_rdev)
            new.chmod(0o666)
    _linux.mount(os.fspath(fresh), "/dev", "", _linux.MS_MOVE)


def _name_device(device: str, place: str) -> None:
    # A link, as /dev/modem is one on many machines.
    Path(device).unlink(missing_ok=True)
    Path(device).symlink_to(place)


def _forget_device(device: str) -> None:
    Path(device).unlink(missing_ok=True)
