"""AT&T's fence put to the test from both sides, while calls stand and when they have ended.

Raw IP packets are sent by HMC and Internet, and nothing is waited for but facts: a connection that went
the same ways after them, or the fence's counters. What they are is ``fence_packets``'; what became of
them, captures and counters tell.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lab.errors import LabBroke, ProtocolError
from lab.linux import fence, firewall
from lab.record.record import FenceTrial, LigCall, PppSession
from lab.topology.model import Role
from lab.topology.telephone import Lig
from lab.wait import comes_true, wait_until
from lab.ways.dial.events import CalledAgain, FenceTried
from lab.ways.dial.fence_packets import (
    CALLER,
    FIRST_PORT,
    GATEWAY,
    INTERNET,
    LAST_PORT,
    RANDOM_PACKETS,
    Situation,
    Trials,
    Try,
)
from lab.ways.dial.plan import DialPlan, dialers

if TYPE_CHECKING:
    from lab.inside.running import RunningLab
    from lab.ways.dial.bring_up import Dial

DEADLINE_S = 30.0
SETTLE_S = 120.0
"""As ``DEADLINE_S``, behind what is on its way by a slow line."""
ON_THE_WAY = 49152
"""Of a caller's raw packets, with what the kernel needs for each: some sixty. More wait to be sent."""
QUEUE_PACKETS = 1000
"""Of ppp0, for a burst that a telephone line needs seconds for; PPP's own is 3."""
ARRIVALS = (fence.FREE_ADDRESS, fence.UNSOLICITED, fence.REPLY)


def run(lab: RunningLab, dial: Dial, agents: Sequence[str]) -> None:
    """Each of these agents' calls in turn, while all stand; then each of them hangs up and calls again.

    Raises ProtocolError if a call is lost meanwhile.
    """
    try:
        _run(lab, dial, agents)
    except (LabBroke, OSError) as error:
        lab.check()
        for agent in _callers(lab):
            if dial.lost(_way(lab, agent), agent):
                raise _Lost(agent) from error
        raise


class _Lost(ProtocolError):
    """A call that was to be tried is there no more."""

    def __init__(self, agent: str) -> None:
        super().__init__(f"the call of {agent} was lost while AT&T's fence was tried")


def _callers(lab: RunningLab) -> list[str]:
    """The agents that have come home by telephone."""
    return [a for a in lab.topology.agents if (way := lab.homeward.in_use(a)) and way.dials]


def _run(lab: RunningLab, dial: Dial, agents: Sequence[str]) -> None:
    lab.record.fence_seed = f"{lab.topology.name} {lab.topology.fault}".strip()
    tried = {agent: Trials(_situation(lab, agent, agents)) for agent in agents}
    for agent, trials in tried.items():
        session = _session(lab, agent)
        lab.node(agent).run(
            ["ip", "link", "set", session.interface, "txqueuelen", f"{QUEUE_PACKETS}"]
        )
        _send(lab, agent, trials.from_internet())
        _send(lab, agent, trials.from_caller())
        _send(lab, agent, trials.from_gateway())
        _settle(lab, agent, trials)
    for agent, trials in tried.items():
        _call_again(lab, dial, agent, trials)


def _call_again(lab: RunningLab, dial: Dial, agent: str, trials: Trials) -> None:
    """What an earlier call was allowed is not allowed to the next (L-09)."""
    way = _way(lab, agent)
    before = _session(lab, agent).local_ip
    others = {other: _session(lab, other).local_ip for other in _callers(lab)}
    del others[agent]
    for other in others:
        _lead_astray(lab, agent, other, trials)
    contact = trials.contact()
    # Somebody listens: an error of the HMC's own would not find a way to a VPN gateway by telephone.
    with lab.node(agent).socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("", contact.ends[3]))
        _send(lab, agent, [contact, trials.question()])
        _settle(lab, agent, trials)
        _send(lab, agent, [trials.answer(), *map(trials.answer_to, others.values())])
        _settle(lab, agent, trials)

    call = _gateway_call(lab, agent)
    dial.hang_up(way, agent)
    wait_until(f"the gateway has ended {agent}'s call", lambda: call.closed, DEADLINE_S)
    _send_and_count(lab, agent, [trials.late()])
    _let_ring(lab, agent)

    early = trials.early()
    _note(lab, agent, early)
    dial.up_again(way, agent, early.packet)
    now = _session(lab, agent).local_ip
    _send_and_count(lab, agent, [trials.late(address) for address in dict.fromkeys((before, now))])
    _send(lab, agent, [trials.late_from_gateway()])
    _settle(lab, agent, trials)
    lab.story.tell(CalledAgain(source=agent))


def _let_ring(lab: RunningLab, agent: str) -> None:
    """Between two calls home somebody calls the agent's own modem, where that is judged (OUT-47)."""
    if "OUT-47" in lab.topology.expect:
        from lab.ways.dial import ringing

        for dialer in dialers(lab.topology):
            if dialer.client == agent and not dialer.partition:
                ringing.run(lab, dialer)


def _lead_astray(lab: RunningLab, agent: str, other: str, trials: Trials) -> None:
    """A server's answer that the gateway's routes lead to another caller (L-05)."""
    _send(lab, agent, [trials.contact()])
    _settle(lab, agent, trials)
    lig = _lig(lab)
    gateway, address = lab.node(lig.node), _session(lab, agent).local_ip
    right, wrong = (_gateway_call(lab, name).interface for name in (agent, other))
    replace = ["ip", "route", "replace", f"{address}/32"]
    gateway.run([*replace, "dev", wrong])
    try:
        _send_and_count(lab, agent, [trials.answer_astray(other)])
    finally:
        own = lig.ppp.local_ip
        gateway.run([*replace, "dev", right, "proto", "kernel", "scope", "link", "src", own])


def _situation(lab: RunningLab, agent: str, tried: Sequence[str]) -> Situation:
    topology, lig = lab.topology, _lig(lab)
    node = topology.node(agent)
    # Who came home by VPN has PPP, too.
    standing = [s.local_ip for s in lab.record.ppp if s.opened and not s.closed]
    open_now = [address for address in standing if address in lig.ppp.pool]
    number, agents = topology.agents.index(agent), len(topology.agents)
    address = _session(lab, agent).local_ip
    (sdc,) = topology.with_role(Role.sdc)
    user = next(d.account.user for d in dialers(topology) if d.client == agent)
    listed = lig.listed(user)
    return Situation(
        client=agent,
        user=user,
        lig=lig,
        address=address,
        lan_address=node.uplink.ip,
        free=tuple(a for a in lig.ppp.pool if a not in open_now),
        servers=tuple(
            (e.name, e.address, e.port) for e in topology.endpoints if e.address in listed
        ),
        contacted=_contacted(lab, agent),
        own_addresses=(topology.node(lig.node).interface(lig.outside).ip, lig.ppp.local_ip),
        unlisted=tuple(i.ip for i in sdc.interfaces),
        others=tuple(a for a in open_now if a != address),
        first_port=FIRST_PORT + (LAST_PORT - FIRST_PORT) // agents * number,
        random_packets=-(-RANDOM_PACKETS // len(tried)),
        seed=lab.record.fence_seed,
    )


def _contacted(lab: RunningLab, agent: str) -> str:
    """The server that acknowledged the agent's last call: servers of the user's own keep no ledger."""
    calls = [call for call in lab.record.calls if call.agent == agent and call.succeeded]
    return calls[-1].attempts[-1].address


def _lig(lab: RunningLab) -> Lig:
    assert lab.topology.lig is not None, "check has seen it"
    return lab.topology.lig


def _way(lab: RunningLab, agent: str) -> DialPlan:
    """The agent's way by telephone, which may have carried another way."""
    way = lab.homeward.in_use(agent)
    assert way is not None, "the caller has looked"
    plan = way if isinstance(way, DialPlan) else lab.topology.below(way)
    assert isinstance(plan, DialPlan), "the caller has looked"
    return plan


def _session(lab: RunningLab, agent: str) -> PppSession:
    """The agent's PPP session by telephone that stands."""
    for session in lab.record.ppp:
        own = session.client == agent and session.gateway == _lig(lab).node
        if own and session.opened and not session.closed:
            return session
    raise _Lost(agent)


def _gateway_call(lab: RunningLab, agent: str) -> LigCall:
    """What the gateway knows of the agent's call that stands."""
    address = _session(lab, agent).local_ip
    for call in lab.record.lig:
        if call.address == address and call.opened and not call.closed:
            return call
    raise _Lost(agent)


def _send(lab: RunningLab, agent: str, tries: Iterable[Try]) -> None:
    """Put packets on their way, from where each belongs."""
    sent: dict[str, int] = {}
    with ExitStack() as stack:
        raw: dict[str, socket.socket] = {}
        for trial in tries:
            if trial.side not in raw:
                raw[trial.side] = stack.enter_context(_raw_socket(lab, agent, trial.side))
            _note(lab, agent, trial)
            # The gateway's own kernel says what becomes of a packet of its own.
            with contextlib.suppress(PermissionError):
                raw[trial.side].sendto(trial.packet, (trial.ends[1], 0))
            sent[trial.side] = sent.get(trial.side, 0) + 1
    for side, packets in sent.items():
        lab.story.tell(FenceTried(source=agent, side=side, packets=packets))


def _raw_socket(lab: RunningLab, agent: str, side: str) -> socket.socket:
    (internet,) = lab.topology.with_role(Role.internet)
    places = {CALLER: agent, INTERNET: internet.name, GATEWAY: _lig(lab).node}
    node = lab.node(places[side])
    raw = node.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    if side == CALLER:
        interface = _session(lab, agent).interface
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ON_THE_WAY)
    return raw


def _note(lab: RunningLab, agent: str, trial: Try) -> None:
    source, destination, protocol, source_port, port = trial.ends
    lab.record.fence_trials.append(
        FenceTrial(
            requirement=trial.requirement,
            client=agent,
            side=trial.side,
            source=source,
            destination=destination,
            protocol=protocol,
            source_port=source_port,
            port=port,
            packets=1,
            sent=time.time(),
            astray=trial.astray,
        )
    )


def _settle(lab: RunningLab, agent: str, trials: Trials) -> None:
    """Wait for all that was sent, and its answers: a connection that is refused went after them."""
    last = trials.last()
    _note(lab, agent, last)
    lab.node(agent).call(_connect_in_turn, *last.ends)


def _connect_in_turn(
    source: str, destination: str, protocol: int, source_port: int, port: int
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as last:
        last.settimeout(SETTLE_S)
        last.bind((source, source_port))
        # Where the fence minds ports it goes to one at which a server listens. If it never comes back,
        # captures and counters tell why.
        with contextlib.suppress(ConnectionRefusedError, TimeoutError):
            last.connect((destination, port))


def _send_and_count(lab: RunningLab, agent: str, late: list[Try]) -> None:
    """For packets from the Internet's side that no answer follows: wait until each was counted.

    If one never is, captures and counters tell.
    """
    wanted = _arrivals(lab) + len(late)
    _send(lab, agent, late)
    fact = "the fence has counted what came late"
    comes_true(fact, lambda: _arrivals(lab) >= wanted, DEADLINE_S)


def _arrivals(lab: RunningLab) -> int:
    name = _lig(lab).node
    counters = firewall.counters({name: lab.node(name)})[name]
    return sum(counters[arrival] for arrival in ARRIVALS)
