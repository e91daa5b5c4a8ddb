"""Agents that are started from one process, where a lab has many: the lab's end of ``nursery``."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from lab.errors import DaemonError, DeadlineExceeded
from lab.linux.nodes import Node
from lab.linux.process import Popen, environment_of, spawn
from lab.wait import Deadline

_READ_BYTES = 1 << 16


class AgentCall:
    """An agent that runs: its standard output is to be read to the end, and then there is its exit status."""

    def __init__(self, name: str, output: int, asking: socket.socket, log: Path) -> None:
        self._name = name
        self._output = output
        self._asking = asking
        self._log = log
        self.returncode = 0

    def communicate(self, timeout: float) -> tuple[bytes, None]:
        """As of ``subprocess.Popen``. Raises DeadlineExceeded; DaemonError if the process of all is gone."""
        end, said = Deadline(timeout), bytearray()
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, self._output)
            poller = select.poll()
            poller.register(self._output, select.POLLIN)
            while poller.poll(max(end.left_s, 0) * 1000):
                if not (more := os.read(self._output, _READ_BYTES)):
                    break
                said += more
            else:
                raise DeadlineExceeded(f"the end of {self._name}'s agent", timeout)
        # An agent that has closed its output ends.
        self._asking.settimeout(max(end.left_s, 1))
        answer = self._asking.recv(_READ_BYTES)
        if not answer:
            problem = "the process that agents are started from has ended"
            raise DaemonError(
                f"{self._name}'s agent", problem, log_tail=self._log.read_text(errors="replace")
            )
        self.returncode = int(answer)
        return bytes(said), None


class Nursery:
    """The process that agents are started from; ``start_nursery`` makes one."""

    def __init__(self, asking: socket.socket, log: Path) -> None:
        self._asking = asking
        self._log = log

    def start(
        self, node: Node, arguments: Sequence[str], env: dict[str, str], errors: IO[bytes]
    ) -> AgentCall:
        """Start the reference agent on a host; what it says on standard error goes to ``errors``."""
        node.furnish()
        output, theirs = os.pipe()
        asked = {"spaces": node.namespaces, "argv": list(arguments), "env": environment_of(env)}
        try:
            socket.send_fds(self._asking, [json.dumps(asked).encode()], [theirs, errors.fileno()])
        finally:
            os.close(theirs)
        return AgentCall(node.name, output, self._asking, self._log)


@contextlib.contextmanager
def start_nursery(run_dir: Path) -> Iterator[Nursery]:
    """Start it in the surrounding namespaces; it ends with the context."""
    log = run_dir / "logs" / "agents.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    asking, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with asking, log.open("ab") as errors:
        with theirs:
            argv = [sys.executable, "-m", "lab.inside.nursery"]
            told = {"PYTHONPATH": ":".join(sys.path)}
            popen: Popen[bytes] = spawn(argv, env=told, stdin=theirs.fileno(), stderr=errors)
        try:
            yield Nursery(asking, log)
        finally:
            # What it has started ends with the agents' nodes.
            popen.kill()
            popen.wait()
