"""The log-in to IBM's service server: a real OpenSSH sshd in the server's node (S4 2.2.2, I-19).

By public key only, without a terminal, and without any forwarding; whoever has logged in gets one program.
What sshd says of log-ins is passed on line by line.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lab.errors import DaemonError
from lab.linux import configuration, process_table, system_log
from lab.linux.daemon_log import Log
from lab.linux.nodes import Node
from lab.linux.process import DEVNULL, Popen, how_ended
from lab.linux.worker import Broke, readable, start_worker
from lab.service.server import accounts, log_ins
from lab.service.server.accounts import NOBODYS_PATH, Account
from lab.service.server.log_ins import LogIn
from lab.wait import wait_until

PROGRAM = "/usr/sbin/sshd"
CONFIG = f"{accounts.FOLDER}/sshd_config"
HOST_KEY = f"{accounts.FOLDER}/host_key"
AUTHORIZED = f"{accounts.FOLDER}/authorized"
PORT = 22
READY_S = 30.0
END_S = 10.0
_READ_BYTES = 1 << 16
_WITH_PENALTIES = "/usr/lib/openssh/sshd-session"
"""OpenSSH 9.8 has this program, and puts off clients that failed to log in; older ones do not."""

Heard = Callable[[LogIn], None]
"""Gets each log-in that succeeds or fails, once."""


def config(users: Sequence[str], command: str, *, penalties: bool) -> str:
    """``sshd_config``; ``penalties`` says whether this sshd knows ``PerSourcePenalties``."""
    options = {
        "Port": f"{PORT}",
        "ListenAddress": "0.0.0.0",
        "HostKey": HOST_KEY,
        "AuthorizedKeysFile": f"{AUTHORIZED}/%u",
        "PidFile": "none",
        "LogLevel": "VERBOSE",
        "AllowUsers": " ".join(users),
        "AuthenticationMethods": "publickey",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "UsePAM": "no",
        "UseDNS": "no",
        "PermitRootLogin": "no",
        "DisableForwarding": "yes",
        # Its plain C takes 0.1 s of computing a log-in; a newer sshd has ML-KEM, an older one X25519.
        "KexAlgorithms": "-sntrup761*",
        "PermitTTY": "no",
        "PermitUserRC": "no",
        "PermitUserEnvironment": "no",
        "PrintMotd": "no",
        "ForceCommand": command,
    }
    if penalties:
        options["PerSourcePenalties"] = "no"
    return "".join(f"{name} {value}\n" for name, value in options.items())


@contextlib.contextmanager
def start(node: Node, keys: dict[Account, str], command: str, heard: Heard) -> Iterator[SshServer]:
    """An sshd in a node; ``keys`` has the public key of each user, ``command`` is what they get.

    On leaving, it and every log-in that stands has ended.
    """
    host_key = accounts.make_keys(node, "host")
    node.write(HOST_KEY, host_key.private)
    for account, public in keys.items():
        node.write(f"{AUTHORIZED}/{account.name}", public, 0o644)
    _make_account_files(node, keys)
    text = config([a.name for a in keys], command, penalties=Path(_WITH_PENALTIES).exists())
    configuration.write(node, CONFIG, text)
    with contextlib.ExitStack() as undo:
        said, out = os.pipe2(os.O_CLOEXEC)
        undo.callback(os.close, said)
        try:
            writing = os.fdopen(out, "wb")
            popen = node.start(
                [PROGRAM, "-D", "-e", "-f", CONFIG], {}, stdout=DEVNULL, stderr=writing
            )
        finally:
            writing.close()
        undo.callback(_end, popen, node, {account.uid for account in keys})
        server = SshServer(f"{node.name}'s sshd", popen, said, node.log_dir / "sshd.log", heard)
        server.host_key = host_key.public
        undo.enter_context(start_worker(server.listen, "sshd's log"))
        wait_until(f"{node.name}'s sshd listens", server.ready, READY_S)
        yield server


def _make_account_files(node: Node, users: dict[Account, str]) -> None:
    accounts.cover(node, "/etc/passwd", accounts.passwd(Path("/etc/passwd").read_text(), users))
    # Where sshd has it (libwrap): the machine's own refusals are not about the lab.
    accounts.cover(node, "/etc/hosts.deny", "")
    # Where sshd writes who has failed to log in (btmp(5)).
    accounts.cover(node, "/var/log/btmp", "", 0o600)
    node.call(os.makedirs, NOBODYS_PATH, 0o755, exist_ok=True)


class SshServer:
    """A running sshd."""

    host_key = ""
    """The public one."""

    def __init__(self, name: str, popen: Popen[bytes], said: int, log: Path, heard: Heard) -> None:
        self._name = name
        self._popen = popen
        self._said = said
        self._log = log
        self._heard = heard
        self._lock = threading.Lock()
        self._rest = b""
        self._listening = False
        self._broke = Broke(name)
        self._logged_in: dict[tuple[str, int], str] = {}
        os.set_blocking(said, False)
        log.parent.mkdir(parents=True, exist_ok=True)

    def ready(self) -> bool:
        """Whether it listens; raises DaemonError if it has ended."""
        self.check()
        return self._listening

    def check(self) -> None:
        """Raise LabError if sshd has ended, or who listens to it."""
        self._broke.check()
        if (status := self._popen.poll()) is not None:
            tail = Log(self._log).path.read_text() if self._log.exists() else ""
            raise DaemonError(self._name, f"ended {how_ended(status)}", log_tail=tail)

    def user_at(self, address: str, port: int) -> str:
        """Who has logged in from there; empty if nobody has."""
        # sshd has said so before it started the user's program.
        self.catch_up()
        return self._logged_in.get((address, port), "")

    def listen(self, told: int) -> None:
        """Read what it says until ``told`` is readable."""
        poller = readable(self._said, told)
        with self._broke:
            while told not in {descriptor for descriptor, _ in poller.poll()}:
                if not self.catch_up():
                    poller.unregister(self._said)

    def catch_up(self) -> bool:
        """Read what it has said so far; whether it can say more."""
        with self._lock:
            while True:
                try:
                    words = os.read(self._said, _READ_BYTES)
                except BlockingIOError:
                    return True
                if not words:
                    words, self._rest = self._rest, b""
                    if words:
                        self._take(words.decode(errors="replace"))
                    return False
                *lines, self._rest = (self._rest + words).split(b"\n")
                for line in lines:
                    self._take(line.decode(errors="replace").rstrip("\r"))

    def _take(self, line: str) -> None:
        with self._log.open("a") as log:
            log.write(f"{system_log.stamp(time.time())} {line}\n")
        if re.fullmatch(rf"Server listening on \S+ port {PORT}\.", line):
            self._listening = True
        log_in = log_ins.read(line)
        if log_in is None:
            return
        if not log_in.fault:
            self._logged_in[log_in.address, log_in.port] = log_in.user
        self._heard(log_in)


def _end(popen: Popen[bytes], node: Node, uids: set[int]) -> None:
    """End sshd, all that descends from it, and whatever the users still run in the node.

    Each log-in has a session of its own and outlives sshd, and a user's program may outlive the log-in.
    """
    with contextlib.ExitStack() as undo:
        dying: dict[int, int] = {}
        popen.send_signal(signal.SIGSTOP)
        # Whoever has been told to stop makes no more children.
        while new := (_descendants(popen.pid) | _programs(node, uids)) - dying.keys():
            for pid in new:
                try:
                    dying[pid] = _stopped(pid)
                except ProcessLookupError:
                    continue
                undo.callback(os.close, dying[pid])
        for descriptor in dying.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        popen.kill()
        popen.wait(END_S)
        for descriptor in dying.values():
            readable(descriptor).poll(END_S * 1000)


def _stopped(pid: int) -> int:
    """A descriptor of a process, which is told to stop. Raises ProcessLookupError if it is gone."""
    descriptor = os.pidfd_open(pid)
    with contextlib.suppress(ProcessLookupError):  # Ended, and not waited for yet.
        signal.pidfd_send_signal(descriptor, signal.SIGSTOP)
    return descriptor


def _programs(node: Node, uids: set[int]) -> set[int]:
    found = set()
    for pid in node.strays():
        with contextlib.suppress(FileNotFoundError):
            if Path(f"/proc/{pid}").stat().st_uid in uids:
                found.add(pid)
    return found


def _descendants(ancestor: int) -> set[int]:
    processes = process_table.take().values()
    found = [ancestor]
    for pid in found:
        found += [each.pid for each in processes if each.parent == pid]
    return set(found[1:])
