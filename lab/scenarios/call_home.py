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
    CalledByOne,
    FaultPassed,
    ForwardProbed,
    OwnRuleTried,
    Probed,
    Unroutable,
)
from lab.record.record import CallHome
from lab.topology.dns import Dns
from lab.topology.family import Family, family_of
from lab.topology.model import Role
from lab.wait import Deadline, let_pass
from lab.wire import craft

PROBE_DEADLINE_S = 5.0
OPTIONS = {Family.ipv4: "-4", Family.ipv6: "-6"}
"""Of the agent, by which it calls by one version of IP."""
SERVERS_TLS = frozenset({"P-13", "P-14", "P-15", "P-16"})
"""What is judged by trials of the servers' TLS."""
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
    if any(rule.passing for rule in lab.topology.drops):
        _let_pass(lab)
        succeeded = [call(lab, agent) for agent in agents]
    _try_servers(lab)
    if not all(succeeded):
        return False
    if not _put_to_test(lab, agents):
        return False
    if lab.topology.dns is not None and lab.topology.dns.moves:
        return _call_after_move(lab, lab.topology.dns)
    # A fault is put in to see what takes over: then a backup is tried when it is needed.
    return bool(lab.topology.fault) or _try_backups(lab)


def _call_after_move(lab: RunningLab, dns: Dns) -> bool:
    """IBM's servers get other addresses, and every agent calls once more (R-10)."""
    lab.move_servers()
    # What was told before holds until then (RFC 1035 3.2.1).
    let_pass(dns.server.ttl_s)
    succeeded = [call(lab, agent) for agent in lab.topology.agents]
    return all(succeeded)


def _try_servers(lab: RunningLab) -> None:
    """P-13 to P-16: what TLS the servers take, also where that is why a call home failed."""
    if SERVERS_TLS & {*lab.topology.expect}:
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


def call(
    lab: RunningLab, agent: str, dying: Iterable[str] = (), *, options: tuple[str, ...] = ()
) -> bool:
    """Run the reference agent on its host while nodes die; what the agent says goes into the record.

    ``options`` are the agent's own.
    """
    started = time.time()
    way = lab.homeward.in_use(agent)
    answer = agents.run(lab, agent, *options, dying=dying)
    used = way.name if way is not None else ""
    attempts = agents.tried(agent, used, answer)
    unsent, unfetched = agents.undone(answer)
    lab.record.calls.append(
        CallHome(
            agent=agent,
            way=used,
            started=started,
            ended=time.time(),
            succeeded=answer["acknowledged"],
            attempts=attempts,
            unsent=unsent,
            unfetched=unfetched,
        )
    )
    for attempt in attempts:
        lab.story.tell(attempt)
    if unsent or unfetched:
        from lab.record.errand_event import ErrandsKept  # Few agents have errands.

        lab.story.tell(ErrandsKept(source=agent, errands=unsent, unfetched=unfetched))
    return bool(answer["acknowledged"])


def try_inbound(lab: RunningLab, agent: str) -> None:
    """OUT-02, OUT-04: IBM's side tries to open connections to the agent's host and through it."""
    for address in _outer_addresses(lab, agent):
        for port in PROBED_PORTS:
            _probe(lab, lab.with_role(Role.internet).name, address, port)
    for session in lab.record.ppp:
        if session.client == agent and session.opened and not session.closed:
            _probe(lab, lab.with_role(Role.sdc).name, session.local_ip, PROBED_PORTS[1])

    for behind in _second_network(lab, agent):
        _probe_through(lab, agent, behind)
    for host in _hosts_behind(lab, agent):
        _probe_out(lab, agent, host)


def _outer_addresses(lab: RunningLab, agent: str) -> tuple[str, ...]:
    """Where the agent's host would be reached from outside: by IPv4 behind SNAT at the firewall's address.

    Of a host with IPv6 an IPv4 address that the Internet has no route to is left out.
    """
    wall, uplink = lab.topology.firewall, lab.topology.node(agent).uplink
    if wall is not None and wall.snat:
        return tuple(
            filter(None, (lab.topology.node(wall.node).interface(wall.outside).ip, uplink.ip6))
        )
    outside = lab.with_role(Role.internet)
    routed = [address for address in uplink.ips if outside.call(_own_address, address)]
    return tuple(routed) if uplink.ip6 else (uplink.ip,)


def _second_network(lab: RunningLab, agent: str) -> list[str]:
    """Addresses of other hosts on the agent's own second network (OUT-04), those of IPv4 first."""
    planned = lab.topology.node(agent)
    own = [i.segment for i in planned.interfaces if i != planned.uplink]
    found = [
        member.interface(segment).ips
        for segment in own
        for member in lab.topology.members(segment)
        if member.name != agent
    ]
    return sorted((ip for ips in found for ip in ips), key=family_of)


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
    if wall is None or uplink.segment not in lab.topology.insides:
        return

    router = lab.topology.node(wall.node).interface(uplink.segment)
    asker = lab.topology.with_role(Role.internet)[0].interfaces[0]
    source = asker.ip if family_of(behind) is Family.ipv4 else asker.ip6
    if not source:
        return
    port = PROBED_PORTS[0]
    frame = craft.tcp_syn((router.mac, uplink.mac), (source, behind), (40000, port), sequence=1)
    forwarded = lab.node(wall.node).call(_inject, router.name, frame)
    _tell_forwarded(
        lab,
        ForwardProbed(
            source=agent, address=source, destination=behind, port=port, forwarded=forwarded
        ),
    )


def _hosts_behind(lab: RunningLab, agent: str) -> list[str]:
    """The managed systems on an agent's own second network, where the first is behind a firewall (OUT-04)."""
    planned = lab.topology.node(agent)
    if planned.uplink.segment not in lab.topology.insides:
        return []
    own = [i.segment for i in planned.interfaces if i != planned.uplink]
    members = [m for segment in own for m in lab.topology.members(segment)]
    return list(dict.fromkeys(m.name for m in members if m.role is Role.host))


def _probe_out(lab: RunningLab, agent: str, host: str) -> None:
    """OUT-04: a host of the local network hands the agent's host a SYN that is for IBM."""
    own = lab.topology.node(host).interfaces[0]
    card = lab.topology.node(agent).interface(own.segment)
    far = lab.topology.endpoints[0]
    frame = craft.tcp_syn((own.mac, card.mac), (own.ip, far.address), (40000, far.port), sequence=1)
    forwarded = lab.node(host).call(_inject, own.name, frame)
    _tell_forwarded(
        lab,
        ForwardProbed(
            source=agent,
            address=own.ip,
            destination=far.address,
            port=far.port,
            forwarded=forwarded,
            outward=True,
        ),
    )


def _tell_forwarded(lab: RunningLab, probe: ForwardProbed) -> None:
    lab.record.forward_probes.append(probe)
    lab.story.tell(probe)


def _inject(interface: str, frame: bytes) -> bool:
    """Send a frame, and say whether a TCP answer from its destination comes back."""
    kind = int.from_bytes(frame[12:14], "big")
    source, destination, protocol = craft.HEADERS[kind]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind)) as wire:
        wire.bind((interface, kind))
        wire.send(frame)
        end = Deadline(PROBE_DEADLINE_S)
        while not end.passed:
            wire.settimeout(max(end.left_s, 0.001))
            try:
                answer = wire.recv(2048)
            except TimeoutError:
                return False
            # Source address of the answer against destination address of the question.
            if answer[source] == frame[destination] and answer[protocol] == socket.IPPROTO_TCP:
                return True
    return False


def _own_address(destination: str) -> str:
    """From which address we would talk to a destination; empty if there is no route to it."""
    with socket.socket(_family(destination), socket.SOCK_DGRAM) as asker:
        try:
            asker.connect((destination, 9))
        except OSError:
            return ""
        return str(asker.getsockname()[0])


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET if family_of(address) is Family.ipv4 else socket.AF_INET6


def _connect(destination: str, port: int) -> bool:
    """Whether a TCP connection comes about."""
    with socket.socket(_family(destination)) as probe:
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
