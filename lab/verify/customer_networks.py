"""Findings on consoles that are on different networks of one customer: OUT-05."""

from __future__ import annotations

from lab.names import all_of, count
from lab.topology.route_map import network_of
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.premises import mac


def check_out_05(case: Case) -> Finding:
    """Two HMCs, each on a customer network of its own."""
    check = Check(
        "OUT-05",
        "each HMC has one network card for one of the customer's networks, no two have the same network, no "
        "packet of one is on another's, and one that is cut off does not keep the others from calling home",
    )
    homes = {node.name: node.uplink.segment for node in case.agents}
    if len(homes) < 2:
        return check.not_tested("there is one HMC only")
    network = network_of(case.topology)
    for name in homes:
        if len(links := network.uplinks(name)) > 1:
            check.object(f"{name} has {len(links)} ways to the Internet: {all_of(links)}")
    for segment in sorted({*homes.values()}):
        sharing = [name for name, home in homes.items() if home == segment]
        if len(sharing) > 1:
            check.object(f"{all_of(sharing)} are both on {segment}")
    told = [_judge_home(case, check, name, homes) for name in homes]
    cut_off = _cut_off(case, check)
    if not any(number for number, _ in told):
        return check.not_tested("no HMC sent anything in this run")
    alone = f"; {cut_off}" if cut_off else ""
    return check.finding(
        f"{'; '.join(text for _, text in told)}; none on the other's network{alone}"
    )


def _judge_home(case: Case, check: Check, name: str, homes: dict[str, str]) -> tuple[int, str]:
    """What an HMC has on its own network; object to what others have there."""
    segment, node = homes[name], case.topology.node(name)
    others = [each for each in case.agents if each.name != name and homes[each.name] != segment]
    addresses = {ip: each.name for each in others for i in each.interfaces for ip in i.ips}
    cards = {mac(i): each.name for each in others for i in each.interfaces}
    own = 0
    for frame in case.frames(segment):
        if stranger := cards.get(frame.source_mac):
            check.object(f"{stranger} sends a frame on {segment}, the network of {name}", [frame])
        if frame.ip is None:
            continue
        for address in (frame.ip.source, frame.ip.destination):
            if address in addresses:
                words = f"a packet of {addresses[address]} is on {segment}, the network of {name}"
                check.object(words, [frame])
        if frame.ip.source in node.uplink.ips:
            own += 1
            if own <= 2:
                check.show([frame])
    if not own and any(call.agent == name for call in case.record.calls):
        check.object(f"{name} called home, and nothing of it is on {segment}")
    return own, f"{count(own, 'packet')} of {name} on {segment}"


def _cut_off(case: Case, check: Check) -> str:
    """Who called home while another HMC could not; object if nobody did."""
    failed = [call for call in case.record.calls if not call.succeeded]
    told = []
    for call in failed:
        home = case.topology.node(call.agent).uplink
        sent = case.packets(home.segment)
        in_time = [(f, p) for f, p in sent if call.started <= f.time <= call.ended]
        if not any(p.is_bare_syn and p.source in home.ips for _, p in in_time):
            continue  # It is not the network: no name was told, so nobody was called.
        left = [p for f, p in case.leaving if call.started <= f.time <= call.ended]
        if any(p.source in (*home.ips, case.public_address) for p in left):
            continue  # It is not the network: what was sent has left.
        around = [c for c in case.record.calls if c.agent != call.agent and c.succeeded]
        if not around:
            check.object(f"{call.agent} was cut off, and no other HMC called home")
        else:
            told.append(f"{call.agent} was cut off, and {around[0].agent} called home")
    return "; ".join(dict.fromkeys(told))
