"""IBM's servers in the model: where each listens, what TLS it speaks, and what a user has it answer.

Plain data, which the guest reads, too. ``resolve_servers`` decides it; ``stub_file`` reads what users write.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Speaks(StrEnum):
    """What a server speaks at a port."""

    https = "https"
    http = "http"
    """Downloads only: data is never uploaded over HTTP (OUT-33, P-19)."""
    ftps = "ftps"
    """FTP that goes over to TLS by AUTH before anybody logs in (RFC 4217, OUT-43)."""
    inner = "inner"
    """HTTPS between the front end and a server behind it (OUT-37)."""


class KeyKind(StrEnum):
    """The private key of a certificate."""

    ec_p256 = "ec-p256"
    rsa_1024 = "rsa-1024"
    rsa_2048 = "rsa-2048"

    @property
    def bits(self) -> int:
        return int(self.rpartition("-")[2].lstrip("p"))

    @property
    def file(self) -> str:
        """In the run's ``keys``: the chain and the key."""
        return "sdc.pem" if self is KeyKind.ec_p256 else f"sdc-{self}.pem"


class Certified(StrEnum):
    """What is wrong with the servers' certificates."""

    well = ""
    expired = "expired"
    """They have been valid until 2020."""
    elsewhere = "elsewhere"
    """By an authority that is not the lab's."""


FTPS_PORT = 21
PASSIVE_PORTS = range(65024, 65536)
"""Where FTP's data connections are taken, while a transfer is under way. The papers are silent: lab's choice.

After AUTH TLS nothing between the two can read which port the server names, so a firewall opens all of them.
"""
VERSIONS = "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"
"""In their order, as OpenSSL and the ledger call them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsPlan:
    """What TLS some servers speak. Suites are OpenSSL's names of those before TLS 1.3, best first; those of
    TLS 1.3 are whatever OpenSSL has."""

    name: str
    requirement: str
    minimum: str
    maximum: str
    suites: tuple[str, ...]
    keys: tuple[KeyKind, ...]
    of_then: tuple[str, ...] = ()
    """Suites of the papers, where the server has keys of RSA-1024 and RSA-2048. A client that offers one of
    these before any of today's gets RSA-1024; clients of today insist on RSA-2048."""

    certified: Certified = Certified.well

    @property
    def keys_of_today(self) -> tuple[KeyKind, ...]:
        """One of each algorithm, the strongest."""
        return tuple(key for key in self.keys if not (self.of_then and key is KeyKind.rsa_1024))

    @property
    def is_weak(self) -> bool:
        """Whether OpenSSL offers it only at security level 0: SSL_CTX_set_security_level(3)."""
        return self.minimum < "TLSv1.2" or KeyKind.rsa_1024 in self.keys


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedServer:
    """One address and port that the papers list for a server."""

    name: str
    address: str
    port: int
    rows: tuple[str, ...]
    """The rows of the address tables that list it: ``A-15``, ``A-28``."""
    speaks: Speaks
    tls: str
    """The name of the plan; empty where nothing is encrypted."""
    serves: tuple[str, ...] = ()
    """The errands that are done there (``ErrandKind``); none: the papers tell none apart, and all are."""
    variants: tuple[str, ...] = ()
    """Which of the two traditional ways list it, ``ssl`` or ``ursf``; none where there is but one way."""
    regions: tuple[str, ...] = ("all",)
    """Whose customers need it: ``all``, ``americas``, ``non-americas``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackEnd:
    """A server of IBM's behind the front end, which gets certain errands from it (OUT-37)."""

    node: str
    segment: str
    """The wire between the two."""
    address: str
    serves: tuple[str, ...]
    """The errands (``ErrandKind``)."""


BACK_END_PORT = 443
"""HTTPS, also inside IBM's own network: no system's name is in clear on any wire (g5). The lab's choice."""


class Failure(StrEnum):
    """What a server does in the place of a whole answer."""

    none = ""
    reset = "reset"
    """The connection is reset."""
    close = "close"
    """The connection ends without an answer."""
    truncate = "truncate"
    """The connection ends in the middle of the answer's body."""
    hang = "hang"
    """Nothing comes, and the connection stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stub:
    """What a user's file has the servers answer to certain requests: the first stub that fits answers."""

    name: str
    """The file and the line: ``acme-stubs.yaml:3``."""
    host: str
    """A regular expression that all of a called name matches; empty: any."""
    method: str
    """Empty: any."""
    path: str
    """A regular expression that all of the path matches, without the query."""
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body_base64: str
    delay_s: float
    failure: Failure
