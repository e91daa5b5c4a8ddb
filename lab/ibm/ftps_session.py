"""FTP by TLS with pyftpdlib: whoever logs in may upload, and nothing of it is kept but size and digest.

Explicit FTPS (RFC 4217): USER before AUTH TLS is refused, and so is a data connection before PROT P (OUT-43).
The client opens every data connection: PORT and EPRT, by which the server would, are not there, for no
connection comes from IBM's side (OUT-02).
"""

from __future__ import annotations

import hashlib
import logging
import socket
import time
from collections.abc import Callable
from typing import Any, ClassVar

from OpenSSL import SSL
from pyftpdlib import ioloop  # type: ignore[import-untyped]  # first: it keeps asyncore from warning
from pyftpdlib.authorizers import DummyAuthorizer  # type: ignore[import-untyped]
from pyftpdlib.filesystems import AbstractedFS  # type: ignore[import-untyped]
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler  # type: ignore[import-untyped]
from pyftpdlib.handlers.ftp.dispatchers import PassiveDTP  # type: ignore[import-untyped]

from lab.ibm import tls
from lab.ibm.ftps import FtpsTalk
from lab.record.record import Transaction
from lab.topology.servers import PASSIVE_PORTS, TlsPlan

_WRONG = 500, 501, 502, 503
"""What the client said cannot be understood; other refusals are a policy's."""
_SECRET = "USER", "PASS", "ACCT"
"""Commands whose arguments no ledger tells."""
_VERSIONS = {
    "TLSv1": SSL.TLS1_VERSION,
    "TLSv1.1": SSL.TLS1_1_VERSION,
    "TLSv1.2": SSL.TLS1_2_VERSION,
    "TLSv1.3": SSL.TLS1_3_VERSION,
}

_log = logging.getLogger("pyftpdlib")
_log.addHandler(logging.NullHandler())
_log.propagate = False
_log.setLevel(logging.CRITICAL)


def speak(talk: FtpsTalk) -> None:
    """Serve one client to the end of the control connection; nothing that it does is raised."""
    with ioloop.IOLoop() as loop:
        session = _FtpSession(talk.connection, _House(talk), ioloop=loop)
        if session.connected:
            session.handle()
            loop.loop()
        session.told()


class _House:
    """What a session asks of a server of pyftpdlib."""

    backlog = 1

    def __init__(self, talk: FtpsTalk) -> None:
        self.talk = talk
        self.socket = talk.connection
        self.ip_map: list[str] = []
        self.ends = _name(talk.connection.getpeername), _name(talk.connection.getsockname)
        self.context = _context(talk.plan, talk.keys_dir, talk.shared.key_log)

    def _accept_new_cons(self) -> bool:
        return True


def _name(ask: Callable[[], tuple[str, int]]) -> tuple[str, int]:
    """An end of a connection; nothing if the client has gone already."""
    try:
        return ask()[:2]
    except OSError:
        return "", 0


def _context(plan: TlsPlan, keys_dir: str, key_log: tls.KeyLog) -> SSL.Context:
    """The same plan as by HTTPS to clients of today, with the OpenSSL that ``cryptography`` brings along."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(_VERSIONS[plan.minimum])
    context.set_max_proto_version(_VERSIONS[plan.maximum])
    context.set_cipher_list(tls.cipher_list(plan, ()).encode())
    for kind in plan.keys_of_today:
        context.use_certificate_chain_file(f"{keys_dir}/{kind.file}")
        context.use_privatekey_file(f"{keys_dir}/{kind.file}")

    context.set_keylog_callback(lambda _, line: key_log.add(line))
    return context


class _Sink:
    """A file that is read by nobody: size and digest of what is written to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = False
        self.size = 0
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        self.size += len(data)
        return len(data)

    def seek(self, position: int) -> None:
        """After REST: the digest is of what came, not of what would be there."""

    def close(self) -> None:
        self.closed = True

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class _Nothing(AbstractedFS):  # type: ignore[misc]  # pyftpdlib has no types
    """A file system where everything can be written, and nothing is there; no real one is touched."""

    def validpath(self, path: str) -> bool:
        return True

    def realpath(self, path: str) -> str:
        return path

    def open(self, filename: str, mode: str) -> _Sink:
        if mode.startswith("r") and "+" not in mode:
            raise FileNotFoundError(2, "No such file", filename)
        sink = _Sink(filename)
        self.cmd_channel.sinks[filename] = sink
        return sink

    def mkstemp(
        self, suffix: str = "", prefix: str = "", dir: str | None = None, mode: str = "wb"
    ) -> _Sink:
        return self.open(f"{(dir or '').rstrip('/')}/{prefix or 'ftpd.'}{id(self):x}{suffix}", mode)

    def chdir(self, path: str) -> None:
        self.cwd = self.fs2ftp(path)

    def mkdir(self, path: str) -> None:
        pass

    def listdir(self, path: str) -> list[str]:
        return []

    def isdir(self, path: str) -> bool:
        return True

    def isfile(self, path: str) -> bool:
        return False

    islink = lexists = isfile

    def _none(self, path: str, *_: Any) -> Any:
        raise FileNotFoundError(2, "No such file", path)

    rmdir = remove = rename = chmod = stat = lstat = utime = readlink = getsize = getmtime = _none


class _Anybody(DummyAuthorizer):  # type: ignore[misc]
    """Whoever comes may log in, with any password, and upload."""

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        pass

    def has_user(self, username: str) -> bool:
        return True

    def get_home_dir(self, username: str) -> str:
        return "/"

    def get_perms(self, username: str) -> str:
        # Neither listing nor fetching: Python 3.13's ftplib breaks at a data connection without data.
        return "eamw"

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        return perm in self.get_perms(username)

    def get_msg_login(self, username: str) -> str:
        return "Logged in."

    def get_msg_quit(self, username: str) -> str:
        return "Goodbye."


class _Data(TLS_DTPHandler):  # type: ignore[misc]
    """A data connection. The file ends where the client ends TLS; pyftpdlib takes any end for the file's."""

    transfer_finished: bool

    def close(self) -> None:
        if self.transfer_finished and self.receive and not self._ended_by_client:
            self.transfer_finished = False
            self._resp = ("426 The data connection ended without close_notify.", _log.debug)
        super().close()

    @property
    def _ended_by_client(self) -> bool:
        if self._closed or not isinstance(self.socket, SSL.Connection):
            return True
        return bool(self.socket.get_shutdown() & SSL.RECEIVED_SHUTDOWN)


class _Entrance(PassiveDTP):  # type: ignore[misc]
    """Takes the client's data connection, in the node that has the address."""

    def create_socket(self, family: int, kind: int) -> None:
        opened = self.cmd_channel.server.talk.node.call(socket.socket, family, kind)
        opened.setblocking(False)
        self.set_socket(opened)


class _FtpSession(TLS_FTPHandler):  # type: ignore[misc]
    """The control connection; tells the ledger."""

    banner = "callhome-lab ready."
    authorizer = _Anybody()
    abstracted_fs = _Nothing
    passive_dtp = _Entrance
    dtp_handler = _Data
    passive_ports = PASSIVE_PORTS
    tls_control_required = True
    tls_data_required = True
    use_sendfile = False
    auth_failed_timeout = 0
    proto_cmds: ClassVar = {
        name: entry
        for name, entry in TLS_FTPHandler.proto_cmds.items()
        if name not in ("PORT", "EPRT")
    }

    def __init__(self, connection: socket.socket, house: _House, ioloop: Any) -> None:
        self.talk = house.talk
        self.sinks: dict[str, _Sink] = {}
        self._ends = house.ends
        self._entered = False
        super().__init__(connection, house, ioloop=ioloop)

    def get_ssl_context(self) -> SSL.Context:
        context: SSL.Context = self.server.context
        return context

    def on_file_received(self, file: str) -> None:
        self._enter_upload(file, "upload", 226)

    def on_incomplete_file_received(self, file: str) -> None:
        self._enter_upload(file, "broken", 426)

    def _enter_upload(self, file: str, kind: str, status: int) -> None:
        sink = self.sinks.pop(file)
        whole = sink.sha256 if kind == "upload" and sink.size else ""
        self._enter(
            kind, status, "STOR", file, f"STOR {file}"[:200], body_bytes=sink.size, sha256=whole
        )

    def log_cmd(self, cmd: str, arg: str, respcode: int, respstr: str) -> None:
        if respcode >= 400:
            kind = "malformed" if respcode in _WRONG else "refused"
            target = "" if cmd in _SECRET else str(arg)
            self._enter(kind, respcode, cmd[:20], target, respstr)

    def respond_w_warning(self, resp: str) -> None:
        super().respond_w_warning(resp)
        self._enter("malformed", int(resp[:3]), "", "", resp[4:])

    def handle_failed_ssl_handshake(self) -> None:
        self._enter("handshake", 0, "AUTH", "", "the handshake failed")
        super().handle_failed_ssl_handshake()

    def log_exception(self, instance: object) -> None:
        self._enter("broken", 0, "", "", "the connection broke")

    def told(self) -> None:
        """See that a connection leaves at least one entry."""
        if not self._entered:
            self._enter("no-request", 0, "", "", "")

    def _enter(
        self,
        kind: str,
        status: int,
        method: str,
        target: str,
        detail: str,
        *,
        body_bytes: int = 0,
        sha256: str = "",
    ) -> None:
        by_tls = self.socket if isinstance(self.socket, SSL.Connection) else None
        (peer_ip, peer_port), (server_ip, server_port) = self._ends
        self._entered = True
        self.talk.shared.ledger.add(
            Transaction(
                time=time.time(),
                kind=kind,
                system="",
                peer_ip=peer_ip,
                peer_port=peer_port,
                server_ip=server_ip,
                server_port=server_port,
                tls_version=by_tls.get_protocol_version_name() if by_tls else "",
                cipher=(by_tls.get_cipher_name() or "") if by_tls else "",
                sni=(by_tls.get_servername() or b"").decode("ascii", "replace") if by_tls else "",
                status=status,
                bytes_in=body_bytes,
                detail=detail,
                server=self.talk.listed.name,
                rows=self.talk.listed.rows,
                method=method,
                target=target[:2000],
                body_bytes=body_bytes,
                body_sha256=sha256,
            )
        )
