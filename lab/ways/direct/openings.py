"""Findings on what a customer's firewall opens for listed servers: F-04, and F-11 to F-15."""

from __future__ import annotations

from lab.names import all_of, count, place
from lab.topology.model import AllowRule
from lab.topology.user_targets import REQUIREMENT
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.firewall import NO_FIREWALL, all_rules, rule_text
from lab.verify.networks import is_in
from lab.verify.outbound import object_to_failed_calls
from lab.ways.direct.plan import DirectPlan, StandIns, plans
from lab.ways.direct.tested import Opening, Tested, judge_tests, openings, plans_of, tested

HTTP, HTTPS = 80, 443
NOT_CALLED = "nothing called home in this run"
NOT_TESTED = "no connection was tested in this run"


def own_rules(case: Case, plan: DirectPlan) -> list[AllowRule]:
    """The rules by TCP that are for a way: from its agents, to no relay, and to no target of a user's."""
    sources = {ip for ip, name in case.agent_addresses.items() if name in plan.agents}
    relay = case.topology.service.relay_address if case.topology.service else ""
    return [
        rule
        for rule in all_rules(case)
        if rule.protocol == "tcp"
        and rule.source in sources
        and rule.destination != relay
        and rule.requirement != REQUIREMENT
    ]


def check_f_04(case: Case) -> Finding:
    """The rules may name single addresses: those of the list are enough."""
    check = Check(
        "F-04",
        "each rule of the firewall for a direct way names an address, or a host, and a port that are listed "
        "for the customer, and every function of the list gets through by these rules",
    )
    if case.topology.firewall is None:
        return check.not_tested(NO_FIREWALL)
    named = 0
    for plan in plans(case.topology):
        listed = {(known, e.port) for e in plan.tested for known in (e.address, e.name)}
        for rule in own_rules(case, plan):
            named += 1
            if _is_for_uploads(case, rule):
                continue
            if (rule.destination.removesuffix("/32"), rule.port) not in listed:
                check.object(f"a rule admits {rule_text(rule)}, which is not listed")
    found = _judge_passage(case, check)
    if not found:
        return check.not_tested(NOT_CALLED)
    check.want(named, "no rule of the firewall is for a direct way")
    return check.finding(
        f"{count(named, 'rule')}, each for a listed address; {_passed(found)}{_unasked(case, found)}"
    )


def _is_for_uploads(case: Case, rule: AllowRule) -> bool:
    """Whether a rule is for FTP over TLS, whose ports of data no paper lists (OUT-43)."""
    return rule.requirement == "OUT-43" and rule.destination in case.ftps


def check_f_11(case: Case) -> Finding:
    """The recommended ranges hold all listed addresses, and are enough."""
    check = Check(
        "F-11",
        "each listed IPv4 address is in a range that the paper recommends; with the ranges alone open, every "
        "function of the list gets through",
    )
    own = [plan for plan in plans(case.topology) if plan.ranges]
    if not own:
        return check.not_tested("the paper of this profile recommends no ranges")
    if case.topology.firewall is None:
        return check.not_tested(NO_FIREWALL)
    ranges = sorted({net for plan in own for net in plan.ranges})
    addresses = sorted({endpoint.address for plan in own for endpoint in plan.tested})
    for address in addresses:
        if not any(is_in(address, net) for net in ranges):
            check.object(f"{address} is listed, and in none of {all_of(ranges)}")
    rules = [rule for plan in own for rule in own_rules(case, plan)]
    wide = [rule for rule in rules if rule.destination in ranges]
    if not wide:
        return check.not_tested(
            f"the firewall opens single addresses; {count(len(addresses), 'of them is', 'of them are')} in "
            f"{all_of(ranges)}"
        )
    for rule in rules:
        if rule not in wide:
            check.object(f"a rule admits {rule_text(rule)} beside the ranges")
    _object_to_outside(case, check, ranges)
    found = _judge_passage(case, check)
    if not found:
        return check.not_tested(NOT_CALLED)
    return check.finding(
        f"{count(len(addresses), 'listed address', 'listed addresses')} in {all_of(ranges)}, which is all "
        f"that {count(len(wide), 'rule')} opened; {_passed(found)}"
    )


def _object_to_outside(case: Case, check: Check, ranges: list[str]) -> None:
    """Object to connections that leave for an address in none of the ranges."""
    for frame, packet in case.leaving:
        if packet.is_bare_syn and not any(is_in(packet.destination, net) for net in ranges):
            words = f"a SYN leaves for {packet.destination}, which is in none of {all_of(ranges)}"
            check.object(words, [frame])


def check_f_12(case: Case) -> Finding:
    """One open address is enough to call home, and the test of connections asks all."""
    check = Check(
        "F-12",
        "one address of the front end is enough to call home; the test of connections asks all of them, and "
        "says which it did not get to",
    )
    return _judge_stand_ins(case, check, "all answer", "the test is partial")


def check_f_13(case: Case) -> Finding:
    """One of the two gateways is enough to work, and both are needed for redundancy."""
    check = Check(
        "F-13",
        "agents reach both of the servers for registration and bulk data; with one of them they go on, and "
        "redundancy is lost",
    )
    return _judge_stand_ins(case, check, "there is redundancy", "redundancy is lost")


def check_f_14(case: Case) -> Finding:
    """Either configuration server is enough, by port 443 alone."""
    check = Check(
        "F-14",
        "agents reach both configuration servers on TCP 443; with one of them they go on, without total "
        "redundancy, and no TCP 80 is needed",
    )
    servers = {e.address for _, group in _groups(case, "F-14") for e in group.endpoints}
    for rule in all_rules(case):
        is_theirs = any(case.is_opened(rule, address) for address in servers)
        if rule.protocol == "tcp" and rule.port != HTTPS and is_theirs:
            check.object(f"a rule admits {rule_text(rule)}, which is optional")
    clear = [f for f, p in case.leaving if p.destination in servers and p.destination_port == HTTP]
    check.forbid(clear, "to TCP 80 of a configuration server left")
    return _judge_stand_ins(
        case, check, "there is total redundancy", "total redundancy is lost", needed=f"{HTTPS}"
    )


def check_f_15(case: Case) -> Finding:
    """Only the addresses of the customer's region are opened, and they are enough."""
    region = case.topology.region
    check = Check(
        "F-15",
        f"the firewall opens addresses that are listed for {region} only, and by these every function of the "
        "list gets through",
    )
    others = {e.address for plan in plans(case.topology) for e in plan.elsewhere}
    if not others:
        return check.not_tested("no address of this profile is for another region's customers only")
    if case.topology.firewall is None:
        return check.not_tested(NO_FIREWALL)
    for rule in all_rules(case):
        for address in sorted(others):
            if case.is_opened(rule, address):
                check.object(f"a rule admits {rule_text(rule)}, which is for another region")
    left = [f for f, p in case.leaving if p.destination in others]
    check.forbid(left, "to an address of another region left")
    tests = [t for plan, agent in plans_of(case) for t in tested(case, agent, plan.elsewhere)]
    judge_tests(check, tests)
    for test in tests:
        if test.told.connected:
            check.object(f"{test.told.source} reaches {test.place} of another region", test.frames)
    found = _judge_passage(case, check)
    if not found:
        return check.not_tested(NOT_CALLED)
    if not tests:
        return check.not_tested(NOT_TESTED)
    return check.finding(
        f"{_passed(found)}; {all_of(sorted(others))}, of another region, "
        f"{'was' if len(others) == 1 else 'were'} tried, and stayed closed"
    )


# -- what passed ----------------------------------------------------------------------------------


def _judge_passage(case: Case, check: Check) -> dict[str, bool]:
    """Of each listed address and port that agents asked: whether the firewall let every agent out to it.

    Object to one to which it did not, unless it let the agent out to a server that stands in (F-12 to F-14).
    """
    found: dict[str, bool] = {}
    for plan, agent in plans_of(case):
        places = {(endpoint.address, endpoint.port) for endpoint in plan.tested}
        asked = [o for o in openings(case, agent) if (o.address, o.port) in places]
        check.show(frame for opening in asked for frame in opening.frames[:1])
        passed = {(o.address, o.port) for o in asked if o.left}
        for address, port in sorted({(o.address, o.port) for o in asked}):
            through = (address, port) in passed
            where = place(address, port)
            found[where] = through and found.get(where, True)
            if not through and not _stood_in(plan, address, passed):
                check.object(
                    f"TCP of {agent} to {where}, which is listed, does not pass the firewall",
                    [frame for o in asked if o.address == address for frame in o.frames],
                )
    return found


def _stood_in(plan: DirectPlan, address: str, passed: set[tuple[str, int]]) -> bool:
    groups = [{e.address for e in group.endpoints} for group in plan.stand_ins]
    return any(address in group and any(a in group for a, _ in passed) for group in groups)


def _passed(found: dict[str, bool]) -> str:
    through = [place for place, passed in found.items() if passed]
    closed = [place for place, passed in found.items() if not passed]
    but = f", but not to {all_of(closed)}, for which others stand in" if closed else ""
    return f"connections to {count(len(through), 'listed server')} passed{but}"


def _unasked(case: Case, found: dict[str, bool]) -> str:
    every = {place(e.address, e.port) for plan in plans(case.topology) for e in plan.tested}
    rest = len(every - found.keys())
    return f"; {count(rest, 'other')} listed, and not asked in this run" if rest else ""


# -- servers that stand in for each other ---------------------------------------------------------


def _groups(case: Case, requirement: str) -> list[tuple[DirectPlan, StandIns]]:
    return [
        (plan, group)
        for plan in plans(case.topology)
        for group in plan.stand_ins
        if group.requirement == requirement
    ]


def _judge_stand_ins(
    case: Case, check: Check, whole: str, partly: str, *, needed: str = ""
) -> Finding:
    """The finding on one group: what the test of connections said, and whether the wires agree."""
    groups = _groups(case, check.requirement)
    if not groups:
        return check.not_tested("the paper of this profile lists no such servers")
    told = []
    for plan, group in groups:
        for agent in plan.agents:
            tests = tested(case, agent, group.endpoints)
            judge_tests(check, tests)
            if tests:
                missing = {e.address for e in group.endpoints} - {t.told.address for t in tests}
                for address in sorted(missing):
                    check.object(f"the test of {agent} passes over {address}")
                told.append(f"{group.purpose}: {_told(check, agent, tests, whole, partly)}")
    if not told:
        return check.not_tested(NOT_TESTED)
    object_to_failed_calls(case, check, "direct")
    by = f"; by TCP {needed} alone" if needed else ""
    return check.finding(f"{'; '.join(told)}{by}")


def _told(check: Check, agent: str, tests: list[Tested], whole: str, partly: str) -> str:
    there = [test.place for test in tests if test.told.connected]
    closed = [test for test in tests if not test.told.connected]
    if not there:
        check.object(f"{agent} reaches none of {all_of([test.place for test in tests])}")
    if not closed:
        return f"{agent} reaches {all_of(there)}: {whole}"
    where = "at the firewall" if not any(test.left for test in closed) else "beyond the firewall"
    lost = all_of([test.place for test in closed])
    return f"{agent} reaches {all_of(there)}, and not {lost}, which is lost {where}: {partly}"


def closed_servers(case: Case, agent: str) -> list[Opening]:
    """An agent's connections to listed servers that never got past the firewall, by any attempt."""
    own = openings(case, agent)
    passed = {(o.address, o.port) for o in own if o.left}
    return [o for o in own if (o.address, o.port) not in passed]
