"""Findings on what AT&T's fence makes of packets: L-01, L-04 to L-07, L-09; the others are in ``authorized``.

Two rules hold for all of them. A packet that the fence may not let through, and that was seen on the other
side, is a failure in any run. What is missing is a failure only if no telephone line lost anything: a packet
that did not come through, a trial that is on no wire, a counter that is not exact. If a line was noisy or was
cut off, what is missing proves nothing, and the finding is "not put to the test".
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import inf
from typing import Any

from lab.linux import fence
from lab.names import count
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.ways.dial import passage
from lab.ways.dial.paper_fence import DNS_PORT
from lab.ways.dial.passage import GATEWAY, Passing
from lab.ways.dial.plan import dialers
from lab.wire.decode import ESP, ICMP, TCP, UDP, Frame, Packet

_TOO_LONG = (3, 4)
"""ICMP, destination unreachable, fragmentation needed: path MTU discovery needs it (RFC 1191)."""
_GATEWAYS = (fence.UTILITY_REPLY, fence.SILENCED, fence.TOO_LONG, fence.LITERAL)
"""Counters of what the gateway itself says; captures show all other packets on the way to the fence."""
FEWEST_RANDOM = 1000
"""Random packets each way (L-07)."""
_SIDES = "caller", "internet"
PROTOCOLS = {TCP: "TCP", UDP: "UDP", ICMP: "ICMP", ESP: "ESP"}


def text(packet: Packet) -> str:
    """``UDP from 203.0.113.130 to 8.8.8.8:53``."""
    name = PROTOCOLS.get(packet.protocol, f"protocol {packet.protocol}")
    port = f":{packet.destination_port}" if packet.protocol in (TCP, UDP) else ""
    return f"{name} from {packet.source} to {packet.destination}{port}"


class LineCheck(Check):
    """A check of what went over telephone lines, by the rules above."""

    def __init__(self, case: Case, requirement: str, expected: str) -> None:
        super().__init__(requirement, expected)
        self._case = case
        self._open = ""

    def miss(self, sentence: str, frames: Iterable[Frame] = (), *, unless: str = "") -> None:
        """Object to what is missing; if a line lost packets, or for the reason ``unless``, leave it open."""
        if why := passage.losses(self._case) or unless:
            self._open = self._open or f"{why}: {sentence}"
        else:
            self.object(sentence, frames)

    def miss_all(self, missing: Iterable[str], sentence: str) -> None:
        """As ``miss``, for each of what is missing; ``{}`` in the sentence names it."""
        for each in sorted(missing):
            self.miss(sentence.format(each))

    def want(self, there: Any, sentence: str, frames: Iterable[Frame] = ()) -> None:
        """As ``miss``, if nothing is there."""
        if not there:
            self.miss(sentence, frames)

    def judge(self, passings: Iterable[Passing]) -> None:
        """Object to what passed and should not have; miss what should have passed and did not."""
        for p in passings:
            if p.passed and not p.allowed:
                self.object(f"{text(p.packet)} passed", [p.frame, p.passed])
            # What is for the utility service goes no further than to the gateway itself.
            elif p.allowed and not (p.passed or p.in_farewell or p.counter == fence.UTILITY):
                self.miss(f"{text(p.packet)} was not let through", [p.frame])

    def close(self, tried: list[Passing], seen: str) -> Finding:
        """End a check; where a call home came about, somebody must have tried."""
        for source, destination, *_ in passage.missing(self._case, self.requirement):
            where = f"a trial from {source} to {destination}"
            self.miss(f"{where} is on no wire, so it proves nothing")
        self.show(p.frame for p in tried[:6])
        if not tried and not agent_home(self._case):
            return self.not_tested(f"{self._case.why_not_home}, so nobody tried the fence")
        self.want(tried, "nobody tried it")
        return self.finding(seen)

    def finding(self, seen: str) -> Finding:
        if self._open and not self._objections:
            return self.not_tested(self._open)
        return super().finding(seen)


def agent_home(case: Case) -> bool:
    """Whether the lab's own agent got through, after which the lab tries the fence."""
    return case.called and not case.failed_calls


def _from_internet(passings: Iterable[Passing]) -> list[Passing]:
    return [p for p in passings if p.side == "internet"]


def dropped(passings: Iterable[Passing]) -> list[Passing]:
    return [p for p in passings if not p.allowed]


def check_l_01(case: Case) -> Finding:
    """From a caller: the source must be the assigned address."""
    lig = case.lig
    check = LineCheck(
        case,
        "L-01",
        f"whatever leaves by {lig.outside} has the address that its call was given; other sources, "
        "as the HMC's own address, another of the pool and that of another call, are dropped",
    )
    spoofed = [p for p in passage.of(case).sent if p.counter == fence.SPOOFED_SOURCE]
    check.judge(spoofed)
    tried = passage.tried(case, "L-01")
    sources = {p.packet.source for p in tried}
    if tried:
        free = not _spare(case) or sources & {*lig.ppp.pool}
        check.want(free, "no other address of the pool was tried")
        check.want(sources & {*case.agent_addresses}, "no address of an HMC's own was tried")
        others = not passage.stood_together(case) or passage.of_others(case, tried, "source")
        check.want(others, "no address of another call was tried")
    for frame, packet in passage.of(case).strays:
        if packet.source not in passage.own_addresses(case):
            check.object(f"{packet.source}, which no call had, leaves by {lig.outside}", [frame])
    return check.close(
        tried, f"{count(len(spoofed), 'packet')} dropped, from {', '.join(sorted(sources))} too"
    )


def _spare(case: Case) -> bool:
    """Whether an address of the pool is free while every client has a call."""
    return len(case.lig.ppp.pool) > len(dialers(case.topology))


def check_l_04(case: Case) -> Finding:
    """To a caller: the destination must be an assigned address."""
    claim = "packets from outside to an address that no call has reach no caller"
    check = LineCheck(case, "L-04", claim)
    offered = passage.of(case).offered
    free = [p for p in offered if p.counter == fence.FREE_ADDRESS and not p.astray]
    check.judge(free)
    addresses = {p.packet.destination for p in free}
    # If every address has a call, packets that are late for an ended call are as good.
    tried = passage.tried(case, "L-04") if _spare(case) else free
    check.want(free or not tried, "what was tried went to no free address")
    return check.close(
        tried,
        f"{count(len(free), 'packet')} to {count(len(addresses), 'free address', 'free addresses')}, none "
        "delivered",
    )


def check_l_05(case: Case) -> Finding:
    """To a caller: the source must be a server with which it communicates."""
    check = LineCheck(
        case,
        "L-05",
        "a caller hears the answers of servers that it has contacted, and nothing of others, listed "
        "or not, nor what is an answer to another caller, wherever the gateway's routes lead",
    )
    offered = passage.of(case).offered
    replies = [p for p in offered if p.counter == fence.REPLY and p.passed]
    others = [p for p in offered if p.counter == fence.UNSOLICITED]
    tried = _from_internet(passage.tried(case, "L-05"))
    check.judge([*others, *tried])
    for p in offered:
        if p.misled:
            check.object(f"{text(p.packet)} was another caller's to hear", [p.frame, p.misled])
    if tried:
        _want_kinds(case, check, tried)
        check.want(replies, "no answer of a server was heard")
    sources = count(len({p.packet.source for p in others}), "address", "addresses")
    return check.close(
        tried,
        f"{count(len(replies), 'answer')} heard; {count(len(others), 'packet')} from {sources} were "
        "no answers, and dropped",
    )


def _want_kinds(case: Case, check: LineCheck, tried: list[Passing]) -> None:
    """The trials prove something only if packets came from every kind of source."""
    servers = {address for address, _ in case.listed}
    to_callers = [p for p in dropped(tried) if p.call]
    unasked = {p.packet.source for p in to_callers if p.packet.source not in _asked(case, p)}
    check.want(
        unasked & servers or servers <= _asked(case, tried[0]),
        "no listed server tried that the caller had not contacted",
    )
    strangers = {p.packet.source for p in dropped(tried)} - servers
    check.want(strangers, "nobody who is not listed tried")
    if not passage.stood_together(case):
        return
    heard = {p.packet.ends[3:]: _client(p) for p in tried if p.allowed}
    crossed = [p for p in to_callers if heard.get(p.packet.ends[3:], "") not in ("", _client(p))]
    check.want(crossed, "the answer to one caller was not tried on another")
    astray = any(p.astray for p in tried)
    check.want(astray, "no answer was tried by the line of another caller")
    others = passage.of_others(case, tried, "source")
    check.want(others, "nothing was tried from the address of another caller")


def _client(passing: Passing) -> str:
    """Whose call a packet is for, or from."""
    return passing.call.client if passing.call else ""


def _asked(case: Case, passing: Passing) -> set[str]:
    """To whom the client that has a packet's call had sent something before, in any call."""
    first = _first_sent(case).get(_client(passing), {})
    return {destination for destination, time in first.items() if time < passing.frame.time}


@lru_cache(maxsize=1)
def _first_sent(case: Case) -> dict[str, dict[str, float]]:
    """When each client first sent something to each address."""
    found: dict[str, dict[str, float]] = {}
    for sent in passage.of(case).sent:
        found.setdefault(_client(sent), {}).setdefault(sent.packet.destination, sent.frame.time)
    return found


def check_l_06(case: Case) -> Finding:
    """What does not match is discarded in silence."""
    lig = case.lig
    check = LineCheck(
        case,
        "L-06",
        "the gateway says nothing about what it drops: no ICMP, no reset; and its counters have "
        "counted exactly what came, each packet under the reason for its fate",
    )
    seen = passage.of(case)
    for frame, packet in (*seen.strays, *seen.told):
        by_utility = packet.source == lig.utility and packet.source_port == DNS_PORT
        too_long = packet.protocol == ICMP and tuple(packet.payload[:2]) == _TOO_LONG
        if packet.source in passage.own_addresses(case) and not by_utility and not too_long:
            check.object(f"the gateway itself says {text(packet)}", [frame])

    _judge_counters(case, check)
    lost = [p for p in dropped(seen.everything) if p.counter]
    if not lost and not agent_home(case):
        return check.not_tested(f"{case.why_not_home}, so nobody tried the fence")
    expired = [p for p in seen.everything if p.expired]
    if agent_home(case):
        check.want(any(case.is_trial(p.packet) for p in lost), "nobody tried the fence")
        silent = {*_SIDES} - {p.side for p in expired}
        check.miss_all(silent, "no {} made the gateway want to complain")
    check.show(p.frame for p in lost[:6])
    reasons = {p.counter for p in lost}
    return check.finding(
        f"{count(len(lost), 'packet')} dropped for {count(len(reasons), 'reason')} in silence; "
        f"{count(len(expired), 'packet')} that ended at the gateway without a word; all counters exact"
    )


def _judge_counters(case: Case, check: LineCheck) -> None:
    """Each counter has just what came."""
    lig, seen = case.lig, passage.of(case)
    counted, came = case.record.counters.get(lig.node, {}), seen.counts()
    late = any(p.in_farewell for p in seen.everything)
    unless = "packets came while their call ended" if late else ""
    for name in (name for name in fence.COUNTERS if name not in _GATEWAYS):
        packets = counted.get(name, 0)
        if packets != came[name]:
            said = f"{name} counted {packets}, and {count(came[name], 'packet')} came"
            check.miss(said, unless=unless)

    own = [t for t in case.record.fence_trials if t.side == GATEWAY]
    kept = sum(p.expired for p in seen.everything) + len(own)
    packets = counted.get(fence.SILENCED, 0)
    # For a silent name server the gateway's kernel refuses each question, and the fence drops that.
    if packets < kept or (packets > kept and not lig.dns_silent):
        said = f"{fence.SILENCED} counted {packets}, and the gateway had {kept} to say"
        check.miss(said, unless=unless)


def check_l_07(case: Case) -> Finding:
    """All other access to and from the Internet is blocked."""
    check = LineCheck(
        case,
        "L-07",
        "of random packets, and all others, in both directions just those pass that the fence's rules name",
    )
    seen = passage.of(case)
    check.judge([*seen.sent, *dropped(seen.offered)])
    tried = passage.tried(case, "L-07")
    out, into = (_want_random(case, check, side) for side in _SIDES)
    own = passage.own_addresses(case)
    for frame, packet in seen.told:
        if packet.source not in own:
            check.object(f"{text(packet)} reached a caller past the fence", [frame])
    passed = sum(p.allowed for p in seen.everything)
    return check.close(
        tried,
        f"{out} random packets out and {into} in; of all {count(len(seen.everything), 'packet')} "
        f"{passed} were allowed, and just those passed",
    )


def _want_random(case: Case, check: LineCheck, side: str) -> int:
    """How many random packets a side sent; there must be enough, and a seed to make them again."""
    random = [t for t in case.record.fence_trials if t.requirement == "L-07"]
    packets = sum(t.packets for t in random if t.side == side)
    if random:
        few = f"only {count(packets, 'random packet')} of {FEWEST_RANDOM} by the {side}"
        check.want(packets >= FEWEST_RANDOM, few)
        check.want(case.record.fence_seed, "the seed of the random packets is not in the record")
    return packets


def check_l_09(case: Case) -> Finding:
    """The lease and the fence's state end with the call."""
    claim = "an answer to a call that has ended is dropped, also when another call has its address"
    check = LineCheck(case, "L-09", claim)
    tried = passage.tried(case, "L-09")
    answered = {p.packet.ends for p in _from_internet(passage.tried(case, "L-05")) if p.allowed}
    for p in tried:
        first = p.packet.ends
        before = any(first[0] == a[0] and first[3:] == a[3:] for a in answered)
        if not before:
            check.miss(f"{text(p.packet)} was no answer before, so it proves nothing", [p.frame])
        if p.passed:
            check.object(f"{text(p.packet)} reached the next call", [p.frame, p.passed])
    late = [t for t in case.record.fence_trials if (t.requirement, t.side) == ("L-09", GATEWAY)]
    # To the address that the ended call had, while another has it.
    again = [p for p in tried if p.call and p.packet.ends in answered]
    if tried:
        check.want(late, "no late answer of the name server was tried")
        next_holder = again or not _leased_again(case, tried)
        check.want(next_holder, "no late answer was tried on the next holder of the address")
    return check.close(
        tried,
        f"{count(len(tried), 'late answer')} dropped, {len(again)} of them for another call's address; "
        f"{len(late)} of the name server",
    )


def _leased_again(case: Case, late: list[Passing]) -> bool:
    """Whether another call was given an address for which a late answer had come."""
    first: dict[str, float] = {}
    for p in late:
        first.setdefault(p.packet.destination, p.frame.time)
    leases = [(c.address, c.admitted) for c in case.record.lig if c.admitted]
    return any(first.get(address, inf) < admitted for address, admitted in leases)
