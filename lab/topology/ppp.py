"""The model of PPP: whom a server takes, and what it gives. Plain data, as all of ``model``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lab.secret import Secret


class PppAuth(StrEnum):
    """The authentication protocol that a PPP peer demands (RFC 1334, RFC 1994)."""

    chap = "chap"
    pap = "pap"


@dataclass(frozen=True, slots=True, kw_only=True)
class PppAccount:
    """A PPP user: its name and its secret as the client has it."""

    user: str
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class PppServer:
    """What a gateway's PPP demands and gives."""

    auth: PppAuth
    local_ip: str
    pool: tuple[str, ...]
    """The addresses that callers get; may be empty (fault ``pool-empty``)."""
    accounts: tuple[PppAccount, ...]
