"""Findings on whom AT&T's callers may talk to: L-02, L-03, L-08, L-10 to L-12."""

from __future__ import annotations

from ipaddress import IPv4Address

from lab import catalogue, fence
from lab.catalogue import Region
from lab.names import count
from lab.topology.telephone import Dialer
from lab.verify import passage
from lab.verify.case import Case
from lab.verify.fence import PROTOCOLS, close, gateway, object_to, text, want_others
from lab.verify.finding import Check, Finding
from lab.verify.paper_fence import DNS_PORT
from lab.verify.passage import GATEWAY, Passing
from lab.wire.decode import ESP, TCP, UDP
from lab.wire.isakmp import IKE_PORT, NAT_T_PORT

FEWEST_UNLISTED = 3


def check_l_02(case: Case) -> Finding:
    """From a caller: the destination must be an authorized server."""
    check = Check(
        "L-02",
        "every server on a caller's list is reached; addresses next to these, other callers and others "
        "are not",
    )
    sent = passage.of(case).sent
    unlisted = [p for p in sent if p.counter == fence.UNLISTED]
    tried = passage.tried(case, "L-02")
    object_to(check, [*unlisted, *tried])
    want_others(case, check, tried)
    wanted: set[str] = set()
    for plan in case.topology.dialers:
        listed = servers_of(case, plan)
        wanted |= listed
        _judge_reach(case, check, plan.client, listed, _of_client(tried, plan.client))
    others = {p.packet.destination for p in unlisted}
    others_text = count(len(others), "other address", "other addresses")
    return close(
        case,
        check,
        tried,
        f"{count(len(wanted), 'listed server')} reached; {count(len(unlisted), 'packet')} to {others_text} "
        "dropped",
    )


def servers_of(case: Case, plan: Dialer) -> set[str]:
    """IBM's servers on the list of a client's user id."""
    lists = {x.user: x.addresses for x in gateway(case).lists}
    return {a for a, _ in case.listed} & {*lists.get(plan.account.user, ())}


def _of_client(passings: list[Passing], client: str) -> list[Passing]:
    return [p for p in passings if p.call and p.call.client == client]


def _judge_reach(
    case: Case, check: Check, client: str, listed: set[str], tried: list[Passing]
) -> None:
    """One client's servers and their neighbours."""
    if not tried:
        return
    sent = _of_client(passage.of(case).sent, client)
    reached = {p.packet.destination for p in sent if p.counter == fence.LISTED and p.passed}
    for address in sorted(_came(case, listed, client) - reached):
        check.object(f"{address} is listed, and {client} did not reach it")
    off = {p.packet.destination for p in tried} - listed
    near = {str(IPv4Address(a) + step) for a in listed for step in (-1, 1)}
    if not listed:
        check.object(f"no server of IBM's is on the list of {client}")
    if len(off) < FEWEST_UNLISTED or not off & near:
        addresses = count(len(off), "unlisted address", "unlisted addresses")
        check.object(f"{client} tried only {addresses}")


def _came(case: Case, addresses: set[str], client: str) -> set[str]:
    """Those of addresses to which a client's packet can be expected at the fence: of a noisy line, if
    it came."""
    if not passage.noisy(case):
        return addresses
    return addresses & {p.packet.destination for p in _of_client(passage.of(case).sent, client)}


def check_l_03(case: Case) -> Finding:
    """From a caller: or the destination is AT&T's utility service."""
    lig = gateway(case)
    check = Check(
        "L-03",
        f"the name server {lig.utility} answers the caller by UDP and TCP; port 53 anywhere else is "
        "dropped",
    )
    answers = [(f, p) for f, p in passage.of(case).told if p.source_port == DNS_PORT]
    for frame, packet in answers:
        if packet.source != lig.utility:
            check.object(f"{packet.source} answers as a name server", [frame])
    tried = passage.tried(case, "L-03")
    heard = {p.protocol for _, p in answers if p.source == lig.utility}
    if tried and not (lig.literal_replies or lig.dns_silent or passage.noisy(case)):
        for protocol in {UDP, TCP} - heard:
            check.object(f"{lig.utility} did not answer by {PROTOCOLS[protocol]}")
    if lig.literal_replies and answers:
        check.object("a name server's answers come in, though the fence is to hold them back")
    check.show(frame for frame, _ in answers[:2])
    others = [p for p in passage.of(case).sent if p.counter == fence.OTHER_DNS]
    object_to(check, others)
    if tried and not others:
        check.object("no other name server was tried")
    for frame, packet in passage.of(case).unasked:
        check.object(f"{packet.source} answers {packet.destination}, who has not asked", [frame])
    outside = [p for p in tried if p.side == "internet"]
    object_to(check, outside)
    sides = {t.side for t in case.record.fence_trials if t.requirement == "L-03"}
    for side in sorted({"internet", GATEWAY} - sides if tried else ()):
        check.object(f"nobody tried answers to no question from the {side}")
    return close(
        case,
        check,
        tried,
        f"{count(len(answers), 'answer')} of {lig.utility}; {count(len(others), 'packet')} to other "
        "name servers dropped",
    )


def check_l_08(case: Case) -> Finding:
    """A PAP user ID can communicate with IBM's service servers only."""
    lig = gateway(case)
    check = Check(
        "L-08",
        "each user ID has a list, which has nothing but IBM's servers and VPN gateways; a call "
        "reaches only the list of the ID that PAP let in",
    )
    profile = catalogue.profile(case.topology.profile)
    servers = {a.address for a in (*profile.servers(), *profile.vpn_gateways)}
    for listed in lig.lists:
        for address in listed.addresses:
            if address not in servers:
                check.object(f"the list of {listed.user} has {address}, which is not IBM's")
    lists = {x.user: x.addresses for x in lig.lists}
    users = {call.number: call.user for call in case.telephone_calls}
    tried = [p for p in passage.of(case).sent if p.passed]
    reached: dict[str, set[str]] = {}
    for p in tried:
        user = users[p.call.number] if p.call else ""
        reached.setdefault(user, set()).add(p.packet.destination)
        if p.packet.destination not in lists.get(user, ()):
            whose = user or "nobody"
            check.object(f"{p.packet.destination} is not on the list of {whose}", [p.frame])
    other = _judge_other_lists(case, check) if tried else 0
    if case.came_home:
        for plan in case.topology.dialers:
            if plan.account.user not in reached:
                check.object(f"{plan.account.user} reached nobody")
    each = [
        f"{user} reached {count(len(found), 'address', 'addresses')}"
        for user, found in sorted(reached.items())
    ]
    return close(
        case,
        check,
        tried,
        f"{' and '.join(each)}, all on the list of the ID; "
        f"{count(other, 'packet')} to what is on another ID's dropped",
    )


def _judge_other_lists(case: Case, check: Check) -> int:
    """What is on another ID's list alone must have been tried; how many packets were dropped."""
    lists = {x.user: {*x.addresses} for x in gateway(case).lists}
    trials = 0
    for plan in case.topology.dialers:
        own = lists.get(plan.account.user, set())
        others = set[str]().union(*lists.values()) - own
        sent = _of_client(passage.of(case).sent, plan.client)
        trials += sum(p.packet.destination in others and not p.passed for p in sent)
        asked = {p.packet.destination for p in sent}
        if not case.record.fence_trials:
            continue
        for address in sorted(_came(case, others, plan.client) - asked):
            check.object(f"{address}, on another ID's list, was not tried by {plan.client}")
    return trials


def check_l_10(case: Case) -> Finding:
    """The fence's list may be of a region."""
    check = Check(
        "L-10",
        "a caller reaches the servers for customers of its region, and not those of other regions; "
        + ", ".join(f"{d.client} is one in {d.region}" for d in case.topology.dialers),
    )
    parts, tried, any_foreign = [], [], False
    for plan in case.topology.dialers:
        home, foreign = _regional(case, plan)
        any_foreign |= bool(foreign)
        if foreign:
            tried += _judge_region(case, check, plan.client, home, foreign)
            parts.append(
                f"{plan.client} reached {', '.join(sorted(home))}, not {', '.join(sorted(foreign))}"
            )
    if not any_foreign:
        return check.not_tested(f"{case.topology.profile} has no servers of other regions alone")
    return close(case, check, tried, "; ".join(parts))


def _regional(case: Case, plan: Dialer) -> tuple[set[str], set[str]]:
    """The servers of a client's own region on its list, and those for other regions alone."""
    profile = catalogue.profile(case.topology.profile)
    lists = {x.user: x.addresses for x in gateway(case).lists}
    listed = {*lists.get(plan.account.user, ())}
    if plan.region == Region.all:
        return listed, set()
    usual = (Region.all, plan.region)
    # Some addresses are in the tables of both.
    own = {a.address for a in profile.servers() if a.region in usual}
    foreign = {a.address for a in profile.servers() if a.region not in usual} - own
    return {a.address for a in profile.servers() if a.region == plan.region} & listed, foreign


def _judge_region(
    case: Case, check: Check, client: str, home: set[str], foreign: set[str]
) -> list[Passing]:
    sent = _of_client(passage.of(case).sent, client)
    counters = (fence.LISTED, fence.UNLISTED)
    reached = {p.packet.destination for p in sent if p.passed}
    asked = {p.packet.destination for p in sent if p.counter in counters}
    for address in sorted(foreign & reached):
        check.object(f"{address} is another region's, and {client} reached it")
    if not case.record.fence_trials:
        return []
    tried = [p for p in sent if p.packet.destination in foreign | home and p.counter in counters]
    for address in sorted(_came(case, home, client) - reached if tried else ()):
        check.object(f"{address} is the region's own, and {client} did not reach it")
    for address in sorted(_came(case, foreign, client) - asked if tried else ()):
        check.object(f"{address} is another region's, and {client} did not try it")
    return tried


def check_l_11(case: Case) -> Finding:
    """For a VPN over a modem the fence must pass the VPN gateways."""
    check = Check(
        "L-11", "each list has the VPN gateways; UDP 500, UDP 4500 and ESP to them pass the fence"
    )
    profile = catalogue.profile(case.topology.profile)
    gateways = {a.address for a in profile.vpn_gateways if a.version == 4}
    if not gateways:
        return check.not_tested(f"{case.topology.profile} has no VPN gateways")
    for listed in gateway(case).lists:
        for address in sorted(gateways - {*listed.addresses}):
            check.object(f"{address} is not on the list of {listed.user}")
    tried = passage.tried(case, "L-11")
    came = {(p.packet.destination, p.packet.protocol, p.packet.destination_port): p for p in tried}
    passed = {kind for kind, p in came.items() if p.passed}
    for address in sorted(gateways if tried else ()):
        for protocol, port in ((UDP, IKE_PORT), (UDP, NAT_T_PORT), (ESP, 0)):
            kind = (address, protocol, port)
            if kind not in passed and (kind in came or not passage.noisy(case)):
                what = f"{PROTOCOLS[protocol]} {port or ''}".strip()
                check.object(f"{what} to {address} did not pass")
    named = " and ".join(sorted(gateways))
    return close(case, check, tried, f"UDP 500, UDP 4500 and ESP to {named} passed")


def check_l_12(case: Case) -> Finding:
    """The fence looks at addresses only."""
    lig = gateway(case)
    how = "are dropped, as the fence is told to mind ports" if lig.ports else "pass the fence"
    check = Check("L-12", f"other ports of listed servers {how}")
    tried = passage.tried(case, "L-12")
    services = {*lig.ports} if lig.ports else {("tcp", port) for _, port in case.listed}
    odd = [
        p
        for p in tried
        if (PROTOCOLS.get(p.packet.protocol, "").lower(), p.packet.destination_port) not in services
    ]
    for p in odd:
        if bool(p.passed) == bool(lig.ports):
            check.object(f"{text(p.packet)} {'passed' if p.passed else 'did not pass'}", [p.frame])
    if tried and not odd:
        check.object("no other port was tried")
    ports = {p.packet.destination_port for p in odd}
    what = "dropped" if lig.ports else "passed"
    told = ", ".join(map(str, sorted(ports)))
    return close(case, check, tried, f"{count(len(odd), 'packet')} to other ports ({told}) {what}")
