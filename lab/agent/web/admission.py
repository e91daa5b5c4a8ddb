"""Who is logged in, and who may try again: sessions, and a limit of refused log-ins. No clock of its own.

Times are seconds of a clock that never leaps (``time.monotonic``).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import threading
from collections import OrderedDict

from lab.agent.web.sheet import Shown

IDLE_S = 15 * 60.0
"""After this without a request a session ends."""
SESSION_S = 8 * 3600.0
"""After this it ends in any case."""
SESSIONS = 64
"""At most; the one that was used longest ago gives way."""
REFUSALS = 5
"""Of one address, within ``REFUSAL_S``; then nobody there may try until the oldest is so long ago."""
REFUSAL_S = 300.0
ADDRESSES = 1024
"""Whose refusals are remembered."""


class WebSession:
    """Somebody who is logged in."""

    def __init__(self, user: str, now: float) -> None:
        self.user = user
        self.token = secrets.token_urlsafe(24)
        """What each of the session's forms has, so that no other site can send one (CSRF)."""
        self.began = self.used = now
        self.notice = Shown("")
        """What the next page is to tell of the last request."""


class WebSessions:
    """By the session's name, which only its cookie has. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_digest: OrderedDict[bytes, WebSession] = OrderedDict()
        self._key = secrets.token_bytes(32)

    def begin(self, user: str, now: float) -> tuple[str, WebSession]:
        """A session under a new name: whatever name a browser had before opens nothing (session fixation)."""
        name = secrets.token_urlsafe(32)
        session = WebSession(user, now)
        with self._lock:
            self._by_digest[_digest(name)] = session
            while len(self._by_digest) > SESSIONS:
                self._by_digest.popitem(last=False)
        return name, session

    def find(self, name: str, now: float) -> WebSession | None:
        digest = _digest(name)
        with self._lock:
            session = self._by_digest.get(digest)
            if session is None:
                return None
            if now - session.used > IDLE_S or now - session.began > SESSION_S:
                del self._by_digest[digest]
                return None
            session.used = now
            self._by_digest.move_to_end(digest)
            return session

    def end(self, name: str) -> None:
        with self._lock:
            self._by_digest.pop(_digest(name), None)

    def login_token(self, visitor: str) -> str:
        """What the log-in form of a visitor has, who is known by a cookie: nobody can log others in."""
        return hmac.new(self._key, visitor.encode(), hashlib.sha256).hexdigest()


def new_visitor() -> str:
    return secrets.token_urlsafe(24)


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that tells nothing of them."""
    return hmac.compare_digest(one.encode(), other.encode())


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


class LoginLimit:
    """How often an address may be refused. Any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refused: OrderedDict[str, list[float]] = OrderedDict()

    def wait_s(self, address: str, now: float) -> float:
        """Seconds until the address may try; 0: it may now, and this try counts as refused until ``pardon``.

        Counted before PAM is asked: else many tries at once would all pass.
        """
        address = _household(address)
        with self._lock:
            tries = [then for then in self._refused.pop(address, []) if now - then < REFUSAL_S]
            self._refused[address] = tries
            if len(tries) >= REFUSALS:
                return tries[-REFUSALS] + REFUSAL_S - now
            tries.append(now)
            while len(self._refused) > ADDRESSES:
                self._refused.popitem(last=False)
            return 0.0

    def pardon(self, address: str) -> None:
        """The address's tries were good in the end."""
        with self._lock:
            self._refused.pop(_household(address), None)


def _household(address: str) -> str:
    """Whoever has one address of IPv6 has its /64."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    mapped = parsed.ipv4_mapped
    return str(mapped or ipaddress.ip_network((parsed, 64), strict=False))
