"""Findings on a way home through proxies: OUT-09 to OUT-12, OUT-14 and F-10."""

from __future__ import annotations

from base64 import b64encode

from lab.names import all_of, count
from lab.record.record import CallHome
from lab.topology.proxy import HttpProxy
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.firewall import NO_FIREWALL, judge_counter, judge_strangers, rule_text, rules_of
from lab.verify.outbound import object_to_failed_calls
from lab.ways.proxy.events import ConnectTried, DirectTried
from lab.ways.proxy.plan import ProxyPlan, plans
from lab.ways.proxy.tunnels import CONNECT, Tunnel, own_tunnels
from lab.wire.decode import Frame

HTTPS = 443
REFUSED = 403
LOG_IN_WANTED = 407
NOBODY_ASKED = "no proxy was asked in this run"


def is_made(tunnel: Tunnel) -> bool:
    return 200 <= tunnel.status < 300


def frames_of_tunnels(found: list[Tunnel]) -> list[Frame]:
    """Of each the SYN and what follows it, as far as the request and the answer may take."""
    return [frame for tunnel in found for frame in tunnel.frames[:6]]


def check_out_09(case: Case) -> Finding:
    """CONNECT, then TLS, and nothing past the proxies."""
    check = Check(
        "OUT-09",
        f"{case.agents_text()} asks a proxy on {case.inside} for CONNECT to a listed server and port 443, is "
        f"answered with 200, and begins TLS; nothing of the agent's own goes to a listed server",
    )
    own = own_tunnels(case)
    listed = {(e.name, e.port) for e in case.topology.endpoints} | case.listed
    made = [tunnel for tunnel in own if is_made(tunnel)]
    for tunnel in made:
        if (tunnel.host, tunnel.port) not in listed:
            check.object(
                f"a tunnel leads to {tunnel.target}, which is not listed",
                frames_of_tunnels([tunnel]),
            )
        if not tunnel.hello:
            check.object(
                f"in the tunnel to {tunnel.target} no TLS begins", frames_of_tunnels([tunnel])
            )
    _object_to_direct(case, check)
    object_to_failed_calls(case, check)
    for agent in case.topology.agents:
        if case.came_home and not any(tunnel.agent == agent for tunnel in made):
            check.object(f"{agent} came home, and no tunnel of it is on {case.inside}")
    check.show(frames_of_tunnels(made))
    if not own and not case.called:
        return check.not_tested(NOBODY_ASKED)
    servers = {packet.destination for _, packet in case.leaving}
    check.want(servers, f"nothing left by {case.outside}")
    by = sorted({tunnel.proxy.node for tunnel in made})
    return check.finding(
        f"{count(len(made), 'tunnel')} by {all_of(by)} to {all_of(sorted({t.target for t in made}))}, with "
        "TLS in each; no packet of an agent's to a listed server"
    )


def _object_to_direct(case: Case, check: Check) -> None:
    """Object to what an agent's host sent to a listed server itself, but for the lab's own trial (F-10)."""
    addresses = {address for address, _ in case.listed}
    trials = case.told(DirectTried)
    for frame, packet in case.packets(*case.uplinks):
        agent = case.agent_addresses.get(packet.source)
        if agent is None or packet.destination not in addresses:
            continue
        if case.kinds_at(frame.time) != {"proxy"}:
            continue  # That is for another way's findings.
        if not any(t.source == agent and t.started <= frame.time <= t.time for t in trials):
            check.object(f"{agent} sends to {packet.destination} without a proxy", [frame])


def check_out_10(case: Case) -> Finding:
    """HTTP/1.1 with a Host field, and nothing in clear where a proxy refuses."""
    check = Check(
        "OUT-10",
        "each request to a proxy is CONNECT by HTTP/1.1 with the field Host; a proxy that refuses gets "
        "nothing else",
    )
    asked = [tunnel for tunnel in own_tunnels(case) if tunnel.method]
    for tunnel in asked:
        if tunnel.method != CONNECT:
            check.object(
                f"{tunnel.agent} says {tunnel.method} to {tunnel.proxy.node}",
                frames_of_tunnels([tunnel]),
            )
        if tunnel.version != "HTTP/1.1":
            check.object(
                f"a request is by {tunnel.version or 'no version'}", frames_of_tunnels([tunnel])
            )
        if tunnel.fields.get("host") != tunnel.target:
            check.object(
                f"the request for {tunnel.target} has no such Host", frames_of_tunnels([tunnel])
            )
        if tunnel.sent and not is_made(tunnel):
            words = f"{tunnel.proxy.node} answers {tunnel.status or 'nothing'}, and {tunnel.agent} goes on"
            check.object(words, frames_of_tunnels([tunnel]))
    check.show(frames_of_tunnels(asked))
    if not asked:
        return check.not_tested(NOBODY_ASKED)
    refused = [tunnel for tunnel in asked if not is_made(tunnel)]
    return check.finding(
        f"{count(len(asked), 'request')} by HTTP/1.1; {count(len(refused), 'refusal')}, after which nothing "
        "was said"
    )


def check_out_11(case: Case) -> Finding:
    """The basic log-in, and no further than the proxy."""
    check = Check(
        "OUT-11",
        "a proxy asks for a log-in with 407, makes a tunnel only for the right user and password, and does "
        "not pass them on",
    )
    wanted = {p.node: credentials(p) for p in case.topology.proxies if p.account is not None}
    if not wanted:
        return check.not_tested("no proxy here asks for a log-in")
    own = [tunnel for tunnel in own_tunnels(case) if tunnel.proxy.node in wanted and tunnel.method]
    for tunnel in own:
        right = tunnel.log_in == f"Basic {wanted[tunnel.proxy.node]}"
        if is_made(tunnel) and not right:
            what = "with another log-in" if tunnel.log_in else "without a log-in"
            check.object(f"{tunnel.proxy.node} makes a tunnel {what}", frames_of_tunnels([tunnel]))
        if tunnel.status == LOG_IN_WANTED and right:
            check.object(
                f"{tunnel.proxy.node} does not take the right log-in", frames_of_tunnels([tunnel])
            )
    beyond = [
        frame
        for segment, frames in case.wire.items()
        if segment not in case.uplinks
        for frame in frames
        if any(token.encode() in frame.data for token in wanted.values())
    ]
    check.forbid(beyond, "beyond the proxy with the log-in", "frame")
    if not own:
        return check.not_tested(NOBODY_ASKED)
    asked_for = [tunnel for tunnel in own if tunnel.status == LOG_IN_WANTED]
    made = [tunnel for tunnel in own if is_made(tunnel)]
    check.show(frames_of_tunnels(asked_for + made))
    check.want(asked_for, "no proxy asked for a log-in")
    object_to_failed_calls(case, check)
    return check.finding(
        f"asked for {count(len(asked_for), 'time')}, and {count(len(made), 'tunnel')} made for who logged "
        f"in; the log-in is on {case.inside} only"
    )


def credentials(proxy: HttpProxy) -> str:
    """As they are on the wire (RFC 7617 2)."""
    assert proxy.account is not None, "asked for"
    text = f"{proxy.account.user}:{proxy.account.password.reveal()}"
    return b64encode(text.encode()).decode()


def check_out_12(case: Case) -> Finding:
    """Port 443, and listed destinations only."""
    check = Check(
        "OUT-12",
        f"the proxies refuse another port than 443 and an address that is not listed with {REFUSED}, and "
        "send nothing there",
    )
    trials = case.told(ConnectTried)
    places = judge_refusals(case, check, trials)
    made = [tunnel for tunnel in own_tunnels(case) if is_made(tunnel)]
    check.show(frames_of_tunnels(made))
    if not trials:
        return check.not_tested("no way through proxies was put to the test in this run")
    return check.finding(f"refused: {places}; {count(len(made), 'tunnel')} to port {HTTPS} made")


def judge_refusals(case: Case, check: Check, trials: list[ConnectTried]) -> str:
    """Object to a proxy that does not refuse what it was tried with, or goes there; the places, in words."""
    for trial in trials:
        if 200 <= trial.status < 300:
            check.object(f"{trial.proxy} makes a tunnel to {trial.target}")
    refused = [trial for trial in trials if trial.status == REFUSED]
    for target in {trial.target for trial in trials} - {trial.target for trial in refused}:
        check.object(f"no proxy answers CONNECT {target} with {REFUSED}")
    for frame, packet in case.packets(*case.uplinks, *case.exits):
        if packet.source not in (*case.proxies, case.public_address) or not packet.is_bare_syn:
            continue
        for trial in trials:
            address, _, port = trial.target.rpartition(":")
            names = {e.address for e in case.topology.endpoints if e.name == address} | {address}
            if packet.destination in names and packet.destination_port == int(port):
                check.object(f"{trial.proxy} connects to {trial.target}", [frame])
    return all_of(sorted({trial.target for trial in refused}))


def check_out_14(case: Case) -> Finding:
    """Proxies in their order, the next one only when one is not available."""
    ways = plans(case.topology)
    wanted = (", then ".join(node or "an empty slot" for node in way.proxies) for way in ways)
    check = Check(
        "OUT-14", f"an agent asks {'; '.join(wanted)}, each only when the one before failed"
    )
    if all(len(way.proxies) == 1 for way in ways):
        return check.not_tested("there is one proxy")
    own = own_tunnels(case)
    told = [
        _judge_order(case, check, call, way, own)
        for call in case.record.calls
        for way in ways
        if way.name == call.way
    ]
    check.show(frames_of_tunnels(own))
    if not told:
        return check.not_tested(NOBODY_ASKED)
    return check.finding("; ".join(told))


def _judge_order(
    case: Case, check: Check, call: CallHome, way: ProxyPlan, own: list[Tunnel]
) -> str:
    stops = [stop.node for stop in way.stops(case.topology)]
    asked = [t for t in own if t.agent == call.agent and call.started <= t.time <= call.ended]
    if not asked:
        check.object(f"{call.agent} called by {way.name}, and asked no proxy")
        return ""
    at, before = 0, None
    for tunnel in asked:
        place = stops.index(tunnel.proxy.node)
        again = before is not None and at == len(stops) - 1 and place == 0
        if place not in (at, at + 1) and not again:
            words = (
                f"{call.agent} asks {tunnel.proxy.node} after {stops[at]}"
                if before
                else (f"{call.agent} asks {tunnel.proxy.node} first, and {stops[0]} comes first")
            )
            check.object(words, frames_of_tunnels([tunnel]))
        elif before is None and place != 0:
            check.object(f"{call.agent} passes over {stops[0]}", frames_of_tunnels([tunnel]))
        elif place != at and before is not None and is_made(before) and call.succeeded:
            check.object(
                f"{stops[at]} had made a tunnel, and {tunnel.proxy.node} is asked",
                frames_of_tunnels([tunnel]),
            )
        at, before = place, tunnel
    if call.succeeded and before is not None and not is_made(before):
        check.object(f"{call.agent} got through, and {before.proxy.node} made no tunnel")
    return f"{call.agent} asked " + ", then ".join(_told(tunnel) for tunnel in asked)


def _told(tunnel: Tunnel) -> str:
    if not tunnel.answered:
        refused = any(frame.ip and frame.ip.is_reset for frame in tunnel.frames)
        return f"{tunnel.proxy.node} ({'refused' if refused else 'silent'})"
    return f"{tunnel.proxy.node} ({tunnel.status or 'no answer'})"


def check_f_10(case: Case) -> Finding:
    """The proxies out by TCP 443; the agent nowhere."""
    check = Check(
        "F-10",
        "the rules let the proxies out to listed servers on TCP 443, and no rule is for an agent; a direct "
        "connection of the agent's host is dropped",
    )
    if case.topology.firewall is None:
        return check.not_tested(NO_FIREWALL)
    rules = rules_of(case, "F-10")
    for rule in rules:
        if (rule.protocol, rule.port) != ("tcp", HTTPS) or rule.both_ways:
            check.object(f"a rule admits {rule_text(rule)}")
        if rule.source not in case.proxies:
            check.object(f"a rule is for {rule.source}, which is no proxy")
    judge_strangers(case, check)
    trials = case.told(DirectTried)
    asked = case.packets(*case.uplinks)
    for trial in trials:
        if trial.connected:
            check.object(f"{trial.source} got to {trial.destination} without a proxy")
        syns = [
            frame
            for frame, packet in asked
            if packet.is_bare_syn
            and case.agent_addresses.get(packet.source) == trial.source
            and trial.started <= frame.time <= trial.time
        ]
        check.want(
            syns, f"the direct attempt of {trial.source} is on no wire, so it proves nothing"
        )
        check.show(syns[:2])
    out = [f for f, p in case.leaving if p.is_bare_syn and p.destination_port == HTTPS]
    check.show(out[:8])
    if not out and not case.called:
        return check.not_tested("nothing called home in this run")
    check.want(out, "no SYN to TCP 443 passed the firewall")
    passed = judge_counter(case, check, "F-10")
    alone = {way.kind for way in case.topology.ways} == {"proxy"}
    if case.came_home and alone:
        check.want(trials, "nobody tried to get past the proxies")
    return check.finding(
        f"{count(len(out), 'SYN')} of the proxies out on TCP 443 by "
        f"{count(len(rules), 'rule')}, which counted {count(passed, 'packet')}; "
        f"{count(len(trials), 'direct attempt')}, none got through"
    )
