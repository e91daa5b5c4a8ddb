"""Findings on a way home through proxies: OUT-09 to OUT-12, and F-10. OUT-14 is in ``turns``."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable

from lab.names import all_of, count
from lab.topology.proxy import HttpProxy
from lab.verify.case import Case
from lab.verify.finding import Check, Finding
from lab.verify.firewall import NO_FIREWALL, judge_counter, judge_strangers, rule_text, rules_of
from lab.verify.once import once
from lab.verify.outbound import ON_ITS_WAY_S, object_to_failed_calls
from lab.verify.step import Step
from lab.ways.proxy.events import ConnectTried, DirectTried
from lab.ways.proxy.tunnels import CONNECT, Tunnel, opened, own_tunnels
from lab.wire import tls
from lab.wire.decode import Frame

HTTPS = 443
REFUSED = 403
LOG_IN_WANTED = 407
UNREACHED = "no request reached a proxy in this run"


def frames_of_tunnels(found: Iterable[Tunnel]) -> list[Frame]:
    """Of each the SYN and what follows it, as far as the request and the answer may take."""
    return [frame for tunnel in found for frame in tunnel.frames[:6]]


def proxied_agents(case: Case) -> list[str]:
    """The agents whose every way home is through proxies."""
    return [
        agent
        for agent in case.topology.agents
        if {way.kind for way in case.topology.ways_of(agent)} == {"proxy"}
    ]


def check_out_09(case: Case) -> Finding:
    """CONNECT, then TLS, and nothing past the proxies."""
    check = Check(
        "OUT-09",
        f"an agent asks a proxy on {case.inside} for CONNECT to a listed server and port 443, is answered "
        "with 200, and begins TLS; nothing of the agent's own goes to a listed server",
    )
    own = own_tunnels(case)
    names = {(end.name.lower(), end.port) for end in case.topology.endpoints}
    made = [tunnel for tunnel in own if tunnel.is_made]
    for tunnel in made:
        if (tunnel.host, tunnel.port) not in names | case.listed:
            words = f"a tunnel leads to {tunnel.target}, which is not listed"
            check.object(words, frames_of_tunnels([tunnel]))
        if not tunnel.hello:
            words = f"in the tunnel to {tunnel.target} no TLS begins"
            check.object(words, frames_of_tunnels([tunnel]))
    for tunnel in opened(case):
        if any(each.kind == tls.APPLICATION_DATA for each in tls.records(tunnel.sent)):
            words = f"{tunnel.proxy.node} reads what {tunnel.agent} says to {tunnel.target}"
            check.object(words, frames_of_tunnels([tunnel]))
    _object_to_direct(case, check)
    object_to_failed_calls(case, check, "proxy")
    ends = {agent: case.settled(agent) for agent in case.topology.agents}
    settled_by_proxy = [agent for agent, way in ends.items() if way and way.kind == "proxy"]
    for agent in settled_by_proxy if case.came_home else ():
        if not any(tunnel.agent == agent for tunnel in made):
            check.object(f"{agent} came home, and no tunnel of it is on {case.inside}")
    check.show(frames_of_tunnels(made))
    if not made:
        return check.not_tested("no proxy made a tunnel in this run")
    if not case.proxied and case.came_home and not settled_by_proxy:
        return check.not_tested("the calls came through, and none by a proxy")
    check.need(Step.syn, case.proxied, f"no connection of a proxy left by {case.outside}")
    by = all_of(sorted({tunnel.proxy.node for tunnel in made}))
    targets = all_of(sorted({tunnel.target for tunnel in made}))
    return check.finding(
        f"{count(len(made), 'tunnel')} by {by} to {targets}, with TLS in each; no packet of an agent's to a "
        "listed server"
    )


def _object_to_direct(case: Case, check: Check) -> None:
    """Object to what an agent's host sent to a listed server itself, but for the lab's own trial (F-10)."""
    addresses = {address for address, _ in case.listed}
    trials = case.told(DirectTried)
    alone = proxied_agents(case)
    for frame, packet in case.packets(*case.uplinks):
        agent = case.agent_addresses.get(packet.source)
        if agent is None or packet.destination not in addresses:
            continue
        times = (frame.time, frame.time - ON_ITS_WAY_S)
        if agent not in alone and any(case.kinds_of(agent, at) != {"proxy"} for at in times):
            continue  # That is for another way's findings.
        if not any(t.source == agent and t.started <= frame.time <= t.time for t in trials):
            check.object(f"{agent} sends to {packet.destination} without a proxy", [frame])


def check_out_10(case: Case) -> Finding:
    """HTTP/1.1 with a Host field, and nothing in clear where a proxy refuses."""
    check = Check(
        "OUT-10",
        "each request to a proxy is CONNECT by HTTP/1.1 with the field Host; a proxy that refuses gets "
        "nothing but another request",
    )
    asked = [tunnel for tunnel in own_tunnels(case) if tunnel.method or tunnel.noise]
    for tunnel in asked:
        if fault := _fault(tunnel):
            check.object(fault, frames_of_tunnels([tunnel]))
    check.show(frames_of_tunnels(asked))
    if not asked:
        return check.not_tested(UNREACHED)
    refused = sum(not tunnel.is_made for tunnel in asked)
    return check.finding(
        f"{count(len(asked), 'request')} by HTTP/1.1; {count(refused, 'refusal')}, after which nothing was "
        "said in clear"
    )


def _fault(tunnel: Tunnel) -> str:
    """What is wrong with a request; empty if nothing is."""
    agent, proxy = tunnel.agent, tunnel.proxy.node
    if tunnel.noise:
        return f"what {agent} says to {proxy} is no HTTP: {tunnel.noise}"
    if tunnel.method != CONNECT:
        return f"{agent} says {tunnel.method} to {proxy}"
    if tunnel.version != "HTTP/1.1":
        return f"a request of {agent} is by {tunnel.version}"
    if tunnel.fields.get("host", "").lower() != tunnel.target.lower():
        return f"the request for {tunnel.target} has no such Host"
    if tunnel.sent and not tunnel.is_made:
        return f"{proxy} answers {tunnel.status or 'nothing'}, and {agent} goes on"
    return ""


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
        scheme, _, token = tunnel.log_in.partition(" ")
        right = scheme.lower() == "basic" and token.strip() == wanted[tunnel.proxy.node]
        if tunnel.is_made and not right:
            what = "with another log-in" if tunnel.log_in else "without a log-in"
            check.object(f"{tunnel.proxy.node} makes a tunnel {what}", frames_of_tunnels([tunnel]))
        if tunnel.status == LOG_IN_WANTED and right:
            words = f"{tunnel.proxy.node} does not take the right log-in"
            check.object(words, frames_of_tunnels([tunnel]))
    check.forbid(_passed_on(case, wanted.values()), "beyond the proxy with the log-in", "frame")
    asked_for = [tunnel for tunnel in own if tunnel.status == LOG_IN_WANTED]
    made = [tunnel for tunnel in own if tunnel.is_made]
    check.show(frames_of_tunnels(asked_for + made))
    object_to_failed_calls(case, check, "proxy")
    if not own:
        return check.not_tested("no proxy that asks for a log-in was asked in this run")
    if not asked_for:
        if case.called:
            check.object("no proxy asked for a log-in")
        return check.not_tested("who asked logged in before a proxy wanted it")
    return check.finding(
        f"asked for {count(len(asked_for), 'time')}, and {count(len(made), 'tunnel')} made for who logged "
        f"in; the log-in is between agents and proxies on {case.inside} only"
    )


def _passed_on(case: Case, tokens: Iterable[str]) -> list[Frame]:
    """The frames with a log-in that are not on their way from an agent to a proxy."""
    words = [token.encode() for token in tokens]
    found = []
    for segment, frames in case.wire.items():
        for frame in frames:
            if not any(word in frame.data for word in words):
                continue
            asks = (
                segment in case.uplinks
                and frame.ip is not None
                and frame.ip.source in case.agent_addresses
                and any(frame.ip.destination == proxy.address for proxy in case.topology.proxies)
            )
            if not asks:
                found.append(frame)
    return found


def credentials(proxy: HttpProxy) -> str:
    """As they are on the wire (RFC 7617 2)."""
    assert proxy.account is not None, "asked for"
    text = f"{proxy.account.user}:{proxy.account.password.reveal()}"
    return b64encode(text.encode()).decode()


def check_out_12(case: Case) -> Finding:
    """Port 443, and listed destinations only."""
    check = Check(
        "OUT-12",
        f"the proxies refuse another port than 443, and servers that are not listed, with {REFUSED}, and "
        "send nothing there",
    )
    trials = case.told(ConnectTried)
    places = judge_refusals(case, check, trials)
    made = [tunnel for tunnel in own_tunnels(case) if tunnel.is_made]
    check.show(frames_of_tunnels(made))
    if not trials:
        return check.not_tested("no way through proxies was put to the test in this run")
    return check.finding(f"refused: {places}; {count(len(made), 'tunnel')} to port {HTTPS} made")


def judge_refusals(case: Case, check: Check, trials: list[ConnectTried]) -> str:
    """Object to a proxy that does not refuse what it was tried with, or goes there; the places, in words."""
    # A proxy that is silent or busy to all is so to the trials, too.
    usual = {(tunnel.proxy.node, tunnel.status) for tunnel in own_tunnels(case)}
    for trial in trials:
        if 200 <= trial.status < 300:
            check.object(f"{trial.proxy} makes a tunnel to {trial.place}")
        elif trial.status != REFUSED and (trial.proxy, trial.status) not in usual:
            said = trial.status or "nothing"
            check.object(f"{trial.proxy} answers CONNECT {trial.place} with {said}")
    refused = [trial for trial in trials if trial.status == REFUSED]
    for place in {trial.place for trial in trials} - {trial.place for trial in refused}:
        check.object(f"no proxy answers CONNECT {place} with {REFUSED}")
    tried = _by_place(case, trials)
    own = {*case.proxies, case.public_address}
    for frame, packet in case.packets(*case.uplinks, *case.exits):
        if packet.source in own and packet.is_bare_syn:
            for trial in tried.get((packet.destination, packet.destination_port), ()):
                check.object(f"{trial.proxy} connects to {trial.place}", [frame])
    return all_of(sorted({trial.place for trial in refused}))


def _by_place(case: Case, trials: list[ConnectTried]) -> dict[tuple[str, int], list[ConnectTried]]:
    """The trials by each address and port to which a proxy would have to connect for them."""
    tried: dict[tuple[str, int], list[ConnectTried]] = {}
    by_name: dict[str, set[str]] = {}
    for end in case.topology.endpoints:
        by_name.setdefault(end.name, set()).add(end.address)
    for trial in trials:
        name, _, port = trial.target.rpartition(":")
        where = {trial.resolved} if trial.resolved else by_name.get(name, set()) | {name}
        for address in where:
            tried.setdefault((address, int(port)), []).append(trial)
    return tried


def check_f_10(case: Case) -> Finding:
    """The proxies out by TCP 443; the agent nowhere."""
    check = Check(
        "F-10",
        "the rules let the proxies out to listed servers on TCP 443; a host whose agent has no other way "
        "gets nowhere by itself",
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
    for trial in trials:
        _judge_attempt(case, check, trial)
    out = [f for f, p in case.leaving if p.is_bare_syn and p.ends in case.proxied]
    check.show(out[:8])
    if not out and not case.called:
        return check.not_tested("nothing called home in this run")
    check.need(Step.syn, out, "no SYN of a proxy to TCP 443 passed the firewall")
    counted = judge_counter(case, check, "F-10", None if out else Step.syn)
    missing = [agent for agent in proxied_agents(case) if agent not in {t.source for t in trials}]
    if missing or not trials:
        return check.not_tested(
            f"{all_of(missing) or 'no host'} did not try to get past the proxies"
            if missing
            else "every agent has another way, by which it may get out"
        )
    return check.finding(
        f"{count(len(out), 'SYN')} of the proxies out on TCP 443 by {count(len(rules), 'rule')}, {counted}; "
        f"{count(len(trials), 'direct attempt')}, none got through"
    )


@once
def syns_of_agents(case: Case) -> dict[str, list[Frame]]:
    """By agent: the bare SYNs of the agent's host on the agents' own wires."""
    found: dict[str, list[Frame]] = {}
    for frame, packet in case.packets(*case.uplinks):
        if packet.is_bare_syn and (agent := case.agent_addresses.get(packet.source)):
            found.setdefault(agent, []).append(frame)
    return found


def _judge_attempt(case: Case, check: Check, trial: DirectTried) -> None:
    """An attempt proves something if its SYN is on the wire, or if the host has no route to send one."""
    if trial.connected:
        check.object(f"{trial.source} got to {trial.destination} without a proxy")
    own = syns_of_agents(case).get(trial.source, [])
    syns = [frame for frame in own if trial.started <= frame.time <= trial.time]
    if trial.routed:
        words = f"the direct attempt of {trial.source} is on no wire, so it proves nothing"
        check.want(syns, words)
    check.show(syns[:2])
