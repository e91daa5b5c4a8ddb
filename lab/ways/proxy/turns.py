"""Findings OUT-13 and OUT-14: how many proxies an agent has, and in which order they are tried."""

from __future__ import annotations

from itertools import groupby, pairwise

from lab.names import all_of, count
from lab.record.record import CallHome
from lab.topology.proxy import MOST_PROXIES
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.ways.proxy.papers import UNREACHED, frames_of_tunnels
from lab.ways.proxy.plan import ProxyPlan, plans, stops_of
from lab.ways.proxy.tunnels import Tunnel, own_tunnels
from lab.wire.decode import TCP

CONNECT = b"CONNECT "


def check_out_13(case: Case) -> Finding:
    """Three proxies at most, and no other machine is asked for a tunnel."""
    check = Check(
        "OUT-13",
        f"each agent has {MOST_PROXIES} slots for proxies at most, and asks nobody else to make a tunnel",
    )
    told = []
    for agent in case.topology.agents:
        own = [way for way in case.topology.ways_of(agent) if isinstance(way, ProxyPlan)]
        slots = sum(len(way.proxies) for way in own)
        if slots > MOST_PROXIES:
            check.object(f"{agent} has {slots} slots for proxies")
        filled = stops_of(case.topology, agent)
        addresses = {stop.address for stop in filled}
        asked = [
            (frame, packet)
            for frame, packet in case.sent_by(agent, case.topology.node(agent).uplink.segment)
            if packet.protocol == TCP and packet.payload.startswith(CONNECT)
        ]
        strange = {p.destination: f for f, p in asked if p.destination not in addresses}
        for address, frame in strange.items():
            check.object(
                f"{agent} asks {address} for a tunnel, which is none of its proxies", [frame]
            )
        check.show([frame for frame, _ in asked[:1]])
        if asked:
            names = all_of([stop.node for stop in filled])
            told.append(f"{agent} has {names} in {count(slots, 'slot')}, and asked no other")
    if not told:
        return check.not_tested(UNREACHED)
    return check.finding("; ".join(told))


def check_out_14(case: Case) -> Finding:
    """Proxies in their order, the next one only when one is not available."""
    slots = [
        ", then ".join(node or "an empty slot" for node in w.proxies) for w in plans(case.topology)
    ]
    check = Check(
        "OUT-14",
        f"an agent asks {'; '.join(slots)}, each only when the one before did not get the call home through",
    )
    own = own_tunnels(case)
    told = []
    for agent in case.topology.agents:
        stops = [stop.node for stop in stops_of(case.topology, agent)]
        asked = [tunnel for tunnel in own if tunnel.agent == agent]
        if not asked:
            continue
        _judge_order(check, agent, stops, asked)
        for call in case.record.calls:
            if call.agent == agent:
                _judge_call(check, call, stops, asked)
        told.append(f"{agent} asked {', then '.join(map(_told, asked))}")
    check.show(frames_of_tunnels(own))
    if sum(len(way.proxies) for way in plans(case.topology)) == 1:
        return check.not_tested("there is one proxy")
    if not told:
        return check.not_tested(UNREACHED)
    return check.finding("; ".join(told))


def _judge_order(check: Check, agent: str, stops: list[str], asked: list[Tunnel]) -> None:
    """The first one first, then each the same again, or the next one; after the last one the first."""
    strangers = [tunnel for tunnel in asked if tunnel.proxy.node not in stops]
    for tunnel in strangers:
        words = f"{agent} asks {tunnel.proxy.node}, which is none of its proxies"
        check.object(words, frames_of_tunnels([tunnel]))
    known = [tunnel for tunnel in asked if tunnel not in strangers]
    if known and known[0].proxy.node != stops[0]:
        check.object(f"{agent} passes over {stops[0]}", frames_of_tunnels(known[:1]))
    for before, after in pairwise(known):
        came, goes = stops.index(before.proxy.node), stops.index(after.proxy.node)
        if goes not in (came, came + 1, 0):
            words = f"{agent} asks {after.proxy.node} after {before.proxy.node}"
            check.object(words, frames_of_tunnels([after]))


def _judge_call(check: Check, call: CallHome, stops: list[str], asked: list[Tunnel]) -> None:
    """A call of the lab's own agent: what it tried is what the wire shows, and it ends with a success."""
    during = [tunnel for tunnel in asked if call.started <= tunnel.time <= call.ended]
    tried = [tried.proxy for tried in call.attempts if tried.proxy]
    shown = [tunnel.proxy for tunnel in during]
    on_wire = [f"http://{proxy.name}:{proxy.port}" for proxy in shown]
    if [url for url, _ in groupby(tried)] != [url for url, _ in groupby(on_wire)]:
        words = f"{call.agent} tells that it asked {_nodes(tried)}, and the wire shows {_nodes(on_wire)}"
        check.object(words, frames_of_tunnels(during))
    for attempt in call.attempts[:-1]:
        if attempt.proxy and attempt.cause is None:
            check.object(f"{call.agent} got through by {attempt.proxy}, and goes on")


def _nodes(urls: list[str]) -> str:
    hosts = (url.removeprefix("http://").partition(".")[0] for url, _ in groupby(urls))
    return all_of(list(hosts)) or "none"


def _told(tunnel: Tunnel) -> str:
    if not tunnel.answered:
        refused = any(frame.ip and frame.ip.is_reset for frame in tunnel.frames)
        return f"{tunnel.proxy.node} ({'refused' if refused else 'silent'})"
    return f"{tunnel.proxy.node} ({tunnel.status or 'no answer'})"
