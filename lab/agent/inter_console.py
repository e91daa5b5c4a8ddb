"""A call home by consoles: what an agent, or a console, says at TCP port 9920 of a console (M-03, M-05).

A request is an object of JSON, PUT to /requests/KEY: docs/consoles.md. The key is the sender's own, and the
same however often the request is sent, so that IBM does it once (M-07). Imports little (see
``lab.agent.http1``).
"""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Callable, Iterable

from lab.agent.client import AgentCaller, read_acknowledgement
from lab.agent.message import Attempt, Message, ServerUrl
from lab.topology.errand_kinds import PATHS

VERSION = 1
REQUESTS = "/requests/"
MARK = "callhome-request"

DHE = "DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-SHA256:DHE-RSA-AES128-SHA256"
"""Suites whose key exchange is Diffie-Hellman's, with certificates (P-17)."""
ADH = "ADH-AES256-SHA256:ADH-AES128-SHA256:ADH-AES256-SHA:ADH-AES128-SHA"
"""The same without: of the HMCs of 2007."""

FORWARD_S = 300.0
"""For one console to have a request done, while most of IBM's servers may be silent."""
TOTAL_S = 1500.0
"""For a console to find one that has it done."""


def suites_for(context: ssl.SSLContext, *, anonymous: bool) -> None:
    """Have a context speak TLS 1.2 and nothing but Diffie-Hellman, signed by certificates or by nobody."""
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL has anonymous suites at level 0 alone.
    context.set_ciphers(f"{ADH}:@SECLEVEL=0" if anonymous else DHE)


def caller_context(ca_file: str, *, anonymous: bool) -> ssl.SSLContext:
    """Of who calls a console; raises OSError if the file of authorities cannot be read."""
    if not anonymous:
        context = ssl.create_default_context(cafile=ca_file)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    suites_for(context, anonymous=anonymous)
    return context


class ConsoleCaller(AgentCaller):
    """Who has messages sent by a console, in the place of sending them to IBM's servers."""

    def __init__(
        self,
        console: str,
        context: ssl.SSLContext,
        story: Callable[[str], None] = lambda line: None,
        *,
        total_s: float = TOTAL_S,
        forwarded: bool = False,
    ) -> None:
        """``console``: its URL. ``forwarded``: the message is another console's. Raises ValueError."""
        self._family = int(socket.AF_UNSPEC)
        self.proxies = []
        self.story = story
        self._total_s = total_s
        self._rounds = 1
        self._context = context
        self._console = ServerUrl(console)
        self._forwarded = forwarded

    def send(self, message: Message, servers: Iterable[ServerUrl]) -> list[Attempt]:
        """Have the console send it; ``servers`` are for those who call IBM themselves."""
        attempt = self.try_once(packed(message, forwarded=self._forwarded), self._console)
        return [attempt]


def packed(message: Message, *, forwarded: bool) -> Message:
    """A message to IBM's servers, as a message to a console."""
    key = message.key or os.urandom(16).hex()
    members = {
        MARK: VERSION,
        "path": message.path,
        "content": message.content.decode(),
        "forwarded": forwarded,
    }
    content = json.dumps(members).encode()
    return Message("PUT", f"{REQUESTS}{key}", content, read_acknowledgement, message.errand)


def unpacked(key: str, read: object) -> tuple[Message, bool]:
    """The message to IBM's servers, and whether another console has forwarded it; raises ValueError."""
    if not isinstance(read, dict) or read.get(MARK) != VERSION or isinstance(read.get(MARK), bool):
        raise ValueError(f"it is no object with {MARK}: {VERSION}")
    path, content, forwarded = (read.get(name) for name in ("path", "content", "forwarded"))
    if not isinstance(path, str) or not path.startswith("/") or not _is_plain(path):
        raise ValueError("path is no path of printable characters without blanks")
    if not isinstance(content, str):
        raise ValueError("content is no text")
    if not isinstance(forwarded, bool):
        raise ValueError("forwarded is neither true nor false")
    errand = path.removeprefix(PATHS).partition("?")[0] if path.startswith(PATHS) else "heartbeat"
    message = Message("POST", path, content.encode(), read_acknowledgement, errand, key)
    return message, forwarded


def _is_plain(path: str) -> bool:
    return path.isascii() and path.isprintable() and " " not in path and len(path) <= 200
