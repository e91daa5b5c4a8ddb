"""Findings on the Service and Support Proxy, which several agents share: OUT-16 and OUT-17."""

from __future__ import annotations

from lab.names import all_of, count
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.outbound import is_of_another_way
from lab.ways.proxy.events import ConnectTried
from lab.ways.proxy.papers import frames_of_tunnels, judge_refusals
from lab.ways.proxy.tunnels import own_tunnels
from lab.wire.decode import Frame, Packet

ENOUGH = 2
"""Of agents: several."""
NONE_HERE = "there is no Service and Support Proxy here"


def _proxies(case: Case) -> dict[str, list[str]]:
    """Node to the addresses from which it may connect to servers."""
    found: dict[str, list[str]] = {p.node: [] for p in case.topology.proxies if p.service}
    for address, node in case.proxies.items():
        if node in found:
            found[node].append(address)
    return found


def _is_of_others(case: Case, frame: Frame, packet: Packet) -> bool:
    """Whether a packet belongs to another way of the agent that sent it, or of some agent behind NAT."""
    agent = case.agent_addresses.get(packet.source)
    if agent is not None and case.kinds_of(agent, frame.time) <= {"proxy"}:
        return False
    return is_of_another_way(case, "proxy", frame, packet)


def check_out_16(case: Case) -> Finding:
    """Several agents, one address."""
    proxies = _proxies(case)
    names = all_of([f"{node} ({' and '.join(own)})" for node, own in proxies.items()])
    check = Check(
        "OUT-16",
        f"several agents call home, and all that leaves by {case.outside} is of {names or 'one proxy'}",
    )
    if not proxies:
        return check.not_tested(NONE_HERE)
    made = [tunnel for tunnel in own_tunnels(case) if tunnel.is_made]
    served = {tunnel.agent for tunnel in made if tunnel.proxy.node in proxies}
    own = [
        (frame, packet)
        for frame, packet in case.leaving
        if packet.ends in case.proxied or not _is_of_others(case, frame, packet)
    ]
    flows = [(frame, packet) for frame, packet in own if packet.is_bare_syn]
    for frame, packet in flows:
        if packet.ends not in case.proxied:
            check.object(f"a connection to {packet.destination} is of no proxy", [frame])
    sources = {packet.source for _, packet in own}
    if len(sources) > 1:
        check.object(f"{len(sources)} addresses leave: {all_of(sorted(sources))}")
    check.show([frame for frame, _ in flows] + frames_of_tunnels(made))
    agents = case.concerned("proxy")
    if len(agents) < ENOUGH:
        return check.not_tested("one agent only has a way through a proxy, or used it")
    if len(served) < ENOUGH and not case.called:
        return check.not_tested("no two agents called home in this run")
    for agent in agents:
        if agent not in served:
            check.object(f"{agent} has no tunnel by {all_of([*proxies])}")
    callers = [agent for agent in case.topology.agents if agent in served]
    return check.finding(
        f"{count(len(made), 'tunnel')} of {all_of(callers)}, {count(len(flows), 'connection')} to the "
        f"Internet, all from {all_of(sorted(sources))}"
    )


def check_out_17(case: Case) -> Finding:
    """Listed servers, and nothing else."""
    proxies = _proxies(case)
    check = Check(
        "OUT-17",
        "the Service and Support Proxy connects to listed servers and ports only; another host, another port "
        "and another address are refused with 403, and get no SYN",
    )
    if not proxies:
        return check.not_tested(NONE_HERE)
    addresses = {address for own in proxies.values() for address in own}
    for frame, packet in case.packets(*case.uplinks):
        to = packet.destination, packet.destination_port
        if packet.is_bare_syn and packet.source in addresses and to not in case.listed:
            check.object(f"it connects to {to[0]}:{to[1]}, which is not listed", [frame])
    trials = [trial for trial in case.told(ConnectTried) if trial.proxy in proxies]
    places = judge_refusals(case, check, trials)
    made = [t for t in own_tunnels(case) if t.is_made and t.proxy.node in proxies]
    check.show(frames_of_tunnels(made))
    if not trials:
        return check.not_tested("no Service and Support Proxy was put to the test in this run")
    led_away = any(trial.resolved for trial in trials)
    own = [each for each in case.topology.own_programs if each.node in {*proxies}]
    check.want(led_away or own, "no listed name that leads to another address was tried")
    but = (
        f"; no listed name was led to another address, as {own[0].node} runs {own[0].name}, which is "
        "the user's own"
        if own
        else ""
    )
    return check.finding(f"{count(len(made), 'tunnel')} to listed servers; refused: {places}{but}")
