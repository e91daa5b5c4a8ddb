"""The attendant: process 1 of the inside, in the guest and in the native engine alike.

It starts programs on request, carries their input, output, window size, signals and exit status over
the channel, and reaps every orphan. One selector loop, no thread. Imports stay lean: in the guest
every page costs. It knows nothing of topologies.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import selectors
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any

from lab.engine.frames import ChannelFrame, FrameKind, FrameReader
from lab.linux import groups

_CHUNK = 1 << 16
_NAMESPACES = "/run/netns", "/run/mntns", "/run/utsns"
_PROCESSES = "/run/pidns"
ONLY_IN_NODES = ("lab-way", "lab-events")
"""Programs that the lab puts into nodes: neither this machine nor our own root has them."""


class _Session:
    """A program and the descriptors of its standard streams on our side; -1 is none."""

    def __init__(
        self, number: int, stdin: int, outputs: dict[int, FrameKind], terminal: int = -1
    ) -> None:
        self.number = number
        self.pid = 0
        self.stdin = stdin
        self.outputs = outputs
        self.terminal = terminal
        self.started = time.time()
        self.program: dict[str, Any] = {}
        """What runs in a node; empty elsewhere."""
        self.pending = bytearray()
        self.input_ended = False
        self.status: int | None = None


class Attendant:
    """Serves one channel until the host says ``halt`` or goes away.

    ``configure`` takes the host's first frame.
    """

    def __init__(self, channel: int, configure: Callable[[dict[str, Any]], None]) -> None:
        self._channel = channel
        self._configure = configure
        self._reader = FrameReader()
        self._selector = selectors.DefaultSelector()
        self._sessions: dict[int, _Session] = {}

    def serve(self) -> None:
        """Carry frames until the end; afterwards every program has been killed."""
        groups.join_dialout()
        wake_read, wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector.register(self._channel, selectors.EVENT_READ, self._on_channel)
        self._selector.register(wake_read, selectors.EVENT_READ, self._on_child)
        while True:
            for key, _ in self._selector.select():
                # A handler may have closed the descriptors of those behind it.
                if key.fd in self._selector.get_map() and key.data(key.fd):
                    return

    def _send(self, frame: ChannelFrame) -> None:
        view = memoryview(frame.encode())
        # Where nobody is left to read, reading will find the end, too.
        with contextlib.suppress(OSError):
            while view:
                view = view[os.write(self._channel, view) :]

    def _on_channel(self, fd: int) -> bool:
        try:
            data = os.read(fd, _CHUNK)
        except OSError:
            return True
        if not data:
            return True
        # Not any(...): every frame has its turn, even behind a halt.
        halted = [self._on_frame(frame) for frame in self._reader.feed(data)]
        return any(halted)

    def _on_frame(self, frame: ChannelFrame) -> bool:
        if frame.kind is FrameKind.halt:
            return True

        if frame.kind is FrameKind.configure:
            self._configure(frame.data)
        elif frame.kind is FrameKind.open:
            self._open(frame.session, frame.data)
        elif session := self._sessions.get(frame.session):
            self._on_session_frame(session, frame)
        return False

    def _on_session_frame(self, session: _Session, frame: ChannelFrame) -> None:
        if frame.kind is FrameKind.input:
            session.pending += frame.payload
            session.input_ended = session.input_ended or not frame.payload
            self._give_input(session)
        elif frame.kind is FrameKind.resize and session.terminal >= 0:
            rows, columns = (int(word) for word in frame.payload.split())
            _set_window(session.terminal, rows, columns)
        elif frame.kind is FrameKind.signal:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(session.pid, frame.number)
            # Whoever sends a signal wants to know that somebody is there.
            self._send(ChannelFrame(FrameKind.taken, session.number, b"0"))

    def _open(self, number: int, program: dict[str, Any]) -> None:
        try:
            session = _start(number, program)
        except FileNotFoundError:
            self._refuse(number, f"{program['argv'][0]}: no such program", 127)
            return
        except OSError as error:
            self._refuse(number, f"{program['argv'][0]}: {error.strerror}", 126)
            return
        except (LookupError, TypeError) as error:
            # A client of another version must not be the end of a lab that is up.
            self._refuse(number, f"the lab is of another version: {error}", 126)
            return

        self._sessions[number] = session
        for fd in session.outputs:
            os.set_blocking(fd, False)
            self._selector.register(fd, selectors.EVENT_READ, self._on_output)
        if session.stdin >= 0 and session.stdin != session.terminal:
            os.set_blocking(session.stdin, False)

    def _refuse(self, number: int, why: str, status: int) -> None:
        self._send(ChannelFrame(FrameKind.refused, number, why.encode()))
        self._send(ChannelFrame(FrameKind.exit, number, b"%d" % status))

    def _give_input(self, session: _Session) -> None:
        if session.stdin < 0:
            return

        given = 0
        try:
            while session.pending:
                count = os.write(session.stdin, session.pending[:_CHUNK])
                del session.pending[:count]
                given += count
        except BlockingIOError:
            self._watch_input(session)
        except OSError:
            # The program has closed its input: what comes now goes nowhere, as in a broken pipe.
            given += len(session.pending)
            session.pending.clear()
            session.input_ended = True

        if given:
            self._send(ChannelFrame(FrameKind.taken, session.number, b"%d" % given))
        if session.input_ended and not session.pending:
            self._end_input(session)

    def _watch_input(self, session: _Session) -> None:
        if session.stdin == session.terminal:
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            if session.terminal in self._selector.get_map():
                self._selector.modify(session.terminal, both, self._on_terminal)
        elif session.stdin not in self._selector.get_map():
            self._selector.register(session.stdin, selectors.EVENT_WRITE, self._on_writable)

    def _on_writable(self, fd: int) -> bool:
        self._selector.unregister(fd)
        self._give_input(next(s for s in self._sessions.values() if s.stdin == fd))
        return False

    def _on_terminal(self, fd: int) -> bool:
        """A terminal that was full: it takes input again, or has output, or both."""
        self._selector.modify(fd, selectors.EVENT_READ, self._on_output)
        self._give_input(next(s for s in self._sessions.values() if s.terminal == fd))
        return self._on_output(fd)

    def _end_input(self, session: _Session) -> None:
        if session.stdin == session.terminal:
            # A terminal has no end of file but the character that stands for it.
            with contextlib.suppress(OSError):
                os.write(session.terminal, b"\x04")
            return

        if session.stdin in self._selector.get_map():
            self._selector.unregister(session.stdin)
        os.close(session.stdin)
        session.stdin = -1

    def _on_output(self, fd: int) -> bool:
        session = next(s for s in self._sessions.values() if fd in s.outputs)
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # EIO: the last program on the terminal has gone.

        if data:
            self._send(ChannelFrame(session.outputs[fd], session.number, data))
            return False

        self._selector.unregister(fd)
        kind = session.outputs.pop(fd)
        if not (kind is FrameKind.output and fd == session.terminal):
            os.close(fd)
        self._finish(session)
        return False

    def _on_child(self, wake: int) -> bool:
        with contextlib.suppress(BlockingIOError):
            os.read(wake, _CHUNK)

        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return False

            for session in list(self._sessions.values()):
                if session.pid == pid:
                    code = os.waitstatus_to_exitcode(status)
                    session.status = code if code >= 0 else 128 - code
                    self._drain(session)
                    self._finish(session, force=True)

    def _drain(self, session: _Session) -> None:
        """Fetch what the program left in its pipes; a daemon of its may hold them open for ever."""
        for fd, kind in list(session.outputs.items()):
            with contextlib.suppress(OSError):
                while data := os.read(fd, _CHUNK):
                    self._send(ChannelFrame(kind, session.number, data))

    def _finish(self, session: _Session, *, force: bool = False) -> None:
        if session.status is None or (session.outputs and not force):
            return

        for fd in {*session.outputs, session.stdin, session.terminal} - {-1}:
            if fd in self._selector.get_map():
                self._selector.unregister(fd)
            with contextlib.suppress(OSError):
                os.close(fd)
        del self._sessions[session.number]
        if session.program:
            from lab.engine import noted

            noted.write(session.program, session.started, session.status)
        self._send(ChannelFrame(FrameKind.exit, session.number, b"%d" % session.status))


def _set_window(terminal: int, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def _start(number: int, program: dict[str, Any]) -> _Session:
    """Start a program on a terminal or on three pipes.

    Keys: those of ``session.Program``.
    """
    argv: list[str] = program["argv"]
    if not program["own"]:
        _check_exists(argv[0], program)
    if program["user"]:
        from lab.linux import users

        argv = [*users.become(program, f"{_NAMESPACES[1]}/{program['node']}"), *argv]
    if program["node"]:
        argv = [*enter_argv(program["node"], program["cwd"]), *argv]
    if program["epoch"]:
        # While the guest waited for the host, virtual time ran from timer to timer.
        time.clock_settime(time.CLOCK_REALTIME, program["epoch"])

    if program["tty"]:
        ours, theirs = os.openpty()
        _set_window(ours, program["rows"], program["columns"])
        streams = theirs, theirs, theirs
        session = _Session(number, ours, {ours: FrameKind.output}, terminal=ours)
    else:
        (in_read, in_write), (out_read, out_write), (err_read, err_write) = (
            os.pipe2(os.O_CLOEXEC),
            os.pipe2(os.O_CLOEXEC),
            os.pipe2(os.O_CLOEXEC),
        )
        streams = in_read, out_write, err_write
        session = _Session(
            number, in_write, {out_read: FrameKind.output, err_read: FrameKind.errors}
        )

    ready_read, ready_write = os.pipe2(os.O_CLOEXEC)
    session.program = program if program["node"] else {}
    with _children_in(program["node"]):
        session.pid = os.fork()
        if session.pid == 0:
            _become(program, argv, streams, ready_write)

    for fd in {*streams, ready_write}:
        os.close(fd)
    failure = os.read(ready_read, 16)
    os.close(ready_read)
    if failure:
        os.waitpid(session.pid, 0)
        for fd in {session.stdin, *session.outputs}:
            os.close(fd)
        raise OSError(int(failure), os.strerror(int(failure)))
    return session


@contextlib.contextmanager
def _children_in(node: str) -> Iterator[None]:
    """Who is forked meanwhile has process numbers of the node's.

    Not by ``nsenter --pid``: it forks once more, and the child would lead no session.
    """
    if not node:
        yield
        return
    from lab.linux import syscalls

    with open(f"{_PROCESSES}/{node}") as there, open("/proc/self/ns/pid") as own:
        syscalls.set_namespace(there.fileno(), syscalls.CLONE_NEWPID)
        try:
            yield
        finally:
            syscalls.set_namespace(own.fileno(), syscalls.CLONE_NEWPID)


def _check_exists(name: str, program: dict[str, Any]) -> None:
    """Raise FileNotFoundError if there is no such program, seen from its own directory."""
    if program["node"] and name in ONLY_IN_NODES:
        return
    if os.path.dirname(name):
        found = os.access(os.path.join(program["cwd"], name), os.X_OK)
    else:
        folders = program["env"].get("PATH", os.defpath).split(os.pathsep)
        found = any(os.access(os.path.join(folder, name), os.X_OK) for folder in folders)
    if not found:
        raise FileNotFoundError(errno.ENOENT, "no such program", name)


def enter_argv(node: str, cwd: str = "") -> list[str]:
    """The command line that enters a node's namespaces; raises FileNotFoundError if there is none."""
    net, mnt, uts = (f"{folder}/{node}" for folder in _NAMESPACES)
    os.stat(net)
    there = [f"--wdns={cwd}"] if os.path.isdir(cwd) else []
    return ["nsenter", f"--net={net}", f"--mount={mnt}", f"--uts={uts}", *there, "--"]


def _become(
    program: dict[str, Any], argv: list[str], streams: tuple[int, int, int], ready: int
) -> None:
    """In the child: take the streams, then be the program. Never returns.

    Our own main program needs no interpreter of its own. It is imported here: process 1 stays lean.
    """
    status = 126
    try:
        os.setsid()
        for target, fd in enumerate(streams):
            os.dup2(fd, target)
        if program["tty"]:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with contextlib.suppress(FileNotFoundError):
            os.chdir(program["cwd"])
        os.environ.clear()
        os.environ.update(program["env"])

        if program["own"]:
            os.closerange(3, 256)
            from lab.engine import inside

            status = inside.main(argv)
            sys.stdout.flush()
            sys.stderr.flush()
        else:
            os.execvpe(argv[0], argv, program["env"])
    except OSError as error:
        with contextlib.suppress(OSError):
            os.write(ready, b"%d" % (error.errno or 1))
    finally:
        os._exit(status)
