"""The agent of a state folder, as its administrator sees it: what each page tells, and what can be asked for.

Reads the agent's files for each page anew. What is asked for is queued, and the service is woken to send it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lab.agent.book import TRIES, lines
from lab.agent.collect import Collector
from lab.agent.contact import LABELS
from lab.agent.problems import CLOSED, OPEN, REFUSED
from lab.agent.reports import HEARTBEAT, INVENTORY, PROBLEM, Reports
from lab.agent.settings import AgentSettings, SettingsError, WaySetting, load
from lab.agent.state import AgentState
from lab.agent.status import status
from lab.agent.web import changing, settings_file
from lab.agent.web.sheet import (
    ROWS,
    Block,
    Demand,
    FactList,
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
from lab.errors import LabError
from lab.names import count

TEST_PROBLEM = {
    "reference_code": "TEST0000",
    "severity": 4,
    "text": "Test problem, asked for in the web user interface. Nothing has failed.",
}
_LEADS = {
    Place.status: "Whether IBM is reached, by which way, and what waits.",
    Place.requests: "Problems that IBM has taken, each with the number that IBM gave it.",
    Place.problems: "Everything that was reported, or waits to be.",
    Place.settings: "What the configuration file says. What is not in the form is changed in the file.",
    Place.logs: "What was collected, tried and acknowledged, the newest first.",
    Place.inventory: "The files that are sent as inventory, as they are now.",
    Place.demand: "What can be sent at once. The logs tell what has become of it.",
}
_GOOD = {"acknowledged", "answered", "activated", "enrolled", "started", "alert-over", "way-up"}
_BAD = {"failed", "refused", "alert", "damaged", "activation-failed", "way-passed-over", "unfit"}
_SHOWN_CHARACTERS = 64 * 1024
"""Of a file of the inventory."""


class AdministeredAgent:
    """The pages' content; see ``sheet.Administered``."""

    def __init__(
        self,
        state: AgentState,
        wake: Callable[[], None],
        current: Callable[[], AgentSettings] | None = None,
    ) -> None:
        """``state`` is for this object alone; ``wake`` has the service send what is queued, and go by the
        settings that ``current`` tells from then on."""
        self._state = state
        self._wake = wake
        self._current = current or (lambda: state.settings)
        self._lock = threading.Lock()
        """One demand at a time: the ledger's file is written by one thread."""

    @property
    def system(self) -> str:
        return self._state.settings.machines[0].name

    def sheet(self, place: Place, page: int) -> Sheet:
        self._follow()
        return Sheet(_LEADS[place], tuple(self._blocks(place, page)))

    def _follow(self) -> None:
        if (settings := self._current()) is not self._state.settings:
            self._state.use(settings)

    def change(self, form: Mapping[str, str], user: str) -> str:
        path = self._state.settings.source
        try:
            with self._lock:
                if form.get(changing.VERSION) != settings_file.digest(path):
                    raise NotToBeHad(
                        "Somebody has changed the configuration file meanwhile. This is what it says now: "
                        "make your changes again."
                    )
                former, written = load(path), settings_file.written(path)
                values, ways = changing.values(form, former), changing.ways(form, written)
                names = [".".join(key) for key in values] + (["ways"] if ways is not None else [])
                if not names:
                    return "Nothing was changed."
                fresh = settings_file.change(path, values, ways)
                self._state.book.note("settings-changed", by=user, keys=", ".join(names))
        except SettingsError as error:
            raise Mistaken("\n".join(error.problems)) from error
        except LabError as error:
            raise NotToBeHad(f"{error.message}. {error.hint}".strip()) from error
        self._wake()
        later = " The port holds after a restart of the service." if fresh.web != former.web else ""
        return f"Saved: {', '.join(names)}. The service goes by what the file says now.{later}"

    def demand(self, demand: Demand) -> str:
        self._follow()
        try:
            with self._lock:
                queued = self._queue(demand)
        except LabError as error:
            raise NotToBeHad(f"{error.message}. {error.hint}".strip()) from error
        self._wake()
        return f"{demand.heading}: {count(queued, 'report')} queued, and sent now. The logs tell the rest."

    def _queue(self, demand: Demand) -> int:
        reports, machines = Reports(self._state), self._state.settings.machines
        match demand:
            case Demand.connectivity:
                made = [reports.regular(HEARTBEAT, machine) for machine in machines]
            case Demand.inventory:
                made = [reports.regular(INVENTORY, machine) for machine in machines]
            case Demand.problem:
                made = [reports.problem(machines[0], {**TEST_PROBLEM, "reason": PROBLEM})]
        return len(made)

    def _blocks(self, place: Place, page: int) -> Iterator[Block]:
        match place:
            case Place.status:
                yield from self._status()
            case Place.requests:
                yield self._requests()
            case Place.problems:
                yield self._problems()
            case Place.settings:
                yield from self._settings()
            case Place.logs:
                yield self._log(page)
            case Place.inventory:
                yield from self._inventory()
            case Place.demand:
                pass

    def _settings(self) -> Iterator[Block]:
        """What the file says, which may be more than the service goes by."""
        settings = self._state.settings
        path = settings.source
        try:
            version = settings_file.digest(path)
            settings, written = load(path), settings_file.written(path)
        except SettingsError as error:
            wrong = tuple(("Mistake", Shown(each, Tone.bad)) for each in error.problems)
            yield FactList("The configuration file is wrong; the former settings hold", wrong)
        else:
            yield changing.form_block(settings, written, version)
        yield from settings_blocks(settings)

    def _status(self) -> Iterator[Block]:
        told = status(self._state)
        last = told["last"].get(HEARTBEAT, {})
        alerts = told["alerts"].values()
        facts: list[tuple[str, Value]] = [
            ("System", self.system),
            ("Activated", _yes_or_no(told["activated"])),
            ("Connectivity", _connectivity(told)),
            ("Last heartbeat", Instant(last["time"]) if last.get("time") else "none yet"),
            ("Acknowledged by", str(last.get("server", "")) or "nobody yet"),
            ("Waiting to be sent", _waiting(told["queued"])),
            ("Version of IBM's address file", str(told["configuration"] or "none yet")),
        ]
        for key, words in (("refused", "Refused by IBM"), ("damaged", "Damaged in the queue")):
            if told[key]:
                facts.append((words, Shown(count(len(told[key]), "report"), Tone.bad)))
        yield FactList("Now", tuple(facts))
        rows = tuple(
            (Instant(each.get("since", 0.0)), str(each.get("message")), str(each.get("fix")))
            for each in alerts
        )
        yield Grid("Alerts", ("Since", "What", "What to do"), rows, "Nothing needs attention.")
        yield self._ways()
        machines = tuple(
            (
                name,
                str(each["id"]) or "none",
                _yes_or_no(each["enrolled"]),
                Instant(each["password_changed"]) if each["password_changed"] else "never",
            )
            for name, each in told["machines"].items()
        )
        columns = ("System", "ID at IBM", "Enrolled", "Password changed by IBM")
        yield Grid("Monitored systems", columns, machines, "None.")

    def _ways(self) -> Grid:
        tries: dict[str, dict[str, Any]] = {}
        for entry in lines(self._state.book.path):
            if entry.get("event") in TRIES and "way" in entry:
                tries[str(entry["way"])] = entry
        rows: list[tuple[Value, ...]] = []
        for way in self._state.settings.ways:
            if found := tries.get(way.name):
                rows.append((way.name, way_words(way), _outcome(found), _time(found)))
            else:
                rows.append((way.name, way_words(way), "not tried yet", ""))
        columns = ("Way", "Kind", "Last try", "When")
        return Grid("Ways to IBM, in the order of trying", columns, tuple(rows), "None.")

    def _requests(self) -> Grid:
        rows = tuple(
            (
                str(each["pmh"]), _state_of(each), str(each.get("reference_code", "")),
                str(each.get("machine", "")), _time(each, "occurred"),
            )
            for each in self._newest_problems()
            if each.get("pmh")
        )  # fmt: skip
        columns = ("Problem number", "State", "Reference code", "System", "Occurred")
        return Grid("Service requests", columns, rows, "IBM has given no problem number yet.")

    def _problems(self) -> Grid:
        rows = tuple(
            (
                _time(each, "occurred"), str(each.get("reference_code", "")),
                str(each.get("severity", "")), str(each.get("text", "")), _state_of(each),
                str(each.get("pmh") or "none yet"),
            )
            for each in self._newest_problems()
        )  # fmt: skip
        columns = ("Occurred", "Reference code", "Severity", "What", "State", "Problem number")
        return Grid("Problems", columns, rows, "No problem was reported.")

    def _newest_problems(self) -> list[dict[str, Any]]:
        found = [each for each in self._state.problems.all().values() if isinstance(each, dict)]
        return sorted(found, key=lambda each: -_seconds(each.get("occurred")))

    def _log(self, page: int) -> Grid:
        entries = [*lines(self._state.book.path)]
        pages = max(1, -(-len(entries) // ROWS))
        page = min(page, pages)
        end = len(entries) - (page - 1) * ROWS
        rows = tuple(_log_row(entry) for entry in reversed(entries[max(0, end - ROWS) : end]))
        columns = ("When", "Event", "What", "Way", "Detail")
        return Grid("Log", columns, rows, "Nothing has happened yet.", page, pages)

    def _inventory(self) -> Iterator[Block]:
        settings = self._state.settings
        sent = status(self._state)["last"].get(INVENTORY, {})
        facts = (
            ("Last sent", Instant(sent["time"]) if sent.get("time") else "not yet"),
            ("Sent every", _period(settings.schedule[INVENTORY])),
        )
        yield FactList("Transmission", facts)
        collector = Collector(settings.generation, settings.machine_files)
        for machine in settings.machines:
            for name, text in collector.texts(machine, INVENTORY).items():
                heading = f"{name} of {machine.name}"
                if len(text) > _SHOWN_CHARACTERS:
                    heading = f"{heading}: the beginning"
                yield Listing(heading, text[:_SHOWN_CHARACTERS])


def settings_blocks(settings: AgentSettings) -> Iterator[Block]:
    """Everything that the configuration file says; a proxy's password is not shown."""
    yield FactList(
        "Agent",
        (
            ("Configuration file", str(settings.source)),
            ("State folder", str(settings.state)),
            ("System vendor", settings.vendor),
            ("Generation", settings.generation),
            ("IBM IDs", ", ".join(settings.ibm_ids) or "none"),
            ("Systems", ", ".join(machine.name for machine in settings.machines)),
            ("Events of the hardware", str(settings.events or "none")),
            ("Trusted authorities", str(settings.ca_file)),
        ),
    )
    if settings.contact is not None:
        told = settings.contact.as_dict()
        yield FactList("Contact", tuple((LABELS[key], text) for key, text in told.items()))
    periods = tuple((name, _period(seconds)) for name, seconds in settings.schedule.items())
    retry = ("what was not sent is tried again", _period(settings.retry_s))
    yield FactList("Schedule: every", (*periods, retry))
    ways = tuple((str(n), way.name, way_words(way)) for n, way in enumerate(settings.ways, 1))
    yield Grid("Service connections", ("Order", "Name", "Kind"), ways, "None.")
    servers = tuple((errand, ", ".join(urls)) for errand, urls in settings.servers.items())
    yield Grid("IBM's servers", ("For", "In the order of trying"), servers, "None are named.")


def way_words(way: WaySetting) -> str:
    if way.kind == "proxy":
        return f"proxy {way.proxy.url}" if way.proxy else "proxy, not configured"
    return f"{way.way}, brought up when it is needed" if way.kind == "lab-way" else "direct"


def _yes_or_no(value: object) -> Shown:
    return Shown("yes", Tone.good) if value else Shown("no", Tone.bad)


def _waiting(queued: int) -> Shown:
    return Shown(count(queued, "report"), Tone.waiting) if queued else Shown("nothing")


def _connectivity(told: dict[str, Any]) -> Shown:
    """By what was tried last, and no other guess."""
    alert = told["alerts"].get("no-way-home")
    if isinstance(alert, dict):
        return Shown(str(alert.get("message", "IBM is not reached")), Tone.bad)
    if told["last"]:
        return Shown("IBM was reached", Tone.good)
    return Shown("not tried yet", Tone.waiting)


def _state_of(problem: dict[str, Any]) -> Shown:
    state = str(problem.get("state", ""))
    tones = {OPEN: Tone.waiting, CLOSED: Tone.good, REFUSED: Tone.bad}
    return Shown(state, tones.get(state, Tone.plain))


def _outcome(entry: dict[str, Any]) -> Shown:
    event = str(entry["event"])
    if event == "failed":
        why = entry.get("why") or entry.get("problem") or entry.get("phase") or ""
        return Shown(f"failed: {why}" if why else "failed", Tone.bad)
    return Shown("worked", Tone.good)


def _log_row(entry: dict[str, Any]) -> tuple[Value, ...]:
    event = str(entry.get("event", ""))
    tone = Tone.good if event in _GOOD else Tone.bad if event in _BAD else Tone.plain
    what = str(entry.get("kind") or entry.get("reason") or "")
    rest = ", ".join(
        f"{key}: {value}"
        for key, value in entry.items()
        if key not in ("time", "event", "kind", "way")
    )
    return _time(entry), Shown(event, tone), what, str(entry.get("way", "")), rest


def _time(entry: dict[str, Any], key: str = "time") -> Value:
    seconds = entry.get(key)
    return Instant(_seconds(seconds)) if isinstance(seconds, int | float) else ""


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _period(seconds: float) -> str:
    for unit, name in ((86400.0, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds >= unit and seconds % unit == 0:
            return count(int(seconds / unit), name)
    return f"{seconds:g} s"
