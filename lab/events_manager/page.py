"""The manager's page: which events wait, the data of each, and what is decided. No sockets, no scripts.

People log in by HTTP Basic (RFC 7617). A form has a token, so that no page elsewhere can approve anything.
"""

from __future__ import annotations

import base64
import hmac
import os
import time
from pathlib import Path
from urllib.parse import quote, unquote

from lab.agent.web import pages
from lab.agent.web.exchange import WebRefusal, WebReply, WebRequest
from lab.errors import LabError
from lab.events_manager.manager import EventsManager, ListedEvent, ShownEvent
from lab.markup import Markup, fill, join
from lab.topology.held_events import PAGE, HeldEvents

FORM_BYTES = 4096
STYLE = Path(pages.__file__).with_name("style.css")
DECISIONS = {"approve": True, "reject": False}


class ManagerPage:
    """Several threads may ask at once."""

    path = PAGE
    content_bytes = FORM_BYTES

    def __init__(self, plan: HeldEvents, manager: EventsManager) -> None:
        self._plan = plan
        self._manager = manager
        login = f"{plan.user}:{plan.password.reveal()}".encode()
        self._login = b"Basic " + base64.b64encode(login)
        self._token = os.urandom(16).hex()

    def answer(self, request: WebRequest) -> WebReply:
        try:
            return self._answer(request)
        except WebRefusal as refused:
            content = fill('<p class="lead">{text}</p>', text=refused.text)
            return self._reply(refused.status, refused.title, content, *refused.fields)
        except LabError as error:
            hint = f" ({error.hint})" if error.hint else ""
            content = fill('<p class="notice bad">{text}</p>', text=f"{error.message}{hint}")
            return self._reply(404 if error.exit_status == 2 else 503, "Not done", content)

    def _answer(self, request: WebRequest) -> WebReply:
        given = request.fields.get("authorization", "").encode()
        if not hmac.compare_digest(given, self._login):
            challenge = ("WWW-Authenticate", 'Basic realm="Events Manager", charset="UTF-8"')
            raise WebRefusal(401, "Log in", "User and password are needed.", challenge)
        if request.path == f"{PAGE}/style.css":
            return WebReply(200, STYLE.read_text(), kind="text/css")
        parts = [unquote(part) for part in request.path.removeprefix(PAGE).split("/")[1:]]
        if not request.path.startswith(PAGE) or len(parts) > 2:
            raise WebRefusal(404, "Not found", f"There is {PAGE} and what it leads to.")
        if len(parts) == 2 and parts[1] in DECISIONS:
            return self._decide(request, parts[0], approved=DECISIONS[parts[1]])
        if request.method not in ("GET", "HEAD"):
            raise WebRefusal(405, "Not allowed", "Events are approved and rejected by their forms.")
        if len(parts) == 2:
            raise WebRefusal(404, "Not found", f"There is {PAGE} and what it leads to.")
        return self._event(parts[0]) if parts and parts[0] else self._list()

    def _list(self) -> WebReply:
        found, problems = self._manager.listed()
        rows = [_row(each) for each in found]
        table = fill(
            "<table><thead><tr><th>Event</th><th>Console</th><th>Severity</th><th>What has failed</th>"
            "<th>Since</th></tr></thead><tbody>{rows}</tbody></table>",
            rows=join(rows),
        )
        content = [table if rows else fill("<p>{text}</p>", text="No event waits.")]
        told = [
            fill('<p class="notice bad">{text}</p>', text=f"No answer of {p}") for p in problems
        ]
        return self._reply(200, "Events that wait", join([*told, *content]))

    def _event(self, identifier: str) -> WebReply:
        shown = self._manager.shown(identifier)
        content = fill(
            '<p class="lead">{console}: {state}. To IBM would go, to the byte:</p>'
            '<pre tabindex="0">{data}</pre><p>SHA-256 <code>{sha256}</code></p>{forms}'
            '<p><a href="{page}">All events that wait</a></p>',
            console=shown.console,
            state=shown.state,
            data=shown.data.decode(errors="replace"),
            sha256=shown.sha256,
            forms=self._forms(shown) if shown.state == "waiting" else Markup(""),
            page=PAGE,
        )
        return self._reply(200, identifier, content)

    def _forms(self, shown: ShownEvent) -> Markup:
        forms = [
            fill(
                '<form method="post" action="{page}/{event}/{verb}">'
                '<input type="hidden" name="token" value="{token}">'
                '<input type="hidden" name="sha256" value="{sha256}">'
                '<button type="submit">{label}</button></form>',
                page=PAGE,
                event=quote(shown.identifier, safe=""),
                verb=verb,
                token=self._token,
                sha256=shown.sha256,
                label=verb.capitalize(),
            )
            for verb in DECISIONS
        ]
        return join(forms)

    def _decide(self, request: WebRequest, identifier: str, *, approved: bool) -> WebReply:
        if request.method != "POST":
            raise WebRefusal(405, "Not allowed", "A form does that.", ("Allow", "POST"))
        form = request.form()
        if not hmac.compare_digest(form.get("token", "").encode(), self._token.encode()):
            raise WebRefusal(403, "Refused", "The form is not of this page. Load the event again.")
        self._manager.decide(
            identifier, form.get("sha256", ""), self._plan.user, "page", approved=approved
        )
        place = ("Location", f"{PAGE}/{quote(identifier, safe='')}")
        return self._reply(303, "Done", Markup(""), place)

    def _reply(
        self, status: int, title: str, content: Markup, *fields: tuple[str, str]
    ) -> WebReply:
        text = fill(
            '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            "<title>{title} - Events Manager on {system}</title>"
            '<link rel="stylesheet" href="{page}/style.css"></head>\n<body>'
            '<header><p class="product">Events Manager</p><p class="system">{system}</p></header>'
            '<main id="content"><h1>{title}</h1>{content}</main></body></html>\n',
            title=title,
            system=self._plan.manager,
            page=PAGE,
            content=content,
        )
        return WebReply(status, text, *fields)


def _row(event: ListedEvent) -> Markup:
    return fill(
        '<tr><td><a href="{page}/{place}">{event}</a></td><td>{console}</td><td>{severity}</td>'
        "<td>{text}</td><td>{time}</td></tr>",
        page=PAGE,
        place=quote(event.identifier, safe=""),
        event=event.identifier,
        console=event.console,
        severity=str(event.severity),
        text=event.text,
        time=instant(event.time),
    )


def instant(seconds: float) -> str:
    """In UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
