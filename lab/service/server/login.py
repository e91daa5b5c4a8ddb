"""The log-in server of one node: sshd, the tool, the office behind it, and who may log in from where."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import PrerequisiteError
from lab.linux import interpreter
from lab.linux.nodes import Node
from lab.record.event import Tell
from lab.service.server import accounts, reception, sshd, tool
from lab.service.server.accounts import ACCOUNTS, REPRESENTATIVE
from lab.service.server.audit import Audit
from lab.service.server.client import PATH
from lab.service.server.log_ins import LogIn
from lab.service.server.office import ConsoleAccess, Office
from lab.service.server.reception import Reception
from lab.service.server.sshd import SshServer
from lab.service.server.tokens import Authorizations


@dataclass(frozen=True, slots=True)
class LogInServer:
    """What runs on the server."""

    office: Office
    sshd: SshServer
    reception: Reception

    def check(self) -> None:
        """Raise LabError if a part of it broke."""
        self.sshd.check()
        self.reception.check()


@contextlib.contextmanager
def start(
    server: Node,
    address: str,
    clients: Sequence[Node],
    consoles: Sequence[str],
    way_in: ConsoleAccess,
    tell: Tell,
) -> Iterator[LogInServer]:
    """Let IBM's people log in to a server, at an address, from their PCs."""
    server.write(PATH, f"#!{_interpreter()} -IS\n{Path(tool.__file__).read_text()}", 0o755)
    records = Audit(server.name, server.run_dir, tell)
    users = [REPRESENTATIVE.name]
    office = Office(consoles, users, Authorizations(os.urandom), records, way_in)

    def note(log_in: LogIn) -> None:
        office.note_log_in(log_in.user, log_in.address, log_in.fault)

    keys = {account: accounts.make_keys(server, account.name) for account in ACCOUNTS}
    public = {account: pair.public for account, pair in keys.items()}
    with contextlib.ExitStack() as undo:
        listening = undo.enter_context(sshd.start(server, public, shlex.quote(PATH), note))
        for client in clients:
            accounts.equip(client, [(server.name, address)], listening.host_key, keys)
        names = {account.uid: account.name for account in ACCOUNTS}
        desk = undo.enter_context(reception.start(server, office, names, listening.user_at))
        undo.callback(office.leave)
        yield LogInServer(office, listening, desk)


def _interpreter() -> str:
    if python := interpreter.for_everybody():
        return python
    raise PrerequisiteError(
        "IBM's people cannot run a program on IBM's service server: no Python here is for all users",
        hint=f"install {interpreter.SYSTEM_PYTHON}",
    )
