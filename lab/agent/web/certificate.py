"""The certificate of the web user interface: made where the settings name none, and kept.

Signed by nobody but itself: a browser asks once whether it is to be trusted. ``cryptography`` is imported
when one is made, and not before.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from pathlib import Path

from lab.agent.storage import cannot_write

FOLDER = "web"
"""Of the state folder."""
DAYS = 825
"""Browsers take no certificate that is valid for longer."""
_LEFT_DAYS = 30
_DAY_S = 86400.0


def kept(folder: Path, names: tuple[str, ...], now: float | None = None) -> tuple[str, str]:
    """The files of certificate and key in a folder; made if they are not there, damaged, or end soon.

    The folder and the key are for the owner alone. Raises OSError.
    """
    now = time.time() if now is None else now
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if not _holds(certificate, key, now):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, content in zip((key, certificate), _made(names, now), strict=True):
            _write(path, content)
    return str(certificate), str(key)


def own(state: Path) -> tuple[str, str]:
    """The files of an agent, for this system's names. Raises StorageError."""
    names = dict.fromkeys((socket.gethostname(), socket.getfqdn(), "localhost", "127.0.0.1", "::1"))
    folder = state / FOLDER
    try:
        return kept(folder, tuple(names))
    except OSError as error:
        raise cannot_write(folder, error) from error


def _holds(certificate: Path, key: Path, now: float) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")
        context.load_verify_locations(certificate)
        (told,) = context.get_ca_certs()
    except (OSError, ValueError):  # not there, not readable, or not a pair; SSLError is an OSError
        return False
    begin, end = (ssl.cert_time_to_seconds(str(told[field])) for field in ("notBefore", "notAfter"))
    return begin <= now < end - _LEFT_DAYS * _DAY_S


def _made(names: tuple[str, ...], now: float) -> tuple[bytes, bytes]:
    """Key and certificate (PEM), for names and addresses."""
    import ipaddress
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def general(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Electronic Service Agent"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:64]),
        ]
    )
    today = datetime.fromtimestamp(now, UTC)
    unsigned = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=DAYS - 1))
        .add_extension(
            x509.SubjectAlternativeName([general(name) for name in names]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
    )
    signed = unsigned.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    return (
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        signed.public_bytes(pem),
    )


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, and readable by the owner alone."""
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
