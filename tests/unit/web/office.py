"""An agent that is administered, and accounts, both made up, for the tests of the web user interface."""

from __future__ import annotations

from collections.abc import Mapping

from lab.agent.web.desk import Desk
from lab.agent.web.exchange import WebReply, WebRequest
from lab.agent.web.sheet import (
    Block,
    Demand,
    FactList,
    FormBlock,
    FormEntry,
    FormGroup,
    Grid,
    Instant,
    Listing,
    Mistaken,
    NotToBeHad,
    Place,
    Sheet,
    Shown,
    Tone,
    Value,
)

SYSTEM = "8284-22A*21ABCDE"
NOW = 1_764_500_000.0
USER, PASSWORD = "operator", "opensesame"
FORM = {"content-type": "application/x-www-form-urlencoded"}


class MadeUpAgent:
    """Tells what a real one would tell of a bad day."""

    system = SYSTEM

    def __init__(self, text: str = "") -> None:
        self.text = text
        """Put into every place that shows what others wrote."""
        self.demanded: list[Demand] = []
        self.changed: list[tuple[str, dict[str, str]]] = []
        self.refusing = ""

    def sheet(self, place: Place, page: int) -> Sheet:
        return Sheet(
            f"What the agent tells of: {place.heading.lower()}.", self._blocks(place, page)
        )

    def demand(self, demand: Demand) -> str:
        if self.refusing:
            raise NotToBeHad(self.refusing)
        self.demanded.append(demand)
        return f"{demand.heading}: this is under way; see the logs."

    def change(self, form: Mapping[str, str], user: str) -> str:
        if self.refusing:
            raise Mistaken(self.refusing)
        self.changed.append((user, dict(form)))
        return "Saved: retry."

    def _blocks(self, place: Place, page: int) -> tuple[Block, ...]:
        text = self.text or "the server answered 503"
        match place:
            case Place.status:
                return self._status()
            case Place.requests | Place.problems:
                columns = ("Problem number", "Reference code", "State", "Occurred", "Text")
                return (Grid(place.heading, columns, _problems(text), "No problem was reported."),)
            case Place.logs:
                columns = ("When", "What", "Way", "Outcome", "Detail")
                return (Grid("Attempts", columns, _log(text), "Nothing yet.", min(page, 4), 4),)
            case Place.inventory:
                return (Listing("hmc.eed", f"$ lshmc -V\n{text}\n" * 40),)
            case Place.settings:
                facts = ("IBM IDs", text), ("Port", "5024"), ("Heartbeat", "every day")
                kinds = ("", "not used"), ("proxy", "proxy")
                entries = (
                    FormEntry("retry", "Retry after", text),
                    FormEntry("kind", "Kind", "proxy", kinds),
                )
                group = FormGroup("Schedule", "Seconds; a day has 86400.", entries)
                form = FormBlock("Change settings", (group,), "Save settings", (("version", "1"),))
                return form, FactList("Settings", facts)
            case _:
                return ()

    def _status(self) -> tuple[Block, ...]:
        facts: tuple[tuple[str, Value], ...] = (
            ("System", self.system),
            ("Last heartbeat", Instant(NOW)),
            ("Connectivity", Shown("IBM was reached", Tone.good)),
            ("Waiting to be sent", Shown("2 messages", Tone.waiting)),
        )
        ways: tuple[tuple[Value, ...], ...] = (
            ("direct", "direct", Shown("failed: timed out", Tone.bad), Instant(NOW)),
            (
                "office",
                "proxy http://proxy.example:3128",
                Shown("worked", Tone.good),
                Instant(NOW),
            ),
            ("modem", "modem", "not tried", ""),
        )
        columns = ("Way", "Kind", "Last attempt", "When")
        return FactList("Now", facts), Grid("Ways to IBM", columns, ways, "None.")


def _problems(text: str) -> tuple[tuple[Value, ...], ...]:
    return (
        ("PMH00042", "B1817201", Shown("open", Tone.waiting), Instant(NOW), text),
        ("PMH00041", "11002630", Shown("closed", Tone.good), Instant(NOW - 86400), "Fan 2"),
    )


def _log(text: str) -> tuple[tuple[Value, ...], ...]:
    failed = Shown("failed", Tone.bad)
    return tuple(
        (Instant(NOW - each * 60), "heartbeat", "direct", failed, text) for each in range(50)
    )


class MadeUpAccounts:
    """One user."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def refusal(self, user: str, password: str) -> str:
        self.asked.append((user, password))
        return "" if (user, password) == (USER, PASSWORD) else "Authentication failure"


class Visitor:
    """A browser, as far as cookies and forms go, without sockets; follows nothing by itself."""

    def __init__(self, desk: Desk, peer: str = "192.0.2.7") -> None:
        self.desk = desk
        self.peer = peer
        self.cookies: dict[str, str] = {}

    def get(self, target: str, method: str = "GET") -> WebReply:
        return self._say(WebRequest(method, target, self._fields(), b"", self.peer))

    def post(self, target: str, body: str, **fields: str) -> WebReply:
        more = {name.replace("_", "-"): value for name, value in fields.items()}
        named = {**FORM, **self._fields(), **more}
        return self._say(WebRequest("POST", target, named, body.encode(), self.peer))

    def log_in(self, user: str = USER, password: str = PASSWORD, to: str = "status") -> WebReply:
        token = token_of(self.get(f"/esa/login?to={to}"))
        return self.post("/esa/login", f"token={token}&to={to}&user={user}&password={password}")

    def _fields(self) -> dict[str, str]:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"cookie": cookies} if cookies else {}

    def _say(self, request: WebRequest) -> WebReply:
        reply = self.desk.answer(request)
        for name, value in reply.fields:
            if name == "Set-Cookie":
                cookie, _, given = value.partition(";")[0].partition("=")
                self.cookies[cookie] = given
                if "Max-Age=0" in value:
                    del self.cookies[cookie]
        return reply


def token_of(reply: WebReply) -> str:
    """What the forms of a page have in their field ``token``."""
    return reply.content.decode().partition('name="token" value="')[2].partition('"')[0]
