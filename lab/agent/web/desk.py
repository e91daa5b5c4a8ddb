"""The answers of the web user interface: from a request to a reply. No sockets, no TLS, no clock of its own.

Methods of ``Desk`` may be called by several threads at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from lab.agent.web import pages
from lab.agent.web.accounts import Accounts
from lab.agent.web.admission import (
    LoginLimit,
    WebSession,
    WebSessions,
    new_visitor,
    same,
)
from lab.agent.web.exchange import WebRefusal, WebReply, WebRequest
from lab.agent.web.sheet import PATH, Administered, Demand, Mistaken, NotToBeHad, Place, Shown, Tone
from lab.errors import LabError

SESSION_COOKIE = "__Host-esa"
VISITOR_COOKIE = "__Host-esa-login"
"""The prefix makes browsers take them only from this very host, by TLS, for all paths (RFC 6265bis 4.1.3)."""
_COOKIE = "; Path=/; Secure; HttpOnly; SameSite=Strict"

FORM_BYTES = 8 * 1024
_USER_CHARACTERS, _PASSWORD_CHARACTERS = 64, 512
_ASKING_AT_ONCE = 4
"""Threads that may wait for PAM, which answers a wrong password after seconds."""
_STYLE_S = 3600


class Desk:
    """Answers requests about one agent."""

    path = PATH
    content_bytes = FORM_BYTES

    def __init__(
        self,
        agent: Administered,
        accounts: Accounts,
        users: tuple[str, ...],
        clock: Callable[[], float],
        tell: Callable[[str], None],
    ) -> None:
        """``users``: who may come in of those whom ``accounts`` lets in; none: all of them. ``tell`` is told
        of each log-in, in a sentence."""
        self._agent = agent
        self._accounts = accounts
        self._users = users
        self._clock = clock
        self._tell = tell
        self._sessions = WebSessions()
        self._limit = LoginLimit()
        self._asking = threading.BoundedSemaphore(_ASKING_AT_ONCE)
        self._style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")

    def answer(self, request: WebRequest) -> WebReply:
        try:
            return self._answer(request)
        except WebRefusal as unfit:
            page = pages.message_page(
                unfit.title, unfit.text, self._agent.system, self._reader(request)
            )
            return WebReply(unfit.status, page, *unfit.fields)
        except (LabError, OSError) as error:  # the agent's state cannot be read
            why = ". ".join(line.strip() for line in str(error).splitlines())
            self._tell(f"web: {request.path} cannot be shown: {why}")
            page = pages.message_page(
                "Not to be had", f"{why}.", self._agent.system, self._reader(request)
            )
            return WebReply(500, page)

    def _answer(self, request: WebRequest) -> WebReply:
        for name, kind, content in (
            ("style.css", "text/css", self._style),
            ("icon.svg", "image/svg+xml", pages.ICON),
        ):
            if request.path == f"{PATH}/{name}":
                _only(request, "GET", "HEAD")
                lasting = "Cache-Control", f"max-age={_STYLE_S}"
                return WebReply(200, content, lasting, kind=kind)

        match request.path:
            case "/":
                _only(request, "GET", "HEAD")
                return _see(PATH)
            case _ if request.path == f"{PATH}/login":
                _only(request, "GET", "HEAD", "POST")
                return self._log_in(request) if request.method == "POST" else self._form(request)
            case _ if request.path == f"{PATH}/logout":
                _only(request, "POST")
                return self._log_out(request)
            case _:
                return self._page(request, _place(request.path))

    def _session(self, request: WebRequest) -> WebSession | None:
        return self._sessions.find(request.cookie(SESSION_COOKIE), self._clock())

    def _reader(self, request: WebRequest) -> pages.Reader:
        session = self._session(request)
        return pages.Reader(session.user, session.token) if session else pages.Reader()

    def _page(self, request: WebRequest, place: Place) -> WebReply:
        _only(
            request, "GET", "HEAD", *(("POST",) if place in (Place.demand, Place.settings) else ())
        )
        session = self._session(request)
        if request.method == "POST" and place is Place.demand:
            return self._demand(session, request)
        if request.method == "POST":
            return self._change(session, request)
        if session is None:
            return _see(f"{PATH}/login?to={place}")
        notice, session.notice = session.notice, Shown("")
        page = pages.sheet_page(
            place,
            self._agent.sheet(place, _number(request.query.get("page", ""))),
            self._agent.system,
            pages.Reader(session.user, session.token),
            notice if notice.text else None,
        )
        return WebReply(200, page)

    def _demand(self, session: WebSession | None, request: WebRequest) -> WebReply:
        form = self._trusted_form(session, request)
        assert session is not None  # else the form was not trusted
        demand = next((each for each in Demand if each == form.get("demand")), None)
        if demand is None:
            raise WebRefusal(400, "Not understood", "There is no such demand.")
        try:
            session.notice = Shown(self._agent.demand(demand), Tone.good)
        except NotToBeHad as error:
            session.notice = Shown(str(error), Tone.bad)
        self._tell(f"web: {session.user} asked for: {demand.heading.lower()}")
        return _see(f"{PATH}/{Place.demand}")

    def _change(self, session: WebSession | None, request: WebRequest) -> WebReply:
        form = self._trusted_form(session, request)
        assert session is not None  # else the form was not trusted
        try:
            session.notice = Shown(self._agent.change(form, session.user), Tone.good)
        except Mistaken as error:
            sheet = self._agent.sheet(Place.settings, 1)
            reader = pages.Reader(session.user, session.token)
            notice = Shown(f"Nothing was changed.\n{error}", Tone.bad)
            system = self._agent.system
            return WebReply(
                422, pages.sheet_page(Place.settings, sheet, system, reader, notice, form)
            )
        except NotToBeHad as error:
            session.notice = Shown(str(error), Tone.bad)
        self._tell(f"web: {session.user}, settings: {session.notice.text}")
        return _see(f"{PATH}/{Place.settings}")

    def _trusted_form(self, session: WebSession | None, request: WebRequest) -> dict[str, str]:
        """The fields of a form of this session, and of no other site's."""
        if session is None:
            raise WebRefusal(403, "Not logged in", "The session has ended. Log in, and try again.")
        form = self._own_form(request)
        if not same(form.get("token", ""), session.token):
            raise WebRefusal(403, "Not from this page", "The form is not one of this session's.")
        return form

    @staticmethod
    def _own_form(request: WebRequest) -> dict[str, str]:
        """What browsers say of who sent a form (Fetch Metadata), before anything else is looked at."""
        if request.fields.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise WebRefusal(403, "Not from this page", "Another site sent this form.")
        return request.form()

    def _form(
        self,
        request: WebRequest,
        status: int = 200,
        notice: Shown | None = None,
        *fields: tuple[str, str],
        user: str = "",
        to: Place | None = None,
    ) -> WebReply:
        """The form to log in; makes the visitor known by a cookie."""
        if to is None:
            to = _known_place(request.query.get("to", ""))
        visitor = request.cookie(VISITOR_COOKIE)
        if not visitor:
            visitor = new_visitor()
            fields += (("Set-Cookie", f"{VISITOR_COOKIE}={visitor}{_COOKIE}"),)
        token = self._sessions.login_token(visitor)
        page = pages.login_page(self._agent.system, token, to, notice, user)
        return WebReply(status, page, *fields)

    def _log_in(self, request: WebRequest) -> WebReply:
        form = self._own_form(request)
        visitor = request.cookie(VISITOR_COOKIE)
        if not visitor or not same(form.get("token", ""), self._sessions.login_token(visitor)):
            notice = Shown("The form had expired. Log in again.", Tone.bad)
            return self._form(request, 403, notice)

        user, password = form.get("user", ""), form.get("password", "")
        to = _known_place(form.get("to", ""))
        if wait_s := self._limit.wait_s(request.peer, self._clock()):
            self._tell(f"web: {request.peer} may not try to log in for {wait_s:.0f} s")
            notice = Shown(
                f"Too many log-ins were refused. Try again in {wait_s / 60 + 1:.0f} minutes.",
                Tone.bad,
            )
            after = "Retry-After", f"{wait_s + 1:.0f}"
            return self._form(request, 429, notice, after, user=user, to=to)

        if why := self._refusal(user, password):
            self._tell(
                f"web: the log-in of {user[:_USER_CHARACTERS]!r} from {request.peer} is refused: {why}"
            )
            notice = Shown("User or password is wrong, or this user may not log in.", Tone.bad)
            # RFC 9110 15.5.2 asks for the field; no browser knows the scheme, and so none opens a box.
            challenge = "WWW-Authenticate", 'Form realm="esa"'
            return self._form(request, 401, notice, challenge, user=user, to=to)

        self._limit.pardon(request.peer)
        self._sessions.end(request.cookie(SESSION_COOKIE))
        name, _ = self._sessions.begin(user, self._clock())
        self._tell(f"web: {user} logged in from {request.peer}")
        return _see(
            f"{PATH}/{to}",
            ("Set-Cookie", f"{SESSION_COOKIE}={name}{_COOKIE}"),
            ("Set-Cookie", f"{VISITOR_COOKIE}={_COOKIE}; Max-Age=0"),
        )

    def _refusal(self, user: str, password: str) -> str:
        """Why somebody is not let in. PAM is asked each time (E-03), also of users who may not come in."""
        if not user or len(user) > _USER_CHARACTERS or len(password) > _PASSWORD_CHARACTERS:
            return "no such user or password is possible"
        if not password:  # the service `login` lets accounts without a password in, at the console
            return "no password was given"
        if not self._asking.acquire(blocking=False):
            raise WebRefusal(
                503,
                "Busy",
                "Others are logging in just now. Try again in a few seconds.",
                ("Retry-After", "5"),
            )
        try:
            why = self._accounts.refusal(user, password)
        finally:
            self._asking.release()
        if not why and self._users and user not in self._users:
            return "the settings ([web], users) do not name this user"
        return why

    def _log_out(self, request: WebRequest) -> WebReply:
        self._trusted_form(self._session(request), request)
        self._sessions.end(request.cookie(SESSION_COOKIE))
        return _see(f"{PATH}/login", ("Set-Cookie", f"{SESSION_COOKIE}={_COOKIE}; Max-Age=0"))


def _see(path: str, *fields: tuple[str, str]) -> WebReply:
    return WebReply(303, "", ("Location", path), *fields)


def _only(request: WebRequest, *methods: str) -> None:
    if request.method not in methods:
        allowed = ", ".join(methods)
        text = f"This address takes {allowed}."
        raise WebRefusal(405, "Not possible", text, ("Allow", allowed))


def _place(path: str) -> Place:
    """Which page a path means; ``/esa`` is the first one."""
    if path in (PATH, f"{PATH}/"):
        return Place.status
    for place in Place:
        if path == f"{PATH}/{place}":
            return place
    raise WebRefusal(404, "Not found", "There is no such page.")


def _known_place(name: str) -> Place:
    """A page by its name; nobody can be sent elsewhere (an open redirect)."""
    return next((place for place in Place if place == name), Place.status)


def _number(text: str) -> int:
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else 1
