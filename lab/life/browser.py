"""An administrator's browser: looks at the pages of an agent on its host, and logs in (E-01 to E-03).

It takes any certificate, keeps cookies, follows redirects within the host, and fills in the first form that
has a field for a password. A page that asks by HTTP's basic scheme is answered by that.
"""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

START = "/esa"
"""S0: https://HOST:5024/esa."""
PATIENCE_S = 60.0
"""On the lab's clock, for one answer: PAM takes seconds over a wrong password."""
MOST_REDIRECTS, MOST_BYTES = 5, 1 << 20
UNAUTHORIZED = 401


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPage:
    """An answer."""

    path: str
    status: int
    text: str
    asks_basic: bool = False
    """Whether it asks for user and password by HTTP's basic scheme (RFC 7617)."""

    @property
    def form(self) -> LoginForm | None:
        """Where it asks for a password."""
        reader = _FormReader()
        reader.feed(self.text)
        return next((form for form in reader.forms if form.password), None)

    @property
    def is_inside(self) -> bool:
        """Whether somebody who is logged in sees it, or nobody has to log in."""
        return self.status == http.HTTPStatus.OK and self.form is None


@dataclass(slots=True)
class LoginForm:
    """A form of a page."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    user: str = ""
    """The name of the field for the user."""
    password: str = ""


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[LoginForm] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(LoginForm(values.get("action", "")))
            self._open = True
        elif tag == "input" and self._open and values.get("name"):
            self._take(self.forms[-1], values["name"], values)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False

    @staticmethod
    def _take(form: LoginForm, name: str, values: dict[str, str]) -> None:
        kind = values.get("type", "text").lower()
        if kind == "password":
            form.password = form.password or name
        elif kind in ("text", "email") and not form.user:
            form.user = name
        elif kind not in ("submit", "button", "checkbox", "radio"):
            form.fields[name] = values.get("value", "")


class Browser:
    """Visits one host; ``connect`` makes a TCP connection to it."""

    def __init__(self, connect: Callable[[], socket.socket], host: str) -> None:
        self._connect = connect
        self._host = host
        self._cookies: dict[str, str] = {}
        self._basic = ""
        self.tls = ""
        """The version that was spoken last."""
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    def in_clear(self) -> int:
        """The status that a request without TLS gets; 0 if there is no answer in HTTP. Raises OSError."""
        with self._connect() as wire:
            connection = http.client.HTTPConnection(self._host, timeout=PATIENCE_S)
            connection.sock = wire
            try:
                connection.request("GET", START)
                return connection.getresponse().status
            except (http.client.HTTPException, ConnectionError):
                return 0

    def page(self, path: str = START) -> WebPage:
        """What is shown at a path, after redirects. Raises OSError, HTTPException, ssl.SSLError."""
        return self._follow("GET", path, b"")

    def log_in(self, page: WebPage, user: str, password: str) -> WebPage:
        """Fill in what a page asks for, and look at the first page again. Raises as ``page``."""
        if page.form is not None:
            fields = {**page.form.fields, page.form.user: user, page.form.password: password}
            fields.pop("", None)
            target = urljoin(page.path, page.form.action)
            self._follow("POST", target, urlencode(fields).encode())
        elif page.asks_basic:
            self._basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        return self.page()

    def _follow(self, method: str, path: str, body: bytes) -> WebPage:
        for _ in range(MOST_REDIRECTS):
            page, to = self._ask(method, path, body)
            if not to:
                return page
            method, path, body = "GET", to, b""
        return page

    def _ask(self, method: str, path: str, body: bytes) -> tuple[WebPage, str]:
        """One answer, and where it leads."""
        with self._context.wrap_socket(self._connect(), server_hostname=self._host) as wire:
            self.tls = wire.version() or ""
            connection = http.client.HTTPConnection(self._host, timeout=PATIENCE_S)
            connection.sock = wire
            connection.request(method, path, body or None, self._fields(method))
            answer = connection.getresponse()
            text = answer.read(MOST_BYTES).decode("utf-8", "replace")
        for given in answer.headers.get_all("Set-Cookie", []):
            for name, morsel in SimpleCookie(given).items():
                self._cookies[name] = morsel.value
        basic = answer.headers.get("WWW-Authenticate", "").lower().startswith("basic")
        page = WebPage(path=path, status=answer.status, text=text, asks_basic=basic)
        to = answer.headers.get("Location", "") if 300 <= answer.status < 400 else ""
        split = urlsplit(urljoin(path, to)) if to else urlsplit("")
        return page, f"{split.path}?{split.query}" if split.query else split.path

    def _fields(self, method: str) -> dict[str, str]:
        fields = {"Connection": "close"}
        if self._cookies:
            fields["Cookie"] = "; ".join(f"{k}={v}" for k, v in self._cookies.items() if v)
        if self._basic:
            fields["Authorization"] = f"Basic {self._basic}"
        if method == "POST":
            fields["Content-Type"] = "application/x-www-form-urlencoded"
        return fields
