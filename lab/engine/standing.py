"""Labs that stay up: start one in the background, reach it from any terminal, end it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from dataclasses import asdict

from lab.engine import registry
from lab.engine.frames import Frame, Kind, json_frame
from lab.engine.host import Engine, environment
from lab.engine.inside import Order
from lab.engine.registry import Entry
from lab.engine.session import Program, Session, on_terminal, window
from lab.engine.supervisor import MAIN_SESSION, Supervisor
from lab.errors import ExpectationFailed, GuestError, LabError
from lab.runs import Run

LOG = "logs/lab.log"
PATH_DOWN = "path down"
"""What the supervisor says when the lab came up and its way home did not."""


def start(run: Run) -> Entry:
    """Bring a lab up in the background; returns when its path is up, telling the story meanwhile.

    Raises LabError if it does not come up; nothing is left then but the run directory.
    """
    run.write_keys()
    read, write = os.pipe2(os.O_CLOEXEC)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(read)
        _detach(run, write)

    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read, "rb") as pipe:
        # The supervisor writes why not, or nothing if the lab is up, and closes.
        failure = pipe.read().decode()
    if failure == PATH_DOWN:
        raise ExpectationFailed(
            f"{run.topology.name} stands, but its path did not come up, so it was taken down again",
            hint=f"lab run {run.topology.name} says why",
        )
    for entry in registry.entries():
        if entry.run_dir == os.fspath(run.run_dir) and not failure:
            return entry
    raise GuestError(f"the lab did not come up: {failure or 'its supervisor was killed'}")


def _detach(run: Run, pipe: int) -> None:
    """In the child: become a daemon and supervise. Never returns."""
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        _supervise(run, _Herald(run, pipe))
    except LabError as error:
        os.write(pipe, str(error).encode())
    finally:
        os._exit(0)


class _Herald:
    """Hears what the lab's own program says: into the log, and to the terminal that waits for it."""

    def __init__(self, run: Run, pipe: int) -> None:
        self._log = (run.run_dir / LOG).open("ab", buffering=0)
        self._pipe = pipe
        self._last = b""

    def __call__(self, kind: Kind, payload: bytes) -> None:
        if kind is Kind.errors:
            self._log.write(payload)
            self._last = payload
            if self._pipe >= 0:
                os.write(2, payload)
        elif kind is Kind.output and self._pipe >= 0:
            self._let_go()
        elif kind is Kind.exit and self._pipe >= 0:
            down = int(payload) == ExpectationFailed.exit_status
            os.write(self._pipe, PATH_DOWN.encode() if down else self._last.strip() or b"no word")

    def _let_go(self) -> None:
        """It is up: leave the terminal alone from now on."""
        devnull = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(devnull, fd)
        os.close(devnull)
        os.close(self._pipe)
        self._pipe = -1


def _supervise(run: Run, herald: _Herald) -> None:
    order = Order(run_dir=os.fspath(run.run_dir), verb="up")
    with registry.listen(run.run_dir) as listener, run.opened() as opened:
        entry = Entry(
            name="", topology=run.topology.name, run_dir=order.run_dir, pid=os.getpid(),
            engine=opened.engine.value, clock=opened.clock.value, started=time.time(),
        )  # fmt: skip
        main = Program(argv=order.argv(), env=environment(opened.engine, {}), cwd="/", own=True)
        with registry.registered(entry):
            opened.channel.sendall(json_frame(Kind.open, MAIN_SESSION, asdict(main)).encode())
            opened.channel.sendall(Frame(Kind.input, MAIN_SESSION).encode())
            try:
                Supervisor(opened, listener, herald).serve()
            finally:
                (run.run_dir / registry.SOCKET_NAME).unlink(missing_ok=True)


def run_in(
    entry: Entry, node: str, argv: tuple[str, ...], env: dict[str, str], *, stdin: bool = True
) -> int:
    """Run a program in a node of a standing lab on this terminal; its exit status.

    Raises UsageError if the node or the program does not exist, GuestError if the lab dies meanwhile.
    """
    tty = on_terminal() and stdin
    rows, columns = window()
    program = Program(
        argv=argv, env=environment(Engine(entry.engine), env), cwd=os.getcwd(), node=node,
        tty=tty, rows=rows, columns=columns,
    )  # fmt: skip
    with registry.connect(entry) as connection:
        session = Session(connection, 1, lambda: GuestError(f"the lab {entry.name} has gone"))
        return session.run(program, stdin=stdin)


def stop(entry: Entry) -> None:
    """Take a lab down in order, and return when everything of it has gone."""
    with registry.connect(entry) as connection:
        connection.sendall(Frame(Kind.halt, 0).encode())
        _drain(connection)
    registry.wait_gone(entry)


def _drain(connection: socket.socket) -> None:
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        pass
