"""The Events Manager and the consoles that it asks: who is listed, what is decided, what is in the trail."""

from __future__ import annotations

import hashlib
import json

import pytest

from lab.agent.web.exchange import WebReply, WebRequest
from lab.errors import ProtocolError, UsageError
from lab.events_manager import orders
from tests.unit.events_manager.site import MANAGER, EventsSite

DATA = b'{"text": "<fan>"}\n'
DIGEST = hashlib.sha256(DATA).hexdigest()


def test_events_of_registered_consoles_are_listed_and_no_others() -> None:
    """M-10, M-12."""
    site = EventsSite()
    found, problems = site.manager.listed()

    assert [(each.console, each.identifier) for each in found] == [
        ("hmc-a", "hmc-a-1"),
        ("hmc-b", "hmc-b-1"),
    ]
    assert not problems
    assert site.asked == [
        ("hmc-a", "PUT", "/manager"),
        ("hmc-a", "GET", "/events"),
        ("hmc-b", "PUT", "/manager"),
        ("hmc-b", "GET", "/events"),
    ]
    site.manager.listed()
    assert [method for _, method, _ in site.asked[4:]] == ["GET", "GET"], "registered once"


def test_what_is_shown_is_what_would_go() -> None:
    shown = EventsSite().manager.shown("hmc-a-1")
    assert (shown.data, shown.sha256, shown.state) == (DATA, DIGEST, "waiting")


def test_an_approval_lets_the_console_send_and_is_in_the_trail() -> None:
    """M-13, M-14."""
    site = EventsSite()
    state = site.manager.decide("hmc-a-1", DIGEST, "eve", "command", approved=True)

    assert (state, site.sent) == ("approved", ["hmc-a-1"])
    (entry,) = site.trail
    assert isinstance(entry.pop("time"), float)
    assert entry == {
        "by": "eve", "means": "command", "console": "hmc-a", "event": "hmc-a-1",
        "decision": "approved", "sha256": DIGEST, "problem": "",
    }  # fmt: skip
    assert [each.identifier for each in site.manager.listed()[0]] == ["hmc-b-1"]


def test_what_is_rejected_is_never_sent() -> None:
    site = EventsSite()
    site.manager.decide("hmc-a-1", DIGEST, "eve", "page", approved=False)
    with pytest.raises(ProtocolError, match="hmc-a-1 is rejected by eve"):
        site.manager.decide("hmc-a-1", DIGEST, "adam", "page", approved=True)

    assert not site.sent
    assert [entry["problem"] for entry in site.trail] == ["", "hmc-a-1 is rejected by eve"]


def test_a_console_that_does_not_answer_changes_nothing_and_is_told_of() -> None:
    site = EventsSite()
    site.manager.listed()
    site.silent.add("hmc-a")
    found, problems = site.manager.listed()
    assert [each.identifier for each in found] == ["hmc-b-1"]
    assert problems == ["hmc-a (192.0.2.11:443): no answer"]
    with pytest.raises(ProtocolError, match="does not take it: no answer"):
        site.manager.decide("hmc-a-1", DIGEST, "eve", "command", approved=True)

    assert not site.sent
    assert site.trail[-1]["problem"] == "no answer"
    assert [each.identifier for each in site.events["hmc-a"].waiting()] == ["hmc-a-1"]


def test_an_event_of_somebody_else_is_unknown() -> None:
    with pytest.raises(UsageError, match="there is no event 'hmc-c-1'"):
        EventsSite().manager.shown("hmc-c-1")


def test_the_orders_of_the_command() -> None:
    site = EventsSite()
    order = orders.of_manager(site.manager)
    assert order("eve", ["list"]).splitlines()[1].startswith("hmc-b-1  hmc-b  severity 2  Fan <3>")
    assert order("eve", ["show", "hmc-b-1"]) == DATA.decode()
    assert order("eve", ["reject", "hmc-b-1"]) == f"hmc-b-1 of hmc-b: rejected, SHA-256 {DIGEST}"
    assert order("eve", ["approve", "hmc-a-1"]).startswith("hmc-a-1 of hmc-a: approved")
    assert order("eve", ["list"]) == "no event waits"
    assert [entry["by"] for entry in site.trail] == ["eve", "eve"]
    with pytest.raises(UsageError, match="does not know the order 'fail'"):
        order("eve", ["fail"])
    on_console = orders.of_console(lambda text: f"hmc-a-2 ({text})")
    assert on_console("eve", ["fail", "Fan", "3"]) == "hmc-a-2 (Fan 3) waits for approval"
    with pytest.raises(UsageError, match="has no Events Manager"):
        on_console("eve", ["list"])


def ask(
    site: EventsSite,
    method: str,
    path: str,
    body: object = None,
    *,
    peer: str = MANAGER,
    token: str = "",
) -> WebReply:
    login = f"Bearer {token or 'token-of-hmc-a'}"
    content = b"" if body is None else json.dumps(body).encode()
    request = WebRequest(method, path, {"authorization": login}, content, peer)
    return site.desks["hmc-a"].answer(request)


def test_nobody_else_is_heard() -> None:
    site = EventsSite()
    assert ask(site, "GET", "/events", token="token-of-hmc-b").status == 401
    assert ask(site, "GET", "/events").status == 403, "nobody has registered the console"
    site.manager.listed()
    assert ask(site, "GET", "/events").status == 200
    assert ask(site, "GET", "/events", peer="192.0.2.66").status == 403


DECISION = {"events-manager": 1, "approved": True, "by": "eve", "sha256": DIGEST}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", None, 404),
        ("GET", "/events/hmc-a-2", None, 404),
        ("GET", "/events/hmc-a-1/other", None, 404),
        ("GET", "/events/hmc-a-1/approval/x", None, 404),
        ("PUT", "/events", None, 405),
        ("DELETE", "/events/hmc-a-1", None, 405),
        ("GET", "/manager", None, 405),
        ("PUT", "/events/hmc-a-1/approval", [], 400),
        ("PUT", "/events/hmc-a-1/approval", {**DECISION, "events-manager": 2}, 400),
        ("PUT", "/events/hmc-a-1/approval", {**DECISION, "approved": 1}, 400),
        ("PUT", "/events/hmc-a-1/approval", {**DECISION, "by": ""}, 400),
        ("PUT", "/events/hmc-a-1/approval", {**DECISION, "by": "e" * 65}, 400),
        ("PUT", "/events/hmc-a-1/approval", {**DECISION, "sha256": "00"}, 409),
        ("PUT", "/events/hmc-a-2/approval", DECISION, 404),
        ("PUT", "/manager", {"events-manager": 1, "name": 7}, 400),
    ],
)
def test_what_makes_no_sense_is_refused(method: str, path: str, body: object, status: int) -> None:
    site = EventsSite()
    site.manager.listed()
    reply = ask(site, method, path, body)
    assert reply.status == status, reply.content
    assert not site.sent


def test_an_approval_that_comes_twice_is_one() -> None:
    site = EventsSite()
    site.manager.listed()
    for _ in range(2):
        assert ask(site, "PUT", "/events/hmc-a-1/approval", DECISION).status == 200
    heard = [event for event in site.told if event.kind() == "decision-heard"]
    assert len(heard) == 1
