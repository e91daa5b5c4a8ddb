"""The customer's HTTP proxies in the model; agents may call home through them (S0, S1, S3, S4 with proxy)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lab.secret import Secret

DEFAULT_PORT = 3128
"""Squid's; the papers name none."""
BUSY = 503
"""What a proxy that is busy answers (Q-14; RFC 9110 15.6.4)."""
MOST_PROXIES = 3
"""That an agent may be given (OUT-13)."""


class ProxyRefusal(StrEnum):
    """What a proxy does with requests that it would let through (faults)."""

    none = ""
    connect = "connect"
    """It refuses the method CONNECT."""
    busy = "busy"
    """It says that it has no room for another connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyAccount:
    """With what a user logs in to a proxy (RFC 7617; OUT-11)."""

    user: str
    password: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProxy:
    """One proxy."""

    node: str
    name: str
    """By which the customer's machines know it."""
    address: str
    port: int
    account: ProxyAccount | None
    """Whom it lets in; None: everybody on the customer's side."""
    users: tuple[str, ...]
    """The subnets from which it is asked."""
    destinations: tuple[str, ...]
    """The addresses to which it lets its users; none: to any (OUT-12)."""
    resolver: str = ""
    """The address of the name server that it asks; empty: it has all names in its hosts table."""
    service: bool = False
    """Whether it is the Service and Support Proxy, for listed destinations only (OUT-16, OUT-17)."""
    refusal: ProxyRefusal = ProxyRefusal.none
    inspects: bool = False
    """It answers TLS itself, with a certificate of the customer's own authority (a fault)."""
    down: bool = False
    """Nothing listens on its port."""
