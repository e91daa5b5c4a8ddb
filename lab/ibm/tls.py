"""The servers' TLS: contexts from the model's plans, and what of a plan this machine's OpenSSL does not have.

Nothing is pretended: a suite that OpenSSL lacks is not offered, and ``missing`` names it.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import threading
import warnings
from collections.abc import Iterable

from lab.errors import LabBroke
from lab.topology.servers import TlsPlan

KEY_LOG = "tls.keylog"
_SAVED_AT_ONCE = 1 << 20
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


def context(plan: TlsPlan, node: str, keys_dir: str, key_log: KeyLog) -> ssl.SSLContext:
    """For HTTPS; LabBroke if a certificate cannot be used, or nothing of the plan can be offered."""
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
    for kind in plan.keys:
        _load(made, node, f"{keys_dir}/{kind.file}")
    made.keylog_filename = key_log.path
    made.set_alpn_protocols(["http/1.1"])
    made.sslsocket_class = TlsSocket
    made.sni_callback = _remember_sni
    return made


def inner_context(node: str, chain: str, key_log: KeyLog) -> ssl.SSLContext:
    """For HTTPS between servers of the lab's own, with what OpenSSL has today."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(made, node, chain)
    made.keylog_filename = key_log.path
    made.sslsocket_class = TlsSocket
    return made


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
