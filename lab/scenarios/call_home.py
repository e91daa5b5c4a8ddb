"""The story that every topology has: the path comes up, the agent calls home, the path is put to the test.

If the path dies under way, the host brings it up again by the next gateway and the agent calls once
more, as a console would. If nothing is wrong, every backup is put to the same test as the first way.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator

from lab.errors import PathError
from lab.inside import agents
from lab.inside.running import RunningLab
from lab.record.event import (
    CalledByOne,
    FaultPassed,
)
from lab.record.record import CallHome
from lab.scenarios import attempts
from lab.topology.dns import Dns
from lab.topology.family import Family, family_of
from lab.topology.model import Way
from lab.wait import let_pass

MANY = 4
"""With so many agents a process that starts them pays: it costs what two agents' starts do."""
OPTIONS = {Family.ipv4: "-4", Family.ipv6: "-6"}
"""Of the agent, by which it calls by one version of IP."""
BY_CONSOLES = "consoles"
"""The kind of way on which call-home servers share requests out (M-06)."""
CONSOLE_PORTS = frozenset({"M-04", "F-17"})
"""What is judged by taking the ports of consoles away."""
SERVERS_TLS = frozenset({"P-13", "P-14", "P-15", "P-16"})
"""What is judged by trials of the servers' TLS."""


def run(lab: RunningLab) -> int:
    """Bring the path up, call home from every agent's host, try to get in; 0 if all got through.

    Raises LabBroke if a part of the lab broke meanwhile: then nothing is proven.
    """
    with contextlib.ExitStack() as stack:
        if len(lab.topology.agents) >= MANY:
            from lab.inside import many_agents  # Not at the head: few topologies have so many.

            lab.nursery = stack.enter_context(many_agents.start_nursery(lab.run_dir))
        succeeded = _run(lab)
    lab.check()
    return 0 if succeeded else 1


def _run(lab: RunningLab) -> bool:
    try:
        lab.path_up()
    except PathError as error:
        lab.path_failed(error)
        return False

    agents = lab.topology.agents
    succeeded = [_call_home(lab, agent) for agent in _in_turn(lab)]
    if any(rule.passing for rule in lab.topology.drops):
        _let_pass(lab)
        succeeded = [call(lab, agent) for agent in agents]
    _try_servers(lab)
    if not all(succeeded):
        return False
    heard = _hear_of_failures(lab)
    if not _put_to_test(lab, agents) or not heard:
        return False
    if lab.topology.dns is not None and lab.topology.dns.moves:
        return _call_after_move(lab, lab.topology.dns)
    # A fault is put in to see what takes over: then a backup is tried when it is needed.
    return (bool(lab.topology.fault) or _try_backups(lab)) and _have_events_approved(lab)


def _in_turn(lab: RunningLab) -> Iterator[str]:
    """The agents in the order of their times, each when it is time, and one after the other."""
    begun = time.time()
    for agent in sorted(lab.topology.callers, key=lambda each: each.calls_at_s):
        if (left := begun + agent.calls_at_s - time.time()) > 0:
            let_pass(left)
        yield agent.name


def _call_after_move(lab: RunningLab, dns: Dns) -> bool:
    """IBM's servers get other addresses, and every agent calls once more (R-10)."""
    lab.move_servers()
    # What was told before holds until then (RFC 1035 3.2.1).
    let_pass(dns.server.ttl_s)
    succeeded = [call(lab, agent) for agent in lab.topology.agents]
    return all(succeeded)


def _hear_of_failures(lab: RunningLab) -> bool:
    """Have hardware fail, where a management module tells of that; whether IBM has heard of it (E-05)."""
    if not lab.topology.modules:
        return True
    from lab.scenarios import hardware_failure  # Not at the head: few topologies have a module.

    heard = [hardware_failure.live(lab, module) for module in lab.topology.modules]
    return all(heard)


def _have_events_approved(lab: RunningLab) -> bool:
    """Have events wait for approval, where there is an Events Manager; whether what is approved is sent."""
    if lab.topology.events is None:
        return True
    from lab.scenarios import event_approval  # Not at the head: few topologies have one.

    return event_approval.live(lab)


def _try_servers(lab: RunningLab) -> None:
    """P-13 to P-16: what TLS the servers take, also where that is why a call home failed."""
    if SERVERS_TLS & {*lab.topology.expect} and not lab.has_own_servers:
        from lab.ibm import tls_trials

        tls_trials.run(lab.topology, lab.nodes, lab.story)


def _let_pass(lab: RunningLab) -> None:
    """End what is lost in passing: a server or a network is back."""
    # Not at the top: few faults pass.
    from lab.linux import passing

    for node in passing.end(lab.topology, lab.nodes):
        lab.story.tell(FaultPassed(source=node))


def _put_to_test(lab: RunningLab, agents: Iterable[str]) -> bool:
    """Try the ways that these agents have just come home by; whether the ways outlived that."""
    for agent in agents:
        if not _call_by_the_other_family(lab, agent):
            return False
        attempts.try_inbound(lab, agent)
        attempts.try_own_firewall(lab, agent)
        if lab.topology.errands and not lab.topology.fault:
            from lab.scenarios import errand_trials  # Not at the head: few topologies need it.

            errand_trials.put_to_test(lab, agent)
        if lab.topology.user_targets:
            from lab.scenarios import offloading  # Not at the head: few topologies have targets.

            offloading.put_to_test(lab, agent)
        way = lab.homeward.in_use(agent)
        if way is not None and way.kind == BY_CONSOLES and not lab.topology.fault:
            from lab.scenarios import console_trials  # Not at the head: few topologies need it.

            console_trials.put_to_test(lab, agent, call)
    try:
        if lab.topology.service is not None:
            from lab.scenarios import remote_service

            remote_service.live(lab, lab.topology.service)
        lab.homeward.put_to_test(lab)
        if CONSOLE_PORTS & {*lab.topology.expect} and not lab.topology.fault:
            from lab.scenarios import port_trials  # Not at the head: few topologies have consoles.

            port_trials.run(lab)
    except PathError as error:
        lab.path_lost(error)
        return False
    return True


def _try_backups(lab: RunningLab) -> bool:
    """Put the later ways of every agent to the same test, all second ways first; whether all work."""
    while True:
        try:
            agents = [agent for agent in lab.topology.agents if lab.homeward.try_backup(agent)]
        except PathError as error:
            lab.path_failed(error)
            return False
        if not agents:
            return True
        succeeded = [call(lab, agent) for agent in agents]
        if not all(succeeded) or not _put_to_test(lab, agents):
            return False


def _call_home(lab: RunningLab, agent: str) -> bool:
    """A call, and others by other gateways and other ways as long as calls fail: one for each way."""
    if call(lab, agent, lab.topology.deaths):
        return True
    lab.check()
    for _ in lab.topology.ways_of(agent):
        try:
            if not lab.homeward.renew(agent):
                return False
        except PathError as error:
            lab.path_failed(error, again=True)
            return False
        if call(lab, agent):
            return True
    return False


def _call_by_the_other_family(lab: RunningLab, agent: str) -> bool:
    """Where the way has IPv4 and IPv6, call home by the one that the last call did not use (OUT-08).

    Not where a fault was put in: then the other one is used when it is needed.
    """
    way = lab.homeward.in_use(agent)
    assert way is not None, "the agent has come home"
    if lab.topology.fault or len(way.ip_families) == 1:
        return True
    last = next(call for call in reversed(lab.record.calls) if call.agent == agent)
    used = family_of(last.attempts[-1].address)
    (other,) = (family for family in way.ip_families if family is not used)
    lab.story.tell(CalledByOne(source=agent, family=str(other)))
    return call(lab, agent, options=(OPTIONS[other],))


def _only_family(lab: RunningLab, way: Way) -> tuple[str, ...]:
    """Where a way has one version of IP, and name servers tell addresses of both, the agent is told which."""
    told = {family for each in lab.topology.ways for family in each.ip_families}
    return (OPTIONS[way.ip_families[0]],) if len(way.ip_families) < len(told) else ()


def call(
    lab: RunningLab, agent: str, dying: Iterable[str] = (), *, options: tuple[str, ...] = ()
) -> bool:
    """Run the reference agent on its host while nodes die; what the agent says goes into the record.

    ``options`` are the agent's own.
    """
    started = time.time()
    way = lab.homeward.in_use(agent)
    if way is not None and not options:
        options = _only_family(lab, way)
    answer = agents.run(lab, agent, *options, dying=dying)
    used = way.name if way is not None else ""
    tried = agents.tried(agent, used, answer)
    unsent, unfetched = agents.undone(answer)
    lab.record.calls.append(
        CallHome(
            agent=agent,
            way=used,
            started=started,
            ended=time.time(),
            succeeded=answer["acknowledged"],
            attempts=tried,
            unsent=unsent,
            unfetched=unfetched,
        )
    )
    for attempt in tried:
        lab.story.tell(attempt)
    if unsent or unfetched:
        from lab.record.errand_event import ErrandsKept  # Few agents have errands.

        lab.story.tell(ErrandsKept(source=agent, errands=unsent, unfetched=unfetched))
    return bool(answer["acknowledged"])
