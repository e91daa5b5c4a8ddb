"""The servers' TLS: contexts from the model's plans, and what of a plan this machine's OpenSSL does not have.

Nothing is pretended: a suite that OpenSSL lacks is not offered, and ``missing`` names it.
"""

from __future__ import annotations

import os
import ssl
import warnings
from collections.abc import Iterable

from lab.errors import LabBroke
from lab.topology.servers import TlsPlan

KEY_LOG = "tls.keylog"
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


def make_key_log(keys_dir: str) -> str:
    """Where the secrets of every session go; OpenSSL would make the file with the rights of the umask."""
    path = f"{keys_dir}/{KEY_LOG}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    return path


def context(plan: TlsPlan, node: str, keys_dir: str, key_log: str) -> ssl.SSLContext:
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
        chain = f"{keys_dir}/{kind.file}"
        try:
            made.load_cert_chain(chain)
        except OSError as error:  # SSLError is one
            raise LabBroke(
                f"{node} cannot use its certificate {chain}: {error.strerror or error}", hint=HINT
            ) from error
    made.keylog_filename = key_log
    made.set_alpn_protocols(["http/1.1"])
    made.sslsocket_class = TlsSocket
    made.sni_callback = _remember_sni
    return made


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
