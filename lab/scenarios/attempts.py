"""Attempts on an agent's host: to get in from IBM's side, through its two cards, past its own firewall.

Made when the agent has come home (OUT-02, OUT-04, OUT-22, OUT-26); what becomes of them goes into the record.
"""

from __future__ import annotations

import socket
import time

from lab.inside.running import RunningLab
from lab.linux import firewall
from lab.record.trial_event import ForwardProbed, OwnRuleTried, Probed, Unroutable
from lab.topology.family import Family, family_of
from lab.topology.model import Role
from lab.wait import Deadline
from lab.wire import craft

PROBE_DEADLINE_S = 5.0
PROBED_PORTS = (22, 443, 9960)
"""SSH, the web interface and the console applet: what a console may listen on (T2-08)."""


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
    """Where the agent's host would be reached from outside: by IPv4 behind NAT at the last NAT's address.

    Of a host with IPv6 an IPv4 address that the Internet has no route to is left out.
    """
    seen, uplink = lab.topology.seen_address, lab.topology.node(agent).uplink
    if seen:
        return tuple(filter(None, (seen, uplink.ip6)))
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
    source = own.ip if family_of(far.address) is Family.ipv4 else own.ip6
    if not source:
        return
    frame = craft.tcp_syn((own.mac, card.mac), (source, far.address), (40000, far.port), sequence=1)
    forwarded = lab.node(host).call(_inject, own.name, frame)
    _tell_forwarded(
        lab,
        ForwardProbed(
            source=agent,
            address=source,
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
    # By a VPN over the telephone there are two, and the servers are behind the VPN's.
    own = [session for session in open_sessions if session.peer_ip in way.peers] or open_sessions
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
        interface=own[0].interface,
        uplink=uplink,
        destination=endpoint.address,
        connected=connected,
        dropped=counts[on_tunnel] - before.get(on_tunnel, 0),
        counted_on_uplink=counts[on_uplink] - before.get(on_uplink, 0),
        sessions_open=lab.homeward.healthy(agent),
    )
    lab.record.trials.append(trial)
    lab.story.tell(trial)
