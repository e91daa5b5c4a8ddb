"""Every packet that came to AT&T's fence: what the model says of it, and what became of it.

The fence as a function, worked out from the papers' sentences (S4 3.1) and the captures of both its sides;
its rules in the kernel are not looked at, and only their counters are compared, elsewhere. Judges nothing.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf

from lab import fence
from lab.topology.telephone import Lig
from lab.verify.case import Case, mac
from lab.verify.telephone_calls import TelephoneCall
from lab.wire import decode
from lab.wire.decode import ICMP, TCP, UDP, Frame, Packet
from lab.wire.dialled import Fault

DNS_PORT = 53
LOST_S = 1.0
"""What came to the gateway's modem so long before a line was cut may not have been read any more."""
PASSING = (fence.LISTED, fence.UTILITY, fence.REPLY)
_ECHO_REPLY, _ECHO_REQUEST = 0, 8
_ICMP_ERRORS = (3, 11, 12)
"""RFC 792: destination unreachable, time exceeded, parameter problem."""

Ends = tuple[str, str, int, int, int]
"""Source, destination, protocol, source port, destination port."""


def ends(packet: Packet) -> Ends:
    ports = packet.source_port, packet.destination_port
    return (packet.source, packet.destination, packet.protocol, *ports)


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
    """The same packet on the other side."""
    unsure: bool = False
    """Its call was about to end, so that the gateway may have been without it already."""

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

    @property
    def everything(self) -> list[Passing]:
        return self.sent + self.offered

    def counts(self, *, sure: bool = False) -> dict[str, int]:
        """What the fence's counters should say of all that came to it."""
        found: dict[str, int] = defaultdict(int)
        for passing in self.everything:
            if not sure or not passing.unsure:
                found[passing.counter] += 1
        found.pop("", None)
        return found


def mark(packet: Packet) -> tuple[object, ...]:
    """The same for a packet on both sides, and for no other."""
    flags = packet.tcp_flags, packet.tcp_sequence, packet.fragment_offset
    return (*ends(packet), packet.identification, *flags, packet.payload)


class _Wire:
    """Packets of one side, to be found again by their marks, each once."""

    def __init__(self, packets: Iterable[tuple[Frame, Packet]]) -> None:
        self._left: dict[tuple[object, ...], deque[tuple[Frame, Packet]]] = defaultdict(deque)
        for frame, packet in packets:
            self._left[mark(packet)].append((frame, packet))

    def take(self, packet: Packet) -> Frame | None:
        found = self._left.get(mark(packet))
        return found.popleft()[0] if found else None

    def rest(self) -> list[tuple[Frame, Packet]]:
        return [entry for found in self._left.values() for entry in found]


class Fence:
    """AT&T's fence on paper."""

    def __init__(self, lig: Lig, own: Iterable[str]) -> None:
        self._lig = lig
        self._own = {lig.utility, lig.ppp.local_ip, *own}
        self._contacts: set[tuple[int, Ends]] = set()

    def from_caller(self, packet: Packet, call: TelephoneCall) -> str:
        """Where a packet of a call is counted."""
        is_dns = packet.protocol in (TCP, UDP) and packet.destination_port == DNS_PORT
        if packet.source != call.address:
            return fence.SPOOFED_SOURCE
        if packet.destination in self._own:
            if is_dns:
                return fence.UTILITY if packet.destination == self._lig.utility else fence.OTHER_DNS
            return fence.OTHER
        if packet.destination not in self.listed(call.user):
            return fence.OTHER_DNS if is_dns else fence.UNLISTED
        if not self.minds_port(packet):
            return fence.PORT
        self._contacts.add((call.number, _flow(packet)))
        return fence.LISTED

    def listed(self, user: str) -> tuple[str, ...]:
        """Whom a PAP user may talk to (L-02, L-08)."""
        return next((x.addresses for x in self._lig.lists if x.user == user), ())

    def minds_port(self, packet: Packet) -> bool:
        """Whether the port is right, where the fence is told to look at it (L-12)."""
        if not self._lig.ports:
            return True
        if packet.protocol == ICMP:
            return ("icmp-echo", 0) in self._lig.ports and packet.payload[:1] == b"\x08"
        name = {TCP: "tcp", UDP: "udp", decode.ESP: "esp"}.get(packet.protocol, "")
        port = packet.destination_port if packet.protocol in (TCP, UDP) else 0
        return (name, port) in self._lig.ports

    def from_internet(self, packet: Packet, call: TelephoneCall | None) -> str:
        """Where a packet from outside is counted."""
        if packet.destination in self._own:
            return fence.OTHER
        if call is not None:
            known = self._is_reply(packet, call.number)
            return fence.REPLY if known else fence.UNSOLICITED
        return fence.FREE_ADDRESS if packet.destination in self._lig.ppp.pool else fence.OTHER

    def _is_reply(self, packet: Packet, call: int) -> bool:
        """An answer of the server itself to what this call has sent (L-05)."""
        if packet.protocol == ICMP and packet.payload[:1]:
            kind = packet.payload[0]
            if kind in _ICMP_ERRORS:
                about = decode.parse_ipv4(packet.payload[8:])
                mine = about is not None and about.destination == packet.source
                return mine and about is not None and (call, _flow(about)) in self._contacts
            if kind != _ECHO_REPLY:
                return False
        return (call, _reverse(_flow(packet))) in self._contacts


def _flow(packet: Packet) -> Ends:
    """What conntrack knows a flow by; of an echo it is the identifier."""
    near, far = packet.source_port, packet.destination_port
    if packet.protocol == ICMP and packet.payload[:1] in (b"\x00", b"\x08"):
        near = far = int.from_bytes(packet.payload[4:6], "big")
    return packet.source, packet.destination, packet.protocol, near, far


def _reverse(flow: Ends) -> Ends:
    source, destination, protocol, near, far = flow
    return destination, source, protocol, far, near


def follow(
    model: Fence,
    calls: list[TelephoneCall],
    arriving: list[tuple[Frame, Packet]],
    leaving: list[tuple[Frame, Packet]],
) -> Passage:
    """Take every packet in the order of time; ``arriving`` and ``leaving`` are of the Internet's wire."""
    carried = [(item, item.data, call) for call in calls for item in call.frames if item.data]
    out = _Wire(leaving)
    heard = _Wire((item.frame, packet) for item, packet, _ in carried if not item.outgoing)
    passage = Passage()
    events: list[tuple[Frame, Packet, TelephoneCall | None]] = [
        (item.frame, packet, call) for item, packet, call in carried if item.outgoing
    ]
    events += [(frame, packet, None) for frame, packet in arriving]
    for frame, packet, caller in sorted(events, key=lambda event: event[0].time):
        if caller is not None:
            # Before IPCP is open it does not get as far as the fence (P-20).
            early = frame.time < caller.opened
            counter = "" if early else model.from_caller(packet, caller)
            unsure = frame.time > caller.ending - LOST_S and not caller.terminated
            passed = out.take(packet)
            passage.sent.append(
                Passing("caller", frame, packet, caller, counter, passed, unsure and not passed)
            )
            continue
        holder = next((c for c in calls if _holds(c, packet.destination, frame.time)), None)
        counter = model.from_internet(packet, holder)
        passed = heard.take(packet)
        unsure = holder is not None and frame.time > holder.ending and not passed
        passage.offered.append(Passing("internet", frame, packet, holder, counter, passed, unsure))
    passage.strays = out.rest()
    passage.told = heard.rest()
    return passage


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
    return follow(Fence(lig, own), case.telephone_calls, arriving, leaving)


def tried(case: Case, requirement: str, side: str = "") -> list[Passing]:
    """The packets of a requirement's trials, as far as they came to the fence."""
    by_ends: dict[tuple[str, Ends], list[Passing]] = defaultdict(list)
    for passing in of(case).everything:
        by_ends[passing.side, ends(passing.packet)].append(passing)
    found: dict[int, Passing] = {}
    for trial in case.record.fence_trials:
        if trial.requirement == requirement and side in ("", trial.side):
            ports = trial.source_port, trial.port
            where = (trial.source, trial.destination, trial.protocol, *ports)
            # An answer that comes late is the same as the one that came in time.
            found |= {id(p): p for p in by_ends[trial.side, where] if p.frame.time >= trial.sent}
    return list(found.values())


def noisy(case: Case) -> bool:
    """Whether frames were spoilt on a line: then what is missing proves nothing."""
    return any(item.fault is Fault.checksum for item in case.carried)


def missing(case: Case, requirement: str) -> list[Ends]:
    """Trials of a requirement that are on no wire, and so prove nothing."""
    seen = {(passing.side, ends(passing.packet)) for passing in of(case).everything}
    if noisy(case):
        return []
    wanted = [
        (t.side, (t.source, t.destination, t.protocol, t.source_port, t.port))
        for t in case.record.fence_trials
        if t.requirement == requirement
    ]
    return [where for side, where in wanted if (side, where) not in seen]
