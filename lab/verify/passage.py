"""Every packet that came to AT&T's fence: what the fence on paper says of it, and what became of it.

Worked out from the captures of both its sides; the fence's rules in the kernel are not looked at, and only
their counters are compared, elsewhere. Judges nothing.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf

from lab import fence
from lab.record import FenceTrial
from lab.verify.case import Case, mac
from lab.verify.paper_fence import DNS_PORT, PASSING, Caller, Ends, Fence, ends
from lab.verify.telephone_calls import TelephoneCall
from lab.wire.decode import Frame, Packet
from lab.wire.dialled import Fault

GATEWAY = "gateway"
"""A trial's side, if the gateway itself was made to send it."""
LOST_S = 1.0
"""What came to the gateway's modem so long before a line was cut may not have been read any more."""


@dataclass(slots=True)
class Passing:
    """A packet that came to the fence."""

    side: str
    """``caller`` or ``internet``."""
    frame: Frame
    """Where it came from: on the telephone line or on the Internet's wire."""
    packet: Packet
    call: TelephoneCall | None
    """Whose it is: the caller's, or of the address that it is for."""
    counter: str
    """Where the fence should count it; empty if it should not come so far."""
    passed: Frame | None
    """The same packet on the other side; of one that no call may have, also on any caller's line."""
    maybe: tuple[str, ...] = ()
    """Where else it may be counted, empty for nowhere: its call was about to end, so that the gateway
    may have been without it already, or conntrack may have taken it for another's (``doubtful``)."""
    misled: Frame | None = None
    """The same packet on the line of a call that it was not for."""
    expired: bool = False
    """Its time to live ended at the gateway, before the fence: RFC 792 has an error for its sender."""
    astray: bool = False
    """The gateway had been told to route it to another caller."""

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
    """What the gateway put on the Internet's wire and no caller had sent: its own words."""
    told: list[tuple[Frame, Packet]] = field(default_factory=list)
    """What callers heard that did not come from the Internet's side: of the gateway itself."""
    unasked: list[tuple[Frame, Packet]] = field(default_factory=list)
    """Of these, what the name server told callers who had asked nothing there."""

    @property
    def everything(self) -> list[Passing]:
        return self.sent + self.offered

    def counts(self, *, sure: bool = False) -> dict[str, int]:
        """What the fence's counters should say of all that came to it; at least, or at most."""
        found: dict[str, int] = defaultdict(int)
        for passing in self.everything:
            if not passing.maybe:
                found[passing.counter] += 1
            elif not sure:
                for counter in (passing.counter, *passing.maybe):
                    found[counter] += 1
        found.pop("", None)
        return found

    def total(self) -> tuple[int, int]:
        """How many packets all counters together have counted, at least and at most."""
        counted = [p for p in self.everything if p.counter]
        return sum("" not in p.maybe for p in counted), len(counted)


def mark(packet: Packet) -> tuple[object, ...]:
    """The same for a packet on both sides, and for no other."""
    flags = packet.tcp_flags, packet.tcp_sequence, packet.fragment_offset
    return (*ends(packet), packet.identification, *flags, packet.payload)


Sighting = tuple[Frame, Packet, TelephoneCall | None]
"""A packet, and the call on whose line it is."""


class _Wire:
    """Packets of one side, to be found again by their marks, each once."""

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


def follow(
    model: Fence,
    calls: list[TelephoneCall],
    arriving: list[tuple[Frame, Packet]],
    leaving: list[tuple[Frame, Packet]],
    *,
    astray: Collection[Ends] = (),
    noisy: bool = False,
) -> Passage:
    """Take every packet in the order of time; ``arriving`` and ``leaving`` are of the Internet's wire."""
    return _Follower(model, calls, leaving, astray, noisy=noisy).follow(arriving)


class _Follower:
    """The state of ``follow``."""

    def __init__(
        self,
        model: Fence,
        calls: list[TelephoneCall],
        leaving: list[tuple[Frame, Packet]],
        astray: Collection[Ends],
        *,
        noisy: bool,
    ) -> None:
        self.model, self.astray, self.noisy = model, astray, noisy
        self.calls = [call for call in calls if call.frames]
        # Each is worked out from all frames of its call.
        self.callers = {c.number: Caller(c.number, c.address, c.user) for c in self.calls}
        self.opened = {call.number: call.opened for call in self.calls}
        self.cut = {c.number: inf if c.terminated else c.ending - LOST_S for c in self.calls}
        self.ending = {call.number: call.ending for call in self.calls}
        self.carried = [
            (item, item.data, call) for call in self.calls for item in call.frames if item.data
        ]
        self.out = _Wire((frame, packet, None) for frame, packet in leaving)
        self.heard = _Wire((i.frame, packet, c) for i, packet, c in self.carried if not i.outgoing)

    def follow(self, arriving: list[tuple[Frame, Packet]]) -> Passage:
        passage = Passage()
        events: list[Sighting] = [
            (item.frame, packet, call) for item, packet, call in self.carried if item.outgoing
        ]
        events += [(frame, packet, None) for frame, packet in arriving]
        for frame, packet, caller in sorted(events, key=lambda event: event[0].time):
            if caller is not None:
                passage.sent.append(self._sent(frame, packet, caller))
            else:
                passage.offered.append(self._offered(frame, packet))
        passage.strays = [(frame, packet) for frame, packet, _ in self.out.rest()]
        for frame, packet, call in self.heard.rest():
            passage.told.append((frame, packet))
            assert call is not None
            if packet.source_port == DNS_PORT and not self.model.asked(
                packet, self.callers[call.number]
            ):
                passage.unasked.append((frame, packet))
        return passage

    def _sent(self, frame: Frame, packet: Packet, caller: TelephoneCall) -> Passing:
        # Before IPCP is open it does not get as far as the fence (P-20).
        early = frame.time < self.opened[caller.number]
        counter = "" if early else self.model.from_caller(packet, self.callers[caller.number])
        # Of one caller to another it may be on that one's line, past the fence.
        passed = self.out.take(packet) or self.heard.take(packet)
        expired = not early and self.model.expires(packet)
        passing = Passing("caller", frame, packet, caller, counter, passed, expired=expired)
        if counter and not passed and frame.time > self.cut[caller.number]:
            passing.maybe = ("",)
        return passing

    def _offered(self, frame: Frame, packet: Packet) -> Passing:
        astray = ends(packet) in self.astray
        holder = next((c for c in self.calls if _holds(c, packet.destination, frame.time)), None)
        routed = None if astray else holder
        party = self.callers[routed.number] if routed is not None else None
        doubtful = party is not None and self.model.doubtful(packet, party)
        counter = self.model.from_internet(packet, party)
        passed = self.heard.take(packet, routed) if routed else None
        elsewhere = self.heard.take(packet) if passed is None else None
        if counter not in PASSING:
            passed, elsewhere = passed or elsewhere, None
        maybe: tuple[str, ...] = ()
        if counter == fence.REPLY and doubtful and not passed:
            # Nobody has heard it, so conntrack knew it no more; unless noise has spoilt it.
            counter, maybe = fence.UNSOLICITED, (fence.REPLY,) if self.noisy else ()
        if routed is not None and frame.time > self.ending[routed.number] and not passed:
            maybe += (fence.FREE_ADDRESS,)
        expired = self.model.expires(packet)
        return Passing(
            *("internet", frame, packet, routed, counter, passed),
            maybe=maybe,
            misled=elsewhere,
            expired=expired,
            astray=astray,
        )


def _holds(call: TelephoneCall, address: str, time: float) -> bool:
    """Whether a call had this address then: from its admission to the end of its pppd."""
    facts = call.at_gateway
    if facts is None or facts.address != address or not facts.admitted:
        return False
    return facts.admitted <= time <= (facts.closed or inf)


@lru_cache(maxsize=1)
def of(case: Case) -> Passage:
    """The passage of a run; made once, as every check of the fence asks for it."""
    lig = case.topology.lig
    assert lig is not None, "topologies without a gateway do not expect it"
    node = case.topology.node(lig.node)
    own = [*node.service_addresses, *(i.ip for i in node.interfaces)]
    hers = mac(node.interface(lig.outside))
    arriving = [(f, f.ip) for f in case.frames(lig.outside) if f.ip and f.source_mac != hers]
    leaving = case.sent_by(lig.node, lig.outside)
    astray = {_ends_of(trial) for trial in case.record.fence_trials if trial.astray}
    model = Fence(lig, own)
    calls = case.telephone_calls
    return follow(model, calls, arriving, leaving, astray=astray, noisy=noisy(case))


@lru_cache(maxsize=1)
def _by_ends(case: Case) -> dict[tuple[str, Ends], list[Passing]]:
    """Where each kind of packet came to the fence."""
    found: dict[tuple[str, Ends], list[Passing]] = defaultdict(list)
    for passing in of(case).everything:
        found[passing.side, ends(passing.packet)].append(passing)
    return found


def _ends_of(trial: FenceTrial) -> Ends:
    ports = trial.source_port, trial.port
    return (trial.source, trial.destination, trial.protocol, *ports)


def tried(case: Case, requirement: str, side: str = "") -> list[Passing]:
    """The packets of a requirement's trials, as far as they came to the fence."""
    by_ends, found = _by_ends(case), dict[int, Passing]()
    for trial in case.record.fence_trials:
        if trial.requirement == requirement and side in ("", trial.side):
            came = by_ends.get((trial.side, _ends_of(trial)), [])
            # An answer that comes late is the same as the one that came in time.
            found |= {id(p): p for p in came if p.frame.time >= trial.sent}
    return list(found.values())


def of_another(case: Case, address: str, passing: Passing) -> bool:
    """Whether an address was another call's at that time, and not that of the packet's own call."""
    holders = [c for c in case.telephone_calls if _holds(c, address, passing.frame.time)]
    return any(call is not passing.call for call in holders)


def noisy(case: Case) -> bool:
    """Whether frames were spoilt on a line: then what is missing proves nothing."""
    return any(item.fault is Fault.checksum for item in case.carried)


def missing(case: Case, requirement: str) -> list[Ends]:
    """Trials of a requirement that are on no wire, and so prove nothing."""
    if noisy(case):
        return []
    seen = _by_ends(case)
    # What the gateway itself is made to say comes to its fence and to no wire.
    wanted = [
        (t.side, _ends_of(t))
        for t in case.record.fence_trials
        if t.requirement == requirement and t.side != GATEWAY
    ]
    return [where for side, where in wanted if (side, where) not in seen]
