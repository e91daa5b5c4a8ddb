"""What a session by VPN comes by, judged: the access line, a partition's VPN or a call; and its rules."""

from __future__ import annotations

from lab.linux.firewall import allow_counters
from lab.names import all_of, count
from lab.service.events import SESSION, HostScanned
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.firewall import has_labs_rules
from lab.verify.remote_service import lender, of
from lab.verify.service_sessions import by_vpn, windows_by_vpn
from lab.verify.service_vpn import no_vpn
from lab.wire.decode import ESP, Frame

VPN_RULES = ("F-06", "F-07")
"""By which the customer's firewall opens the VPN for calling home."""


def check_i_13(case: Case) -> Finding:
    """A session can come over the Internet."""
    check = Check(
        "I-13",
        "a session's ESP crosses the customer's access line; over a partition of i5/OS it is the "
        "partition's, and over a modem it is in a call, and beyond AT&T's fence",
    )
    if why := no_vpn(case):
        return check.not_tested(why)
    way, lig = case.topology.way(of(case).vpn_way), case.topology.lig
    wires = (lig.outside,) if way.dials and lig is not None else case.exits
    for number, items in enumerate(by_vpn(case), 1):
        carried = [item.frame for item in items if item.frame.segment in wires]
        check.want(carried, f"nothing of session {number} is on {all_of(list(wires))}")
        check.show(carried[:2])
        if way.dials:
            in_calls = _in_calls(case, *windows_by_vpn(case)[number - 1])
            check.want(in_calls, f"no call of the console's carried session {number}")
            check.show(in_calls[:2])
    by_call = ", in a call by modem" if way.dials else ""
    lent = f", lent by {lender(case)}" if lender(case) else by_call
    return check.finding(f"{count(len(by_vpn(case)), 'session')} by {all_of(list(wires))}{lent}")


def _in_calls(case: Case, since: float, until: float) -> list[Frame]:
    """The ESP in the console's own telephone calls."""
    calls = [call for call in case.telephone_calls if call.client == of(case).console]
    return [
        item.frame
        for call in calls
        for item in call.frames
        if item.data and item.data.protocol == ESP and since <= item.frame.time <= until
    ]


def check_i_15(case: Case) -> Finding:
    """The customer's firewall needs nothing that the VPN for calling home does not need."""
    check = Check(
        "I-15",
        "the customer's firewall opens what the VPN servers need (F-06, F-07) and no more; no SYN "
        "comes through it to the customer",
    )
    if why := no_vpn(case):
        return check.not_tested(why)
    if case.topology.way(of(case).vpn_way).dials:
        return _judge_call_alone(case)
    wall = case.topology.firewall
    if wall is None:
        return check.not_tested("the customer has no firewall")
    elsewhere = _sources_of_other_ways(case)
    for rule in wall.rules:
        if rule.requirement not in VPN_RULES and rule.source.removesuffix("/32") not in elsewhere:
            check.object(f"the firewall opens {rule.protocol} {rule.port} for {rule.requirement}")
    known = {*allow_counters(wall)}
    counted = case.record.counters.get(wall.node, {})
    used = {name for name, number in counted.items() if name.startswith("allow-") and number}
    for name in sorted(used - known):
        check.object(f"the firewall has let something through by {name}")
    through = used & known if has_labs_rules(case) else case.entering
    check.want(through, "the firewall let nothing through")
    syns = [f for f, p in case.entering if p.is_bare_syn and not case.is_injected(p)]
    check.forbid(syns, f"came through {wall.node}", "SYN")
    rules = [rule for rule in wall.rules if rule.requirement in VPN_RULES]
    return check.finding(
        f"{count(len(rules), 'rule')} for the VPN servers; {count(len(case.entering), 'packet')} came "
        "through, and no SYN"
    )


def _judge_call_alone(case: Case) -> Finding:
    """Of a session in a call: no rule is for it, and by the call itself nobody gets to the console."""
    check = Check(
        "I-15",
        "the customer's firewall opens nothing for a session in a call (F-18) and lets nothing through for "
        "it; in the session nobody gets to the console by the call, past the VPN",
    )
    wall = case.topology.firewall
    elsewhere = _sources_of_other_ways(case)
    for rule in wall.rules if wall is not None else ():
        if rule.source.removesuffix("/32") not in elsewhere:
            check.object(f"the firewall opens {rule.protocol} {rule.port} for {rule.requirement}")
    for since, until in windows_by_vpn(case):
        passed = [
            f for f, p in case.entering if since <= f.time <= until and not case.is_injected(p)
        ]
        own = [f for f in passed if f.ip and f.ip.source not in elsewhere]
        check.forbid(own, "came through the firewall in a session")
    given = {call.address for call in case.telephone_calls if call.client == of(case).console}
    scans = [e for e in case.told(HostScanned) if e.state == SESSION and e.target in given - {""}]
    check.want(scans, "nobody tried to get to the console by the call in a session")
    for scan in scans:
        if scan.at_host != scan.sent:
            check.object(f"the scan of {scan.target} did not arrive whole")
        check.want(scan.silent, f"by the call {scan.sentence}")
    return check.finding(
        f"no rule for it, and no packet through the firewall in {count(len(by_vpn(case)), 'session')}; "
        f"{count(len(scans), 'scan')} of the console by the call, none answered"
    )


def _sources_of_other_ways(case: Case) -> set[str]:
    """The addresses of proxies, and of agents with other ways home: findings of theirs judge their rules."""
    console, found = of(case).console, {*case.proxies}
    for node in case.agents:
        if node.name != console or any(w.kind != "vpn" for w in case.topology.ways_of(console)):
            found |= {*node.uplink.ips}
    return found
