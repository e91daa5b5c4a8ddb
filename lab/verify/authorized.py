"""Findings on whom AT&T's callers may talk to: L-02, L-03, L-08, L-10 to L-12."""

from __future__ import annotations

from ipaddress import IPv4Address

from lab import catalogue, fence
from lab.catalogue import Region
from lab.verify import passage
from lab.verify.case import Case
from lab.verify.fence import PROTOCOLS, close, gateway, object_to, text
from lab.verify.finding import Check, Finding, count
from lab.verify.passage import DNS_PORT
from lab.wire.decode import ESP, TCP, UDP
from lab.wire.isakmp import IKE_PORT, NAT_T_PORT

FEWEST_UNLISTED = 3


def check_l_02(case: Case) -> Finding:
    """From a caller: the destination must be an authorized server."""
    check = Check(
        "L-02",
        "every listed server is reached; addresses next to listed ones and others are not",
    )
    sent = passage.of(case).sent
    unlisted = [p for p in sent if p.counter == fence.UNLISTED]
    tried = passage.tried(case, "L-02")
    object_to(check, [*unlisted, *tried])
    reached = {p.packet.destination for p in sent if p.counter == fence.LISTED and p.passed}
    wanted = {a for a, _ in case.listed} & {a for x in gateway(case).lists for a in x.addresses}
    for address in sorted(_came(case, wanted) - reached if tried else ()):
        check.object(f"{address} is listed, and was not reached")
    off = {p.packet.destination for p in tried} - wanted
    near = {str(IPv4Address(a) + step) for a in wanted for step in (-1, 1)}
    if tried and not wanted:
        check.object("no server of IBM's is on a list")
    if tried and (len(off) < FEWEST_UNLISTED or not off & near):
        check.object(f"only {count(len(off), 'unlisted address', 'unlisted addresses')} tried")
    others = {p.packet.destination for p in unlisted}
    others_text = count(len(others), "other address", "other addresses")
    return close(
        case,
        check,
        tried,
        f"{count(len(wanted), 'listed server')} reached; {count(len(unlisted), 'packet')} to {others_text} "
        "dropped",
    )


def _came(case: Case, addresses: set[str]) -> set[str]:
    """Those of addresses to which a packet can be expected at the fence: of a noisy line, if it came."""
    if not passage.noisy(case):
        return addresses
    return addresses & {p.packet.destination for p in passage.of(case).sent}


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
    tried = []
    for call in case.telephone_calls:
        passed = [p for p in passage.of(case).sent if p.call is call and p.passed]
        tried += passed
        for p in passed:
            if p.packet.destination not in lists.get(call.user, ()):
                user = call.user or "nobody"
                check.object(f"{p.packet.destination} is not on the list of {user}", [p.frame])
    reached = count(len({p.packet.destination for p in tried}), "address", "addresses")
    users = sorted({p.call.user for p in tried if p.call})
    if tried and not case.failed_calls:
        for plan in case.topology.dialers:
            if plan.account.user not in users:
                check.object(f"{plan.account.user} reached nobody")
    return close(
        case,
        check,
        tried,
        f"{' and '.join(users)} reached {reached}, all on the list of the ID",
    )


def check_l_10(case: Case) -> Finding:
    """The fence's list may be of a region."""
    region = case.topology.region
    check = Check(
        "L-10", f"servers of customers in {region} are reached, those of other regions are not"
    )
    profile = catalogue.profile(case.topology.profile)
    lists = {a for x in gateway(case).lists for a in x.addresses}
    foreign = {a.address for a in profile.servers() if a.region not in (Region.all, region)} - lists
    if region == Region.all or not foreign:
        return check.not_tested(f"{case.topology.profile} has no servers of other regions alone")

    home = {a.address for a in profile.servers() if a.region == region} & lists
    sent = passage.of(case).sent
    reached = {p.packet.destination for p in sent if p.passed}
    counters = (fence.LISTED, fence.UNLISTED)
    asked = {p.packet.destination for p in sent if p.counter in counters}
    tried = [p for p in sent if p.packet.destination in foreign | home and p.counter in counters]
    for address in sorted(foreign & reached):
        check.object(f"{address} is another region's, and was reached")
    if not case.record.fence_trials:
        tried = []
    for address in sorted(_came(case, home) - reached if tried else ()):
        check.object(f"{address} is the region's own, and was not reached")
    for address in sorted(_came(case, foreign) - asked if tried else ()):
        check.object(f"{address} is another region's, and was not tried")
    return close(
        case,
        check,
        tried,
        f"{', '.join(sorted(home))} reached; {', '.join(sorted(foreign))} not",
    )


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
