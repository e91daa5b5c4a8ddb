"""The manager's page: who may see it, what it shows, and that no page elsewhere can decide anything."""

from __future__ import annotations

import base64
import re
from urllib.parse import urlencode

import pytest

from lab.agent.web.exchange import WebReply, WebRequest
from lab.events_manager.page import ManagerPage
from tests.unit.events_manager.site import EventsSite

FORM = {"content-type": "application/x-www-form-urlencoded"}


class Visitor:
    def __init__(self, login: str = "hscroot:abc123") -> None:
        self.site = EventsSite()
        self.page = ManagerPage(self.site.plan, self.site.manager)
        self.fields = {"authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}

    def ask(self, method: str, path: str, **form: str) -> WebReply:
        fields = self.fields | (FORM if form else {})
        return self.page.answer(
            WebRequest(method, path, fields, urlencode(form).encode(), "192.0.2.9")
        )

    def form(self, event: str) -> dict[str, str]:
        text = self.ask("GET", f"/events/{event}").content.decode()
        found = re.findall(r'name="(token|sha256)" value="([^"]+)"', text)
        assert len(found) == 4, "two forms"
        return dict(found)


def test_without_a_log_in_nothing_is_shown() -> None:
    reply = Visitor("hscroot:wrong").ask("GET", "/events")
    assert reply.status == 401
    assert ("WWW-Authenticate", 'Basic realm="Events Manager", charset="UTF-8"') in reply.fields
    assert b"hmc-a-1" not in reply.content


def test_events_are_listed_and_shown_without_html_of_theirs() -> None:
    visitor = Visitor()
    text = visitor.ask("GET", "/events").content.decode()
    assert "hmc-a-1" in text
    assert "hmc-c-1" not in text
    assert "Fan &lt;3&gt; has failed" in text
    shown = visitor.ask("GET", "/events/hmc-a-1").content.decode()
    assert "{&quot;text&quot;: &quot;&lt;fan&gt;&quot;}" in shown
    assert "<script" not in text + shown


@pytest.mark.parametrize(("verb", "sent"), [("approve", ["hmc-a-1"]), ("reject", [])])
def test_a_form_decides(verb: str, sent: list[str]) -> None:
    visitor = Visitor()
    reply = visitor.ask("POST", f"/events/hmc-a-1/{verb}", **visitor.form("hmc-a-1"))
    assert reply.status == 303
    assert ("Location", "/events/hmc-a-1") in reply.fields
    assert visitor.site.sent == sent
    (entry,) = visitor.site.trail
    assert (entry["by"], entry["means"]) == ("hscroot", "page")
    assert b"<form" not in visitor.ask("GET", "/events/hmc-a-1").content, "it is decided"


def test_a_form_of_another_page_decides_nothing() -> None:
    visitor = Visitor()
    form = visitor.form("hmc-a-1") | {"token": "00"}
    assert visitor.ask("POST", "/events/hmc-a-1/approve", **form).status == 403
    assert visitor.ask("POST", "/events/hmc-a-1/approve", sha256=form["sha256"]).status == 403
    assert visitor.ask("GET", "/events/hmc-a-1/approve").status == 405
    assert not visitor.site.sent
    assert not visitor.site.trail


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/events/hmc-c-1", 404),
        ("GET", "/events/hmc-a-1/other", 404),
        ("POST", "/events", 405),
        ("GET", "/events/style.css", 200),
    ],
)
def test_what_else_is_asked(method: str, path: str, status: int) -> None:
    assert Visitor().ask(method, path).status == status


def test_a_console_that_does_not_answer_is_said() -> None:
    visitor = Visitor()
    visitor.site.silent.add("hmc-a")
    text = visitor.ask("GET", "/events").content.decode()
    assert "No answer of hmc-a (192.0.2.11:443)" in text
    assert "hmc-b-1" in text
