"""A client's calls as each side saw them: its modem, the exchange, AT&T's gateway, and the bytes.

Puts together what a run left; judges nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from lab.record import DialAttempt, LigCall, PppSession
from lab.telephony.tape import DIALOGUE
from lab.topology.telephone import Dialer
from lab.verify.case import Case
from lab.verify.journey import Journey, Way, find_way, journeys
from lab.verify.symptom import Trail
from lab.wire import calls, dialled
from lab.wire.calls import Carried
from lab.wire.decode import Packet

NO_CARRIER, NO_ANSWER, NO_DIALTONE, BUSY = "NO CARRIER", "NO ANSWER", "NO DIALTONE", "BUSY"
"""Result codes (V.250 5.7.1)."""

_NOTE = re.compile(r"\s*[\d.]+  pstn +\* call (\d+): (.*)")
_CALLED = re.compile(r"(\S+) to (\d+): (.*)")
_RINGS = re.compile(r"(\S+) rings")


@dataclass(frozen=True, slots=True)
class Note:
    """What the exchange noted of a call."""

    call: int
    text: str


@dataclass(slots=True, kw_only=True)
class Placed:
    """A call of a client, or its attempt at one."""

    attempt: DialAttempt
    call: int = 0
    """The exchange's number of it; 0 if it never came to that."""
    fate: str = ""
    """What the exchange did when it had the number: ``busy``, ``lig-1 rings``."""
    notes: tuple[str, ...] = ()
    """What the exchange noted after that."""
    carried: tuple[Carried, ...] = ()
    session: PppSession | None = None
    """None unless the modems were connected."""
    at_lig: LigCall | None = None
    """None if the gateway did not hear it ring."""

    @property
    def connected(self) -> bool:
        return self.attempt.result.startswith("CONNECT")

    @property
    def opened(self) -> bool:
        """Whether IPCP opened."""
        return self.session is not None and self.session.opened > 0

    @property
    def called_line(self) -> str:
        """The line that rang; empty if none of the lab's did."""
        found = _RINGS.fullmatch(self.fate)
        return found[1] if found else ""


class DialTrail(Trail):
    """One client's way by telephone, then from the gateway over the wires."""

    def __init__(self, case: Case, client: str) -> None:
        super().__init__(case, client, None)

    @property
    def plan(self) -> Dialer:
        return next(d for d in self.case.topology.dialers if d.client == self.client)

    @property
    def lig(self) -> str:
        assert self.case.topology.lig is not None, "check has seen it"
        return self.case.topology.lig.node

    @cached_property
    def placed(self) -> list[Placed]:
        """Every call of the client, in order."""
        return list(self._placed())

    @cached_property
    def last_tries(self) -> list[Placed]:
        """The calls since PPP last was up, or since it all began."""
        opened = [place for place, call in enumerate(self.placed) if call.opened]
        return self.placed[opened[-1] + 1 :] if opened else self.placed

    @cached_property
    def carried(self) -> list[Carried]:
        """Everything that went over the client's calls."""
        return [item for call in self.placed for item in call.carried]

    @cached_property
    def sockets(self) -> list[Packet]:
        return [item.data for item in self.carried if item.data]

    @cached_property
    def addresses(self) -> list[str]:
        """What the gateway gave to the client, call by call."""
        mine = (s.local_ip for s in self.case.record.ppp if s.client == self.client and s.local_ip)
        return list(dict.fromkeys(mine))

    @cached_property
    def out(self) -> list[Journey]:
        return self._journeys(self.way_out, back=False)

    @cached_property
    def back(self) -> list[Journey]:
        return self._journeys(self.way_back, back=True)

    def _journeys(self, way: Way | None, *, back: bool) -> list[Journey]:
        pairs = [(own, far) for own in self.addresses for far in self._far_ends]
        return [
            journey
            for near, far in pairs
            if way is not None
            for journey in journeys(self.case, way, *((far, near) if back else (near, far)))
        ]

    def _way(self, *, back: bool) -> Way | None:
        """On the wires, the client's packets begin and end at the gateway."""
        start, end = (self._far_node, self.lig) if back else (self.lig, self._far_node)
        return find_way(self.case.topology, start, end)

    # Who is who.

    def _placed(self) -> Iterator[Placed]:
        mine = [a for a in self.case.record.dialled if a.client == self.client]
        sessions = iter([s for s in self.case.record.ppp if s.client == self.client])
        exchanged = iter(self._exchanged())
        for attempt in mine:
            if attempt.result in ("", NO_DIALTONE):
                yield Placed(attempt=attempt)
                continue
            number, fate = next(exchanged, (0, ""))
            placed = Placed(
                attempt=attempt,
                call=number,
                fate=fate,
                notes=tuple(n.text for n in self._notes if n.call == number)[1:],
                carried=tuple(c for c in self._carried if c.call == number),
            )
            if placed.connected:
                placed.session = next(sessions, None)
            placed.at_lig = self._at_lig(placed)
            yield placed

    def _exchanged(self) -> list[tuple[int, str]]:
        """Number and fate of each of the client's calls that the exchange had."""
        telephone = self.case.topology.telephone
        assert telephone is not None, "check has seen it"
        own = {line.name for line in telephone.lines if line.node == self.client}
        found = ((note.call, _CALLED.fullmatch(note.text)) for note in self._notes)
        return [(call, match[3]) for call, match in found if match and match[1] in own]

    def _at_lig(self, placed: Placed) -> LigCall | None:
        began, ended = placed.attempt.started, placed.attempt.ended
        return next(
            (
                call
                for call in self.case.record.lig
                if call.line == placed.called_line and began <= call.rang <= ended
            ),
            None,
        )

    @cached_property
    def _notes(self) -> list[Note]:
        path = self.case.run_dir / "wire" / DIALOGUE
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        found = (_NOTE.fullmatch(line) for line in lines)
        return [Note(int(match[1]), match[2]) for match in found if match]

    @cached_property
    def _carried(self) -> list[Carried]:
        path = self.case.run_dir / "wire" / dialled.FRAMES
        return calls.read(path) if path.exists() else []
