"""Findings on the way out: OUT-01, OUT-02, OUT-04 and OUT-21; of NAT there: ``source_nat``."""

from __future__ import annotations

from lab import ways
from lab.names import count, place
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.networks import is_for_all, is_in
from lab.verify.step import OF_VPN, Step
from lab.wire import isakmp, l2tp
from lab.wire.decode import AH, ESP, TCP, UDP, Ends, Frame, Packet, reverse

VPN_PORTS = (isakmp.IKE_PORT, isakmp.NAT_T_PORT, l2tp.PORT)
HTTPS = 443
AH_BYTES = 12
"""The least of an Authentication Header."""
ON_ITS_WAY_S = 1.0
"""What was sent before a way was taken down may be on a wire for so long after that."""


def check_out_01(case: Case) -> Finding:
    """Direct Internet: TLS over the default route."""
    check = Check(
        "OUT-01",
        f"every flow on {case.outside} opens with a SYN to a listed address and port 443"
        f"{', or to where an errand is done' if case.other_places else ''}; no IKE, NAT-T, L2TP, ESP or AH "
        "there, nothing on the modem line",
    )
    own = [
        (f, p)
        for f, p in _flows(case)
        if not is_of_another_way(case, "direct", f, p)
        and not case.is_of_relay(p)
        and not case.is_of_ftps(p)
    ]
    # What errands do at other ports is judged by findings of their own (OUT-32, OUT-40, OUT-41).
    flows = [(f, p) for f, p in own if (p.destination, p.destination_port) not in case.other_places]
    for frame, packet in flows:
        where = place(packet.destination, packet.destination_port)
        listed = (packet.destination, HTTPS) in case.listed
        # A capture from outside may begin in the middle of a flow.
        late = case.has_record and not packet.is_bare_syn and not packet.is_reset
        if late and _carries(case, packet):
            check.object(f"a flow to {where} does not open with a SYN", [frame])
        elif not listed or (
            packet.destination_port != HTTPS and not case.is_server_test(frame, packet)
        ):
            check.object(f"a flow goes to {where}, which is not listed", [frame])

    for frame in case.outside_frames:
        name = vpn_protocol(frame.ip) if frame.ip else ""
        if frame.ip and name and not is_of_another_way(case, "direct", frame, frame.ip):
            check.object(f"{name} on {case.outside}", [frame])
    dialling = {way.kind for way in case.topology.ways if way.dials}
    carried = [i for i in case.carried if not dialling & case.kinds_at(i.frame.time)]
    if carried:
        check.object("the modem line is not silent", frames_of(carried))

    object_to_failed_calls(case, check, "direct")
    servers = sorted({p.destination for _, p in flows})
    check.show(frame for frame, _ in flows)
    if not flows:
        if not case.called:
            return check.not_tested("nothing called home in this run")
        if own:
            return check.not_tested("the agents called at other ports only")
        check.lack(Step.syn, f"no TCP flow left by {case.outside}")
    each = "" if len(flows) == 1 else "each "
    return check.finding(
        f"{count(len(flows), 'flow')}, {each}opened by a SYN to {', '.join(servers)}"
    )


def is_of_another_way(case: Case, kind: str, frame: Frame, packet: Packet) -> bool:
    """Whether a packet belongs to a way of another kind that an agent had at the time."""
    kinds = case.kinds_at(frame.time) | case.kinds_at(frame.time - ON_ITS_WAY_S)
    if any(since <= frame.time <= until + ON_ITS_WAY_S for since, until in case.borrowed):
        kinds = kinds | {"vpn"}
    return any(ways.stage(k, "wires").allows(case, frame, packet) for k in kinds - {kind})


def _flows(case: Case) -> list[tuple[Frame, Packet]]:
    """The first packet that left of each TCP connection."""
    flows: dict[Ends, tuple[Frame, Packet]] = {}
    for frame, packet in case.leaving:
        if packet.protocol == TCP and not packet.is_fragment:
            flows.setdefault(packet.ends, (frame, packet))
    return list(flows.values())


def _carries(case: Case, first: Packet) -> bool:
    """Whether a connection comes about, or carries data: else it is a probe, which the server refuses."""
    ends = {first.ends, reverse(first.ends)}
    both = (packet for _, packet in case.packets(*case.exits) if packet.ends in ends)
    return any(packet.payload or packet.is_syn_ack for packet in both)


def vpn_protocol(packet: Packet) -> str:
    """The name of the VPN protocol that a packet on a wire belongs to; empty if none."""
    if packet.protocol == ESP:
        return "ESP (protocol 50)"
    if is_ah(packet):
        return "AH (protocol 51)"
    if packet.protocol == UDP:
        return next((f"UDP {port}" for port in VPN_PORTS if packet.uses_udp(port)), "")
    return ""


def is_ah(packet: Packet) -> bool:
    """Whether it has an Authentication Header (RFC 4302 2): who scans protocols sends nothing behind IP's."""
    return packet.protocol == AH and len(packet.payload) >= AH_BYTES


def clear_l2tp(case: Case) -> list[Frame]:
    """UDP 1701 in clear, on a wire or in a VPN's calls, but between an HMC and who lends it a VPN."""
    lines = [(i.frame, i.data) for i in case.carried if i.data and case.vpn_dials]
    found = [e for e in (*case.all_packets(), *lines) if e[1].uses_udp(l2tp.PORT)]
    return [frame for frame, packet in found if not case.is_pass_through(packet)]


def check_out_02(case: Case) -> Finding:
    """All TCP sockets originate from the HMC."""
    check = Check(
        "OUT-02",
        f"every TCP connection, on {case.inside} and inside PPP, is opened by "
        f"{case.agents_text()}{_or_proxies(case)}; {_fate_of_attempts(case)}",
    )
    syns = [(f, f.ip) for f in case.inside_frames if f.ip and f.ip.is_bare_syn]
    own = [f for f, p in syns if p.source in case.agent_addresses]
    for frame, packet in syns:
        mine = packet.source in case.agent_addresses or case.is_notice(packet)
        if mine or case.is_injected(packet):
            continue
        to_server = (packet.destination, packet.destination_port) in case.listed
        if not (packet.source in case.proxies and to_server) and not case.is_attempt(packet):
            where = place(packet.destination, packet.destination_port)
            what = f"{packet.source} opens a connection to {where}"
            check.object(f"{what} on {case.inside}", [frame])

    for frame, packet, outgoing in case.inner():
        if outgoing and packet.is_bare_syn and not case.is_trial(packet):
            own.append(frame)
        if outgoing and packet.is_syn_ack:
            check.object(f"{packet.source} answered an attempt from {packet.destination}", [frame])

    _judge_probes(case, check)
    check.show(own)
    tried = len(case.record.probes)
    if not tried and not case.came_home and (case.called or not own):
        return check.not_tested(f"{case.why_not_home}, so nobody tried to get in")
    check.need(Step.syn, own, "no connection was opened by the agent's host")
    every = "" if len(own) == 1 else "all "
    return check.finding(
        f"{count(len(own), 'connection')}, {every}opened by the agent's host; "
        f"{count(tried, 'attempt')} from IBM's side, none answered"
    )


def _or_proxies(case: Case) -> str:
    names = " and ".join(sorted({*case.proxies.values()}))
    told = f", or by {case.notifying} to tell of a failure (E-05)" if case.notifying else ""
    return (f", or by {names} to a listed server" if names else "") + told


def _fate_of_attempts(case: Case) -> str:
    if case.topology.firewall is None and case.exits:
        return "an attempt from IBM's side, which no firewall stops, is answered by nobody"
    return "an attempt from IBM's side is dropped and nobody answers it"


def _judge_probes(case: Case, check: Check) -> None:
    """A probe proves something only if its SYN was seen on the way."""
    probes = case.record.probes
    if not probes and case.came_home:
        check.object("no connection from IBM's side was tried")

    packets = case.all_packets() + [(f, p) for f, p, _ in case.inner()] if probes else []
    syns: dict[tuple[str, str, int], list[Frame]] = {}
    answers: dict[tuple[str, str, int], list[Frame]] = {}
    for frame, p in packets:
        if p.is_bare_syn:
            syns.setdefault((p.source, p.destination, p.destination_port), []).append(frame)
        elif p.is_syn_ack:
            answers.setdefault((p.destination, p.source, p.source_port), []).append(frame)
    for probe in probes:
        name = f"the attempt from {probe.address} to {place(probe.destination, probe.port)}"
        if probe.answered:
            check.object(f"{name} was answered")

        ends = (probe.address, probe.destination, probe.port)
        seen = syns.get(ends, [])
        check.want(seen, f"{name} is on no wire, so it proves nothing")
        check.show(seen[:2])
        if back := answers.get(ends, []):
            check.object(f"{name} got a SYN/ACK", back)


def check_out_04(case: Case) -> Finding:
    """A second NIC keeps the local system network apart from the Internet."""
    check = Check(
        "OUT-04",
        "on the second NIC's network there is no packet from or to IBM, and nothing is forwarded "
        "to it from the Internet's side",
    )
    others = {
        i.segment: node.name for node in case.agents for i in node.interfaces if i != node.uplink
    }
    for node in case.agents:
        if node.forwarding and len(node.interfaces) > 1:
            check.object(f"{node.name} forwards between its two networks")
    if not others:
        names = " and ".join(node.name for node in case.agents)
        return check.not_tested(f"{names} has one NIC; the second is optional")

    local = sum(_judge_local(case, check, segment, name) for segment, name in others.items())
    probes = case.record.forward_probes
    injected = [f for f in case.inside_frames if f.ip and _of_probe(case, f.ip, outward=False)]
    check.show(injected)
    if any(not probe.outward for probe in probes) and not injected:
        check.object(f"the attempt is not on {case.inside}, so it proves nothing")
    _judge_outward(case, check, [*others])
    for probe in probes:
        if probe.forwarded:
            check.object(
                f"{probe.address} reached {place(probe.destination, probe.port)} through the host"
            )
    if not probes:
        if not case.came_home:
            return check.not_tested(f"{case.why_not_home}, so nobody tried to get past")
        wall = case.topology.firewall
        if wall is None or not {*case.topology.insides} & {*case.uplinks}:
            return check.not_tested("there is no firewall from whose place to try to get past")
        check.object("nobody tried to reach the local network from the Internet's side")
    return check.finding(
        f"{count(local, 'packet')} on {', '.join(others)}, none from or to IBM; "
        f"{_attempts(case)} failed"
    )


def _attempts(case: Case) -> str:
    out = sum(probe.outward for probe in case.record.forward_probes)
    inwards = (
        f"{count(len(case.record.forward_probes) - out, 'attempt')} to get there from the uplink"
    )
    return f"{inwards} and {out} to get out from there" if out else inwards


def _of_probe(case: Case, packet: Packet, *, outward: bool) -> bool:
    """Whether a packet is one that the lab handed to an agent's host, in that direction (OUT-04)."""
    ends = (packet.source, packet.destination, packet.destination_port)
    return any(
        (probe.address, probe.destination, probe.port) == ends
        for probe in case.record.forward_probes
        if probe.outward == outward
    )


def _judge_outward(case: Case, check: Check, local: list[str]) -> None:
    """What hosts of the local network sent to IBM must be there, and on no other wire."""
    tried = [probe for probe in case.record.forward_probes if probe.outward]
    for probe in tried:
        seen = [
            f
            for f, p in case.packets(*local)
            if (p.source, p.destination) == (probe.address, probe.destination)
        ]
        check.show(seen[:1])
        words = f"the attempt of {probe.address} to reach {probe.destination} is on no wire"
        check.want(seen, f"{words}, so it proves nothing")
    for segment, frames in case.wire.items():
        if segment not in local:
            out = [f for f in frames if f.ip and f.ip.source in {p.address for p in tried}]
            check.forbid(out, f"of the local network on {segment}")


def _judge_local(case: Case, check: Check, segment: str, host: str) -> int:
    """Nobody but the neighbours of the local network may be on it."""
    wire = case.topology.segment(segment)
    subnets = tuple(filter(None, (wire.subnet, wire.subnet6)))
    packets = [(f, p) for f, p in case.packets(segment) if not _of_probe(case, p, outward=True)]
    for frame, packet in packets:
        for address in (packet.source, packet.destination):
            if not any(is_in(address, net) for net in subnets) and not is_for_all(address):
                check.object(f"{address} is on {segment}, the local network of {host}", [frame])
    return len(packets)


def check_out_21(case: Case) -> Finding:
    """The VPN is there before any server connection, and then all data is TCP inside it."""
    check = Check(
        "OUT-21",
        "for each HMC in this order: ESP SA installed, SCCCN, IPCP open, first SYN inside the VPN; "
        f"no TCP to IBM on {case.ipsec_outside}",
    )
    steps = [_order(case, check, node.name) for node in case.vpn_agents]
    for frame, packet in case.departing:
        if case.is_trial(packet) or is_of_another_way(case, "vpn", frame, packet):
            continue
        if packet.is_bare_syn:
            where = place(packet.destination, packet.destination_port)
            check.object(f"TCP to {where} on {frame.segment}", [frame])
    object_to_failed_calls(case, check, "vpn")
    return check.finding("; ".join(steps))


def object_to_failed_calls(case: Case, check: Check, kind: str) -> None:
    """Object to agents that did not get through, but for those that called by ways of another kind."""
    others = {way.name for way in case.topology.ways if way.kind != kind}
    for call in case.failed_calls:
        if call.way in others:
            continue
        tried = "; ".join(call.told_once) or "no attempt is recorded"
        check.lack(Step.answer, f"{call.agent} did not get through: {tried}")


def _order(case: Case, check: Check, client: str) -> str:
    scccn = case.control(l2tp.ControlType.SCCCN, client)
    syns = [(i, p) for i, p in case.data(client) if p.is_bare_syn and i.outgoing]
    steps = {
        "SA installed": case.sa_installed(client),
        "SCCCN": scccn[0].frame.time if scccn else 0.0,
        "IPCP open": case.first_opened(client),
        "first SYN": syns[0][0].frame.time if syns else 0.0,
    }
    settled = case.settled(client)
    elsewhere = settled is not None and settled.kind != "vpn"
    if not syns and (elsewhere or not case.called):
        del steps["first SYN"]  # nothing called home by the VPN

    check.show(frames_of([*scccn[:1], *(item for item, _ in syns[:1])]))
    return check.in_order(client, steps, case.record.started, OF_VPN)
