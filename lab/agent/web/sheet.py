"""What a page shows, as plain data: facts, tables, and what can be asked for. No HTML, no files.

``Administered`` is all that the web user interface knows of an agent.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

PORT = 5024
"""S0, "Activating ESA": the default."""
PATH = "/esa"
ROWS = 50
"""Of a table that has pages."""


class Tone(StrEnum):
    """How something is to be looked at; it is always said in words, too."""

    plain = "plain"
    good = "good"
    bad = "bad"
    waiting = "waiting"


class Shown(NamedTuple):
    """One thing that is said."""

    text: str
    tone: Tone = Tone.plain


class Instant(NamedTuple):
    """A point in time."""

    seconds: float
    """Of the epoch."""


Value = str | Shown | Instant


class FactList(NamedTuple):
    """Names and values, as of one machine."""

    heading: str
    facts: tuple[tuple[str, Value], ...]


class Grid(NamedTuple):
    """A table."""

    heading: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    empty: str
    """The sentence in the place of a table without rows."""
    page: int = 1
    pages: int = 1


class Listing(NamedTuple):
    """The text of a file, as it is sent."""

    heading: str
    text: str


class FormEntry(NamedTuple):
    """One thing that a form asks for."""

    name: str
    """As in the form that comes back; the key of the configuration file, where there is one."""
    label: str
    value: str
    choices: tuple[tuple[str, str], ...] = ()
    """Values and their words, if it is one of these; else it is a text."""


class FormGroup(NamedTuple):
    """Things that belong together."""

    heading: str
    what: str
    """A sentence or two for whoever fills it in."""
    entries: tuple[FormEntry, ...]


class FormBlock(NamedTuple):
    """A form that changes the agent; every page has one at most."""

    heading: str
    groups: tuple[FormGroup, ...]
    button: str
    hidden: tuple[tuple[str, str], ...] = ()


Block = FactList | Grid | Listing | FormBlock


class Sheet(NamedTuple):
    """The content of a page."""

    lead: str
    """One sentence: what the page tells."""
    blocks: tuple[Block, ...]


class Place(StrEnum):
    """The pages, by the last part of their paths, in the order of the navigation (S2)."""

    heading: str

    def __new__(cls, value: str, heading: str) -> Place:
        member = str.__new__(cls, value)
        member._value_, member.heading = value, heading
        return member

    status = "status", "Status"
    requests = "requests", "Service requests"
    problems = "problems", "Problems"
    settings = "settings", "Settings"
    logs = "logs", "Logs"
    inventory = "inventory", "Inventory"
    demand = "demand", "On demand"


class Demand(StrEnum):
    """What can be asked for at once (S2: "on demand collection/submission"; S0: "test connectivity")."""

    heading: str
    what: str

    def __new__(cls, value: str, heading: str, what: str) -> Demand:
        member = str.__new__(cls, value)
        member._value_, member.heading, member.what = value, heading, what
        return member

    connectivity = (
        "connectivity",
        "Test connectivity",
        "Sends a heartbeat to IBM, over the ways that are configured, in their order.",
    )
    inventory = (
        "inventory",
        "Send inventory",
        "Collects the inventory of this system, and sends it to IBM.",
    )
    problem = (
        "problem",
        "Send test problem",
        "Reports a problem that is marked as a test. IBM answers with a problem number.",
    )


class NotToBeHad(Exception):
    """What was asked for cannot be done; the message says why and what to do. A page tells it."""


class Mistaken(NotToBeHad):
    """A form has mistakes, a line each: whoever filled it in gets it back as it was."""


class Administered(Protocol):
    """An agent, as its administrator sees it. Methods may be called by several threads at once."""

    @property
    def system(self) -> str:
        """TYPE-MODEL*SERIAL."""

    def sheet(self, place: Place, page: int) -> Sheet:
        """What a page tells; ``page`` counts from 1 and may be too high: then the last one."""

    def change(self, form: Mapping[str, str], user: str) -> str:
        """Change the settings as a form of the page ``settings`` says, for ``user``; returns a sentence that
        says since when they hold. Raises NotToBeHad, whose lines say what is wrong; nothing has changed."""

    def demand(self, demand: Demand) -> str:
        """Ask for something; returns a sentence that says what happens now. Raises NotToBeHad."""
