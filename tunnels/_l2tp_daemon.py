"""A running xl2tpd: its start, its commands, its log and the kernel's view of its sessions.

One for a gateway's LNS and one for a client's LAC; what they are for is ``l2tp``'s. Texts are
``_xl2tpd``'s.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path

from lab.errors import DaemonError
from lab.linux import configuration, proc
from lab.linux.daemon_log import Log
from lab.linux.nodes import Node
from lab.linux.process import Daemon
from lab.linux.worker import readable
from lab.topology.model import PppAccount
from tunnels import _xl2tpd, ppp
from tunnels._xl2tpd import Fact, PppdEnded

PROGRAM = "/usr/sbin/xl2tpd"

START_DEADLINE_S = 10.0
CONTROL_DEADLINE_S = 5.0
_numbers = count()


class Xl2tpd:
    """A node's xl2tpd with the pppds that it starts, and what their logs say."""

    def __init__(
        self,
        node: Node,
        configuration: str,
        accounts: Iterable[PppAccount],
        options: Mapping[str, ppp.Options],
    ) -> None:
        """``options``: what pppds are told, by the files that the configuration names."""
        self._node = node
        self._configuration = configuration
        self._accounts = accounts
        self._options = options
        self._pppd_logs = [Log(each.log) for each in options.values()]
        self.daemon: Daemon | None = None

    def launch(self) -> None:
        node = self._node
        ppp.write_secrets(node, self._accounts)
        for path, options in self._options.items():
            ppp.write_options(node, path, options)
        configuration.write(node, _xl2tpd.CONFIGURATION, self._configuration)
        node.write(_xl2tpd.SECRETS, "")
        node.call(Path(_xl2tpd.CONTROL).parent.mkdir, exist_ok=True)
        self.daemon = node.spawn(
            [
                PROGRAM,
                "-D",
                "-c", _xl2tpd.CONFIGURATION,
                "-s", _xl2tpd.SECRETS,
                "-C", _xl2tpd.CONTROL,
                "-p", _xl2tpd.PID_FILE,
            ],
            name="xl2tpd",
            timed=True,
        )  # fmt: skip

    def ready(self) -> None:
        self.running.expect_line("Listening on IP address", START_DEADLINE_S)

    @property
    def node_name(self) -> str:
        return self._node.name

    @property
    def alive(self) -> bool:
        return self.daemon is not None and self.daemon.alive

    @property
    def running(self) -> Daemon:
        assert self.daemon is not None, "not started"
        return self.daemon

    def facts(self) -> tuple[Fact, ...]:
        return tuple(_xl2tpd.parse_log(self.running.log.text()))

    def check(self) -> None:
        """Raise DaemonError if the pppd of a call broke."""
        for status in self.broken_pppds():
            problem = f"ended with {ppp.describe_exit(status)}"
            tail = "\n".join(log.tail() for log in self._pppd_logs)
            raise DaemonError(f"{self._node.name}'s pppd", problem, log_tail=tail)

    def broken_pppds(self) -> tuple[int, ...]:
        """How those pppds of calls ended that broke: exit statuses, negative for a signal."""
        facts = self.facts() if self.daemon is not None else ()
        ended = (fact.status for fact in facts if isinstance(fact, PppdEnded))
        return tuple(status for status in ended if status not in ppp.MAY_END_WITH)

    def command(self, text: str) -> str:
        """Give a command by the control FIFO and return xl2tpd's answer, ``OK`` or a complaint."""
        self.running.check()
        return self._node.call(_command, text)

    def stop(self) -> None:
        if self.daemon is not None:
            self._node.stop(self.daemon)
            self.daemon = None


def read_kernel_table() -> str:
    try:
        return proc.read("thread-self/net/pppol2tp")
    except FileNotFoundError:
        return ""


def _command(text: str) -> str:
    """xl2tpd writes its answer into the file that the command names, and then removes the file.

    A FIFO there makes the answer an event; each has a name of its own, as xl2tpd removes one only after its
    answer is read. xl2tpd's read does not separate commands that arrive together, so none is sent before the
    one before has been answered. xl2tpd closes its FIFO once no writer is left, and opens it again: a writer
    stays until the answer is there, so that a command between the two is not lost.
    """
    answer = f"{_xl2tpd.CONTROL}-answer-{next(_numbers)}"
    os.mkfifo(answer, 0o600)
    reader = os.open(answer, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        try:
            writer = os.open(_xl2tpd.CONTROL, os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError as missing:
            raise DaemonError("xl2tpd", "takes no commands yet") from missing
        try:
            os.write(writer, f"@{answer} {text}".encode())
            if not readable(reader).poll(CONTROL_DEADLINE_S * 1000):
                raise DaemonError("xl2tpd", f"does not answer the command {text!r}")
            return os.read(reader, 4096).decode(errors="replace").strip()
        finally:
            os.close(writer)
    finally:
        os.close(reader)
        Path(answer).unlink(missing_ok=True)
