"""The administrator's browser against small servers: a form with a token, the basic scheme, open pages."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import pytest

from lab.agent.web import certificate
from lab.life.browser import Browser

USER, RIGHT, WRONG = "administrator", "right", "wrong"
FORM = (
    '<form method="post" action="login"><input type="hidden" name="token" value="t&amp;1">'
    '<input name="name"><input type="password" name="word"><input type="submit" name="go"></form>'
)


class Pages(BaseHTTPRequestHandler):
    """What all of them have."""

    def log_message(self, *_: object) -> None:
        pass

    def say(self, status: int, text: str = "", **fields: str) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", f"{len(text)}")
        self.end_headers()
        self.wfile.write(text.encode())


class FormPages(Pages):
    def do_GET(self) -> None:
        if "session=s1" in self.headers.get("Cookie", ""):
            self.say(200, "<p>status</p>")
        elif self.path == "/esa":
            self.say(303, Location="/esa/enter?to=status")
        else:
            self.say(200, FORM, Set_Cookie="visitor=v; Secure; HttpOnly")

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        assert (self.path, form["token"]) == ("/esa/login", ["t&1"])
        assert "visitor=v" in self.headers["Cookie"]
        assert "go" not in form
        if (form["name"], form["word"]) == ([USER], [RIGHT]):
            self.say(303, Location="/esa", Set_Cookie="session=s1; Secure")
        else:
            self.say(401, FORM)


class BasicPages(Pages):
    def do_GET(self) -> None:
        # "administrator:right" in base64.
        if self.headers.get("Authorization") == "Basic YWRtaW5pc3RyYXRvcjpyaWdodA==":
            self.say(200, "<p>status</p>")
        else:
            self.say(401, WWW_Authenticate='Basic realm="esa"')


class OpenPages(Pages):
    def do_GET(self) -> None:
        self.say(200, "<p>status</p>")


@contextmanager
def serving(handler: type[Pages], tls: tuple[str, str] | None) -> Iterator[Browser]:
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = "127.0.0.1", server.server_port
            yield Browser(lambda: socket.create_connection(address), "127.0.0.1")
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    return certificate.own(tmp_path_factory.mktemp("web"))


@pytest.mark.parametrize("handler", [FormPages, BasicPages])
def test_a_log_in(handler: type[Pages], tls: tuple[str, str]) -> None:
    with serving(handler, tls) as browser:
        first = browser.page()
        assert not first.is_inside
        assert first.form is not None or first.asks_basic
        assert not browser.log_in(first, USER, WRONG).is_inside
        assert browser.log_in(browser.page(), USER, RIGHT).is_inside
        assert browser.tls.startswith("TLSv1.")


def test_pages_that_are_open_to_anybody(tls: tuple[str, str]) -> None:
    with serving(OpenPages, tls) as browser:
        page = browser.page()
        assert page.is_inside
        assert not page.asks_basic


def test_without_tls() -> None:
    with serving(OpenPages, None) as browser:
        assert browser.in_clear() == 200
        with pytest.raises(ssl.SSLError):
            browser.page()


def test_a_server_that_says_nothing_in_clear(tls: tuple[str, str]) -> None:
    with serving(OpenPages, tls) as browser:
        assert browser.in_clear() == 0
