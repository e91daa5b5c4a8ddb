"""The web user interface's answers: who gets in, how, and what nobody gets (E-03, E-10)."""

from __future__ import annotations

import re
import threading

import pytest

from lab.agent.web.admission import IDLE_S, REFUSAL_S, REFUSALS, SESSION_S, SESSIONS
from lab.agent.web.desk import FORM_BYTES, SESSION_COOKIE, VISITOR_COOKIE, Desk
from lab.agent.web.exchange import WebRequest
from lab.agent.web.sheet import Demand, Place, Sheet
from lab.errors import LabError
from tests.unit.web.office import (
    FORM,
    PASSWORD,
    USER,
    MadeUpAccounts,
    MadeUpAgent,
    Visitor,
    token_of,
)


class Hall:
    """A desk with all that is behind it."""

    def __init__(self, *users: str) -> None:
        self.agent, self.accounts = MadeUpAgent(), MadeUpAccounts()
        self.now = 1000.0
        self.told: list[str] = []
        self.desk = Desk(self.agent, self.accounts, users, lambda: self.now, self.told.append)

    def visitor(self, peer: str = "192.0.2.7") -> Visitor:
        return Visitor(self.desk, peer)

    def inside(self) -> Visitor:
        visitor = self.visitor()
        assert visitor.log_in().status == 303
        return visitor


@pytest.fixture
def hall() -> Hall:
    return Hall()


def field(reply: object, name: str) -> str:
    values = [value for given, value in reply.fields if given == name]  # type: ignore[attr-defined]
    return values[0] if values else ""


def test_the_root_leads_to_the_first_page(hall: Hall) -> None:
    reply = hall.visitor().get("/")
    assert (reply.status, field(reply, "Location")) == (303, "/esa")


@pytest.mark.parametrize("place", Place)
def test_no_page_without_a_log_in(hall: Hall, place: Place) -> None:
    reply = hall.visitor().get(f"/esa/{place}")
    assert (reply.status, field(reply, "Location")) == (303, f"/esa/login?to={place}")
    assert reply.content == b""


def test_a_log_in_leads_where_the_visitor_wanted_to_go(hall: Hall) -> None:
    visitor = hall.visitor()
    reply = visitor.log_in(to="logs")
    assert (reply.status, field(reply, "Location")) == (303, "/esa/logs")
    page = visitor.get("/esa/logs")
    assert page.status == 200
    assert b"the server answered 503" in page.content
    assert hall.told == [f"web: {USER} logged in from 192.0.2.7"]


@pytest.mark.parametrize("to", ["https://elsewhere.example/", "//elsewhere.example", "../x", ""])
def test_a_log_in_leads_nowhere_else(hall: Hall, to: str) -> None:
    assert field(hall.visitor().log_in(to=to), "Location") == "/esa/status"


def test_each_log_in_asks_pam_and_a_denial_is_401(hall: Hall) -> None:
    """E-03."""
    visitor = hall.visitor()
    reply = visitor.log_in(password="guessed")
    assert reply.status == 401
    assert field(reply, "WWW-Authenticate")
    assert SESSION_COOKIE not in visitor.cookies
    assert visitor.get("/esa/status").status == 303
    assert visitor.log_in().status == 303
    assert visitor.log_in().status == 303
    assert hall.accounts.asked == [(USER, "guessed"), (USER, PASSWORD), (USER, PASSWORD)]
    assert "Authentication failure" in hall.told[0]


def test_a_refusal_does_not_say_which_half_was_wrong(hall: Hall) -> None:
    def body(user: str) -> bytes:
        content = hall.visitor(f"192.0.2.{len(user)}").log_in(user, "guessed").content
        return re.sub(rb'value="[0-9a-f]{64}"', b"", content).replace(user.encode(), b"USER")

    assert body(USER) == body("nobody-of-that-name")


def test_a_password_is_never_shown_or_told(hall: Hall) -> None:
    reply = hall.visitor().log_in(password="my-secret-guess")
    assert b"my-secret-guess" not in reply.content
    assert "my-secret-guess" not in "".join(hall.told)


@pytest.mark.parametrize(
    ("user", "password"), [("", "x"), (USER, ""), ("u" * 65, "x"), (USER, "x" * 513)]
)
def test_pam_is_not_asked_for_what_cannot_be(hall: Hall, user: str, password: str) -> None:
    """Above all not for an empty password: the service ``login`` takes one where an account has none."""
    assert hall.visitor().log_in(user, password).status == 401
    assert hall.accounts.asked == []


def test_users_of_the_settings_alone_get_in_if_there_are_any() -> None:
    assert Hall(USER, "other").visitor().log_in().status == 303
    hall = Hall("other")
    assert hall.visitor().log_in().status == 401
    assert hall.accounts.asked == [(USER, PASSWORD)]
    assert "do not name this user" in hall.told[0]


def test_too_many_refusals_end_the_tries_of_an_address(hall: Hall) -> None:
    visitor = hall.visitor()
    assert [visitor.log_in(password="x").status for _ in range(REFUSALS)] == [401] * REFUSALS
    reply = visitor.log_in()
    assert reply.status == 429
    assert int(field(reply, "Retry-After")) == REFUSAL_S + 1
    assert len(hall.accounts.asked) == REFUSALS
    assert hall.visitor("192.0.2.8").log_in().status == 303

    hall.now += REFUSAL_S
    assert visitor.log_in().status == 303


def test_a_log_in_pardons_earlier_refusals(hall: Hall) -> None:
    visitor = hall.visitor()
    for _ in range(3):
        assert [visitor.log_in(password="x").status for _ in range(REFUSALS - 1)] == [401] * 4
        assert visitor.log_in().status == 303


@pytest.mark.parametrize(
    ("one", "other", "status"),
    [
        ("2001:db8::1", "2001:db8::2", 429),
        ("2001:db8::1", "2001:db8:0:1::1", 401),
        ("::ffff:192.0.2.7", "192.0.2.7", 429),
        ("fe80::1%eth0", "fe80::1%eth1", 429),
    ],
)
def test_whoever_has_many_addresses_has_no_more_tries(
    hall: Hall, one: str, other: str, status: int
) -> None:
    for _ in range(REFUSALS):
        hall.visitor(one).log_in(password="x")
    assert hall.visitor(other).log_in(password="x").status == status


def test_tries_at_once_count_before_pam_answers(hall: Hall) -> None:
    """Else a hundred guesses at once would all be asked."""
    gate, inside = threading.Event(), threading.Semaphore(0)

    def slow(user: str, password: str) -> str:
        inside.release()
        gate.wait(60)
        return "Authentication failure"

    hall.accounts.refusal = slow  # type: ignore[method-assign]
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(hall.visitor().log_in(password="x").status))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    for _ in range(4):
        assert inside.acquire(timeout=60)
    while len(statuses) < 8:
        threads[0].join(0.01)
    assert sorted(statuses) == [429] * 7 + [503]
    gate.set()
    for thread in threads:
        thread.join(60)
    assert sorted(statuses) == [401] * 4 + [429] * 7 + [503]


def test_a_session_has_a_new_name_each_time(hall: Hall) -> None:
    """A name that an attacker gave the browser opens nothing, and an old one is void after a new log-in."""
    visitor = hall.visitor()
    visitor.cookies[SESSION_COOKIE] = "chosen-by-an-attacker"
    visitor.log_in()
    first = visitor.cookies[SESSION_COOKIE]
    assert first != "chosen-by-an-attacker"
    attacker = hall.visitor()
    attacker.cookies[SESSION_COOKIE] = "chosen-by-an-attacker"
    assert attacker.get("/esa/status").status == 303

    visitor.log_in()
    attacker.cookies[SESSION_COOKIE] = first
    assert attacker.get("/esa/status").status == 303
    assert visitor.get("/esa/status").status == 200


def test_cookies_are_for_this_host_and_tls_and_no_script(hall: Hall) -> None:
    visitor = hall.visitor()
    for reply, name in (
        (visitor.get("/esa/login"), VISITOR_COOKIE),
        (visitor.log_in(), SESSION_COOKIE),
    ):
        cookie = field(reply, "Set-Cookie")
        assert name.startswith("__Host-")
        assert re.fullmatch(rf"{name}=[\w-]+; Path=/; Secure; HttpOnly; SameSite=Strict", cookie)


def test_a_session_ends(hall: Hall) -> None:
    visitor = hall.inside()
    hall.now += IDLE_S
    assert visitor.get("/esa/status").status == 200
    hall.now += IDLE_S + 1
    assert visitor.get("/esa/status").status == 303

    visitor = hall.inside()
    for _ in range(int(SESSION_S / IDLE_S)):
        hall.now += IDLE_S
        assert visitor.get("/esa/status").status == 200
    hall.now += 1
    assert visitor.get("/esa/status").status == 303


def test_the_oldest_of_too_many_sessions_gives_way(hall: Hall) -> None:
    first, second = hall.inside(), hall.inside()
    for _ in range(SESSIONS - 2):
        hall.inside()
    assert first.get("/esa/status").status == 200
    hall.inside()
    assert first.get("/esa/status").status == 200
    assert second.get("/esa/status").status == 303


def test_a_log_out_ends_the_session_for_good(hall: Hall) -> None:
    visitor = hall.inside()
    name = visitor.cookies[SESSION_COOKIE]
    token = token_of(visitor.get("/esa/status"))
    assert visitor.post("/esa/logout", f"token={token}").status == 303
    assert SESSION_COOKIE not in visitor.cookies
    visitor.cookies[SESSION_COOKIE] = name
    assert visitor.get("/esa/status").status == 303


def test_a_demand(hall: Hall) -> None:
    visitor = hall.inside()
    token = token_of(visitor.get("/esa/demand"))
    reply = visitor.post("/esa/demand", f"token={token}&demand=problem")
    assert (reply.status, field(reply, "Location")) == (303, "/esa/demand")
    assert hall.agent.demanded == [Demand.problem]
    assert b"this is under way" in visitor.get("/esa/demand").content
    assert b"this is under way" not in visitor.get("/esa/demand").content, "told once"
    assert hall.told[-1] == f"web: {USER} asked for: send test problem"


def test_a_demand_that_cannot_be_met_says_why(hall: Hall) -> None:
    hall.agent.refusing = "The agent is not enrolled; run `lab agent enrol`."
    visitor = hall.inside()
    token = token_of(visitor.get("/esa/demand"))
    visitor.post("/esa/demand", f"token={token}&demand=inventory")
    assert b"not enrolled; run `lab agent enrol`" in visitor.get("/esa/demand").content


@pytest.mark.parametrize("path", ["/esa/demand", "/esa/logout"])
def test_forms_of_others_are_refused(hall: Hall, path: str) -> None:
    """CSRF: no token, another session's, none at all, or a browser that says that another site sends it."""
    visitor, other = hall.inside(), hall.inside()
    token, others = (token_of(each.get("/esa/demand")) for each in (visitor, other))
    for body in ("demand=problem", f"demand=problem&token={others}", "demand=problem&token="):
        assert visitor.post(path, body).status == 403
    good = f"demand=problem&token={token}"
    assert visitor.post(path, good, sec_fetch_site="cross-site").status == 403
    assert visitor.post(path, good, sec_fetch_site="same-site").status == 403
    assert hall.visitor().post(path, good).status == 403
    assert visitor.get(f"{path}?{good}").status in (200, 405), "no effect by GET"
    assert hall.agent.demanded == []
    assert visitor.get("/esa/status").status == 200, "still logged in"
    assert visitor.post(path, good, sec_fetch_site="same-origin").status == 303


def test_nobody_logs_others_in(hall: Hall) -> None:
    """A log-in form that another site made has no token of this visitor."""
    attacker, victim = hall.visitor(), hall.visitor()
    token = token_of(attacker.get("/esa/login"))
    body = f"token={token}&user={USER}&password={PASSWORD}"
    assert victim.post("/esa/login", body).status == 403
    victim.get("/esa/login")
    assert victim.post("/esa/login", body).status == 403
    assert hall.accounts.asked == []
    assert attacker.post("/esa/login", body).status == 303


@pytest.mark.parametrize("target", ["/esa", "/esa/login", "/esa/style.css", "/esa/nothing", "/"])
def test_every_reply_is_guarded(hall: Hall, target: str) -> None:
    visitor = hall.inside()
    for reply in (visitor.get(target), visitor.get(target, "DELETE")):
        policy = field(reply, "Content-Security-Policy")
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert field(reply, "X-Content-Type-Options") == "nosniff"
    if target != "/esa/style.css":
        assert b"Cache-Control: no-store\r\n" in visitor.get(target).render()


def test_no_page_needs_a_script_or_a_style_of_its_own(hall: Hall) -> None:
    visitor = hall.inside()
    for place in Place:
        page = visitor.get(f"/esa/{place}").content
        assert b"<script" not in page
        assert b"style=" not in page
        assert not re.search(rb"\son\w+=", page)


def test_nobody_can_change_a_password(hall: Hall) -> None:
    """E-10: no page, no form and no address has to do with IBM's password."""
    visitor = hall.inside()
    for place in Place:
        assert b'type="password"' not in visitor.get(f"/esa/{place}").content
    for path in ("password", "credentials", "settings/password", "reset"):
        assert visitor.get(f"/esa/{path}").status == 404
        assert visitor.post(f"/esa/{path}", "password=x").status == 404


@pytest.mark.parametrize(
    ("method", "target", "allowed"),
    [
        ("DELETE", "/esa/status", "GET, HEAD"),
        ("POST", "/esa/logs", "GET, HEAD"),
        ("PUT", "/esa/settings", "GET, HEAD, POST"),
        ("PUT", "/esa/demand", "GET, HEAD, POST"),
        ("GET", "/esa/logout", "POST"),
        ("TRACE", "/", "GET, HEAD"),
    ],
)
def test_methods(hall: Hall, method: str, target: str, allowed: str) -> None:
    reply = hall.inside().get(target, method)
    assert (reply.status, field(reply, "Allow")) == (405, allowed)


def test_a_body_that_is_no_form(hall: Hall) -> None:
    visitor = hall.inside()
    request = WebRequest("POST", "/esa/login", {"content-type": "application/json"}, b"{}", "")
    assert hall.desk.answer(request).status == 415
    many = "&".join(f"f{number}=x" for number in range(100))
    assert visitor.post("/esa/demand", many).status == 403
    assert visitor.post("/esa/demand", "\0&%ff=%ff&token=%80").status == 403
    assert FORM_BYTES < 1 << 16


def test_a_field_that_is_there_twice_counts_once(hall: Hall) -> None:
    """The first: what is looked at is what is used."""
    request = WebRequest("POST", "/esa/x", FORM, b"user=a&user=b")
    assert request.form() == {"user": "a"}


@pytest.mark.parametrize("page", ["0", "-1", "9" * 9, "9" * 5000, "x", "\u0663", ""])
def test_a_page_number_may_be_anything(hall: Hall, page: str) -> None:
    assert hall.inside().get(f"/esa/logs?page={page}").status == 200


def test_half_of_a_surrogate_pair_is_shown_as_something(hall: Hall) -> None:
    """JSON can say it, UTF-8 cannot."""
    hall.agent.text = "half \ud800 of a pair"
    assert b"half ? of a pair" in hall.inside().get("/esa/logs").content


@pytest.mark.parametrize(
    "error",
    [LabError("the ledger is <damaged>", hint="move it aside"), PermissionError(13, "Permission")],
)
def test_state_that_cannot_be_read_is_said(hall: Hall, error: Exception) -> None:
    def unreadable(place: Place, page: int) -> Sheet:
        raise error

    visitor = hall.inside()
    hall.agent.sheet = unreadable  # type: ignore[method-assign]
    reply = visitor.get("/esa/logs")
    assert reply.status == 500
    assert (
        b"&lt;damaged&gt;. move it aside" if isinstance(error, LabError) else b"Permission"
    ) in (reply.content)
    assert "/esa/logs cannot be shown" in hall.told[-1]
