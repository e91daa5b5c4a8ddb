"""What happens in a run: one class a kind of event, with typed fields.

    class NodeDied(Event, topic="fault", tells="{source} dies"):

declares a kind: its fields are annotations as of a dataclass, and ``tells`` is the sentence of the story,
with fields in braces, and ``{why}`` for the cause in words. No program reads a sentence back. The kinds of
one part of the lab are in the part's module ``events``; those that the record keeps are here.

What a kind says to a comparison of two runs (``lab diff``) stands with it, too:

    class PppUp(Event, tells="...", recaps="{source} and {gateway} opened IPCP", chance="interface",
                aspects={"the MTU of {source}'s PPP with {gateway} was": "{mtu}"}):

``recaps`` is what one run has beside the other, if the story's sentence does not do; ``aspects`` are what two
events of one thing may differ in; ``chance`` names fields that are drawn by lot, measure time, or are told by
another trait of the run. Any other field must show in one of the two: a test changes each.

An event has a time on the lab's clock and a source: a node, or ``lab``. No field is a secret: a test looks at
the types, and the writer refuses a secret. The classes have no ``repr`` and no ``eq``: these are three
quarters of the time that it takes to make a dataclass, and a run's start-up pays for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from time import time as now
from typing import Any, ClassVar, Self, dataclass_transform

from lab.names import runs
from lab.record.cause import Blame, Explained, IkeCause, PppCause

LAB = "lab"
"""The source of what happens to the lab as a whole."""


CHANCE = frozenset({
    "started", "seconds", "transaction", "pid", "own_port", "sha256", "key", "identifier", "began",
    "silent_s", "restored", "detail", "call",
})  # fmt: skip
"""Fields that are drawn by lot, measure time, or are words for people, in whichever kind they are."""


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
class _Declared:
    """Makes every class below it a frozen dataclass."""

    topic: ClassVar[str] = "path"
    """A word of up to eight letters before the sentence: a protocol or a part of the lab."""
    tells: ClassVar[str] = ""
    bad: ClassVar[bool] = False  # a failure, also where it has no cause
    recaps: ClassVar[str] = ""
    aspects: ClassVar[Mapping[str, str]] = {}
    chance: ClassVar[frozenset[str]] = CHANCE
    elsewhere: ClassVar[bool] = (
        False  # other traits of a run have it: the comparison passes over it
    )
    closing: ClassVar[bool] = False  # it may come while a lab is taken down

    def __init_subclass__(
        cls,
        *,
        topic: str = "",
        tells: str = "",
        bad: bool = False,
        recaps: str = "",
        aspects: Mapping[str, str] | None = None,
        chance: str = "",
        elsewhere: bool = False,
        closing: bool = False,
    ) -> None:
        cls.topic = topic or cls.topic
        cls.tells, cls.bad = tells, bad
        cls.recaps, cls.aspects = recaps, aspects or {}
        cls.chance = CHANCE.union(chance.split())
        cls.elsewhere, cls.closing = elsewhere, closing
        dataclass(frozen=True, kw_only=True, repr=False, eq=False)(cls)


class Event(Explained, _Declared):
    """Something that happened. Every subclass is a kind of event."""

    source: str = LAB
    time: float = field(default_factory=now)

    @classmethod
    def kind(cls) -> str:
        """The class's name as the file has it: ``ike-established``."""
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__).lstrip("-")

    @classmethod
    def of(cls, entry: object, **own: Any) -> Self:
        """The event of an entry of the record: takes every field that the entry has, too, and its own."""
        shared = (each.name for each in fields(cls) if hasattr(entry, each.name))
        return cls(**{name: getattr(entry, name) for name in shared} | own)

    @property
    def sentence(self) -> str:
        """What the story tells; empty if the story passes over it."""
        return self.tells.format(**vars(self), why=self.why)

    @property
    def recap(self) -> str:
        """What a comparison tells of it if the other run has it not."""
        return self.recaps.format_map(_InWords(self)) if self.recaps else self.sentence

    @property
    def turns(self) -> dict[str, str]:
        """The aspects: of what another run may have another, and how it is in this one."""
        own = _InWords(self)
        return {what.format_map(own): how.format_map(own) for what, how in self.aspects.items()}


class _InWords(dict[str, str]):
    """An event's fields and properties, as they stand in a sentence."""

    def __init__(self, event: Event) -> None:
        self._event = event

    def __missing__(self, name: str) -> str:
        return in_words(getattr(self._event, name))


def in_words(value: object) -> str:
    """A field as it stands in a sentence."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return ", ".join(map(in_words, value)) or "none"
    return str(value)


def known_kinds() -> dict[str, type[Event]]:
    """Every kind whose module is imported, by its name in the file."""
    return {kind.kind(): kind for kind in _below(Event)}


def _below(kind: type[Event]) -> Iterator[type[Event]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def kinds_of(module: str) -> tuple[type[Event], ...]:
    """The kinds that a module declares, in their order."""
    return tuple(kind for kind in Event.__subclasses__() if kind.__module__ == module)


Tell = Callable[[Event], None]
"""Where whatever notices an event puts it: ``Story.tell``."""


# The lab.


class LabUp(Event, topic="lab", elsewhere=True):
    """Every node, wire, rule and server stands."""

    topology: str
    nodes: tuple[str, ...]
    started: float = 0.0
    """When the lab began, from where the story counts; 0 in a run of an earlier version."""

    @property
    def sentence(self) -> str:
        return f"{self.topology}: {', '.join(runs(self.nodes))}"


class NodeDied(Event, topic="fault", tells="{source} dies", bad=True):
    """A fault killed a node: no packet leaves or enters it any more."""


class FaultPassed(Event, topic="fault", tells="{source} loses nothing any more"):
    """A fault that passes has ended at a node. All agents call home once more."""


class BrokeOff(
    Event,
    topic="lab",
    recaps="an error ended the run before its end, and it was the {blame}'s",
    chance="words",
    bad=True,
):
    """An error ended the run before the run's own end."""

    blame: Blame
    words: str


# Ways home. The source is the agent's host.


class WayTried(Event, elsewhere=True):
    """An agent's host begins to bring a way up."""

    way: str


class WayUp(Event, recaps="{source}'s way {way} came up"):
    """The way is up."""

    way: str


class WayFailed(Event, recaps="{source}'s way {way} did not come up", chance="only", bad=True):
    """The way did not come up."""

    way: str
    only: bool
    """Whether the agent has no other way: then ``path-failed`` tells the rest."""

    @property
    def sentence(self) -> str:
        return "" if self.only else f"{self.source} has no way home by {self.way}"


class CalledByOne(Event, tells="{source} calls home once more, by {family} alone"):
    """The agent leaves one version of IP out, to try the other one (OUT-08)."""

    family: str
    """``IPv4``, ``IPv6``."""


class WayLost(
    Event,
    tells="{source} has lost its way home, and looks for another",
    recaps="{source} lost its way home by {way}, and looked for another",
    bad=True,
):
    """A call home failed by a way that was up; the way, or a later one, is brought up now."""

    way: str


class BackupTried(Event, tells="{source}: {way} works; now {backup}, which is the backup"):
    """A way has passed every trial, and is taken down, so that the next way is put to the same trials."""

    way: str
    backup: str


class PathFailed(Event, chance="words", bad=True):
    """No way of an agent came up."""

    again: bool = False
    """Whether a way had been up before."""
    words: str

    @property
    def sentence(self) -> str:
        return f"{self._outcome}: {self.words}"

    @property
    def recap(self) -> str:
        return f"no way home of an agent was left: all {self._outcome}"

    @property
    def _outcome(self) -> str:
        return f"did not come up{' again' if self.again else ''}"


class PathLost(
    Event,
    tells="{words}",
    recaps="a way home was lost while the lab put it to the test",
    chance="words",
    bad=True,
):
    """A way was lost while it was put to the test, after the calls home had got through."""

    words: str


_PPP_UP = "{source} is {local_ip} on {interface}, {gateway} is {peer_ip}, MTU {mtu}"


class PppUp(
    Event,
    topic="PPP",
    tells=_PPP_UP,
    recaps="{source} and {gateway} opened PPP",
    aspects={
        "the MTU of {source}'s PPP with {gateway} was": "{mtu}",
        "{gateway}'s address in PPP with {source} was": "{peer_ip}",
        "{source}'s address in PPP with {gateway} was": "{local_ip}",
    },
    chance="interface",
):
    """IPCP is open (RFC 1332)."""

    gateway: str
    interface: str
    local_ip: str
    peer_ip: str
    mtu: int


class PppDown(
    Event,
    topic="PPP",
    tells="{source} to {gateway}: {why}",
    recaps="{source}'s PPP with {gateway} ended",
    aspects={"{source}'s PPP with {gateway} ended, and pppd said": "{cause_alone}"},
    chance="interface exit_status",
    closing=True,
):
    """A pppd has ended, or was given up: of a session that had been up, or of one that never was."""

    gateway: str
    interface: str
    exit_status: int
    """pppd(8) EXIT STATUS; -1 if the carrier's daemon did not say."""
    cause: PppCause | None
    """None if pppd gives no reason."""
    detail: str

    @property
    def sentence(self) -> str:
        return super().sentence if self.cause not in (None, PppCause.terminated) else ""


class IkeEstablished(
    Event,
    topic="IKE",
    recaps="{source} and {gateway} agreed on keys by IKE",
    aspects={
        "{source}'s ESP with {gateway} went": "{carrier}",
        "{source}'s ESP with {gateway} was": "{esp_encryption}/{esp_integrity} in {esp_mode} mode",
        "{source}'s IKE with {gateway} was": "{ike_encryption}/{ike_integrity}/{ike_dh_group}",
    },
    chance="connection",
):
    """The IKE SA and the ESP SAs are installed (RFC 2409); suites as VICI names them."""

    connection: str
    gateway: str
    ike_encryption: str
    ike_integrity: str
    ike_dh_group: str
    esp_encryption: str
    esp_integrity: str
    esp_mode: str
    """``TUNNEL`` or ``TRANSPORT``."""
    udp_encapsulation: bool

    @property
    def sentence(self) -> str:
        nat = f", {self.carrier}" if self.udp_encapsulation else ""
        return (
            f"{self.source} and {self.gateway} agreed on "
            f"{self.ike_encryption}/{self.ike_integrity}/{self.ike_dh_group}, "
            f"ESP {self.esp_encryption}/{self.esp_integrity} in {self.esp_mode.lower()} mode{nat}"
        )

    @property
    def carrier(self) -> str:
        """What ESP goes in."""
        return "in UDP 4500" if self.udp_encapsulation else "plain"


class IkeFailed(
    Event,
    topic="IKE",
    tells="{source} to {gateway}: {why}",
    recaps="{source} and {gateway} did not agree on keys by IKE: {cause_alone}",
):
    """An IPsec connection did not come up."""

    gateway: str
    cause: IkeCause
    detail: str
    """Charon's own word for it."""
