"""Findings on IKE: OUT-19, OUT-20 and P-01."""

from __future__ import annotations

from lab.names import count
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.sightings import EspSighting
from lab.verify.step import Step
from lab.ways.vpn import proposal
from lab.ways.vpn.negotiation import (
    SHAPES,
    IkeShape,
    Negotiation,
    negotiations,
    of_capture,
    why_untested,
)
from lab.ways.vpn.plan import IpsecConnection, connections
from lab.wire import isakmp
from lab.wire.decode import ESP, ETHERTYPE_IPV4
from lab.wire.isakmp import Attribute, ExchangeType, IsakmpMessage, TransformType

DEFAULTS = ("3des-md5-modp1024", "3des-sha1-modp1024")
"""The lab's own choice of what IKE proposes (Q-01), in both readings of X-01."""
KEEPALIVE_S = 20
"""RFC 3948 4: the default, which charon uses."""
SLACK_S = 1.5
"""What delays and the daemon's own clock ticks may add to a time of seconds."""

PSK = 1
"""RFC 2409 appendix A: authentication method."""


def check_out_19(case: Case) -> Finding:
    """Without NAT: UDP 500 and ESP."""
    check = Check(
        "OUT-19",
        f"on {' and '.join(_wires(case))}: {_packets_text(case)} packets from UDP 500 to UDP 500, then "
        "protocol 50 both ways, and nothing on UDP 4500",
    )
    if why := why_untested(case):
        return check.not_tested(why)
    seen = []
    for negotiation in _established(case, check, _wires(case)):
        for sighting in negotiation.messages:
            ports = (sighting.packet.source_port, sighting.packet.destination_port)
            if ports != (isakmp.IKE_PORT, isakmp.IKE_PORT):
                check.object(f"IKE goes from UDP {ports[0]} to UDP {ports[1]}", [sighting.frame])
        seen.append(_judge_counts(check, negotiation))

    floated = [
        f
        for f, p in case.packets(*_wires(case))
        if p.uses_udp(isakmp.NAT_T_PORT) and not case.is_trial(p)
    ]
    check.forbid(floated, "on UDP 4500")
    own = _judge_esp(case, check, _wires(case), in_udp=False)
    return check.finding(
        f"{'; '.join(seen)}; {_esp_text(own)} as protocol 50; 0 packets on UDP 4500"
    )


def check_out_20(case: Case) -> Finding:
    """Behind NAT: UDP 500, then UDP 4500 instead of ESP."""
    check = Check(
        "OUT-20",
        f"on {case.outside}: {_early_text(case)} on UDP 500, the rest of IKE on UDP 4500 with the "
        f"non-ESP marker, ESP in UDP 4500, a keepalive whenever {KEEPALIVE_S} s pass in silence, "
        "and no protocol 50",
    )
    if why := why_untested(case):
        return check.not_tested(why)
    seen = []
    for negotiation in _established(case, check, case.exits):
        shape, opening = negotiation.shape, negotiation.opening
        late = [*opening[shape.on_500 :], *negotiation.of(shape.ends_by)]
        late += negotiation.of(ExchangeType.create_child_sa)
        for sighting in opening[: shape.on_500]:
            if sighting.port != isakmp.IKE_PORT:
                problem = f"one of {shape.opening} 1 to {shape.on_500} is on UDP {sighting.port}"
                check.object(problem, [sighting.frame])
        for sighting in late:
            if sighting.port != isakmp.NAT_T_PORT:
                problem = f"IKE after {shape.opening} {shape.on_500} is on UDP {sighting.port}"
                check.object(problem, [sighting.frame])
        seen.append(_judge_counts(check, negotiation))

    native = [f for f in case.outside_frames if f.ip and f.ip.protocol == ESP]
    check.forbid(native, "of protocol 50")
    own = _judge_esp(case, check, case.exits, in_udp=True)
    keepalives = _judge_keepalives(case, check)
    return check.finding(
        f"{'; '.join(seen)}; {_esp_text(own)} in UDP 4500; {count(keepalives, 'keepalive')}; "
        "0 packets of protocol 50"
    )


def _wires(case: Case) -> tuple[str, ...]:
    """The wires on which IPsec comes to the Internet with no NAT on the way."""
    if not case.topology.seen_address:
        return case.ipsec_wires
    return tuple(wire for wire in case.ipsec_wires if wire not in case.exits) or case.ipsec_wires


def _shapes(case: Case) -> list[IkeShape]:
    """Of the versions that the topology asks for."""
    return [SHAPES[version] for version in sorted({c.version for c in connections(case.topology)})]


def _packets_text(case: Case) -> str:
    found = (f"{s.messages} {s.opening} and {s.then} {s.ending}" for s in _shapes(case))
    return " or ".join(found)


def _early_text(case: Case) -> str:
    return " or ".join(f"{shape.opening} 1 to {shape.on_500}" for shape in _shapes(case))


def _established(case: Case, check: Check, wires: tuple[str, ...]) -> list[Negotiation]:
    found = [n for n in of_capture(case) if n.messages[0].frame.segment in wires]
    done = [n for n in found if n.endings]
    if not done:
        packets = sum(len(n.messages) for n in found)
        check.lack(
            Step.ike,
            f"no IKE SA came about: {count(packets, 'different IKE packet')} on {' and '.join(wires)}",
            frames_of(s for n in found for s in n.messages),
        )
    for client in {node.name for node in case.vpn_agents} if case.has_record else ():
        ends = case.ipsec_ends(client)
        if not any(each.source in ends for each in case.record.ike):
            check.lack(Step.ike, f"{' and '.join(sorted(ends))} has no IKE SA")
    check.show(frames_of(s for n in done for s in n.messages[:9]))
    return done


def _judge_counts(check: Check, negotiation: Negotiation) -> str:
    shape, main = negotiation.shape, len(negotiation.opening)
    quick = sorted({len(messages) for messages in negotiation.endings.values()})
    if main != shape.messages:
        check.object(
            f"{count(main, f'{shape.opening} packet')} with {negotiation.gateway_address}",
            frames_of(negotiation.opening),
        )
    if quick != [shape.then]:
        check.object(
            f"{shape.ending}s of {' or '.join(map(str, quick))} packets with "
            f"{negotiation.gateway_address}",
            frames_of(negotiation.of(shape.ends_by)),
        )
    rounds = len(negotiation.endings)
    return (
        f"{main} {shape.opening} packets and {count(rounds, shape.ending)} of {shape.then} "
        f"packets with {negotiation.gateway_address}"
    )


def _judge_esp(
    case: Case, check: Check, wires: tuple[str, ...], *, in_udp: bool
) -> list[EspSighting]:
    """Judge the ESP on some wires; all of it."""
    own = [s for s in case.esp if s.frame.segment in wires]
    right = [s for s in own if s.sealed.in_udp == in_udp]
    name = "ESP in UDP 4500" if in_udp else "ESP as protocol 50"
    for outgoing, way in ((True, "to IBM"), (False, "from IBM")):
        check.need(Step.esp, any(s.outgoing == outgoing for s in right), f"no {name} {way}")

    # The client has the keys from then on, and may send before its own last message (RFC 2409 5.5).
    answered = [n.answered for n in negotiations(case.ike) if n.answered is not None]
    early = right and answered and right[0].frame.segment == answered[0].segment
    if early and right[0].frame.number < answered[0].number:
        problem = "ESP is on the wire before the gateway has agreed on it"
        check.object(problem, [right[0].frame])
    return own


def _esp_text(own: list[EspSighting]) -> str:
    out = sum(s.outgoing for s in own)
    return f"{out} ESP packets out and {len(own) - out} in"


def _judge_keepalives(case: Case, check: Check) -> int:
    """On the customer's wire, where each HMC is told by its address."""
    keepalives = 0
    last: dict[tuple[str, str], float] = {}
    for frame in case.inside_frames:
        packet = frame.ip
        if packet is None and frame.ethertype == ETHERTYPE_IPV4:
            last.clear()  # It may have been a keepalive, before it was altered.
        if packet is None or packet.source not in case.vpn_ends:
            continue
        if packet.destination_port != isakmp.NAT_T_PORT:
            continue
        ends = (packet.source, packet.destination)
        before = last.get(ends, frame.time)
        silence = frame.time - before
        node = case.vpn_ends[packet.source]
        down = case.has_record and case.is_cut(node, before, frame.time)
        if silence > KEEPALIVE_S + SLACK_S and not down:
            check.object(f"{packet.source} sent nothing for {silence:.1f} s, no keepalive", [frame])
        last[ends] = frame.time
        keepalives += packet.payload == isakmp.KEEPALIVE
    return keepalives


def check_p_01(case: Case) -> Finding:
    """IKE authenticated with a pre-shared key."""
    check = Check(
        "P-01",
        "IKEv1 main mode whose chosen transform names authentication method 1, a pre-shared key, "
        "and the IKE SA comes about",
    )
    if why := why_untested(case):
        return check.not_tested(why)
    every = of_capture(case)
    # One that came to nothing, beside others that came about, authenticated nobody.
    found = [negotiation for negotiation in every if negotiation.endings] or every
    for negotiation in found:
        for sighting in negotiation.messages:
            message = sighting.message
            if message.version != 0x10:
                version = message.version >> 4
                asked = ", as this topology's ipsec.version asks; IBM's VPN speaks version 1"
                own = any(c.version == version for c in connections(case.topology))
                check.object(f"IKE version {version}{asked if own else ''}", [sighting.frame])
            if message.exchange == ExchangeType.aggressive:
                check.object("aggressive mode", [sighting.frame])

    proposals = [p for n in found if (p := _judge_choice(case, check, n))]
    if not found:
        check.lack(Step.packets, f"no IKE on {case.ipsec_outside}")
    elif not proposals:
        first = frames_of(n.messages[0] for n in found)
        check.lack(Step.proposal, "no gateway chose a transform", first)
    _judge_end(case, check)
    return check.finding(
        f"{count(len(proposals), 'IKE SA')} with authentication method 1; cipher, hash and group "
        + ", ".join(proposals)
        + _asked_text(case)
    )


def _judge_end(case: Case, check: Check) -> None:
    """That IKE came about, for each client."""
    for node in case.vpn_agents if case.has_record else ():
        ends = case.ipsec_ends(node.name)
        if not any(each.source in ends for each in case.record.ike):
            failed = [each for each in case.record.ike_failed if each.source in ends]
            why = f": {failed[-1].why}" if failed else ""
            whom = " and ".join(sorted(ends))
            check.lack(Step.identity, f"no gateway authenticated {whom} by its key{why}")


def _asked_text(case: Case) -> str:
    """What a topology has IKE propose, if it is not what the lab chose: the papers do not say."""
    asked = dict.fromkeys(c.client_side.ike_proposal for c in connections(case.topology))
    other = [proposal for proposal in asked if proposal not in DEFAULTS]
    if not other:
        return ""
    told = " and ".join(other)
    return f": {told}, as this topology's ipsec.ike asks; the lab's own is {DEFAULTS[0]} (Q-01)"


def _judge_choice(case: Case, check: Check, negotiation: Negotiation) -> str:
    """Cipher, hash and group of the transform that the gateway chose; empty if it chose none."""
    for sighting in negotiation.opening:
        message = sighting.message
        if sighting.outgoing or not (message.transforms or message.suites):
            continue
        check.show([sighting.frame])
        if message.transforms:
            method = message.transforms[0].get(Attribute.authentication, 0)
            if method != PSK:
                check.object(f"the gateway chose authentication method {method}", [sighting.frame])
        chosen = _chosen(message)
        told = "/".join(str(number) for number in (chosen[0], *chosen[2:]))
        asked = [
            c for c in connections(case.topology) if c.gateway_address == sighting.gateway_address
        ]
        if chosen not in [_numbers(c, negotiation.version) for c in asked]:
            wanted = " or ".join(dict.fromkeys(c.client_side.ike_proposal for c in asked))
            problem = f"the gateway chose {told} with {chosen[1]} bits of key, and not {wanted}"
            check.object(problem, [sighting.frame])
        return told
    return ""


def _chosen(message: IsakmpMessage) -> tuple[int, int, int, int]:
    """The numbers of cipher, length of the key, hash or pseudo-random function, and group."""
    if message.transforms:
        found = message.transforms[0]
        wanted = (Attribute.encryption, Attribute.key_length, Attribute.hash, Attribute.group)
        cipher, length, mac, group = (found.get(attribute, 0) for attribute in wanted)
        return cipher, length, mac, group
    suite = message.suites[0]
    cipher, length = suite.get(TransformType.encryption, (0, 0))
    return (
        cipher,
        length,
        suite.get(TransformType.prf, (0, 0))[0],
        suite.get(TransformType.group, (0, 0))[0],
    )


def _numbers(connection: IpsecConnection, version: int) -> tuple[int, int, int, int]:
    """The same, of what a client proposes."""
    asked = proposal.parse(connection.client_side.ike_proposal, ike=True)
    suite, mac = asked.suite, proposal.MACS[asked.mac]
    cipher, hashed = (suite.v1, mac.v1) if version == 1 else (suite.v2, mac.v2)
    return cipher, suite.length, hashed, proposal.GROUPS[asked.group]
