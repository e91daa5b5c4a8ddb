"""Findings on servers that move: DNS says where they are (R-10), and a firewall may follow (F-05)."""

from __future__ import annotations

from lab.ibm.events import ServersMoved
from lab.names import all_of, count
from lab.topology.user_targets import REQUIREMENT as ENTERED
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.ways.direct.redundancy import Asked, asked


def check_r_10(case: Case) -> Finding:
    """DNS is the healing mechanism."""
    check = Check(
        "R-10",
        "once a server has moved, its name leads to the new address, and the next call home goes there and "
        "comes through",
    )
    moves = case.told(ServersMoved)
    if not moves:
        return check.not_tested("no server moved")
    told = []
    for agent in case.topology.agents:
        for moved in moves:
            own = _after(case, agent, moved)
            new = [one for one in own if one.address in moved.new.split(", ")]
            old = [one for one in own if one.address in moved.old.split(", ")]
            check.show(frame for one in (*new, *old) for frame in one.frames)
            for one in old:
                check.object(
                    f"{agent} still calls {one.place}, which {moved.name} has left", one.frames
                )
            check.want(new, f"{agent} did not call {moved.new}, where {moved.name} leads now")
            for one in new:
                if not one.answered:
                    check.object(f"{one.place} did not answer {agent}", one.frames)
            told.append(
                f"{agent} called {moved.name} at {all_of([*dict.fromkeys(o.place for o in new)])}"
            )
    served = [call for call in case.record.calls if call.succeeded and call.started > moves[0].time]
    check.want(served, "no call home came through after the move")
    return check.finding(
        f"{'; '.join(told)}; {count(len(served), 'call')} came through after the move"
    )


def check_f_05(case: Case) -> Finding:
    """Names in the firewall's rules in the place of addresses."""
    check = Check(
        "F-05",
        "a firewall that opens host names lets calls home out also after a server has moved, and opens no "
        "address that the name server has not told",
    )
    firewall = case.topology.firewall
    if firewall is None:
        return check.not_tested("the customer has no firewall")
    moves = case.told(ServersMoved)
    if not moves:
        return check.not_tested("no server moved")

    new = {address for moved in moves for address in moved.new.split(", ")}
    known = {address for told in case.addresses_told.values() for address in told}
    syns = [(f, p) for f, p in case.leaving if p.is_bare_syn and p.destination_port == 443]
    passed = [(f, p) for f, p in syns if p.destination in new]
    check.show(frame for frame, _ in syns[:8])
    for frame, packet in syns:
        if packet.destination not in known:
            check.object(
                f"a SYN leaves for {packet.destination}, of which no name server told", [frame]
            )
    tried = [
        o
        for a in case.topology.agents
        for m in moves
        for o in _after(case, a, m)
        if o.address in new
    ]
    if tried and not passed:
        frames = [frame for one in tried for frame in one.frames]
        own = (r for r in firewall.rules if r.protocol == "tcp" and r.requirement != ENTERED)
        rules = sum(not rule.is_by_name for rule in own)
        check.object(
            f"{firewall.node} lets no SYN to {all_of(sorted(new))} pass: {count(rules, 'rule')} of it "
            "name addresses",
            frames,
        )
    check.want(tried or passed, f"nobody called {all_of(sorted(new))}")
    names = {rule.destination for rule in firewall.rules if rule.is_by_name}
    return check.finding(
        f"{count(len(passed), 'SYN')} to {all_of(sorted(new))} passed by the rules for "
        f"{all_of(sorted(names)) or 'addresses'}"
    )


def _after(case: Case, agent: str, moved: ServersMoved) -> list[Asked]:
    """An agent's connections once what it was told before the move holds no more (RFC 1035 3.2.1)."""
    return [one for one in asked(case, agent) if one.time >= moved.time + moved.ttl_s]
