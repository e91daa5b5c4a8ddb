"""The servers' TLS: contexts from the model's plans, and what of a plan this machine's OpenSSL does not have.

Nothing is pretended: a suite that OpenSSL lacks is not offered, and ``missing`` names it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lab.errors import LabBroke
from lab.topology.servers import KeyKind, TlsPlan
from lab.wire import hello
from lab.wire.suites import NUMBERS, name_of

KEY_LOG = "tls.keylog"
RENEWED = "renewed-"
"""How the file of a certificate begins that is to take the place of the first one."""
_SAVED_AT_ONCE = 1 << 20
_RECORD_HEAD, _RECORD_MOST = 5, 1 << 14
"""Bytes of a TLS record's header, and the most that a ClientHello's record may have after it."""
HINT = "authority.issue writes it before the lab boots"

VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


class TlsSocket(ssl.SSLSocket):
    """A server's TLS connection that remembers the name the client asked for (RFC 6066 3)."""

    sni = ""


class KeyLog:
    """``keys/tls.keylog``: the secrets of every session, with which Wireshark reads the captures.

    OpenSSL writes into memory, and ``save`` copies that to the file: where OpenSSL finds no room for a
    secret, Python breaks the session off. Any thread may call.
    """

    def __init__(self, keys_dir: str) -> None:
        """Raises OSError if the file cannot be made; it is its owner's only, as OpenSSL's would not be."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(f"{keys_dir}/{KEY_LOG}", flags, 0o600)
        self._memory = os.memfd_create(KEY_LOG)
        self._saved = 0
        self._lock = threading.Lock()

    @property
    def path(self) -> str:
        """Where OpenSSL is to write."""
        return f"/proc/self/fd/{self._memory}"

    def add(self, line: bytes) -> None:
        """Add a line that not OpenSSL wrote."""
        appending = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            os.write(appending, line + b"\n")
        finally:
            os.close(appending)
        self.save()

    def save(self) -> None:
        """Write what is new to the file. What finds no room there waits for the next time."""
        with self._lock, contextlib.suppress(OSError):
            while data := os.pread(self._memory, _SAVED_AT_ONCE, self._saved):
                self._saved += os.write(self._file, data)

    def __enter__(self) -> KeyLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.save()
        os.close(self._file)
        os.close(self._memory)


def note_secrets(keys: Path, *contexts: ssl.SSLContext) -> None:
    """Have contexts write to ``tls.keylog``, with which Wireshark reads the captures; raises OSError.

    OpenSSL would create the file with the rights of the umask, and the file opens every captured session.
    """
    os.close(os.open(keys / KEY_LOG, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for context in contexts:
        context.keylog_filename = os.fspath(keys / KEY_LOG)


@dataclass(frozen=True, slots=True)
class Contexts:
    """Of one plan: for clients of today, and for those of the papers' time, if they get another key."""

    today: ssl.SSLContext
    then: ssl.SSLContext | None = None
    suites_of_then: frozenset[str] = frozenset()
    suites_of_today: frozenset[str] = frozenset()

    def for_client(self, connection: socket.socket, timeout_s: float) -> ssl.SSLContext:
        """The context for the client whose ClientHello is about to come.

        OpenSSL has room for one key of RSA in a context, and Python cannot ask it for the client's suites. So
        the ClientHello is read first, and left where it is. Raises OSError as reading does.
        """
        if self.then is None:
            return self.today
        offer = hello.read_offer(first_record(connection, timeout_s))
        for suite in offer.suites if offer is not None else ():
            name = name_of(suite)
            if name in self.suites_of_then:
                return self.then
            if name in self.suites_of_today:
                return self.today
        return self.today


def contexts(plan: TlsPlan, node: str, keys_dir: str, key_log: KeyLog) -> Contexts:
    """For HTTPS; LabBroke if a certificate cannot be used, or nothing of the plan can be offered."""
    today = _context(plan, plan.keys_of_today, node, keys_dir, key_log)
    if not plan.of_then:
        return Contexts(today)
    own = replace(plan, suites=plan.of_then)
    return Contexts(
        today,
        _context(own, [KeyKind.rsa_1024], node, keys_dir, key_log),
        frozenset(plan.of_then),
        # All of TLS 1.3 are today's.
        frozenset(plan.suites) - {*plan.of_then}
        | {name for name in NUMBERS if name.startswith("TLS_")},
    )


def first_record(connection: socket.socket, timeout_s: float) -> bytes:
    """The first record that a client sends, once it is whole, left unread; what is there if it is none."""
    connection.settimeout(timeout_s)
    try:
        head = _peek(connection, _RECORD_HEAD)
        if len(head) < _RECORD_HEAD or head[0] != hello.HANDSHAKE:
            return head
        length = int.from_bytes(head[3:5], "big")
        return _peek(connection, _RECORD_HEAD + min(length, _RECORD_MOST))
    finally:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


def _peek(connection: socket.socket, size: int) -> bytes:
    """Wait until so much is there, or the client has ended: poll(2) minds SO_RCVLOWAT (socket(7))."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)
    return connection.recv(size, socket.MSG_PEEK)


def _context(
    plan: TlsPlan, keys: Iterable[KeyKind], node: str, keys_dir: str, key_log: KeyLog
) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        with warnings.catch_warnings():
            # Python warns of TLS before 1.2, which is what the papers ask for.
            warnings.simplefilter("ignore", DeprecationWarning)
            made.minimum_version = VERSIONS[plan.minimum]
            made.maximum_version = VERSIONS[plan.maximum]
        made.set_ciphers(cipher_list(plan, missing(plan)))
    except (ssl.SSLError, ValueError) as error:
        raise LabBroke(
            f"{node} cannot offer the TLS of plan {plan.name}: {ssl.OPENSSL_VERSION} has none of it",
            hint="take literal_tls out of the topology",
        ) from error
    for kind in keys:
        _load(made, node, f"{keys_dir}/{kind.file}")
    made.keylog_filename = key_log.path
    made.set_alpn_protocols(["http/1.1"])
    made.sslsocket_class = TlsSocket
    made.sni_callback = _remember_sni
    return made


def renew(of_plan: Contexts, plan: TlsPlan, node: str, keys_dir: str) -> None:
    """Have who connects from now on see the certificates that were issued anew (``RENEWED``)."""
    for kind in plan.keys_of_today:
        _load(of_plan.today, node, f"{keys_dir}/{RENEWED}{kind.file}")


def inner_contexts(node: str, chain: str, key_log: KeyLog) -> Contexts:
    """For HTTPS between servers of the lab's own, with what OpenSSL has today."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(made, node, chain)
    made.keylog_filename = key_log.path
    made.sslsocket_class = TlsSocket
    return Contexts(made)


def _load(context: ssl.SSLContext, node: str, chain: str) -> None:
    try:
        context.load_cert_chain(chain)
    except OSError as error:  # SSLError is one
        raise LabBroke(
            f"{node} cannot use its certificate {chain}: {error.strerror or error}", hint=HINT
        ) from error


def cipher_list(plan: TlsPlan, without: Iterable[str]) -> str:
    """For OpenSSL: openssl-ciphers(1)."""
    left_out = set(without)
    suites = [suite for suite in plan.suites if suite not in left_out]
    return ":".join([*suites, "@SECLEVEL=0"] if plan.is_weak else suites)


def missing(plan: TlsPlan) -> tuple[str, ...]:
    """The plan's suites that this machine's OpenSSL was built without, in the plan's order."""
    if not plan.is_weak:
        return ()  # Every OpenSSL has those of its own time.
    known = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        known.set_ciphers(cipher_list(plan, ()))
    except ssl.SSLError:
        return plan.suites
    have = {each["name"] for each in known.get_ciphers()}
    return tuple(suite for suite in plan.suites if suite not in have)


def _remember_sni(
    connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, context: ssl.SSLContext
) -> None:
    if isinstance(connection, TlsSocket):
        connection.sni = name or ""
