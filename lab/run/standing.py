"""Labs that stay up: start one in the background, reach it from any terminal, end it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import codec
from lab.container import attached
from lab.engine import native, registry
from lab.engine.channel import Channel
from lab.engine.frames import ChannelFrame, FrameKind, json_frame
from lab.engine.host import Engine, environment, start_of_time, terminal_program
from lab.engine.inside import MODEL_FILE, Order
from lab.engine.registry import Entry
from lab.engine.run_dir import in_use
from lab.engine.session import Program, Session
from lab.errors import (
    DeadlineExceeded,
    ExpectationFailed,
    GuestError,
    LabBroke,
    LabError,
    PathError,
    PrerequisiteError,
    UsageError,
)
from lab.topology.model import Topology
from lab.wait import wait_until

if TYPE_CHECKING:
    from lab.run.run import Run

LOG = "logs/lab.log"
END_S = 15.0
"""For a lab to go in order that cannot be asked to."""
_BLAMED = {each.exit_status: each for each in (UsageError, PrerequisiteError)}


def start(run: Run, *, path: bool = True) -> Entry:
    """Bring a lab up in the background; returns when its path is up, telling the story meanwhile.

    Without ``path`` it returns when the lab stands, and the way home is left down. Raises LabError if
    it does not come up; nothing is left then but the run directory.
    """
    run.write_keys()
    ours, theirs = socket.socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        ours.close()
        _detach(run, theirs, path=path)

    theirs.close()
    os.waitpid(child, 0)
    with ours:
        status, _, why = _hear_out(ours).partition(" ")
    if status == f"{PathError.exit_status}":
        fault = f" --fault {run.topology.fault}" if run.topology.fault else ""
        raise ExpectationFailed(
            f"{run.topology.name} stands, but its path did not come up, so it was taken down again",
            hint=f"lab run {run.given}{fault} says why; lab up {run.given}{fault} --no-path leaves it up",
        )
    for entry in registry.entries():
        if entry.run_dir == os.fspath(run.run_dir) and not status:
            return entry
    blamed = _BLAMED.get(int(status or 0), GuestError)
    raise blamed(f"the lab did not come up: {why or 'its supervisor was killed'}")


def _hear_out(supervisor: socket.socket) -> str:
    """Exit status and reason, or nothing once the lab is up; an interrupt waits until all is down again."""
    try:
        # The supervisor writes why not, or nothing if the lab is up, and closes.
        return _receive_all(supervisor).decode()
    except KeyboardInterrupt:
        supervisor.shutdown(socket.SHUT_WR)
        _receive_all(supervisor)
        raise


def _detach(run: Run, starter: socket.socket, *, path: bool) -> None:
    """In the child: become a daemon and supervise. Never returns."""
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        for number in (signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        order = Order(
            run_dir=os.fspath(run.run_dir), verb="up", path=path, containers=run.container_nodes()
        )
        _supervise(run, order, _Herald(run, starter), starter)
    except (LabError, OSError) as error:
        status = error.exit_status if isinstance(error, LabError) else LabBroke.exit_status
        with contextlib.suppress(OSError):
            (run.run_dir / LOG).open("a").write(f"lab: {error}\n")
            starter.sendall(f"{status} {error}".encode())
    # A defect of ours: nobody would ever see it otherwise.
    except Exception:  # noqa: BLE001
        with (run.run_dir / LOG).open("a") as log:
            traceback.print_exc(file=log)
    finally:
        os._exit(0)


class _Herald:
    """Hears what the lab's own program says: into the log, and to the terminal that waits for it."""

    def __init__(self, run: Run, starter: socket.socket) -> None:
        self._log = (run.run_dir / LOG).open("ab", buffering=0)
        self._starter = starter
        self._heard = True
        self._last = b""

    def __call__(self, kind: FrameKind, payload: bytes) -> None:
        # Whoever waits may have gone, and his terminal with him.
        with contextlib.suppress(OSError):
            if kind is FrameKind.errors:
                self._log.write(payload)
                self._last = payload.strip() or self._last
                if self._heard:
                    os.write(2, payload)
            elif kind is FrameKind.output and self._heard:
                self._let_go()
            elif kind is FrameKind.exit and self._heard:
                self._starter.sendall(payload + b" " + (self._last or b"no word"))

    def _let_go(self) -> None:
        """It is up: leave the terminal alone from now on."""
        native.mute()
        self._heard = False
        self._starter.shutdown(socket.SHUT_RDWR)


def _supervise(run: Run, order: Order, herald: _Herald, starter: socket.socket) -> None:
    # Not at the head: every command for a lab that is up imports this module, and asyncio takes 30 ms.
    from lab.engine.supervisor import MAIN_SESSION, Supervisor

    with registry.listen(run.run_dir) as listener, run.opened() as opened:
        entry = Entry(
            name="", topology=run.topology.name, run_dir=order.run_dir, pid=os.getpid(),
            engine=opened.engine.value, clock=opened.clock.value, started=time.time(),
            memory=run.memory,
        )  # fmt: skip
        main = Program(
            argv=order.argv(), env=environment(opened.engine, run.run_dir, {}), cwd="/", own=True,
            epoch=start_of_time(opened),
        )  # fmt: skip
        with registry.registered(entry):
            opened.channel.sendall(json_frame(FrameKind.open, MAIN_SESSION, asdict(main)).encode())
            opened.channel.sendall(ChannelFrame(FrameKind.input, MAIN_SESSION).encode())
            try:
                Supervisor(opened, listener, herald, starter).serve()
            finally:
                (run.run_dir / registry.SOCKET_NAME).unlink(missing_ok=True)


def model_of(entry: Entry) -> Topology:
    """The model of a lab that is up.

    Raises UsageError if the lab's run directory was removed, or is of another version of the lab.
    """
    try:
        return codec.load(Topology, (Path(entry.run_dir) / MODEL_FILE).read_text())
    except (KeyError, TypeError, ValueError, OSError) as error:
        problem = f"{entry.name} was brought up by another version of the lab"
        if isinstance(error, OSError):
            problem = f"the run directory of {entry.name} cannot be read: {error.strerror}"
        raise UsageError(problem, hint=f"lab down {entry.name} takes the lab down") from error


def run_in(
    entry: Entry,
    node: str,
    argv: tuple[str, ...],
    env: dict[str, str],
    *,
    user: str = "",
    stdin: bool = True,
) -> int:
    """Run a program in a node of a standing lab on this terminal; its exit status.

    Raises UsageError if node, program or user does not exist, GuestError if the lab dies meanwhile.
    """
    program = terminal_program(Engine(entry.engine), entry.run_dir, argv, env, stdin=stdin)
    program = replace(program, node=node, user=_wanted(user) if user else None)
    return _run(entry, program, (1, 2), stdin=stdin)


def _wanted(user: str) -> dict[str, Any]:
    """For the attendant: the node may know the user, or else this machine does."""
    from lab.linux import users

    known = users.known_here(user)
    return {"wanted": user, "known": None if known is None else asdict(known)}


def ask(entry: Entry, node: str, argv: tuple[str, ...]) -> str:
    """What a program in a node of a standing lab prints; empty if it fails. Raises as ``run_in``."""
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    env = environment(Engine(entry.engine), entry.run_dir, path)
    program = Program(argv=argv, env=env, cwd="/", node=node)
    with open(os.memfd_create("answer"), "rb") as answer, open(os.devnull, "wb") as nowhere:
        status = _run(entry, program, (answer.fileno(), nowhere.fileno()), stdin=False)
        answer.seek(0)
        return answer.read().decode() if status == 0 else ""


def move_path(entry: Entry, verb: str, way: str, agent: str) -> str:
    """Bring a way of a standing lab up or down, and tell the story meanwhile; what came of it, in words.

    Raises the LabError that it ended with: UsageError if nothing was to be done, PathError if the way did not
    come up.
    """
    order = Order(run_dir=entry.run_dir, verb=verb, way=way, node=agent)
    env = environment(Engine(entry.engine), Path(entry.run_dir), {})
    program = Program(argv=order.argv(), env=env, cwd="/", own=True)
    with open(os.memfd_create("outcome"), "rb") as answer:
        status = _run(entry, program, (answer.fileno(), 2), stdin=False)
        answer.seek(0)
        told = answer.read()
    if not told:
        raise GuestError(f"the order to {entry.name} ended with exit status {status}, and no word")
    outcome = json.loads(told)
    if not outcome["status"]:
        return str(outcome["message"])
    blamed = {each.exit_status: each for each in (ExpectationFailed, UsageError, PrerequisiteError)}
    raise blamed.get(outcome["status"], LabBroke)(outcome["message"], hint=outcome["hint"])


def _run(entry: Entry, program: Program, sinks: tuple[int, int], *, stdin: bool) -> int:
    with registry.connect(entry) as connection:
        session = Session(
            Channel(connection, connection),
            lambda: GuestError(f"the lab {entry.name} has gone"),
            sinks=sinks,
        )
        return session.run(program, stdin=stdin)


def stop(entry: Entry) -> None:
    """Take a lab down in order, and return when everything of it has gone.

    Raises LabBroke if a container that was a node is not as it was.
    """
    with registry.connect(entry) as connection:
        connection.sendall(ChannelFrame(FrameKind.halt, 0).encode())
        _receive_all(connection)
    registry.wait_gone(entry)
    with in_use(Path(entry.run_dir)):
        left = (Path(entry.run_dir) / attached.NOTED).exists()
    if left:
        raise LabBroke(
            f"what {entry.name} changed in containers is not all back: {entry.run_dir}/{LOG} says why",
            hint=f"lab gc {entry.run_dir} tries it again",
        )


def end(entry: Entry) -> None:
    """Take a lab down whose run directory is of no use any more: its control socket may be gone, too."""

    def gone() -> bool:
        return all(each.pid != entry.pid for each in registry.entries())

    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(entry.pid, number)
        with contextlib.suppress(DeadlineExceeded):
            wait_until(f"{entry.name} has gone", gone, END_S, every_s=0.1)
            return


def _receive_all(connection: socket.socket) -> bytes:
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(1 << 16):
            received += data
    return bytes(received)
