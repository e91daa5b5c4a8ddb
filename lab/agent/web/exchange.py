"""A request and a reply, as data, and who makes the one of the other. No sockets."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from typing import Protocol

_FORM = "application/x-www-form-urlencoded"
_FORM_FIELDS = 128

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
GUARDS = (
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""Of every reply."""

REASONS = {
    200: "OK",
    303: "See Other",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    411: "Length Required",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}


class WebRequest:
    """A request whose body, if any, has been read."""

    __slots__ = ("body", "fields", "method", "path", "peer", "query")

    def __init__(
        self,
        method: str,
        target: str,
        fields: Mapping[str, str] | None = None,
        body: bytes = b"",
        peer: str = "",
    ) -> None:
        path, _, query = target.partition("?")
        self.method = method
        self.path = path
        self.query = _parsed(query)
        self.fields = fields or {}
        """Names in lower case."""
        self.body = body
        self.peer = peer
        """The address that it came from."""

    def cookie(self, name: str) -> str:
        """A cookie's value (RFC 6265 4.2); empty if there is none."""
        for part in self.fields.get("cookie", "").split(";"):
            given, _, value = part.strip().partition("=")
            if given == name:
                return value
        return ""

    def form(self) -> dict[str, str]:
        """The fields of a form; raises WebRefusal for anything else."""
        kind = self.fields.get("content-type", "").partition(";")[0].strip().lower()
        if kind != _FORM:
            raise WebRefusal(415, "Not a form", f"This address takes {_FORM}.")
        return _parsed(self.body.decode("utf-8", "replace"))


class WebReply:
    """What is answered."""

    __slots__ = ("content", "fields", "status")

    def __init__(
        self, status: int, content: str, *fields: tuple[str, str], kind: str = "text/html"
    ) -> None:
        self.status = status
        self.content = content.encode(
            "utf-8", "replace"
        )  # a file may hold half of a surrogate pair
        self.fields = (("Content-Type", f"{kind}; charset=utf-8"), *fields, *GUARDS)

    def render(self, *, head_only: bool = False, close: bool = False) -> bytes:
        """The bytes of the message (RFC 9112)."""
        lines = [f"HTTP/1.1 {self.status} {REASONS[self.status]}"]
        lines += [f"{name}: {value}" for name, value in self.fields]
        if not any(name == "Cache-Control" for name, _ in self.fields):
            lines.append("Cache-Control: no-store")
        lines.append(f"Content-Length: {len(self.content)}")
        if close:
            lines.append("Connection: close")
        head = "\r\n".join((*lines, "", "")).encode("latin-1")
        return head if head_only else head + self.content


class WebRefusal(Exception):
    """A request that is refused, and the page that says so. Not a LabError: it never leaves the desk."""

    def __init__(self, status: int, title: str, text: str, *fields: tuple[str, str]) -> None:
        super().__init__(text)
        self.status, self.title, self.text, self.fields = status, title, text, fields


class Answering(Protocol):
    """Whoever answers requests; several threads may ask at once."""

    path: str
    """Where whoever calls without TLS is told to go."""
    content_bytes: int
    """A request's content may have so many at most."""

    def answer(self, request: WebRequest) -> WebReply: ...


def _parsed(text: str) -> dict[str, str]:
    """The first value of each field; none of a text with too many."""
    try:
        pairs = urllib.parse.parse_qsl(
            text, keep_blank_values=True, errors="replace", max_num_fields=_FORM_FIELDS
        )
    except ValueError:
        return {}
    return dict(reversed(pairs))
