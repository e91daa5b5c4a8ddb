"""Findings on whom AT&T's callers may talk to: L-02, L-03, L-08, L-10 to L-12; by the rules in ``fence``."""

from __future__ import annotations

from ipaddress import IPv4Address
from itertools import product

from lab.linux import fence
from lab.names import count
from lab.verify.case import Case
from lab.verify.finding import Finding
from lab.verify.outbound import vpn_protocol
from lab.ways.dial import passage
from lab.ways.dial.fence import PROTOCOLS, LineCheck, text
from lab.ways.dial.paper_fence import DNS_PORT
from lab.ways.dial.passage import GATEWAY, Passing
from lab.ways.dial.plan import Dialer
from lab.wire.decode import ESP, TCP, UDP
from lab.wire.isakmp import IKE_PORT, NAT_T_PORT

FEWEST_UNLISTED = 3
_ALL = "all"
"""The region of what is for customers everywhere."""


def check_l_02(case: Case) -> Finding:
    """From a caller: the destination must be an authorized server."""
    check = LineCheck(
        case,
        "L-02",
        "every server on a caller's list is reached; addresses next to these, other callers and others "
        "are not",
    )
    unlisted = [p for p in passage.of(case).sent if p.counter == fence.UNLISTED]
    tried = passage.tried(case, "L-02")
    check.judge([*unlisted, *tried])
    if tried and passage.stood_together(case):
        others = passage.of_others(case, tried, "destination")
        check.want(others, "no other caller was tried")
    wanted: set[str] = set()
    for plan in case.dialers:
        servers = {address for address, _ in case.listed} & _listed(case, plan)
        wanted |= servers
        _judge_reach(case, check, plan.client, servers, _of_client(tried, plan.client))
    off = {p.packet.destination for p in unlisted}
    return check.close(
        tried,
        f"{count(len(wanted), 'listed server')} reached; {count(len(unlisted), 'packet')} to "
        f"{count(len(off), 'other address', 'other addresses')} dropped",
    )


def _listed(case: Case, plan: Dialer) -> set[str]:
    """The list of a client's user id."""
    return {*case.lig.listed(plan.account.user)}


def _of_client(passings: list[Passing], client: str) -> list[Passing]:
    return [p for p in passings if p.call and p.call.client == client]


def _judge_reach(
    case: Case, check: LineCheck, client: str, servers: set[str], tried: list[Passing]
) -> None:
    """One client's servers and their neighbours."""
    if not tried:
        return
    sent = _of_client(passage.of(case).sent, client)
    reached = {p.packet.destination for p in sent if p.counter == fence.LISTED and p.passed}
    check.miss_all(servers - reached, f"{{}} is listed, and {client} did not reach it")
    if not servers:
        check.object(f"no server of IBM's is on the list of {client}")
    off = {p.packet.destination for p in tried} - servers
    near = {str(IPv4Address(a) + step) for a in servers for step in (-1, 1)}
    addresses = count(len(off), "unlisted address", "unlisted addresses")
    enough = len(off) >= FEWEST_UNLISTED and off & near
    check.want(enough, f"{client} tried only {addresses}")


def check_l_03(case: Case) -> Finding:
    """From a caller: or the destination is AT&T's utility service."""
    lig = case.lig
    check = LineCheck(
        case,
        "L-03",
        f"the name server {lig.utility} answers the caller by UDP and TCP; port 53 anywhere else is "
        "dropped",
    )
    answers = [(f, p) for f, p in passage.of(case).told if p.source_port == DNS_PORT]
    for frame, packet in answers:
        if packet.source != lig.utility:
            check.object(f"{packet.source} answers as a name server", [frame])
    for frame, packet in passage.of(case).unasked:
        check.object(f"{packet.source} answers {packet.destination}, who has not asked", [frame])
    if lig.literal_replies and answers:
        check.object("a name server's answers come in, though the fence is to hold them back")
    check.show(frame for frame, _ in answers[:2])
    others = [p for p in passage.of(case).sent if p.counter == fence.OTHER_DNS]
    tried = passage.tried(case, "L-03")
    check.judge([*others, *(p for p in tried if p.side == "internet")])
    if tried:
        heard = {p.protocol for _, p in answers if p.source == lig.utility}
        if not (lig.literal_replies or lig.dns_silent):
            mute = (PROTOCOLS[protocol] for protocol in {UDP, TCP} - heard)
            check.miss_all(mute, f"{lig.utility} did not answer by {{}}")
        check.want(others, "no other name server was tried")
        sides = {t.side for t in case.record.fence_trials if t.requirement == "L-03"}
        idle = {"internet", GATEWAY} - sides
        check.miss_all(idle, "nobody tried answers to no question from the {}")
    return check.close(
        tried,
        f"{count(len(answers), 'answer')} of {lig.utility}; {count(len(others), 'packet')} to other "
        "name servers dropped",
    )


def check_l_08(case: Case) -> Finding:
    """A PAP user ID can communicate with IBM's service servers only."""
    lig = case.lig
    check = LineCheck(
        case,
        "L-08",
        "each user ID has a list, which has nothing but IBM's servers and VPN gateways; a call "
        "reaches only the list of the ID that PAP let in",
    )
    lists = {x.user: {*x.addresses} for x in lig.lists}
    for user, addresses in lists.items():
        for address in sorted(addresses - {a.address for a in lig.catalogue}):
            check.object(f"the list of {user} has {address}, which is not IBM's")
    users = {call.number: call.user for call in case.telephone_calls}
    tried = [p for p in passage.of(case).sent if p.passed]
    reached: dict[str, set[str]] = {}
    for p in tried:
        user = users[p.call.number] if p.call else ""
        reached.setdefault(user, set()).add(p.packet.destination)
        if p.packet.destination not in lists.get(user, ()):
            whose = user or "nobody"
            check.object(f"{p.packet.destination} is not on the list of {whose}", [p.frame])
    other = _judge_other_lists(case, check, lists) if tried else 0
    if case.came_home:
        everybody = {plan.account.user for plan in case.dialers}
        check.miss_all(everybody - {*reached}, "{} reached nobody")
    each = [
        f"{user} reached {count(len(found), 'address', 'addresses')}"
        for user, found in sorted(reached.items())
    ]
    return check.close(
        tried,
        f"{' and '.join(each)}, all on the list of the ID; "
        f"{count(other, 'packet')} to what is on another ID's dropped",
    )


def _judge_other_lists(case: Case, check: LineCheck, lists: dict[str, set[str]]) -> int:
    """What is on another ID's list alone must have been tried; how many packets were dropped."""
    trials = 0
    for plan in case.dialers:
        others = set[str]().union(*lists.values()) - _listed(case, plan)
        sent = _of_client(passage.of(case).sent, plan.client)
        trials += sum(p.packet.destination in others and not p.passed for p in sent)
        asked = {p.packet.destination for p in sent}
        if case.record.fence_trials:
            untried = f"{{}}, on another ID's list, was not tried by {plan.client}"
            check.miss_all(others - asked, untried)
    return trials


def check_l_10(case: Case) -> Finding:
    """The fence's list may be of a region."""
    check = LineCheck(
        case,
        "L-10",
        "a caller reaches the servers for customers of its region, and not those of other regions; "
        + ", ".join(f"{d.client} is one in {d.region}" for d in case.dialers),
    )
    parts, tried = [], []
    for plan in case.dialers:
        home, foreign = _regional(case, plan)
        if foreign:
            tried += _judge_region(case, check, plan.client, home, foreign)
            parts.append(
                f"{plan.client} reached {', '.join(sorted(home))}, not {', '.join(sorted(foreign))}"
            )
    if not parts:
        return check.not_tested(f"{case.topology.profile} has no servers of other regions alone")
    return check.close(tried, "; ".join(parts))


def _regional(case: Case, plan: Dialer) -> tuple[set[str], set[str]]:
    """The servers of a client's own region on its list, and those for other regions alone."""
    if plan.region == _ALL:
        return set(), set()
    servers = {a.address: {*a.regions} for a in case.lig.catalogue}
    home = {address for address, regions in servers.items() if plan.region in regions}
    foreign = {a for a, regions in servers.items() if not regions & {_ALL, plan.region}}
    return home & _listed(case, plan), foreign


def _judge_region(
    case: Case, check: LineCheck, client: str, home: set[str], foreign: set[str]
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
    if tried:
        own = f"{{}} is the region's own, and {client} did not reach it"
        check.miss_all(home - reached, own)
        check.miss_all(foreign - asked, f"{{}} is another region's, and {client} did not try it")
    return tried


def check_l_11(case: Case) -> Finding:
    """For a VPN over a modem the fence must pass the VPN gateways."""
    claim = "each list has the VPN gateways; UDP 500, UDP 4500 and ESP to them pass the fence"
    check = LineCheck(case, "L-11", claim)
    gateways = {a.address for a in case.lig.catalogue if a.is_vpn_gateway}
    if not gateways:
        return check.not_tested(f"{case.topology.profile} has no VPN gateways")
    for listed in case.lig.lists:
        for address in sorted(gateways - {*listed.addresses}):
            check.object(f"{address} is not on the list of {listed.user}")
    tried = passage.tried(case, "L-11")
    passed: dict[tuple[str, int, int], bool] = {}
    for p in tried:
        kind = p.packet.destination, p.packet.protocol, p.packet.destination_port
        passed[kind] = passed.get(kind, True) and p.passed is not None
    services = {"UDP 500": (UDP, IKE_PORT), "UDP 4500": (UDP, NAT_T_PORT), "ESP": (ESP, 0)}
    for address, (what, service) in product(sorted(gateways), services.items()):
        if tried and not passed.get((address, *service)):
            check.miss(f"{what} to {address} did not pass")
    named = " and ".join(sorted(gateways))
    vpn = _judge_vpn(case, check, gateways)
    if vpn and not tried:
        return check.not_tested(
            f"nobody tried the fence{vpn.replace('; so did', '; there passed')}"
        )
    return check.close(tried, f"UDP 500, UDP 4500 and ESP to {named} passed{vpn}")


def _judge_vpn(case: Case, check: LineCheck, gateways: set[str]) -> str:
    """What a VPN sends by telephone must pass, where a way by VPN runs over one; what passed, in words."""
    told = []
    carried = filter(case.topology.is_in_calls, case.topology.ways)
    for agent in dict.fromkeys(agent for way in carried for agent in way.agents):
        own = [p for p in _of_client(passage.of(case).sent, agent) if _is_of_vpn(case, p, gateways)]
        # What comes before IPCP is open does not come to the fence (P-20).
        lost = [p for p in own if p.counter and not (p.passed or p.in_farewell)]
        for p in lost:
            check.miss(f"{text(p.packet)}, of {agent}'s VPN, did not pass", [p.frame])
        ike = sum(p.packet.protocol == UDP for p in own)
        if own:
            check.show(p.frame for p in own[:4])
            esp = count(len(own) - ike, "ESP packet")
            told.append(f"; so did {agent}'s VPN: {count(ike, 'IKE packet')} and {esp}")
    return "".join(told)


def _is_of_vpn(case: Case, passing: Passing, gateways: set[str]) -> bool:
    packet = passing.packet
    return (
        packet.destination in gateways and bool(vpn_protocol(packet)) and not case.is_trial(packet)
    )


def check_l_12(case: Case) -> Finding:
    """The fence looks at addresses only."""
    lig = case.lig
    how = "are dropped, as the fence is told to mind ports" if lig.ports else "pass the fence"
    check = LineCheck(case, "L-12", f"other ports of listed servers {how}")
    tried = passage.tried(case, "L-12")
    services = {*lig.ports} if lig.ports else {("tcp", port) for _, port in case.listed}
    odd = [
        p
        for p in tried
        if (PROTOCOLS.get(p.packet.protocol, "").lower(), p.packet.destination_port) not in services
    ]
    for p in odd:
        if lig.ports and p.passed:
            check.object(f"{text(p.packet)} passed", [p.frame])
        elif not lig.ports and not p.passed:
            check.miss(f"{text(p.packet)} did not pass", [p.frame])
    check.want(odd or not tried, "no other port was tried")
    ports = {p.packet.destination_port for p in odd}
    what = "dropped" if lig.ports else "passed"
    told = ", ".join(map(str, sorted(ports)))
    return check.close(tried, f"{count(len(odd), 'packet')} to other ports ({told}) {what}")
