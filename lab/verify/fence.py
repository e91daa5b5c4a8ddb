"""Findings on what AT&T's fence makes of packets: L-01, L-04 to L-07, L-09. To whom is ``authorized``'s."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from lab import fence
from lab.names import count
from lab.topology.telephone import Lig
from lab.verify import passage
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.paper_fence import DNS_PORT, ends
from lab.verify.passage import GATEWAY, Passing
from lab.wire.decode import ESP, ICMP, TCP, UDP, Packet

_TOO_LONG = (3, 4)
"""ICMP, destination unreachable, fragmentation needed: RFC 1191 cannot do without."""
COUNTED = (
    *(fence.SPOOFED_SOURCE, fence.LISTED, fence.UNLISTED, fence.UTILITY, fence.OTHER_DNS),
    *(fence.FREE_ADDRESS, fence.REPLY, fence.UNSOLICITED, fence.OTHER, fence.PORT),
    fence.BEFORE_OPEN,
)
"""The counters of what the captures show on its way to the fence."""
FEWEST_RANDOM = 1000
"""Random packets each way (L-07)."""
PROTOCOLS = {TCP: "TCP", UDP: "UDP", ICMP: "ICMP", ESP: "ESP"}


def gateway(case: Case) -> Lig:
    assert case.topology.lig is not None, "topologies without a gateway do not expect it"
    return case.topology.lig


def text(packet: Packet) -> str:
    """``UDP from 203.0.113.130 to 8.8.8.8:53``."""
    name = PROTOCOLS.get(packet.protocol, f"protocol {packet.protocol}")
    port = f":{packet.destination_port}" if packet.protocol in (TCP, UDP) else ""
    return f"{name} from {packet.source} to {packet.destination}{port}"


def object_to(check: Check, passings: Iterable[Passing]) -> None:
    """Object to what passed and should not have, or did not and should have."""
    for p in passings:
        if p.passed and not p.allowed:
            check.object(f"{text(p.packet)} passed", [p.frame, p.passed])
        # What is for the utility service goes no further than to the gateway itself.
        elif p.allowed and not p.passed and p.counter != fence.UTILITY:
            check.object(f"{text(p.packet)} was not let through", [p.frame])


def close(case: Case, check: Check, tried: list[Passing], seen: str) -> Finding:
    """End a check; where a call home came about, somebody must have tried."""
    for source, destination, *_ in passage.missing(case, check.requirement):
        check.object(f"a trial from {source} to {destination} is on no wire, so it proves nothing")
    check.show(p.frame for p in tried[:6])
    if not tried:
        if not case.called or case.failed_calls:
            return check.not_tested(f"{case.why_not_home}, so nobody tried the fence")
        check.object("nobody tried it")
    return check.finding(seen)


def dropped(passings: Iterable[Passing]) -> list[Passing]:
    return [p for p in passings if not p.allowed]


def check_l_01(case: Case) -> Finding:
    """From a caller: the source must be the assigned address."""
    lig = gateway(case)
    check = Check(
        "L-01",
        f"whatever leaves by {lig.outside} has the address that its call was given; other sources, "
        "as the HMC's own address, another of the pool and that of another call, are dropped",
    )
    spoofed = [p for p in passage.of(case).sent if p.counter == fence.SPOOFED_SOURCE]
    object_to(check, spoofed)
    tried = passage.tried(case, "L-01")
    sources = sorted({p.packet.source for p in tried})
    if tried:
        if _spare(case) and not {*sources} & {*lig.ppp.pool}:
            check.object("no other address of the pool was tried")
        if not {*sources} & {*case.agent_addresses}:
            check.object("no address of an HMC's own was tried")
        if len(case.agents) > 1 and not _of_others(case, tried, sources=True):
            check.object("no address of another call was tried")
    for frame, packet in passage.of(case).strays:
        if packet.source not in _own(case):
            check.object(f"{packet.source}, which no call had, leaves by {lig.outside}", [frame])
    return close(
        case,
        check,
        tried,
        f"{count(len(spoofed), 'packet')} dropped, from {', '.join(sources)} too",
    )


def _of_others(case: Case, tried: list[Passing], *, sources: bool) -> list[Passing]:
    """Those from, or to, an address that another call had at the time."""
    return [
        p
        for p in tried
        if passage.of_another(case, p.packet.source if sources else p.packet.destination, p)
    ]


def want_others(case: Case, check: Check, tried: list[Passing]) -> None:
    """Callers must have tried to reach each other, where there are two (L-02)."""
    if tried and len(case.agents) > 1 and not _of_others(case, tried, sources=False):
        check.object("no other caller was tried")


def _spare(case: Case) -> bool:
    """Whether an address of the pool is free while every client has a call."""
    return len(gateway(case).ppp.pool) > len(case.topology.dialers)


def _own(case: Case) -> set[str]:
    lig = gateway(case)
    node = case.topology.node(lig.node)
    own = {*node.service_addresses, *(i.ip for i in node.interfaces)}
    return own | {lig.utility, lig.ppp.local_ip}


def check_l_04(case: Case) -> Finding:
    """To a caller: the destination must be an assigned address."""
    check = Check("L-04", "packets from outside to an address that no call has reach no caller")
    offered = passage.of(case).offered
    free = [p for p in offered if p.counter == fence.FREE_ADDRESS and not p.astray]
    object_to(check, free)
    addresses = {p.packet.destination for p in free}
    # Where every address has a call, what is late for one that has ended does as well.
    tried = passage.tried(case, "L-04") if _spare(case) else free
    if tried and not free:
        check.object("what was tried went to no free address")
    return close(
        case,
        check,
        tried,
        f"{count(len(free), 'packet')} to {count(len(addresses), 'free address', 'free addresses')}, none "
        "delivered",
    )


def check_l_05(case: Case) -> Finding:
    """To a caller: the source must be a server with which it communicates."""
    check = Check(
        "L-05",
        "a caller hears the answers of servers that it has contacted, and nothing of others, listed "
        "or not, nor what is an answer to another caller, wherever the gateway's routes lead",
    )
    offered = passage.of(case).offered
    replies = [p for p in offered if p.counter == fence.REPLY and p.passed]
    others = [p for p in offered if p.counter == fence.UNSOLICITED]
    tried = passage.tried(case, "L-05", "internet")
    heard = dropped(tried) if passage.noisy(case) else tried
    object_to(check, [*others, *heard])
    for p in offered:
        if p.misled:
            check.object(f"{text(p.packet)} was another caller's to hear", [p.frame, p.misled])
    if tried:
        _want_kinds(case, check, tried)
    sources = count(len({p.packet.source for p in others}), "address", "addresses")
    if tried and not replies:
        check.object("no answer of a server was heard")
    return close(
        case,
        check,
        tried,
        f"{count(len(replies), 'answer')} heard; {count(len(others), 'packet')} from {sources} were "
        "no answers, and dropped",
    )


def _want_kinds(case: Case, check: Check, tried: list[Passing]) -> None:
    """The trial is worth something only if it was made from everywhere."""
    servers = {address for address, _ in case.listed}
    sources = {p.packet.source for p in tried if not p.allowed}
    to_callers = [p for p in dropped(tried) if p.call]
    unasked = {p.packet.source for p in to_callers if p.packet.source not in _asked(case, p)}
    if not unasked & servers and not servers <= _asked(case, tried[0]):
        check.object("no listed server tried that the caller had not contacted")
    if not sources - servers:
        check.object("nobody who is not listed tried")
    if len(case.agents) < 2:
        return
    if not any(_crossed(tried, p) for p in to_callers):
        check.object("the answer to one caller was not tried on another")
    if not any(p.astray for p in tried):
        check.object("no answer was tried by the line of another caller")
    if not _of_others(case, tried, sources=True):
        check.object("nothing was tried from the address of another caller")


def _crossed(tried: list[Passing], passing: Passing) -> bool:
    """Whether this packet, for one client, is the answer that another has had."""
    ports = passing.packet.source_port, passing.packet.destination_port
    return any(
        (answer.packet.source_port, answer.packet.destination_port) == ports
        and answer.call
        and passing.call
        and answer.call.client != passing.call.client
        for answer in tried
        if answer.allowed
    )


def _asked(case: Case, passing: Passing) -> set[str]:
    """Whom the client that this packet is for had contacted before, by any of its calls."""
    client = passing.call.client if passing.call else ""
    return {
        sent.packet.destination
        for sent in passage.of(case).sent
        if sent.call and sent.call.client == client and sent.frame.time < passing.frame.time
    }


def check_l_06(case: Case) -> Finding:
    """What does not match is discarded in silence."""
    lig = gateway(case)
    check = Check(
        "L-06",
        "the gateway says nothing about what it drops: no ICMP, no reset; and its counters have "
        "counted exactly what came, each packet under the reason for its fate",
    )
    seen = passage.of(case)
    for frame, packet in (*seen.strays, *seen.told):
        by_utility = packet.source == lig.utility and packet.source_port == DNS_PORT
        too_long = packet.protocol == ICMP and tuple(packet.payload[:2]) == _TOO_LONG
        if packet.source in _own(case) and not by_utility and not too_long:
            check.object(f"the gateway itself says {text(packet)}", [frame])

    _judge_counters(case, check)
    lost = [p for p in dropped(seen.everything) if p.counter]
    came_home = case.called and not case.failed_calls
    if not lost and not came_home:
        return check.not_tested(f"{case.why_not_home}, so nobody tried the fence")
    if came_home and not any(case.is_trial(p.packet) for p in lost):
        check.object("nobody tried the fence")
    expired = [p for p in seen.everything if p.expired]
    if came_home and not passage.noisy(case):
        for side in sorted({"caller", "internet"} - {p.side for p in expired}):
            check.object(f"no {side} made the gateway want to complain")
    check.show(p.frame for p in lost[:6])
    reasons = {p.counter for p in lost}
    return check.finding(
        f"{count(len(lost), 'packet')} dropped for {count(len(reasons), 'reason')} in silence; "
        f"{count(len(expired), 'packet')} that ended at the gateway without a word; all counters exact"
    )


def _judge_counters(case: Case, check: Check) -> None:
    """Each counter has just what came; of the few that may be either's, each is in one of the two."""
    lig, seen = gateway(case), passage.of(case)
    counted = case.record.counters.get(lig.node, {})
    most, least = seen.counts(), seen.counts(sure=True)
    for name in COUNTED:
        packets, low, high = counted.get(name, 0), least.get(name, 0), most.get(name, 0)
        if not low <= packets <= high:
            came = count(high, "packet") if low == high else f"{low} to {high} packets"
            check.object(f"{name} counted {packets}, and {came} came")
    together, (low, high) = sum(counted.get(name, 0) for name in COUNTED), seen.total()
    if not low <= together <= high:
        check.object(f"all counters have {together} packets, and {count(high, 'packet')} came")

    own = [t for t in case.record.fence_trials if t.side == GATEWAY]
    kept = sum(p.expired for p in seen.everything) + len(own)
    packets = counted.get(fence.SILENCED, 0)
    # A silent name server's own kernel refuses; answers that noise spoils are sent again.
    exact = not (
        lig.dns_silent or passage.noisy(case) or any("" in p.maybe for p in seen.everything)
    )
    if packets < kept or (exact and packets > kept):
        check.object(f"{fence.SILENCED} counted {packets}, and the gateway had {kept} to say")


def check_l_07(case: Case) -> Finding:
    """All other access to and from the Internet is blocked."""
    check = Check(
        "L-07",
        "of random packets, and all others, in both directions just those pass that the fence's rules name",
    )
    seen = passage.of(case)
    object_to(check, [*seen.sent, *dropped(seen.offered)])
    tried = [passage.tried(case, "L-07", side) for side in ("caller", "internet")]
    out, into = (_want_random(case, check, side) for side in ("caller", "internet"))
    own = _own(case)
    for frame, packet in seen.told:
        if packet.source not in own:
            check.object(f"{text(packet)} reached a caller past the fence", [frame])
    passed = sum(p.allowed for p in seen.everything)
    return close(
        case,
        check,
        [p for side in tried for p in side],
        f"{out} random packets out and {into} in; of all {count(len(seen.everything), 'packet')} "
        f"{passed} were allowed, and just those passed",
    )


def _want_random(case: Case, check: Check, side: str) -> int:
    """How many were sent from a side: enough, and such that can be made again."""
    random = [t for t in case.record.fence_trials if t.requirement == "L-07"]
    packets = sum(t.packets for t in random if t.side == side)
    if random and packets < FEWEST_RANDOM:
        check.object(f"only {count(packets, 'random packet')} of {FEWEST_RANDOM} by the {side}")
    if random and not case.record.fence_seed:
        check.object("the seed of the random packets is not in the record")
    return packets


def check_l_09(case: Case) -> Finding:
    """Lease and state of the fence die with the call."""
    check = Check(
        "L-09",
        "an answer to a call that has ended is dropped, also when another call has its address",
    )
    tried = passage.tried(case, "L-09")
    answered = {ends(p.packet) for p in passage.tried(case, "L-05", "internet") if p.allowed}
    for p in tried:
        first = ends(p.packet)
        if first not in answered and not any(
            first[0] == a[0] and first[3:] == a[3:] for a in answered
        ):
            check.object(f"{text(p.packet)} was no answer before, so it proves nothing", [p.frame])
        if p.passed:
            check.object(f"{text(p.packet)} reached the next call", [p.frame, p.passed])
    late = [t for t in case.record.fence_trials if (t.requirement, t.side) == ("L-09", GATEWAY)]
    if tried and not late:
        check.object("no late answer of the name server was tried")
    # To the address that the ended call had, while another has it.
    again = [p for p in tried if p.call and ends(p.packet) in answered]
    if tried and not again and _leased_again(case, tried):
        check.object("no late answer was tried on the next holder of the address")
    return close(
        case,
        check,
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
