"""The way to a server through an HTTP proxy: CONNECT (RFC 9110 9.3.6) and the basic log-in (RFC 7617).

No sockets: what is said to a proxy, and what its answer means. Imports next to nothing (see ``http1``).
"""

from __future__ import annotations

from binascii import b2a_base64, unhexlify

from lab.agent.http1 import Head, split_authority


class ProxyUrl:
    """The URL of a proxy, taken apart: ``http://[USER:PASSWORD@]HOST[:PORT]``."""

    __slots__ = ("credentials", "host", "port", "url")

    def __init__(self, url: str) -> None:
        """Raises ValueError for anything else; the words have no password."""
        scheme, found, rest = url.partition("://")
        login, _, authority = (rest if found else url).rstrip("/").rpartition("@")
        shown = f"{scheme}://{authority}" if found else authority
        scheme = scheme if found else ""
        host, port = split_authority(authority, "80")
        if scheme.lower() != "http" or not host or "/" in authority or not shown.isprintable():
            raise ValueError(f"{shown!r} is not http://[USER:PASSWORD@]HOST[:PORT]")
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"{shown!r} has no port between 1 and 65535")
        self.url = shown
        self.host = host
        self.port = int(port)
        self.credentials = b2a_base64(_unquoted(login), newline=False).decode() if login else ""
        """What follows ``Basic``; empty without a login."""


class ProxyRefused(ValueError):
    """A proxy does not connect."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}".strip())
        self.status = status


def request(target: str, credentials: str = "") -> bytes:
    """The request for a tunnel to ``HOST:PORT``, with credentials once the proxy has asked for them."""
    login = f"Proxy-Authorization: Basic {credentials}\r\n" if credentials else ""
    return f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{login}\r\n".encode("ascii")


def is_log_in_wanted(head: Head) -> bool:
    """Whether a proxy wants the basic scheme; raises ProxyRefused if it refuses for another reason."""
    status, reason = head.status_line()
    if 200 <= status < 300:
        return False
    scheme = head.fields.get("proxy-authenticate", "").lower()
    if status == 407 and any(each.strip().startswith("basic") for each in scheme.split(",")):
        return True
    raise ProxyRefused(status, reason)


def _unquoted(text: str) -> bytes:
    """Percent-encoded text (RFC 3986 2.1) as bytes."""
    first, *rest = text.split("%")
    try:
        return first.encode() + b"".join(unhexlify(each[:2]) + each[2:].encode() for each in rest)
    except ValueError:
        raise ValueError("the proxy's user or password is not percent-encoded") from None
