"""What a generation has of remote service, judged: the DS8000's by VPN, and an agent's host that has none."""

from __future__ import annotations

from math import inf

from lab.names import all_of, count
from lab.service.events import CalledIn, HostScanned, InboundEnabled, InboundRefused
from lab.service.marks import Purpose
from lab.telephony.events import TerminalSaid
from lab.topology.service import Inbound
from lab.verify import remote_terminal
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.remote_service import (
    ANSWERS_BY_ITSELF,
    enabled,
    forbid_answers,
    judge_outsiders,
    no_session,
    not_up,
    of,
    untried,
)
from lab.verify.remote_session import of_caller
from lab.verify.service_access import records
from lab.verify.service_sessions import by_vpn
from lab.verify.service_vpn import begins, calls_of

INTERNET_ONLY = (Inbound.internet,)
WAYS_IN = {
    "hmc-2007": (Inbound.modem, Inbound.vpn),
    "hmc-2017-traditional": (Inbound.vpn, Inbound.internet),
    "hmc-2017-simplified": (Inbound.vpn, Inbound.internet),
    "ds8000-2017": (Inbound.terminal, Inbound.vpn, Inbound.internet),
    "ds8880": INTERNET_ONLY,
}
"""By what people come in, as the papers have it (S4 2.2; S3 Inbound, G-03 to G-05). The judge's own: what the
panel refuses is in the catalogue, and one that is wrong has to be found."""
SINCE_2015 = ("ds8880",)
"""Products that are newer (S3 VPN protocol)."""


def _no_ds8000_vpn(case: Case) -> str:
    """Why no session with a DS8000 stood by VPN; empty if one did."""
    if why := not_up(case):
        return why
    if of(case).by is not Inbound.vpn:
        return "the session does not come by VPN"
    return "" if of(case).console_only else f"{case.topology.profile} is no DS8000"


def check_i_22(case: Case) -> Finding:
    """By VPN a session reaches the DS8000's console, and nothing else."""
    check = Check(
        "I-22",
        "a session by VPN has one PPP session, the console's; a log-in there has no network, no packet comes "
        "to a partition, and nothing goes on after it",
    )
    if why := _no_ds8000_vpn(case):
        return check.not_tested(why)
    for number, (items, agreed) in enumerate(zip(by_vpn(case), case.agreements, strict=True), 1):
        calls = calls_of(items)
        if len(calls) != 1:
            check.object(f"session {number} has {len(calls)} ICRQ, not 1", frames_of(calls))
        check.show(frames_of(calls))
        aliases = [partition.alias for partition in agreed.partitions if partition.alias]
        if aliases:
            check.object(f"the session has addresses for partitions: {all_of(aliases)}")
    for partition in of(case).partitions:
        came = [frame for frame, _ in of_caller(case, partition.segment)]
        check.forbid(came, f"of a session on {partition.segment}")
    if why := no_session(case):
        return check.not_tested(why)
    remote_terminal.judge_shells(case, check)
    names = all_of([p.name for p in of(case).partitions]) or "no partition"
    return check.finding(
        f"{count(len(by_vpn(case)), 'session')} with {of(case).console} alone; {names} not reached"
    )


def check_i_25(case: Case) -> Finding:
    """The DS8000's VPN always begins at its HMC."""
    check = Check(
        "I-25",
        "every IKE begins at the DS8000's HMC, also for remote service, after it is enabled there",
    )
    if why := _no_ds8000_vpn(case):
        return check.not_tested(why)
    own = {case.topology.node(of(case).console).uplink.ip, case.public_address}
    first = [sighting for sighting in case.ike if begins(sighting)]
    for sighting in first:
        if sighting.packet.source not in own:
            check.object(f"{sighting.packet.source} began IKE", [sighting.frame])
    for number, event in enumerate(enabled(case), 1):
        after = [s for s in first if event.time <= s.frame.time]
        check.want(after, f"after enabling {number} nobody began IKE")
        check.show(s.frame for s in after[:1])
    return check.finding(f"{of(case).console} began IKE each of {count(len(first), 'time')}")


def check_i_28(case: Case) -> Finding:
    """Electronic Service Agent itself lets nobody in."""
    check = Check(
        "I-28",
        "an agent's host has no way in that could be enabled, and answers nobody outside",
    )
    if why := untried(case):
        return check.not_tested(why)
    if of(case).ways_in:
        return check.not_tested(f"{case.topology.profile} has remote service")
    refused = {event.by for event in case.told(InboundRefused)}
    for by in filter(None, Inbound):
        check.want(by in refused, f"by {by} was not refused")
    for event in enabled(case):
        check.object(event.sentence)
    attacks = [event for event in case.told(HostScanned) if event.purpose == Purpose.attack.name]
    judge_outsiders(case, check, attacks)
    forbid_answers(case, check, 0.0, inf)
    tried = all_of(sorted({scan.source for scan in attacks}))
    return check.finding(f"{len(refused)} ways in refused; {tried} tried all ports, none answered")


def check_i_29(case: Case) -> Finding:
    """A generation that has nothing but Internet refuses all else, before any packet."""
    check = Check(
        "I-29",
        "only a session by Internet can be chosen; modem, terminal and VPN are refused, and nothing goes out",
    )
    if why := untried(case):
        return check.not_tested(why)
    if of(case).ways_in != INTERNET_ONLY:
        return check.not_tested(f"{case.topology.profile} has other ways, too")
    refused = case.told(InboundRefused)
    others = [by for by in Inbound if by and by not in INTERNET_ONLY]
    for by in others:
        check.want(any(event.by == by for event in refused), f"by {by} was not refused")
    for event in enabled(case):
        check.want(event.by in INTERNET_ONLY, event.sentence)
    since, until = _refusals(case)
    left = [frame for frame, _ in case.leaving if since <= frame.time < until]
    check.forbid(left, "left the customer when a way was refused")
    set_up = [
        said
        for said in case.dialogue
        if isinstance(said, TerminalSaid) and ANSWERS_BY_ITSELF in said.text
    ]
    check.want(not set_up, "a modem was set to take calls")
    return check.finding(f"{all_of([str(by) for by in others])} refused, and nothing left")


def check_i_30(case: Case) -> Finding:
    """A product from 2015 on has no VPN for remote service; an older one keeps it."""
    check = Check(
        "I-30",
        "a product from before 2015 lets a session in by VPN; of a newer one the panel refuses that, and its "
        "console begins no IKE",
    )
    if why := untried(case) or _unknown(case):
        return check.not_tested(why)
    console, profile = of(case).console, case.topology.profile
    if profile not in SINCE_2015:
        if of(case).by is not Inbound.vpn:
            return check.not_tested("nobody is to come by VPN")
        if why := not_up(case):
            return check.not_tested(why)
        outside = case.topology.firewall.outside if case.topology.firewall else "any wire"
        for number, items in enumerate(by_vpn(case), 1):
            check.want(items, f"nothing of session {number} is on {outside}")
            check.show(frames_of(items[:1]))
        return check.finding(f"{profile} has its VPN: {count(len(by_vpn(case)), 'session')}")
    refused = [e for e in case.told(InboundRefused) if e.by == Inbound.vpn]
    check.want(refused, "by vpn was not refused")
    check.want(not case.borrowed, f"{console} has used its VPN for remote service")
    check.forbid(frames_of(s for s in case.ike if begins(s)), "began IKE")
    return check.finding(f"{console} refused remote service by VPN, and began no IKE")


def check_i_31(case: Case) -> Finding:
    """There are two ways in, and in 2017 three, less what a generation has lost (X-07, G-03 to G-05)."""
    check = Check(
        "I-31",
        "every way in that the papers do not give a generation is refused before anything is dialled or "
        "begun, and whoever is let in comes by one that they do",
    )
    if why := untried(case) or _unknown(case):
        return check.not_tested(why)
    own = WAYS_IN[case.topology.profile]
    refused = {event.by for event in case.told(InboundRefused)}
    for by in filter(None, Inbound):
        if by not in own:
            check.want(by in refused, f"by {by} was not refused")
    for wrong in sorted(refused & {*own}):
        check.object(f"by {wrong} was refused")
    for event in enabled(case):
        check.want(event.by in own, event.sentence)
    since, until = _refusals(case)
    begun = [s for s in case.ike if begins(s) and since <= s.frame.time < until]
    check.forbid(frames_of(begun), "began IKE when a way was refused")
    told = [said for said in case.dialogue if since <= said.time < until]
    check.want(not told, "a modem was told something when a way was refused")
    let_in = all_of(list(dict.fromkeys(event.by for event in enabled(case))))
    return check.finding(
        f"{all_of(sorted(refused))} refused; {f'let in by {let_in}' if let_in else 'nobody was let in'}"
    )


def _unknown(case: Case) -> str:
    """Why the papers say nothing of a generation; empty if they do."""
    known = case.topology.profile in WAYS_IN
    return "" if known else f"the papers have no remote service of {case.topology.profile}"


def _refusals(case: Case) -> tuple[float, float]:
    """From the first refusal until something else was done: enabled, called, or scanned."""
    refused = [event.time for event in case.told(InboundRefused)]
    since = min(refused, default=inf)
    return since, _next_act(case, since)


def _next_act(case: Case, since: float) -> float:
    """When something was done after the refusals: enabled, called, scanned, or asked of IBM's server."""
    acts = [e.time for e in case.told(InboundEnabled)]
    acts += [e.started for e in case.events if isinstance(e, CalledIn | HostScanned)]
    acts += [record.time for record in records(case)]
    return min((time for time in acts if time > since), default=inf)
