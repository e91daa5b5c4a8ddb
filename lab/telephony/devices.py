"""A modem's serial port: a pseudo-terminal with a lasting name in its node.

What a PTY cannot carry has a stand-in. Circuit 108 (DTR) is on as long as somebody has the port open, which
inotify(7) tells, and its rate is not B0, which nothing tells: somebody has to look. Circuit 109 (DCD) going
off is a hang-up, as on a real port, for whoever has not set CLOCAL: the PTY is closed and a fresh one takes
its name. There is no circuit 125; ``RING`` tells it. Instead of circuit 106 (CTS) a write waits, once the PTY
itself is full: it holds some 22 KB each way.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import struct
import termios
import tty
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.linux import groups, syscalls
from lab.linux.nodes import Node

_EVENTS = syscalls.IN_OPEN | syscalls.IN_CLOSE
_CFLAG, _ISPEED, _OSPEED = 2, 4, 5
_RATES = {
    getattr(termios, name): int(name[1:])
    for name in vars(termios)
    if name.startswith("B") and name[1:].isdigit()
}
_N_TTY = struct.pack("i", 0)
_MODE = 0o660
"""Of a serial port, as on Debian; its group is dialout."""
_ALSO_CALLED = "ttyS", "ttyUSB"
"""What serial ports are called elsewhere: there programs look for a modem."""

LOOK_S = 0.25
"""Programs keep B0 for half a second at least, mostly for a whole one."""
READ_BYTES = 4096
"""At once. More would end up in the modem, where the program cannot take it back."""


@contextlib.contextmanager
def start_watch() -> Iterator[Watch]:
    """Watch ports until the end of the context."""
    fd = syscalls.inotify_init()
    try:
        yield Watch(fd)
    finally:
        os.close(fd)


class Watch:
    """Tells when ports are opened and closed; ``fileno`` is readable when there is news."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        return self._fd

    def add(self, place: str) -> int:
        """The number by which ``news`` will name it."""
        # inotify(7) makes one of two events in a row that are the same. The folder's events stand
        # between those of the port, so that every opening is told.
        syscalls.inotify_add_watch(self._fd, os.fspath(Path(place).parent), _EVENTS)
        return syscalls.inotify_add_watch(self._fd, place, _EVENTS)

    def remove(self, number: int) -> None:
        """Tell no more of it."""
        syscalls.inotify_rm_watch(self._fd, number)

    def news(self) -> list[tuple[int, bool]]:
        """What happened, in order: the number of the port, and whether it was opened, or closed."""
        told: list[tuple[int, bool]] = []
        with contextlib.suppress(BlockingIOError):
            events = syscalls.inotify_events(os.read(self._fd, 1 << 16))
            told = [
                (number, bool(mask & syscalls.IN_OPEN)) for number, mask in events if mask & _EVENTS
            ]
        return told


@contextlib.contextmanager
def also_called(node: Node, devices: Sequence[str]) -> Iterator[None]:
    """Give a node's ports, in their order, further names: ``ttyS0`` and so on; ``modem`` is the first."""
    parent = os.fspath(Path(devices[0]).parent)
    names = [Path(device).name for device in devices]
    links = {"modem": names[0]}
    for number, name in enumerate(names):
        links |= {f"{kind}{number}": name for kind in _ALSO_CALLED}
    with contextlib.ExitStack() as undo:
        # Later on the node's thread may be away for long: it attends a user's command.
        folder = node.call(os.open, parent, os.O_PATH | os.O_CLOEXEC)
        undo.callback(os.close, folder)
        for link, name in links.items():
            # It may be the name of a port.
            with contextlib.suppress(FileExistsError):
                if link not in names:
                    os.symlink(name, link, dir_fd=folder)
                    undo.callback(_unlink, link, folder)
        yield


def _unlink(name: str, folder: int) -> None:
    # A program may have taken it away already.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


@contextlib.contextmanager
def start_port(node: Node, device: str, watch: Watch) -> Iterator[Port]:
    """A serial port in a node, which is unplugged at the end of the context."""
    # Later on the node's thread may be away for long: it attends a user's command.
    folder = node.call(os.open, os.fspath(Path(device).parent), os.O_PATH | os.O_CLOEXEC)
    try:
        port = Port(device, folder, watch)
        port.plug()
        try:
            yield port
        finally:
            port.unplug()
    finally:
        os.close(folder)


class Port:
    """A serial port in a node; ``plug`` makes it, ``unplug`` takes it away."""

    _end: int
    """The programs' end: we keep it, too, so that we can clear it."""
    _release: contextlib.ExitStack
    """What lets go of the pseudo-terminal."""

    def __init__(self, device: str, folder: int, watch: Watch) -> None:
        """``folder`` is a descriptor of the device's folder."""
        self.device = device
        self.openers = 0
        """How many have it open."""
        self.left = False
        """Whether the last of them has gone, and ``clear`` was not called yet."""
        self.master = -1
        self.watched = -1
        self._folder = folder
        self._watch = watch
        self._pending = bytearray()

    def plug(self) -> None:
        """Make the port. Its line is raw from the start: nothing that the modem says is echoed to it."""
        with contextlib.ExitStack() as undo:
            master, end = os.openpty()
            undo.callback(os.close, end)
            undo.callback(os.close, master)
            tty.setraw(end, termios.TCSANOW)
            os.set_blocking(master, False)
            # Only root may give it to a group.
            with contextlib.suppress(PermissionError):
                os.fchown(end, 0, groups.number_of(groups.DIALOUT) or 0)
            os.fchmod(end, _MODE)
            place = os.ttyname(end)
            watched = self._watch.add(place)
            undo.callback(self._watch.remove, watched)
            self._name(place)
            self._release = undo.pop_all()
        self.master, self._end, self.watched = master, end, watched
        self.openers, self.left = 0, False
        self._pending.clear()

    def hang_up(self) -> None:
        """Close it for everybody who has it open; whoever comes next has a fresh one."""
        old = self._release
        self.plug()
        old.close()

    def unplug(self) -> None:
        """Take it away: whoever has it open is hung up on, and nobody can open it any more."""
        if self.master < 0:
            return
        _unlink(Path(self.device).name, self._folder)
        self.master = self.watched = -1
        self.openers, self.left = 0, False
        self._pending.clear()
        self._release.close()

    def _name(self, place: str) -> None:
        # A link, as /dev/modem is one on many machines. There is no moment without one.
        name = Path(self.device).name
        fresh = f"{name}.new"
        os.symlink(place, fresh, dir_fd=self._folder)
        try:
            os.rename(fresh, name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except BaseException:
            os.unlink(fresh, dir_fd=self._folder)
            raise

    @property
    def minds_carrier(self) -> bool:
        """Whether somebody has it open who wants to be hung up on when the carrier goes."""
        return bool(self.openers) and not termios.tcgetattr(self.master)[_CFLAG] & termios.CLOCAL

    @property
    def rate_bit_s(self) -> int | None:
        """The rate that was set, 0 for B0; None: one without a name."""
        return _RATES.get(termios.tcgetattr(self.master)[_OSPEED])

    @property
    def waiting(self) -> int:
        """How many bytes wait until the program reads on."""
        return len(self._pending)

    def note(self, *, opened: bool) -> None:
        """Somebody has opened it, or closed it."""
        openers = self.openers + (1 if opened else -1)
        # In this order: another thread never sees a port that nobody has open and nobody has left.
        self.left = not opened and not openers
        self.openers = openers

    def clear(self) -> None:
        """Let the next opener not read what the last one left, nor find its B0 or line discipline."""
        self._pending.clear()
        # pppd's, say. First, as others cannot be flushed. Not without need: it would wait for whoever reads.
        if fcntl.ioctl(self._end, termios.TIOCGETD, bytes(4)) != _N_TTY:
            fcntl.ioctl(self._end, termios.TIOCSETD, _N_TTY)
        if self.rate_bit_s == 0:
            attributes = termios.tcgetattr(self._end)
            attributes[_ISPEED] = attributes[_OSPEED] = termios.B38400
            termios.tcsetattr(self._end, termios.TCSANOW, attributes)
        termios.tcflush(self.master, termios.TCOFLUSH)
        termios.tcflush(self._end, termios.TCIFLUSH)
        # Last: who waits for it opens the port next, and must find it cleared.
        self.left = False

    def read(self) -> bytes:
        """What programs wrote."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self.master, READ_BYTES)
        return b""

    def write(self, data: bytes) -> None:
        """For the program; lost if none has the port open."""
        if self.openers:
            self._pending += data
            self.flush()

    def flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._pending:
                del self._pending[: os.write(self.master, self._pending)]


class Readiness:
    """Circuit 108 as a port's rate says it: off at B0, by which programs hang up (termios(3)).

    How often the rate is to be looked at, and what a look comes to. No descriptor or clock.
    """

    def __init__(self) -> None:
        self._looked_at = -math.inf
        self._off_since: float | None = None

    def look(self, *, b0: bool, delay_s: float, now: float) -> bool | None:
        """What circuit 108 is; None: it has been off for less than ``delay_s``, which is to be waited for."""
        self._looked_at = now
        if not b0:
            self._off_since = None
            return True
        if self._off_since is None:
            self._off_since = now
        return False if now >= self._off_since + delay_s else None

    def look_at(self, *, on: bool, delay_s: float) -> float:
        """When to look again; ``on``: circuit 108 counts as on until then."""
        if on and self._off_since is not None:
            return self._off_since + delay_s
        return self._looked_at + LOOK_S
