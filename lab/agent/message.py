"""What an agent says to a server, and what became of a try: a URL taken apart, a message, an attempt.

No sockets. Imports next to nothing (see ``http1``).
"""

from __future__ import annotations

from collections.abc import Callable

from lab.agent.http1 import split_authority
from lab.record.cause import AgentCause, Explained
from lab.topology.errand_kinds import DOWNLOADS


class ServerUrl:
    """The URL of a server, taken apart."""

    __slots__ = ("address", "clear", "host", "path", "port", "url")

    def __init__(self, url: str, *, may_be_clear: bool = False) -> None:
        """Raises ValueError for anything but https, unless it ``may_be_clear``: data never go in clear."""
        scheme, _, rest = url.partition("://")
        authority, slash, path = rest.partition("/")
        clear = may_be_clear and scheme.lower() == "http"
        host, port = split_authority(authority, "80" if clear else "443")

        if not (clear or scheme.lower() == "https") or not host or "@" in authority:
            raise ValueError(f"{url!r} is not https://HOST[:PORT][/PATH]")
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"{url!r} has no port between 1 and 65535")
        if not (authority + path).isascii() or not (authority + path).isprintable() or " " in path:
            raise ValueError(f"{url!r} has a character that no URL has")

        self.url = url
        self.host = host
        self.port = int(port)
        self.path = (slash + path).rstrip("/")
        """What comes before the path of every message."""
        self.clear = clear
        """Whether nothing is encrypted."""
        self.address = ""
        """The one address of the name that is called; empty: the first that answers."""

    def at(self, address: str) -> ServerUrl:
        """The same server at one of its addresses."""
        one = ServerUrl(self.url, may_be_clear=True)
        one.address = address
        return one

    @property
    def authority(self) -> str:
        return self.target.removesuffix(":80" if self.clear else ":443")

    @property
    def target(self) -> str:
        """What a proxy is asked for; it has the port in any case."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def wrong_servers(errand: str, urls: object) -> str:
    """What is wrong with an errand's list of servers, wherever it is from; empty if nothing is.

    Only downloads have servers by HTTP in clear (OUT-33).
    """
    if not isinstance(urls, list) or not urls or not all(isinstance(each, str) for each in urls):
        return "is no list of URLs"
    try:
        for url in urls:
            ServerUrl(url, may_be_clear=errand in DOWNLOADS)
    except ValueError as error:
        return str(error)
    return ""


class Message:
    """What is said to a server: a method, a path below the server's own, and a content."""

    __slots__ = ("content", "errand", "key", "method", "path", "read")

    def __init__(
        self,
        method: str,
        path: str,
        content: bytes,
        read: Callable[[bytes], dict[str, object]],
        errand: str = "heartbeat",
        key: str = "",
    ) -> None:
        self.method = method
        self.path = path
        self.content = content
        self.read = read
        """What the answer's body means; raises ValueError for one that is no acknowledgement."""
        self.errand = errand
        """What it is for."""
        self.key = key
        """By which the server knows it again, if it comes twice; empty: each time is another one."""


class Attempt(Explained):
    """One try of one server, and how far it came: ``phase`` is the last one entered."""

    def __init__(self, server: str, proxy: str = "", errand: str = "heartbeat") -> None:
        self.errand = errand
        self.server = server
        self.proxy = proxy
        """Its URL without a password; empty where no proxy was asked."""
        self.phase = "resolve"
        self.address = ""
        self.cause: AgentCause | None = None
        self.detail = ""
        self.acknowledgement: dict[str, object] = {}
        self.seconds = 0.0
        self.time = 0.0

    @property
    def sentence(self) -> str:
        through = f"{self.server} through {self.proxy}" if self.proxy else self.server
        if self.errand != "heartbeat":
            through = f"{self.errand}: {through}" if through else self.errand
        if self.acknowledgement:
            return f"{through} acknowledged as {self.acknowledgement['transaction']}"
        return f"{through} failed at {self.phase}: {self.why}"

    def fail(self, cause: AgentCause, detail: str) -> None:
        self.cause, self.detail = cause, detail

    def as_dict(self) -> dict[str, object]:
        told = {name: value for name, value in vars(self).items() if name != "acknowledgement"}
        return {
            **told,
            "acknowledged": bool(self.acknowledgement),
            "transaction": self.acknowledgement.get("transaction", ""),
            "sha256": self.acknowledgement.get("sha256", ""),
            "problem": self.why,
            "sentence": self.sentence,
        }
