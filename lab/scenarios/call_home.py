"""The story that every topology has: the path comes up, the agent calls home, the path is put to the test.

If the path dies under way, the host brings it up again by the next gateway and the agent calls once
more, as a console would. If nothing is wrong, every backup is put to the same test as the first way.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable

from lab.errors import PathError
from lab.inside import agents
from lab.inside.running import RunningLab
from lab.linux import firewall
from lab.record.event import (
    ForwardProbed,
    OwnRuleTried,
    Probed,
    Unroutable,
)
from lab.record.record import CallHome
from lab.topology.model import Role
from lab.wait import Deadline
from lab.wire.craft import tcp_syn

PROBE_DEADLINE_S = 5.0
PROBED_PORTS = (22, 443, 9960)
"""SSH, the web interface and the console applet: what a console may listen on (T2-08)."""


def run(lab: RunningLab) -> int:
    """Bring the path up, call home from every agent's host, try to get in; 0 if all got through.

    Raises LabBroke if a part of the lab broke meanwhile: then nothing is proven.
    """
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
    succeeded = [_call_home(lab, agent) for agent in agents]
    if not all(succeeded):
        return False
    if not _put_to_test(lab, agents):
        return False
    # A fault is put in to see what takes over: then a backup is tried when it is needed.
    return bool(lab.topology.fault) or _try_backups(lab)


def _put_to_test(lab: RunningLab, agents: Iterable[str]) -> bool:
    """Try the ways that these agents have just come home by; whether the ways outlived that."""
    for agent in agents:
        try_inbound(lab, agent)
        try_own_firewall(lab, agent)
        if lab.topology.errands and not lab.topology.fault:
            from lab.scenarios import errand_trials  # Not at the head: few topologies need it.

            errand_trials.put_to_test(lab, agent)
    try:
        if lab.topology.service is not None:
            from lab.scenarios import remote_service

            remote_service.live(lab, lab.topology.service)
        lab.homeward.put_to_test(lab)
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


def call(lab: RunningLab, agent: str, dying: Iterable[str] = ()) -> bool:
    """Run the reference agent on its host while nodes die; what the agent says goes into the record."""
    started = time.time()
    way = lab.homeward.in_use(agent)
    answer = agents.run(lab, agent, dying=dying)
    used = way.name if way is not None else ""
    attempts = agents.tried(agent, used, answer)
    unsent = tuple(each["errand"] for each in answer.get("errands", ()) if not each["done"])
    lab.record.calls.append(
        CallHome(
            agent=agent,
            way=used,
            started=started,
            ended=time.time(),
            succeeded=answer["acknowledged"],
            attempts=attempts,
            unsent=unsent,
        )
    )
    for attempt in attempts:
        lab.story.tell(attempt)
    if unsent:
        from lab.record.errand_event import ErrandsKept  # Few agents have errands.

        lab.story.tell(ErrandsKept(source=agent, errands=unsent))
    return bool(answer["acknowledged"])


def try_inbound(lab: RunningLab, agent: str) -> None:
    """OUT-02, OUT-04: IBM's side tries to open connections to the agent's host and through it."""
    for port in PROBED_PORTS:
        _probe(lab, lab.with_role(Role.internet).name, _outer_address(lab, agent), port)
    for session in lab.record.ppp:
        if session.client == agent and session.opened and not session.closed:
            _probe(lab, lab.with_role(Role.sdc).name, session.local_ip, PROBED_PORTS[1])

    for behind in _second_network(lab, agent):
        _probe_through(lab, agent, behind)


def _outer_address(lab: RunningLab, agent: str) -> str:
    """Where the agent's host would be reached from outside: the firewall's address behind SNAT."""
    wall = lab.topology.firewall
    if wall is not None and wall.snat:
        return lab.topology.node(wall.node).interface(wall.outside).ip
    return lab.topology.node(agent).uplink.ip


def _second_network(lab: RunningLab, agent: str) -> list[str]:
    """Addresses of other hosts on the agent's own second network (OUT-04)."""
    planned = lab.topology.node(agent)
    own = [i.segment for i in planned.interfaces if i != planned.uplink]
    return [
        interface.ip
        for segment in own
        for member in lab.topology.members(segment)
        for interface in member.interfaces
        if interface.segment == segment and member.name != agent
    ]


def _probe(lab: RunningLab, source: str, destination: str, port: int) -> None:
    node = lab.node(source)
    address = node.call(_own_address, destination)
    if not address:
        # An uplink that the Internet has no route to: there is no way in to be tried.
        lab.story.tell(Unroutable(source=source, destination=destination))
        return
    answered = node.call(_connect, destination, port)
    probe = Probed(
        source=source, address=address, destination=destination, port=port, answered=answered
    )
    lab.record.probes.append(probe)
    lab.story.tell(probe)


def _probe_through(lab: RunningLab, agent: str, behind: str) -> None:
    """OUT-04: hand the agent's host a SYN on its uplink that is for its other network.

    The frame is injected as the uplink's router would send it; no route leads there by itself.
    """
    wall, uplink = lab.topology.firewall, lab.topology.node(agent).uplink
    if wall is None or uplink.segment != wall.inside:
        return

    router = lab.topology.node(wall.node).interface(wall.inside)
    source = lab.topology.with_role(Role.internet)[0].interfaces[0].ip
    port = PROBED_PORTS[0]
    frame = tcp_syn((router.mac, uplink.mac), (source, behind), (40000, port), sequence=1)
    forwarded = lab.node(wall.node).call(_inject, router.name, frame)
    probe = ForwardProbed(
        source=agent, address=source, destination=behind, port=port, forwarded=forwarded
    )
    lab.record.forward_probes.append(probe)
    lab.story.tell(probe)


def _inject(interface: str, frame: bytes) -> bool:
    """Send a frame, and say whether a TCP answer from its destination comes back."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as wire:
        wire.bind((interface, 0x0800))
        wire.send(frame)
        end = Deadline(PROBE_DEADLINE_S)
        while not end.passed:
            wire.settimeout(max(end.left_s, 0.001))
            try:
                answer = wire.recv(2048)
            except TimeoutError:
                return False
            # Source address of the answer against destination address of the question.
            if answer[26:30] == frame[30:34] and answer[23] == socket.IPPROTO_TCP:
                return True
    return False


def _own_address(destination: str) -> str:
    """From which address we would talk to a destination; empty if there is no route to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        try:
            asker.connect((destination, 9))
        except OSError:
            return ""
        return str(asker.getsockname()[0])


def _connect(destination: str, port: int) -> bool:
    """Whether a TCP connection comes about."""
    with socket.socket() as probe:
        probe.settimeout(PROBE_DEADLINE_S)
        try:
            probe.connect((destination, port))
        except OSError:
            return False
        return True


def try_own_firewall(lab: RunningLab, agent: str) -> None:
    """OUT-22, OUT-26: a rule of the HMC's own on the tunnel or the telephone line stops TCP there only."""
    open_sessions = [s for s in lab.record.ppp if s.client == agent and s.opened and not s.closed]
    if not open_sessions:
        return

    way = lab.homeward.in_use(agent)
    assert way is not None, "the agent has come home"
    node, endpoint = lab.node(agent), way.endpoints_of(agent)[0]
    uplink = lab.topology.node(agent).uplink.name
    started = time.time()
    before = firewall.counters({agent: node}).get(agent, {})
    on_tunnel = firewall.hmc_drop(node, "ppp*", "tcp", endpoint.port)
    on_uplink = firewall.hmc_drop(node, uplink, "tcp", endpoint.port)
    connected = node.call(_connect, endpoint.address, endpoint.port)
    firewall.hmc_allow_all(node)

    counts = firewall.counters({agent: node})[agent]
    trial = OwnRuleTried(
        source=agent,
        time=time.time(),
        started=started,
        interface=open_sessions[0].interface,
        uplink=uplink,
        destination=endpoint.address,
        connected=connected,
        dropped=counts[on_tunnel] - before.get(on_tunnel, 0),
        counted_on_uplink=counts[on_uplink] - before.get(on_uplink, 0),
        sessions_open=lab.homeward.healthy(agent),
    )
    lab.record.trials.append(trial)
    lab.story.tell(trial)
