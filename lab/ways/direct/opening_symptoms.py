"""What befell a direct way that led home: a closed address, a network or a server that came back."""

from __future__ import annotations

from lab.names import all_of, count, place
from lab.record.record import CallHome
from lab.topology.model import Endpoint
from lab.verify.case import Case
from lab.verify.errands import errands_of
from lab.verify.symptom import Diagnosis, Trail
from lab.ways.direct import redundancy
from lab.ways.direct.openings import closed_servers
from lab.ways.direct.plan import DirectPlan, StandIns
from lab.ways.direct.redundancy import Asked
from lab.ways.direct.tested import wanted_servers

BLOCKED = {"F-12": "address-blocked", "F-13": "eccgw-blocked", "F-14": "config-server-blocked"}
"""The requirement by which servers stand in for each other, and what it is if one of them is closed."""
LOSS = {
    "F-12": "the front end is left with fewer addresses",
    "F-13": "registration and bulk data have lost their redundancy",
    "F-14": "the configuration servers have lost their redundancy",
}


def find_blocked_server(trail: Trail) -> Diagnosis | None:
    """A listed server to which no connection gets past the customer's firewall, while others are reached."""
    firewall = trail.case.topology.firewall
    plan = _plan(trail.case, trail.client)
    if firewall is None or plan is None:
        return None
    closed = closed_servers(trail.case, trail.client)
    places = {(opening.address, opening.port) for opening in closed}
    lost = [e for e in wanted_servers(trail.case, plan) if (e.address, e.port) in places]
    if not lost:
        return None
    number = sum((o.address, o.port) in {(e.address, e.port) for e in lost} for o in closed)
    groups = [group for group in plan.stand_ins if _holds_any(group, lost)]
    uplink = trail.case.topology.node(trail.client).uplink.segment
    effects = [LOSS[group.requirement] for group in groups if group.requirement in LOSS]
    effect = f": {all_of(effects)}" if effects else ""
    one = len(groups) == 1 and all(_holds_any(groups[0], [e]) for e in lost)
    named = all_of([f"TCP {e.port} to {e.address} ({e.name})" for e in lost])
    return Diagnosis(
        BLOCKED.get(groups[0].requirement, "server-blocked") if one else "server-blocked",
        f"{firewall.node} does not let {trail.client} out by {named}{effect}; "
        f"{count(number, 'connection')} begun on {uplink}, none on {firewall.outside}",
        f"open {all_of([f'TCP {e.port} to {e.address}' for e in lost])}: lab explain "
        f"{trail.case.topology.profile} prints the rules",
    )


def _plan(case: Case, agent: str) -> DirectPlan | None:
    return next((w for w in case.topology.ways_of(agent) if isinstance(w, DirectPlan)), None)


def _holds_any(group: StandIns, lost: list[Endpoint]) -> bool:
    places = {(e.address, e.port) for e in group.endpoints}
    return bool(places & {(e.address, e.port) for e in lost})


def find_dead_network(trail: Trail) -> Diagnosis | None:
    """In one call nothing got past the firewall, and a later call of the same host did."""
    case, firewall = trail.case, trail.case.topology.firewall
    calls = [call for call in case.record.calls if call.agent == trail.client]
    failed = [call for call in calls if not call.succeeded]
    if firewall is None or not failed or not calls[-1].succeeded:
        return None
    call, uplink = failed[0], case.topology.node(trail.client).uplink.segment
    begun = _begun(trail, call)
    gone = {p.tcp_sequence for _, p in case.leaving if p.is_bare_syn}
    if not begun or gone & {*begun}:
        return None
    others = [c for c in case.record.calls if c.agent != trail.client and c.succeeded]
    meanwhile = [c.agent for c in others if c.started <= calls[-1].started]
    back = f"; {all_of(sorted({*meanwhile}))} called home meanwhile" if meanwhile else ""
    return Diagnosis(
        "network-down",
        f"{uplink} was cut off: {count(len(begun), 'SYN')} of {trail.client} on {uplink}, none on "
        f"{firewall.outside}, in a call that failed{back}, and {trail.client} did later",
        f"see what {firewall.node} loses of {uplink}",
    )


def _begun(trail: Trail, call: CallHome) -> list[int]:
    """The sequence numbers of the SYNs that the client sent in a call."""
    return [
        f.ip.tcp_sequence
        for f in trail.case.inside_frames
        if f.ip
        and f.ip.is_bare_syn
        and trail.case.agent_addresses.get(f.ip.source) == trail.client
        and call.started <= f.time <= call.ended
    ]


def find_returned_server(trail: Trail) -> Diagnosis | None:
    """A server that is asked first, of each errand's, was silent in one call, and answers a later one."""
    own = redundancy.asked(trail.case, trail.client)
    errands = errands_of(trail.case, trail.client)
    groups = [{place(end.address, end.port) for end in errand.endpoints} for errand in errands]
    theirs = [[one for one in own if one.place in group] for group in groups] or [own]
    return next(filter(None, (_returned(trail, asked) for asked in theirs)), None)


def _returned(trail: Trail, own: list[Asked]) -> Diagnosis | None:
    """Of servers that do the same: whether the one that is asked first came back."""
    case, first = trail.case, [one for one in own if one.place == own[0].place]
    back = next((one for one in first if one.answered), None)
    silent = [one for one in first if back and not one.answered and one.time < back.time]
    if not silent or back is None:
        return None
    gone = {p.tcp_sequence for _, p in case.leaving if p.is_bare_syn}
    if not any(one.frames[0].ip and one.frames[0].ip.tcp_sequence in gone for one in silent):
        return None
    by = dict.fromkeys(o.place for o in own if o.answered and silent[0].time < o.time < back.time)
    if not by:
        return None
    return Diagnosis(
        "primary-down",
        f"{silent[0].place} was silent for a time: {count(len(silent), 'connection')} begun by "
        f"{trail.client} without an answer, and {all_of(list(by))} answered; "
        f"{back.time - silent[0].time:.0f} s after the first SYN it answers again",
        f"see what befell the server on {silent[0].address}",
    )
