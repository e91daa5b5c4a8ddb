"""AT&T's fence put to the test from both sides, while calls stand and when they have ended.

Raw IP packets are sent by HMC and Internet, and nothing is waited for but facts: a connection that went
the same ways after them, or the fence's counters. What they are is ``fence_packets``'; what became of
them, captures and counters tell.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable
from contextlib import ExitStack

from lab import fence, firewall
from lab.dial import Dial
from lab.record import FenceTrial, PppSession
from lab.running import RunningLab
from lab.scenarios.fence_packets import CALLER, FIRST_PORT, INTERNET, Situation, Trials, Try
from lab.wait import wait_until

DEADLINE_S = 30.0
PORTS_EACH = 1000
QUEUE_PACKETS = 1000
"""Of ppp0, for a burst that a telephone line needs seconds for; PPP's own is 3."""
ARRIVALS = (fence.FREE_ADDRESS, fence.UNSOLICITED)


def run(lab: RunningLab, way: Dial) -> None:
    """Every agent's call in turn, while all of them stand; then each hangs up and calls again."""
    tried = {agent: Trials(_situation(lab, agent)) for agent in lab.topology.agents}
    for agent, trials in tried.items():
        session = _session(lab, agent)
        lab.node(agent).run(
            ["ip", "link", "set", session.interface, "txqueuelen", f"{QUEUE_PACKETS}"]
        )
        _send(lab, agent, trials.from_internet())
        _send(lab, agent, trials.from_caller())
        _settle(lab, agent, trials)
    for agent, trials in tried.items():
        _call_again(lab, way, agent, trials)


def _call_again(lab: RunningLab, way: Dial, agent: str, trials: Trials) -> None:
    """What an earlier call was allowed is not allowed to the next (L-09)."""
    before = _session(lab, agent).local_ip
    _send(lab, agent, [trials.contact()])
    _settle(lab, agent, trials)
    others = [_session(lab, other).local_ip for other in lab.topology.agents if other != agent]
    _send(lab, agent, [trials.answer(), *map(trials.answer_to, others)])
    _settle(lab, agent, trials)

    way.hang_up(agent)
    (call,) = (c for c in lab.record.lig if c.address == before and c.opened and not c.closed)
    wait_until(f"the gateway has ended {agent}'s call", lambda: call.closed, DEADLINE_S)
    _send_and_count(lab, agent, [trials.late()])

    early = trials.early()
    _note(lab, agent, early.requirement, early.side, early.ends)
    way.up_again(agent, early.packet)
    now = _session(lab, agent).local_ip
    _send_and_count(lab, agent, [trials.late(address) for address in dict.fromkeys((before, now))])
    lab.story.tell("probe", f"{agent} called again; late answers to its first call were sent to it")


def _situation(lab: RunningLab, agent: str) -> Situation:
    topology, lig = lab.topology, lab.topology.lig
    assert lig is not None, "check has seen it"
    wall = topology.firewall
    node = topology.node(agent)
    open_now = [s.local_ip for s in lab.record.ppp if s.opened and not s.closed]
    address = _session(lab, agent).local_ip
    sdc = topology.node("sdc")
    user = next(d.account.user for d in topology.dialers if d.client == agent)
    listed = next(x.addresses for x in lig.lists if x.user == user)
    return Situation(
        client=agent,
        user=user,
        lig=lig,
        address=address,
        lan_address=(node.interface(wall.inside) if wall else node.interfaces[0]).ip,
        free=tuple(a for a in lig.ppp.pool if a not in open_now),
        servers=tuple(
            (e.name, e.address, e.port) for e in topology.endpoints if e.address in listed
        ),
        contacted=next(t.server_ip for t in lab.transactions if t.peer_ip == address),
        own_addresses=(topology.node(lig.node).interface(lig.outside).ip, lig.ppp.local_ip),
        unlisted=tuple(i.ip for i in sdc.interfaces),
        first_port=FIRST_PORT + PORTS_EACH * topology.agents.index(agent),
    )


def _session(lab: RunningLab, agent: str) -> PppSession:
    """The agent's PPP session that stands."""
    return next(s for s in lab.record.ppp if s.client == agent and s.opened and not s.closed)


def _send(lab: RunningLab, agent: str, tries: Iterable[Try]) -> None:
    """Put packets on their way, from where each belongs."""
    sent: dict[str, int] = {}
    with ExitStack() as stack:
        raw: dict[str, socket.socket] = {}
        for trial in tries:
            if trial.side not in raw:
                raw[trial.side] = stack.enter_context(_raw_socket(lab, agent, trial.side))
            _note(lab, agent, trial.requirement, trial.side, trial.ends)
            raw[trial.side].sendto(trial.packet, (trial.ends[1], 0))
            sent[trial.side] = sent.get(trial.side, 0) + 1
    for side, packets in sent.items():
        lab.story.tell(
            "probe", f"raw packets to try {agent}'s fence, sent by the {side}: {packets}"
        )


def _raw_socket(lab: RunningLab, agent: str, side: str) -> socket.socket:
    node = lab.node(agent if side == CALLER else INTERNET)
    raw = node.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    if side == CALLER:
        interface = _session(lab, agent).interface
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    return raw


def _note(
    lab: RunningLab, agent: str, requirement: str, side: str, ends: tuple[str, str, int, int, int]
) -> None:
    source, destination, protocol, source_port, port = ends
    lab.record.fence_trials.append(
        FenceTrial(
            requirement=requirement,
            client=agent,
            side=side,
            source=source,
            destination=destination,
            protocol=protocol,
            source_port=source_port,
            port=port,
            packets=1,
            sent=time.time(),
        )
    )


def _settle(lab: RunningLab, agent: str, trials: Trials) -> None:
    """Wait for all that was sent, and its answers: a connection that is refused went after them."""
    ends = trials.last()
    _note(lab, agent, "L-12", CALLER, ends)
    lab.node(agent).call(_connect_in_turn, *ends)


def _connect_in_turn(
    source: str, destination: str, protocol: int, source_port: int, port: int
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol) as last:
        last.settimeout(DEADLINE_S)
        last.bind((source, source_port))
        # Where the fence minds ports it goes to one at which a server listens.
        with contextlib.suppress(ConnectionRefusedError):
            last.connect((destination, port))


def _send_and_count(lab: RunningLab, agent: str, late: list[Try]) -> None:
    """For packets from the Internet's side that no answer follows: each must be counted as dropped."""
    before = _arrivals(lab)
    _send(lab, agent, late)
    wait_until(
        "the fence has counted what came late",
        lambda: _arrivals(lab) >= before + len(late),
        DEADLINE_S,
        seen=lambda: f"{_arrivals(lab) - before} of {len(late)}",
    )


def _arrivals(lab: RunningLab) -> int:
    assert lab.topology.lig is not None
    name = lab.topology.lig.node
    counters = firewall.counters({name: lab.node(name)})[name]
    return sum(counters[arrival] for arrival in ARRIVALS)
