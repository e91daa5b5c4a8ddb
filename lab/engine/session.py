"""One program inside, seen from the host: this terminal's input, output, size and signals go to it.

Works over any socket that speaks ``frames``: the guest's channel itself, or the supervisor's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import selectors
import signal
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

from lab.engine.channel import Channel
from lab.engine.frames import WINDOW, ChannelFrame, FrameKind, FrameReader, json_frame
from lab.errors import UsageError
from lab.linux import signals

_CHUNK = 1 << 16
_NUMBER = 1
"""Of the one session that a client has."""
_PASSED_ON = (*signals.END, signal.SIGQUIT)
_ANSWER_S = 3.0
"""Who is inside must have noticed a signal by then."""
NO_PROGRAM = "check its name and the node's PATH"
EXIT_UNREAD = 128 + signal.SIGPIPE
"""As of a program whose output nobody reads."""
_INTERRUPTS_TO_KILL = 3
"""So many interrupts within two seconds mean: end it now, politely or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is to be started inside."""

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str
    node: str = ""
    """Empty: the lab's own root namespaces."""
    user: dict[str, Any] | None = None
    """As whom: ``wanted``, and ``known``, which is what the host knows; None: as root."""
    own: bool = False
    """``argv`` is for our own main program inside, not for exec."""
    tty: bool = False
    rows: int = 24
    columns: int = 80
    epoch: float = 0.0
    """What the lab's clock is to say when the program starts (seconds since 1970); 0: leave it alone."""


class Interrupted(KeyboardInterrupt):
    """The user insisted: stop everything at once."""


def on_terminal() -> bool:
    """Whether a program inside is to get a terminal: only if all three of ours are one."""
    return all(os.isatty(fd) for fd in (0, 1, 2))


def window() -> tuple[int, int]:
    """(rows, columns) of our terminal; 24 and 80 without one."""
    for fd in (1, 2, 0):
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(fd)
            return size.lines, size.columns
    return 24, 80


class Session:
    """Runs one program and gives its exit status.

    ``on_broken`` makes the exception for a channel that ends before the program does.
    ``sinks`` replaces our own standard output and errors.
    """

    def __init__(
        self,
        channel: Channel,
        on_broken: Callable[[], Exception],
        *,
        sinks: tuple[int, int] = (1, 2),
    ) -> None:
        self._channel = channel
        self._on_broken = on_broken
        self._sinks = {FrameKind.output: sinks[0], FrameKind.errors: sinks[1]}
        self._window_left = WINDOW
        self._interrupts: list[float] = []
        self._answer_by: float | None = None
        self._terminal = False
        self._reader = FrameReader()
        self._status: int | None = None
        self._unread = False

    def run(
        self, program: Program, *, stdin: bool, meanwhile: Callable[[], None] | None = None
    ) -> int:
        """Start the program and carry everything until it ends; returns its exit status.

        ``meanwhile`` is called once, while the program starts.
        """
        self._send(json_frame(FrameKind.open, _NUMBER, asdict(program)))
        if not stdin:
            self._send(ChannelFrame(FrameKind.input, _NUMBER))

        self._terminal = program.tty
        raw = _raw_terminal() if program.tty and stdin else contextlib.nullcontext()
        # Not epoll(7), which takes no regular file: our input may be one, and is always readable then.
        with raw, selectors.PollSelector() as selector, self._held() as came:
            selector.register(self._channel.reader, selectors.EVENT_READ)
            selector.register(came, selectors.EVENT_READ)
            reading = False
            wants_input = stdin
            if meanwhile is not None:
                meanwhile()

            while self._status is None:
                if wants_input and not reading and self._window_left > 0:
                    selector.register(0, selectors.EVENT_READ)
                    reading = True
                for key, _ in selector.select(self._patience_s()):
                    if key.fileobj is self._channel.reader:
                        self._on_channel()
                    elif key.fileobj == came:
                        self._on_signals(os.read(came, _CHUNK))
                    else:
                        wants_input = self._take_input()
                        if not wants_input or self._window_left <= 0:
                            selector.unregister(0)
                            reading = False

        return EXIT_UNREAD if self._unread else self._status

    def _send(self, frame: ChannelFrame) -> None:
        view = memoryview(frame.encode())
        try:
            while view:
                try:
                    view = view[self._channel.send(view) :]
                except BlockingIOError:
                    # The inside may be waiting for us to read; else each would wait for the other.
                    readable, _, _ = select.select(
                        [self._channel.reader], [self._channel.writer], []
                    )
                    if readable:
                        self._on_channel()
        except OSError as error:
            raise self._on_broken() from error

    def _on_channel(self) -> None:
        data = self._channel.recv(1 << 20)
        if not data:
            raise self._on_broken()

        for frame in self._reader.feed(data):
            if frame.session != _NUMBER:
                continue
            if sink := self._sinks.get(frame.kind):
                # On a terminal even the echo of ^C says that the inside lives and can be left by
                # its own means; without one only the exit says so.
                if self._terminal:
                    self._interrupts.clear()
                self._pass_on(sink, frame.payload)
            elif frame.kind is FrameKind.taken:
                self._window_left += frame.number
                self._answer_by = None
            elif frame.kind is FrameKind.refused:
                problem, _, fix = frame.payload.decode().partition("\n")
                raise UsageError(problem, hint=fix or NO_PROGRAM)
            elif frame.kind is FrameKind.exit:
                self._status = frame.number

    def _pass_on(self, sink: int, data: bytes) -> None:
        if self._unread:
            return
        try:
            _write(sink, data)
        except BrokenPipeError:
            # Whoever read us has gone. Inside all is to come down in order, and be judged.
            self._unread = True
            self._send(ChannelFrame(FrameKind.signal, _NUMBER, b"%d" % signal.SIGTERM))

    def _take_input(self) -> bool:
        """Send what our standard input has; False at its end."""
        try:
            data = os.read(0, min(_CHUNK, self._window_left))
        except OSError:
            data = b""  # EIO: the terminal has gone.
        self._window_left -= len(data)
        if self._terminal and b"\x03" in data:
            self._count_interrupt()
        self._send(ChannelFrame(FrameKind.input, _NUMBER, data))
        return bool(data)

    def _on_signals(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGWINCH:
                self._send(ChannelFrame(FrameKind.resize, _NUMBER, b"%d %d" % window()))
            else:
                self._send(ChannelFrame(FrameKind.signal, _NUMBER, b"%d" % number))
                self._answer_by = self._answer_by or time.monotonic() + _ANSWER_S

    def _held(self) -> AbstractContextManager[int]:
        """A descriptor that gives the numbers of the signals that we pass on."""
        # Counted in the handler: we may be waiting for whoever does not read our output.
        sizes = [signal.SIGWINCH] if self._terminal else []
        return signals.held(_PASSED_ON, self._count_interrupt, also=sizes)

    def _patience_s(self) -> float | None:
        """How long to wait for anything; raises Interrupted where a signal gets no answer.

        In virtual time a program that only computes keeps everybody else inside from running.
        """
        if self._answer_by is None:
            return None
        left = self._answer_by - time.monotonic()
        if left <= 0:
            raise Interrupted
        return left

    def _count_interrupt(self, *_: object) -> None:
        now = time.monotonic()
        self._interrupts = [t for t in self._interrupts if now - t < 2.0] + [now]
        if len(self._interrupts) >= _INTERRUPTS_TO_KILL:
            raise Interrupted


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            # The terminal has gone: as if the hang-up had been the end of us.
            raise SystemExit(128 + signal.SIGHUP) from None


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    before: list[Any] = termios.tcgetattr(0)
    tty.setraw(0, termios.TCSADRAIN)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, before)
