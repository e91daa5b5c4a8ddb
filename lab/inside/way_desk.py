"""Where ``lab-way`` asks: a socket in the network of each node, and the lab that carries the orders out.

A request is a line, ``up modem``; the answer is a line with an exit status, and words. The lab's own process
answers in the thread that holds the ways, while it waits for something else: one order at a time.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError, UsageError
from lab.inside import control, way_tool
from lab.linux import interpreter
from lab.linux.nodes import Node
from lab.linux.process import Popen
from lab.names import check_known
from lab.paths import NODE_PROGRAMS

if TYPE_CHECKING:
    from lab.inside.running import RunningLab

Around = Callable[[], contextlib.AbstractContextManager[None]]
_BACKLOG = 8
_MOST_BYTES = 1 << 10
_ORDER_S = 5.0
_PROGRAM_MODE = 0o755


class WayDesk:
    """Takes the orders of programs in nodes; ``opened`` makes one."""

    def __init__(
        self,
        lab: RunningLab,
        listeners: dict[str, socket.socket],
        around: Around = contextlib.nullcontext,
    ) -> None:
        self._lab = lab
        self._around = around
        self._listeners = listeners

    @property
    def orders(self) -> dict[int, Callable[[], None]]:
        """By descriptor: what is to be called once the descriptor can be read."""
        return {
            listener.fileno(): partial(self._carry_out, node, listener)
            for node, listener in self._listeners.items()
        }

    def wait_for(self, popen: Popen[bytes]) -> int:
        """What a program returned once it has ended; orders are carried out meanwhile."""
        orders, program = self.orders, os.pidfd_open(popen.pid)
        try:
            while program not in (readable := select.select([program, *orders], [], [])[0]):
                for descriptor in readable:
                    orders[descriptor]()
        finally:
            os.close(program)
        return popen.wait()

    def _carry_out(self, node: str, listener: socket.socket) -> None:
        """Take a node's next order and do it. Whoever asked may have gone: it is carried out all the same."""
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(_ORDER_S)
            try:
                words = connection.makefile("rb").readline(_MOST_BYTES).decode().split()
            except (OSError, UnicodeDecodeError):
                return
            with self._around():
                status, said = self.answer(node, words)
            with contextlib.suppress(OSError):
                connection.sendall(f"{status}\n{said}\n".encode())

    def answer(self, node: str, words: list[str]) -> tuple[int, str]:
        """Carry out an order of a program in a node: exit status and words of ``lab-way``."""
        try:
            return self._moved(node, *words)
        except LabError as error:
            hint = f"\n  hint: {error.hint}" if error.hint else ""
            return error.exit_status, f"{error.message}{hint}"
        except TypeError:
            return UsageError.exit_status, "this is no order: up or down, and perhaps a way"

    def _moved(self, node: str, verb: str, way: str = "") -> tuple[int, str]:
        if verb not in ("up", "down"):
            raise TypeError(verb)
        homeward, topology = self._lab.homeward, self._lab.topology
        check_known("host of an agent", node, topology.agents)
        check_known(
            "way home", way, [each.name for each in topology.ways_of(node)] if way else [""]
        )
        standing = homeward.in_use(node)
        if verb == "down":
            if standing is None or way not in ("", standing.name):
                return 0, f"{way or 'the way home'} is down already"
            return 0, control.take_down(self._lab, standing.name, node)
        if standing is None or not homeward.healthy(node):
            return 0, control.bring_up(self._lab, way, node)
        if way in ("", standing.name):
            return 0, f"{node}: {standing.name} is up already"
        order = f"{way_tool.PROGRAM} down {standing.name}"
        return 1, f"{node} has its way home by {standing.name}\n  hint: first: {order}"


@contextlib.contextmanager
def opened(
    lab: RunningLab, nodes: Iterable[str], around: Around = contextlib.nullcontext
) -> Iterator[WayDesk]:
    """Have ``lab-way`` on the PATH of nodes, and a desk for what it asks; orders are done in ``around``."""
    python = interpreter.for_everybody() or sys.executable
    program = f"#!{python} -IS\n{Path(way_tool.__file__).read_text()}"
    with contextlib.ExitStack() as undo:
        listeners = {}
        for name in dict.fromkeys(nodes):
            node = lab.node(name)
            node.write(f"{NODE_PROGRAMS}/{way_tool.PROGRAM}", program, _PROGRAM_MODE)
            listeners[name] = undo.enter_context(_listener(node))
        yield WayDesk(lab, listeners, around)


def _listener(node: Node) -> socket.socket:
    listener = node.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(way_tool.SOCKET)
    listener.listen(_BACKLOG)
    return listener
