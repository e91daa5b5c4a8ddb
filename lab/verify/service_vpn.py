"""Remote service by VPN, judged: who begins it, what it is made of, where sessions lead (S3, S4 2.2.2)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from lab.names import all_of, count
from lab.service.events import SESSION, HostScanned, LockedDown, SessionUp
from lab.telephony.events import CallAnswered
from lab.topology.service import Inbound
from lab.verify import passed_on
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.passed_on import ClearL2tp
from lab.verify.remote_service import enabled, lender, need_visit, not_up, of
from lab.verify.remote_session import of_caller
from lab.verify.service_sessions import by_vpn, windows_by_vpn
from lab.verify.sightings import IkeSighting, Inside
from lab.wire import ppp
from lab.wire.decode import Frame
from lab.wire.l2tp import Avp, ControlType
from lab.wire.ppp import ChapCode, Code

Lane = tuple[int, int]
"""A tunnel ID and a session ID of L2TP, as the header of a message has them (RFC 2661 3.1)."""


def no_vpn(case: Case) -> str:
    """Why no session by VPN was let in; empty if one was."""
    if why := not_up(case):
        return why
    return "" if of(case).by is Inbound.vpn else "the session comes by telephone"


def check_i_12(case: Case) -> Finding:
    """Remote service by VPN is by the VPN that is configured for calling home."""
    way = case.topology.service.vpn_way if case.topology.service else ""
    check = Check(
        "I-12",
        f"a session's IKE and ESP are between the console and a gateway of the console's own way {way}",
    )
    if why := no_vpn(case):
        return check.not_tested(why)
    ups = case.told(SessionUp)
    for number, (items, up) in enumerate(zip(by_vpn(case), ups, strict=True), 1):
        check.want(items, f"nothing of session {number} is between {up.source} and {up.gateway}")
        for gateway in sorted({item.gateway for item in items} - {up.gateway}):
            check.object(f"session {number} is at {gateway}, and {up.source} says {up.gateway}")
        ends = case.ipsec_ends(up.source)
        strange = [i for i in items if i.end not in ends or i.client not in {up.source, i.end}]
        check.forbid(frames_of(strange), "in a session that is not the console's")
        check.show(frames_of(items[:2]))
    named = list(dict.fromkeys(up.gateway for up in ups))
    return check.finding(f"{count(len(ups), 'session')} at {all_of(named)}")


def check_i_14(case: Case) -> Finding:
    """The console begins the VPN, and only when somebody is let in."""
    check = Check(
        "I-14",
        "after each enabling the first message of IKE is the console's, and so is every first one",
    )
    if why := no_vpn(case):
        return check.not_tested(why)
    console = of(case).console
    # A partition that lends the VPN begins IKE when the console calls it (OUT-28).
    own = {case.topology.node(name).uplink.ip for name in case.ipsec_ends(console)}
    for connection in case.connections(console):
        own |= case.near_addresses(connection)
    addresses = {*own, case.public_address}
    times = [event.time for event in enabled(case)]
    callers = case.other_vpn_callers
    theirs = {node.uplink.ip for node in callers}
    for connection in (c for node in callers for c in case.connections(node.name)):
        theirs |= case.near_addresses(connection)
    first = [s for s in case.ike if begins(s) and s.packet.source not in theirs]
    for sighting in first:
        if sighting.packet.source not in addresses:
            check.object(f"{sighting.packet.source} began IKE", [sighting.frame])
    for number, (begin, end) in enumerate(pairwise([*times, case.record.ended])):
        begun = [s for s in first if begin <= s.frame.time < end]
        check.want(begun, f"after enabling {number + 1} nobody began IKE")
        check.show(s.frame for s in begun[:1])
        if of(case).by_call and begun:
            _judge_trigger(case, check, begin, begun[0].frame.time)
    how = ", each time after a call that carried nothing" if of(case).by_call else ""
    return check.finding(
        f"{console} began IKE after {count(len(times), 'enabling')}{how}, and nobody else ever did"
        f"{', but to call home' if callers else ''}"
    )


def _judge_trigger(case: Case, check: Check, begin: float, ike: float) -> None:
    """A call to the console's modem comes before IKE, and carries nothing (X-05)."""
    taken = [
        c for c in case.service_calls if (a := c.noted(CallAnswered)) and begin <= a.time < ike
    ]
    check.want(taken, "the console began IKE without a call")
    for call in taken:
        check.forbid([item.frame for item in call.frames], f"on the line of {call}")


def begins(sighting: IkeSighting) -> bool:
    """Whether a message is the first of phase 1: the responder has no cookie yet (RFC 2408 3.1)."""
    return not any(sighting.message.responder_cookie)


def check_i_16(case: Case) -> Finding:
    """One PPP session for the console, and one more for each allowed partition."""
    service = case.topology.service
    layout = service.layout if service else ""
    check = Check(
        "I-16",
        "in a session the console sends as many ICRQ as one and the allowed partitions, "
        + ("in one tunnel" if layout == "sessions" else "each in a tunnel of its own")
        + " (X-08); IBM sends none",
    )
    if why := no_vpn(case):
        return check.not_tested(why)
    told = []
    for number, (items, agreed) in enumerate(zip(by_vpn(case), case.agreements, strict=True), 1):
        wanted = 1 + len(agreed.allowed)
        calls, tunnels = (
            _asked(case, number, items, kind) for kind in (ControlType.ICRQ, ControlType.SCCRQ)
        )
        passed = _control(items, ControlType.ICRQ)
        if len(passed) != len(calls):
            what = f"{count(len(calls), 'call')} in clear and {len(passed)} in ESP"
            check.object(f"session {number} has {what}", frames_of(passed))
        for what, found, right in (
            ("ICRQ", calls, wanted),
            ("SCCRQ", tunnels, 1 if layout == "sessions" else wanted),
        ):
            if len(found) != right:
                check.object(
                    f"session {number} has {count(len(found), what, what)}, not {right}",
                    frames_of(found),
                )
            foreign = [item for item in found if not item.outgoing]
            check.forbid(frames_of(foreign), f"of IBM's in session {number}", what)
        check.show(frames_of([*tunnels, *calls]))
        given = {address for addresses in _given(items).values() for address in addresses}
        addresses = {agreed.ppp_address, *(p.alias for p in agreed.allowed)}
        if given != addresses:
            check.object(
                f"IPCP gave {all_of(sorted(given)) or 'nothing'} in session {number}, and the console "
                f"has {all_of(sorted(addresses))}"
            )
        told.append(f"{len(tunnels)} SCCRQ and {len(calls)} ICRQ")
    return check.finding(f"{'; '.join(told)}: all of the console's")


def _asked(
    case: Case, number: int, items: list[Inside], kind: ControlType
) -> list[Inside] | list[ClearL2tp]:
    """The requests of a session: in its ESP, or in clear to the partition that lends the console the VPN.

    In the partition's ESP all calls are in the partition's one tunnel.
    """
    console = of(case).console
    if not lender(case):
        return _control(items, kind)
    since, until = windows_by_vpn(case)[number - 1]
    found = passed_on.control(case.clear, kind, console)
    return [seen for seen in found if since <= seen.frame.time <= until]


def calls_of(items: list[Inside]) -> list[Inside]:
    """The calls that were asked for in a session (RFC 2661 6.6)."""
    return _control(items, ControlType.ICRQ)


def _control(items: list[Inside], kind: ControlType) -> list[Inside]:
    """Messages of a type, retransmissions left out."""
    found: dict[tuple[bool, int, int, int], Inside] = {}
    for item in items:
        if item.l2tp and item.l2tp.control_type == kind:
            own = item.l2tp.number(Avp.assigned_tunnel_id)
            key = (item.outgoing, item.l2tp.tunnel_id, own, item.l2tp.sequence)
            found.setdefault(key, item)
    return list(found.values())


def _lane(item: Inside) -> Lane | None:
    message = item.l2tp
    return (message.tunnel_id, message.session_id) if message and not message.control else None


def _given(items: list[Inside], *, outgoing: bool = False) -> dict[Lane, set[str]]:
    """The addresses that IPCP settled for the console (RFC 1332 3.3), by lane of one direction.

    Towards the console the gateway acknowledges them, from the console they are asked for, and the last asked
    for is meant.
    """
    found: dict[Lane, set[str]] = {}
    code = Code.configure_request if outgoing else Code.configure_ack
    for item in items:
        lane, frame = _lane(item), item.ppp
        if lane is None or frame is None or item.outgoing != outgoing:
            continue
        if frame.protocol == ppp.IPCP and frame.code == code and frame.ip_address:
            found[lane] = {frame.ip_address}
    return found


def check_i_17(case: Case) -> Finding:
    """What comes by a partition's session goes to that partition and nowhere else."""
    check = Check(
        "I-17",
        "by each PPP session only packets for and from the address of that session pass; a partition's "
        "reach that partition alone",
    )
    if why := no_vpn(case):
        return check.not_tested(why)
    lanes = 0
    for number, (items, agreed) in enumerate(zip(by_vpn(case), case.agreements, strict=True), 1):
        for outgoing in (False, True):
            given = _given(items, outgoing=outgoing)
            lanes += len(given)
            strange = list(_strays(items, given, outgoing=outgoing))
            check.forbid(strange, f"in session {number} by a PPP session that is another's")
        for partition in agreed.allowed:
            came = of_caller(case, partition.segment)
            check.want(came, f"nothing of a session is on {partition.segment}")
            wrong = [f for f, p in came if partition.address not in (p.source, p.destination)]
            check.forbid(wrong, f"of a session on {partition.segment} and not for {partition.name}")
            check.show([frame for frame, _ in came[:2]])
    crossed = _judge_crossed(case, check)
    names = all_of([partition.name for partition in of(case).allowed])
    return check.finding(
        f"{lanes} lanes of L2TP, each with one address; {names} had their own alone; "
        f"{count(crossed, 'scan')} by another's session, none answered"
    )


def _judge_crossed(case: Case, check: Check) -> int:
    """Scans of one address by the PPP session of another; how many."""
    agreed = of(case)
    owners = {agreed.ppp_address: agreed.console} | {p.alias: p.name for p in agreed.allowed}
    crossed = [
        event
        for event in case.told(HostScanned)
        if event.state == SESSION and event.by and owners.get(event.target, event.by) != event.by
    ]
    for whose in owners.values() if len(owners) > 1 else ():
        tried = any(event.by == whose for event in crossed)
        need_visit(case, check, tried, f"nobody tried to get elsewhere by the session of {whose}")
    for event in crossed:
        if event.at_host != event.sent:
            check.object(f"the scan of {event.target} by {event.by}'s session did not arrive whole")
        check.want(event.silent, f"by the session of {event.by} {event.sentence}")
    return len(crossed)


def _strays(items: list[Inside], given: dict[Lane, set[str]], *, outgoing: bool) -> Iterator[Frame]:
    for item in items:
        lane = _lane(item)
        if lane is None or item.data is None or item.outgoing != outgoing:
            continue
        own = item.data.source if outgoing else item.data.destination
        if own not in given.get(lane, set()):
            yield item.frame


def check_p_21(case: Case) -> Finding:
    """Remote service has the same stack as calling home: L2TP with PPP and CHAP inside IPsec."""
    account = case.topology.service.vpn_account if case.topology.service else None
    user = account.user if account else "the console"
    check = Check(
        "P-21",
        "inside the ESP of a session is L2TP with PPP and nothing else, after the SAs are installed; "
        f"each PPP session has a right CHAP response of {user}, and IPCP after it",
    )
    if why := no_vpn(case):
        return check.not_tested(why)
    assert account is not None, "a session by VPN has one"
    secret, right = account.secret.reveal(), 0
    for number, (items, agreed) in enumerate(zip(by_vpn(case), case.agreements, strict=True), 1):
        strange = [item for item in items if item.l2tp is None]
        check.forbid(frames_of(strange), f"in session {number} that are no L2TP")
        asked = ppp.among(items, ppp.CHAP, ChapCode.challenge, outgoing=False)
        challenges = {(i.l2tp and i.l2tp.session_id, f.identifier): f.chap_value for i, f in asked}
        known = {*challenges.values()}
        good = [
            item
            for item, frame in ppp.among(items, ppp.CHAP, ChapCode.response, outgoing=True)
            if frame.content[17:] == user.encode()
            and any(frame.chap_value == ppp.chap_md5(frame.identifier, secret, c) for c in known)
        ]
        accepted = ppp.among(items, ppp.CHAP, ChapCode.success, outgoing=False)
        wanted = 1 + len(agreed.allowed)
        if not len(good) == len(accepted) == wanted:
            check.object(
                f"session {number}: {len(good)} right responses, {len(accepted)} accepted, of {wanted}",
                frames_of(good),
            )
        check.forbid(
            frames_of(i for i, _ in ppp.among(items, ppp.PAP)), f"of PAP in session {number}"
        )
        first = accepted[0][0].frame.time if accepted else 0.0
        early = [i for i, _ in ppp.among(items, ppp.IPCP) if i.frame.time < first]
        check.forbid(
            frames_of(early), f"of IPCP in session {number} before a response was accepted"
        )
        _judge_order(case, check, number, items)
        right += len(good)
        check.show(frames_of(good))
    return check.finding(
        f"{right} right responses of {user} in {count(len(by_vpn(case)), 'session')}"
    )


def _judge_order(case: Case, check: Check, number: int, items: list[Inside]) -> None:
    """I-18's order as far as P-07 goes: SAs, lock-down, L2TP."""
    requests = _control(items, ControlType.SCCRQ)
    if not requests:
        check.object(f"session {number} has no SCCRQ")
        return
    at = requests[0].frame.time
    ends = case.ipsec_ends(of(case).console)
    there = [sa for sa in case.record.esp if sa.node in ends and sa.added <= at]
    begin = case.borrowed[number - 1][0]
    # A partition may still have those of the call before, which it lends on.
    lent = [sa for sa in there if lender(case) and not 0 < sa.removed < at]
    fresh = lent or [sa for sa in there if sa.added >= begin]
    check.want(fresh, f"session {number}: L2TP began before new SAs stood")
    locked = [e.time for e in case.told(LockedDown) if begin <= e.time]
    check.want(locked and locked[0] <= at, f"session {number}: L2TP began before the lock-down")
