"""Where ``lab-events`` asks: what is answered to an order, and the socket in the node's network."""

from __future__ import annotations

import contextlib
import pwd
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError, UsageError
from lab.events_manager import tool
from lab.events_manager.manager import EventsManager
from lab.events_manager.page import instant
from lab.linux import interpreter
from lab.linux.worker import Broke, readable, start_worker
from lab.paths import NODE_PROGRAMS

if TYPE_CHECKING:
    from lab.linux.nodes import Node

Orders = Callable[[str, list[str]], str]
"""What carries out an order: who asks, and the order's words; returns what is said. Raises LabError."""
_BACKLOG = 8
_MOST_BYTES = 1 << 10
_ORDER_S = 5.0
_STACK_BYTES = 256 * 1024
_PROGRAM_MODE = 0o755
_CREDENTIALS = struct.Struct("=iII")
"""ucred of SO_PEERCRED (unix(7)): process, user, group."""


def of_manager(manager: EventsManager) -> Orders:
    """The orders on the console with the Events Manager."""

    def carry_out(who: str, words: list[str]) -> str:
        match words:
            case ["list"]:
                return _list(manager)
            case ["show", identifier]:
                return manager.shown(identifier).data.decode(errors="replace")
            case ["approve" | "reject" as verb, identifier]:
                shown = manager.shown(identifier)
                state = manager.decide(
                    identifier, shown.sha256, who, "command", approved=verb == "approve"
                )
                return f"{identifier} of {shown.console}: {state}, SHA-256 {shown.sha256}"
            case _:
                pass
        raise UsageError(
            f"the Events Manager does not know the order {' '.join(words)!r}",
            hint=f"list, show, approve, reject; {tool.PROGRAM} fail is for consoles with events",
        )

    return carry_out


def of_console(fail: Callable[[str], str]) -> Orders:
    """The orders on a console whose events wait; ``fail`` has hardware fail, and returns the event."""

    def carry_out(who: str, words: list[str]) -> str:
        if words[:1] != ["fail"]:
            raise UsageError(
                "this console has no Events Manager",
                hint=f"give the order on the console that has it; here: {tool.PROGRAM} fail TEXT",
            )
        return f"{fail(' '.join(words[1:]))} waits for approval"

    return carry_out


def _list(manager: EventsManager) -> str:
    found, problems = manager.listed()
    lines = [
        f"{each.identifier}  {each.console}  severity {each.severity}  {each.text}  "
        f"{instant(each.time)}"
        for each in found
    ]
    lines += [f"no answer of {problem}" for problem in problems]
    return "\n".join(lines) or "no event waits"


@contextlib.contextmanager
def opened(node: Node, carry_out: Orders) -> Iterator[Broke]:
    """Have ``lab-events`` on the PATH of a node, and a thread that answers it."""
    python = interpreter.for_everybody() or sys.executable
    program = f"#!{python} -IS\n{Path(tool.__file__).read_text()}"
    node.write(f"{NODE_PROGRAMS}/{tool.PROGRAM}", program, _PROGRAM_MODE)
    broke = Broke(f"{tool.PROGRAM} on {node.name}")
    with node.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(tool.SOCKET)
        listener.listen(_BACKLOG)

        def work(told: int) -> None:
            with broke:
                poller = readable(told, listener)
                while told not in [descriptor for descriptor, _ in poller.poll()]:
                    _take(listener, carry_out)

        with start_worker(work, "lab-events", stack_bytes=_STACK_BYTES):
            yield broke


def _take(listener: socket.socket, carry_out: Orders) -> None:
    """The next order. Whoever asked may have gone: it is carried out all the same."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(_ORDER_S)
        try:
            words = connection.makefile("rb").readline(_MOST_BYTES).decode().split()
            who = _who(connection)
        except (OSError, UnicodeDecodeError):
            return
        try:
            status, said = 0, carry_out(who, words)
        except LabError as error:
            hint = f"\n  hint: {error.hint}" if error.hint else ""
            status, said = error.exit_status, f"{error.message}{hint}"
        with contextlib.suppress(OSError):
            connection.sendall(f"{status}\n{said.rstrip()}\n".encode())


def _who(connection: socket.socket) -> str:
    """The user at the other end, as the kernel knows."""
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(told)
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
