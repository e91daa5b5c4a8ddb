"""Where ``lab-service`` asks: one socket of the server's node, one request at a time.

A request is a command line and three streams (``tool.request``); the answer is a line with an exit status,
and what is to be said. Who asks is what the kernel says (SO_PEERCRED) and sshd has said. A program of ``run``
has the streams, and the answer comes when it has ended.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import select
import signal
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from lab.errors import LabError, UsageError
from lab.linux import listening
from lab.linux.nodes import Node
from lab.linux.process import Popen
from lab.linux.worker import Broke, readable, start_worker
from lab.service.server import tool, verbs
from lab.service.server.office import OFFICER, Asker, Office
from lab.service.server.verbs import HelpWanted, NoVerb

LOOKS_S = 5
"""Lab time: so soon the end of a session that has ended by itself is recorded."""
_BACKLOG = 8
_MOST_BYTES = 1 << 16
_MOST_STREAMS = 3
_FEWEST_FIELDS = 2
_MOST_DIGITS = 5
_REQUEST_S = 5.0
_CREDENTIALS = struct.Struct("iII")
UserAt = Callable[[str, int], str]
"""Who has logged in from an address and port; empty if nobody has (``sshd.SshServer.user_at``)."""


@contextlib.contextmanager
def start(
    node: Node, office: Office, users: Mapping[int, str], user_at: UserAt
) -> Iterator[Reception]:
    """Serve inside of the context; ``users`` has the names by uid. Programs of ``run`` end with it."""
    # Everybody may ask: the reception knows by uid who it is.
    listener = node.call(listening.by_path, tool.SOCKET, 0o666, _BACKLOG)
    reception = Reception(f"{node.name}'s reception", listener, office, users, user_at)
    with contextlib.ExitStack() as undo:
        undo.enter_context(listener)
        undo.callback(reception.end_programs)
        undo.enter_context(start_worker(reception.run, "reception"))
        yield reception


@dataclass(frozen=True, slots=True)
class _Program:
    """Of ``run``: it, and who waits for its end."""

    popen: Popen[bytes]
    connection: socket.socket

    def end(self) -> None:
        """End it and what it has started, and answer."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        status = self.popen.wait()
        with self.connection, contextlib.suppress(OSError):
            _answer(self.connection, status if status >= 0 else 128 - status, "")


class Reception:
    """A reception at work."""

    def __init__(
        self,
        name: str,
        listener: socket.socket,
        office: Office,
        users: Mapping[int, str],
        user_at: UserAt,
    ) -> None:
        self._broke = Broke(name)
        self.check = self._broke.check
        self._listener = listener
        self._office = office
        self._users = users
        self._user_at = user_at
        self._programs: dict[int, _Program] = {}
        """By what becomes readable when the program has ended, or nobody waits for it any more."""
        self._verbs: dict[str, Callable[[Asker, Mapping[str, Any]], str]] = {
            "authorize": office.authorize,
            "call": office.call,
            "connect": office.connect,
            "hang-up": office.hang_up,
            "status": office.status,
            "audit": office.audit,
        }
        self._verbs |= {verb: partial(office.use, verb) for verb in office.more_verbs}

    def run(self, told: int) -> None:
        """Serve until ``told`` is readable."""
        with self._broke:
            self._serve(told)

    def end_programs(self) -> None:
        """End what ``run`` has started: the session's end, or the server's."""
        for descriptor in list(self._programs):
            self._forget(descriptor)

    def _serve(self, told: int) -> None:
        while True:
            poller = readable(self._listener, told, *self._programs)
            for program in self._programs.values():
                poller.register(program.connection, select.POLLRDHUP)
            patience_ms = 1000 * LOOKS_S if self._office.visited else None
            ready = {descriptor for descriptor, _ in poller.poll(patience_ms)}
            if told in ready:
                return
            for descriptor, program in list(self._programs.items()):
                if ready & {descriptor, program.connection.fileno()}:
                    self._forget(descriptor)
            if self._listener.fileno() in ready:
                self._receive()
            elif not ready:
                self._office.look()

    def _forget(self, descriptor: int) -> None:
        self._programs.pop(descriptor).end()
        os.close(descriptor)

    def _receive(self) -> None:
        connection, _ = self._listener.accept()
        streams: list[int] = []
        kept = False
        try:
            connection.settimeout(_REQUEST_S)
            asked = _read(connection, streams)
            kept = self._take(connection, asked, streams)
        except OSError:
            pass  # Whoever asked has gone.
        finally:
            for stream in streams:
                os.close(stream)
            if not kept:
                connection.close()

    def _take(self, connection: socket.socket, asked: list[str], streams: list[int]) -> bool:
        """Carry out a request; whether the answer comes later."""
        if len(asked) < _FEWEST_FIELDS or len(streams) != _MOST_STREAMS:
            _refuse(connection, UsageError("this is no request"))
            return False
        named, form, *words = asked
        uid, caller = self._caller(connection, named)
        try:
            order = verbs.read(verbs.words_of(" ".join(words)) if form == tool.LINE else words)
            if order.verb == "run":
                popen = self._office.run(caller, order.options, uid, streams)
                self._programs[os.pidfd_open(popen.pid)] = _Program(popen, connection)
                return True
            said = self._verbs[order.verb](caller, order.options)
            _answer(connection, 0, f"{said}\n" if said else "")
        except HelpWanted as wanted:
            _answer(connection, 0, str(wanted))
        except NoVerb as error:
            said = f"{error}\n"
            if form == tool.LINE:
                said += f"{tool.PROGRAM}: {self._office.refuse(caller)}\n"
            _answer(connection, error.exit_status, said)
        except LabError as error:
            _refuse(connection, error)
        return False

    def _caller(self, connection: socket.socket, named: str) -> tuple[int, Asker]:
        """The uid, and who it is. ``named`` is SSH_CONNECTION: believed only where sshd has said the same."""
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, _ = _CREDENTIALS.unpack(packed)
        if uid == os.geteuid():
            return uid, Asker(OFFICER, "")
        user = self._users.get(uid) or _name_of(uid)
        address, port, *_ = [*named.split(), "", ""]
        logged_in = port.isdecimal() and self._user_at(address, int(port)) == user
        return uid, Asker(user, address if logged_in else "")


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"{uid}"


def _read(connection: socket.socket, streams: list[int]) -> list[str]:
    """The fields of a request, none where it is not one; and the descriptors that come with it."""
    came = b""
    while len(came) < _MOST_BYTES:
        piece, descriptors, _, _ = socket.recv_fds(connection, _MOST_BYTES, _MOST_STREAMS)
        streams.extend(descriptors)
        came += piece
        size, found, fields = came.partition(b"\n")
        if found and not (size.isdigit() and len(size) <= _MOST_DIGITS):
            break
        if found and len(fields) >= int(size):
            return fields.decode(errors="surrogateescape").split("\0")
        if not piece:
            break
    return []


def _refuse(connection: socket.socket, error: LabError) -> None:
    _answer(connection, error.exit_status, f"{tool.PROGRAM}: {error}\n")


def _answer(connection: socket.socket, status: int, said: str) -> None:
    connection.sendall(f"{status}\n{said}".encode(errors="surrogateescape"))
