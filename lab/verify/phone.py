"""The telephone's side of a run, in the views that the checks share: calls, their PPP, the dialogue.

Made from the exchange's capture and text, and the gateway's record. Judges nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from pathlib import Path

from lab.record import LigCall, Record
from lab.telephony.tape import DIALOGUE
from lab.topology.telephone import Telephone
from lab.wire import calls, ppp
from lab.wire.calls import Carried
from lab.wire.decode import Frame
from lab.wire.dialled import FRAMES
from lab.wire.ppp import Code

_UTTERANCE = re.compile(r" *(?P<time>\d+\.\d+)  (?P<line>\S+) +(?P<mark>[><*]) (?P<text>.*)")
_CONNECTED = re.compile(r"call (?P<call>\d+): (?P<caller>\S+) and \S+ are connected at .*")
_DIALLED = re.compile(r"[Aa][Tt][Dd][TtPp]?(?P<number>\d+)<CR>")


@dataclass(frozen=True, slots=True)
class Utterance:
    """A line of the dialogue with a modem, or a note of the exchange."""

    time_s: float
    """Since the exchange began."""
    line: str
    mark: str
    """``>`` the terminal, ``<`` its modem, ``*`` the exchange."""
    text: str

    @property
    def dialled(self) -> str:
        """The number, where a terminal dials one."""
        found = _DIALLED.fullmatch(self.text) if self.mark == ">" else None
        return found["number"] if found else ""


@dataclass(slots=True)
class PhoneCall:
    """A call that carried something."""

    number: int
    """The exchange's."""
    client: str
    """The node that called; empty where no line of the model has the name."""
    caller: str
    called: str
    """The lines."""
    frames: list[Carried]
    facts: LigCall | None
    """What the gateway says of it."""

    def in_ppp(self, protocol: int, code: int = 0) -> list[tuple[Carried, ppp.Frame]]:
        """Frames of a protocol, and of one code if given."""
        return [
            (item, item.ppp)
            for item in self.frames
            if item.ppp and item.ppp.protocol == protocol and code in (0, item.ppp.code)
        ]

    @property
    def first_time(self) -> float:
        return self.frames[0].frame.time

    @property
    def opened(self) -> float:
        """When IPCP had an acknowledgement in both directions (RFC 1661 4.2); inf if it never had."""
        acks: dict[bool, float] = {}
        for item, _ in self.in_ppp(ppp.IPCP, Code.configure_ack):
            acks.setdefault(item.outgoing, item.frame.time)
        return max(acks.values()) if len(acks) == 2 else inf

    @property
    def terminated(self) -> bool:
        """Whether PPP came to its own end; else the line was cut."""
        return bool(self.in_ppp(ppp.LCP, Code.terminate_request))

    @property
    def ending(self) -> float:
        """When it began to end."""
        farewells = self.in_ppp(ppp.LCP, Code.terminate_request)
        return (farewells[0][0] if farewells else self.frames[-1]).frame.time

    @property
    def address(self) -> str:
        """What IPCP gave the caller: its request that was acknowledged; empty if none was."""
        given = [
            frame.ip_address
            for item, frame in self.in_ppp(ppp.IPCP, Code.configure_ack)
            if not item.outgoing
        ]
        return given[0] if given else ""

    @property
    def user(self) -> str:
        """Who PAP found the caller to be; empty if nobody."""
        names = {f.identifier: f.pap_user for _, f in self.in_ppp(ppp.PAP, ppp.PapCode.request)}
        acks = [f.identifier for _, f in self.in_ppp(ppp.PAP, ppp.PapCode.ack)]
        return next((names[number] for number in acks if number in names), "")

    def __str__(self) -> str:
        return f"call {self.number} of {self.client}"


def phone_calls(telephone: Telephone, record: Record, carried: list[Carried]) -> list[PhoneCall]:
    """The calls of a capture, in the order of their first frames."""
    ends = {
        f"{a.name}-{b.name}": (a, b)
        for a in telephone.lines
        for b in telephone.lines
        if a.name != b.name
    }
    found: dict[int, PhoneCall] = {}
    for item in carried:
        if item.call not in found:
            caller, called = ends.get(item.ends, (None, None))
            found[item.call] = PhoneCall(
                item.call,
                caller.node if caller else "",
                caller.name if caller else item.ends,
                called.name if called else "",
                [],
                _facts(record.lig, called.name if called else "", item.frame.time),
            )
        found[item.call].frames.append(item)
    return list(found.values())


def _facts(answered: Iterable[LigCall], line: str, time: float) -> LigCall | None:
    """The gateway's call on this line at this time."""
    fitting = [c for c in answered if c.line == line and c.number and c.rang <= time]
    last = max(fitting, key=lambda call: call.rang, default=None)
    return last if last and time <= (last.closed or inf) else None


def read_calls(run_dir: Path) -> list[Carried]:
    """What the exchange kept of calls; nothing where there is no telephone."""
    path = run_dir / "wire" / FRAMES
    return calls.read(path) if path.exists() else []


def read_dialogue(run_dir: Path) -> list[Utterance]:
    """Every line of ``pstn.txt``; none where there is no telephone."""
    path = run_dir / "wire" / DIALOGUE
    if not path.exists():
        return []
    found = map(_UTTERANCE.fullmatch, path.read_text().splitlines())
    return [Utterance(float(m["time"]), m["line"], m["mark"], m["text"]) for m in found if m]


def connected_calls(dialogue: Iterable[Utterance]) -> dict[int, tuple[str, str]]:
    """Each call that was put through to a modem: the caller's line and the number that it had dialled."""
    dialled: dict[str, str] = {}
    found = {}
    for said in dialogue:
        if said.dialled:
            dialled[said.line] = said.dialled
        elif said.mark == "*" and (match := _CONNECTED.fullmatch(said.text)):
            found[int(match["call"])] = (match["caller"], dialled.pop(match["caller"], ""))
    return found


def frames_of(items: Iterable[Carried]) -> list[Frame]:
    return [item.frame for item in items]
