"""Every packet that came to AT&T's fence: what the fence on paper says of it, and what became of it.

Worked out from the captures of both sides of the fence. The fence's rules in the kernel are not looked at;
``fence`` compares the counters of these rules. Judges nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from math import inf
from operator import itemgetter

from lab.record.record import FenceTrial
from lab.telephony.events import LineDropped
from lab.verify.case import Case
from lab.verify.premises import mac
from lab.verify.telephone_calls import TelephoneCall
from lab.ways.dial.paper_fence import DNS_PORT, PASSING, Caller, Fence
from lab.wire.decode import Ends, Frame, Packet
from lab.wire.dialled import FrameFault

GATEWAY = "gateway"
"""A trial's side, if the gateway itself was made to send it."""


@dataclass(slots=True, kw_only=True)
class Passing:
    """A packet that came to the fence."""

    side: str
    """Who sent the packet: ``caller`` or ``internet``."""
    frame: Frame
    """The packet on its way to the fence: on the telephone line, or on the Internet's wire."""
    packet: Packet
    call: TelephoneCall | None
    """From a caller: the call that sent the packet. From the Internet: the call to which the gateway
    routes the packet, if there is one."""
    counter: str
    """The counter of the fence that must count the packet, as ``L-02-listed``; empty for a packet that
    must not even come to the fence, as one whose time to live has ended."""
    passed: Frame | None
    """The same packet on the other side; if no call may have the packet, on any caller's line."""
    misled: Frame | None = None
    """The same packet on the line of another call than ``call``."""
    expired: bool = False
    """The packet's time to live ended at the gateway, before the fence: RFC 792 has an error for that."""
    astray: bool = False
    """The gateway had been told to route the packet to another caller."""
    in_farewell: bool = False
    """The packet did not pass, and came when PPP on ``call`` was ending: the gateway may have taken the
    call out of the fence already."""

    @property
    def allowed(self) -> bool:
        return self.counter in PASSING


@dataclass(slots=True)
class Passage:
    """Both directions of a run, in the order of time."""

    sent: list[Passing] = field(default_factory=list)
    """From callers."""
    offered: list[Passing] = field(default_factory=list)
    """From the Internet's side."""
    strays: list[tuple[Frame, Packet]] = field(default_factory=list)
    """What the gateway put on the Internet's wire and no caller had sent: the gateway's own words."""
    told: list[tuple[Frame, Packet]] = field(default_factory=list)
    """What callers heard that did not come from the Internet's side: of the gateway itself."""
    unasked: list[tuple[Frame, Packet]] = field(default_factory=list)
    """Of these, what the name server told callers who had asked nothing there."""

    @property
    def everything(self) -> list[Passing]:
        return self.sent + self.offered

    def counts(self) -> Counter[str]:
        """What the fence's counters must say of all that came to the fence."""
        return Counter(passing.counter for passing in self.everything)


def mark(packet: Packet) -> tuple[object, ...]:
    """The same for a packet on both sides, and for no other."""
    return (*packet.ends, packet.identification, packet.fragment_offset, packet.body)


Sighting = tuple[Frame, Packet, TelephoneCall | None]
"""A packet, and the call on whose line it is."""


class _Wire:
    """Packets of one side; each is found by its mark, and only once."""

    def __init__(self, packets: Iterable[Sighting]) -> None:
        self._left: dict[tuple[object, ...], deque[Sighting]] = defaultdict(deque)
        for entry in packets:
            self._left[mark(entry[1])].append(entry)

    def take(self, packet: Packet, call: TelephoneCall | None = None) -> Frame | None:
        """The first of its kind; on the line of this call, if one is given."""
        found = self._left.get(mark(packet), deque())
        for entry in found:
            if call is None or entry[2] is call:
                found.remove(entry)
                return entry[0]
        return None

    def rest(self) -> list[Sighting]:
        return [entry for found in self._left.values() for entry in found]


@lru_cache(maxsize=1)
def of(case: Case) -> Passage:
    """The passage of a run; made once, as every check of the fence asks for it."""
    return _Follower(case).follow()


class _Follower:
    """Takes every packet of a run in the order of time."""

    def __init__(self, case: Case) -> None:
        lig = case.lig
        self.model = Fence(lig, own_addresses(case))
        self.astray = {trial.ends for trial in case.record.fence_trials if trial.astray}
        hers = mac(case.topology.node(lig.node).interface(lig.outside))
        self.arriving: list[Sighting] = [
            (f, p, None)
            for f, p in case.packets(lig.outside)
            if f.source_mac != hers and not p.is_fragment
        ]
        self.calls = [call for call in case.telephone_calls if call.frames]
        # Each of these is worked out from all frames of its call.
        self.callers = {c.number: Caller(c.number, c.address, c.user) for c in self.calls}
        self.opened = {call.number: call.opened for call in self.calls}
        self.ending = {call.number: call.ending for call in self.calls}
        # Conntrack puts fragments together before the fence, and what is not whole does not come there.
        carried = [
            (item, item.data, call)
            for call in self.calls
            for item in call.frames
            if item.data and not item.data.is_fragment
        ]
        self.sent: list[Sighting] = [(i.frame, p, call) for i, p, call in carried if i.outgoing]
        self.heard = _Wire((i.frame, p, call) for i, p, call in carried if not i.outgoing)
        sent = case.sent_by(lig.node, lig.outside)
        self.out = _Wire((f, p, None) for f, p in sent if not p.is_fragment)

    def follow(self) -> Passage:
        passage = Passage()
        for frame, packet, caller in sorted(self.sent + self.arriving, key=lambda x: x[0].time):
            if caller is not None:
                passage.sent.append(self._sent(frame, packet, caller))
            else:
                passage.offered.append(self._offered(frame, packet))
        passage.strays = [(frame, packet) for frame, packet, _ in self.out.rest()]
        for frame, packet, call in self.heard.rest():
            passage.told.append((frame, packet))
            assert call is not None
            asked = self.model.asked(packet, self.callers[call.number])
            if packet.source_port == DNS_PORT and not asked:
                passage.unasked.append((frame, packet))
        return passage

    def _sent(self, frame: Frame, packet: Packet, caller: TelephoneCall) -> Passing:
        # Before IPCP is open no packet comes to the fence (P-20).
        early = frame.time < self.opened[caller.number]
        # A packet of one caller to another may be on the other's line, past the fence.
        expired = not early and self.model.expires(packet)
        # What has no time left to live is not the one that passed, where another is just like it.
        passed = None if expired else self.out.take(packet) or self.heard.take(packet)
        return Passing(
            side="caller",
            frame=frame,
            packet=packet,
            call=caller,
            counter=""
            if early
            else self.model.from_caller(packet, self.callers[caller.number], frame.time),
            passed=passed,
            expired=expired,
            in_farewell=not passed and frame.time > self.ending[caller.number],
        )

    def _offered(self, frame: Frame, packet: Packet) -> Passing:
        astray = packet.ends in self.astray
        holder = next((c for c in self.calls if _holds(c, packet.destination, frame.time)), None)
        call = None if astray else holder
        passed = self.heard.take(packet, call) if call else None
        elsewhere = self.heard.take(packet) if passed is None else None
        caller = self.callers[call.number] if call else None
        counter = self.model.from_internet(packet, caller, frame.time, heard=passed is not None)
        if counter not in PASSING:
            passed, elsewhere = passed or elsewhere, None
        return Passing(
            side="internet",
            frame=frame,
            packet=packet,
            call=call,
            counter=counter,
            passed=passed,
            misled=elsewhere,
            expired=self.model.expires(packet),
            astray=astray,
            in_farewell=bool(call and not passed and frame.time > self.ending[call.number]),
        )


def _holds(call: TelephoneCall, address: str, time: float) -> bool:
    """Whether a call had this address then: from its admission to the end of its pppd."""
    facts = call.at_gateway
    if facts is None or facts.address != address or not facts.admitted:
        return False
    return facts.admitted <= time <= (facts.closed or inf)


def own_addresses(case: Case) -> set[str]:
    """The gateway's own addresses, with the name server's and PPP's."""
    lig = case.lig
    node = case.topology.node(lig.node)
    own = {*node.service_addresses, *(i.ip for i in node.interfaces)}
    return own | {lig.utility, lig.ppp.local_ip}


@lru_cache(maxsize=1)
def losses(case: Case) -> str:
    """Why packets of a run were lost on a telephone line, so that what is missing proves nothing."""
    if any(item.fault is FrameFault.checksum for item in case.carried):
        return "the telephone line was noisy"
    for call in case.telephone_calls:
        if call.noted(LineDropped) or (call.opened < inf and not call.terminated):
            return f"{call} was cut off"
    return ""


@lru_cache(maxsize=1)
def stood_together(case: Case) -> bool:
    """Whether calls of two clients stood when the fence was tried: then one is tried from the other, too."""
    calls = [call for call in case.telephone_calls if call.opened < inf]
    sent = {trial.sent for trial in case.record.fence_trials}
    return any(
        one.client != other.client
        and any(max(one.opened, other.opened) <= at <= min(one.ending, other.ending) for at in sent)
        for one, other in combinations(calls, 2)
    )


# Trials.

CALLER = "caller"
Place = tuple[str, str, Ends]
"""A packet's side, the caller on that side, and its ends: of two callers one may send as the other."""


def _trials(case: Case, requirement: str) -> dict[Place, float]:
    """Places of a requirement's trials, and when each was first sent."""
    mine = _by_requirement(case).get(requirement, [])
    return {(t.side, t.client if t.side == CALLER else "", t.ends): t.sent for t in reversed(mine)}


@lru_cache(maxsize=1)
def _by_requirement(case: Case) -> dict[str, list[FenceTrial]]:
    found: dict[str, list[FenceTrial]] = {}
    for trial in case.record.fence_trials:
        found.setdefault(trial.requirement, []).append(trial)
    return found


def tried(case: Case, requirement: str) -> list[Passing]:
    """The packets of a requirement's trials, as far as they came to the fence."""
    sent = _trials(case, requirement)
    # A late answer has the ends of the answer that came in time.
    found = [
        (number, p)
        for key, first in sent.items()
        for number, p in _by_place(case).get(key, ())
        if p.frame.time >= first
    ]
    return [p for _, p in sorted(found, key=itemgetter(0))]


@lru_cache(maxsize=1)
def _by_place(case: Case) -> dict[Place, list[tuple[int, Passing]]]:
    """Every packet that came to the fence, and its number, by its place."""
    found: dict[Place, list[tuple[int, Passing]]] = {}
    for number, p in enumerate(of(case).everything):
        client = p.call.client if p.side == CALLER and p.call else ""
        found.setdefault((p.side, client, p.packet.ends), []).append((number, p))
    return found


def missing(case: Case, requirement: str) -> list[Ends]:
    """Trials of a requirement that are on no wire."""
    seen = _by_place(case)
    # The gateway's own packets come to the fence, and are on no wire.
    return [x[2] for x in _trials(case, requirement) if x not in seen and x[0] != GATEWAY]


def of_others(case: Case, passings: Iterable[Passing], end: str) -> list[Passing]:
    """Those whose ``source``, or ``destination``, was the address of another call at the time."""
    return [
        p
        for p in passings
        if any(
            call is not p.call and _holds(call, getattr(p.packet, end), p.frame.time)
            for call in case.telephone_calls
        )
    ]
