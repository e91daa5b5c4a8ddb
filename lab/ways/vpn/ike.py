"""Findings on IKE: OUT-19, OUT-20, P-01 and R-07."""

from __future__ import annotations

from dataclasses import dataclass

from lab.names import count
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.sightings import IkeSighting
from lab.ways.vpn.plan import IpsecConnection
from lab.wire import isakmp
from lab.wire.decode import ESP, Frame
from lab.wire.isakmp import Attribute, ExchangeType

MAIN_MODE_MESSAGES = 6
QUICK_MODE_MESSAGES = 3
KEEPALIVE_S = 20
"""RFC 3948 4: the default, which charon uses."""
SILENT_S = 3.0
"""Of packets without an answer: less may be the last words of a session that was ended."""
SLACK_S = 1.5
"""What delays and the daemon's own clock ticks may add to a time of seconds."""

PSK = 1
"""RFC 2409 appendix A: authentication method."""


@dataclass(frozen=True, slots=True)
class Negotiation:
    """One IKE SA on the outside wire: its messages in order, retransmissions left out."""

    messages: list[IkeSighting]

    def of(self, exchange: ExchangeType) -> list[IkeSighting]:
        return [s for s in self.messages if s.message.exchange == exchange]

    @property
    def main_mode(self) -> list[IkeSighting]:
        return self.of(ExchangeType.main_mode)

    @property
    def quick_modes(self) -> dict[int, list[IkeSighting]]:
        """Quick mode messages by message ID."""
        found: dict[int, list[IkeSighting]] = {}
        for sighting in self.of(ExchangeType.quick_mode):
            found.setdefault(sighting.message.message_id, []).append(sighting)
        return found

    @property
    def answered(self) -> Frame | None:
        """The gateway's first answer on ESP: quick mode's second message."""
        answers = (s for s in self.of(ExchangeType.quick_mode) if not s.outgoing)
        return next((s.frame for s in answers), None)

    @property
    def gateway_address(self) -> str:
        return self.messages[0].gateway_address


def negotiations(sightings: list[IkeSighting]) -> list[Negotiation]:
    """Group by initiator cookie, which no NAT changes; a retransmission counts once."""
    found: dict[bytes, list[IkeSighting]] = {}
    known = set()
    for sighting in sightings:
        key = (sighting.message.key, sighting.outgoing)
        if key not in known:
            known.add(key)
            found.setdefault(sighting.message.initiator_cookie, []).append(sighting)
    return [Negotiation(messages) for messages in found.values()]


def check_out_19(case: Case) -> Finding:
    """Without NAT: UDP 500 and ESP."""
    check = Check(
        "OUT-19",
        f"on {case.outside}: {MAIN_MODE_MESSAGES} main mode and {QUICK_MODE_MESSAGES} quick mode "
        "packets from UDP 500 to UDP 500, then protocol 50 both ways, and nothing on UDP 4500",
    )
    seen = []
    for negotiation in _established(case, check):
        for sighting in negotiation.messages:
            ports = (sighting.packet.source_port, sighting.packet.destination_port)
            if ports != (isakmp.IKE_PORT, isakmp.IKE_PORT):
                check.object(f"IKE goes from UDP {ports[0]} to UDP {ports[1]}", [sighting.frame])
        seen.append(_judge_counts(check, negotiation))

    floated = [f for f, p in case.packets(*case.exits) if p.uses_udp(isakmp.NAT_T_PORT)]
    check.forbid(floated, "on UDP 4500")
    _judge_esp(case, check, in_udp=False)
    return check.finding(
        f"{'; '.join(seen)}; {_esp_text(case)} as protocol 50; 0 packets on UDP 4500"
    )


def check_out_20(case: Case) -> Finding:
    """Behind NAT: UDP 500, then UDP 4500 instead of ESP."""
    check = Check(
        "OUT-20",
        f"on {case.outside}: main mode 1 to 4 on UDP 500, the rest of IKE on UDP 4500 with the "
        f"non-ESP marker, ESP in UDP 4500, a keepalive whenever {KEEPALIVE_S} s pass in silence, "
        "and no protocol 50",
    )
    seen = []
    for negotiation in _established(case, check):
        late = [*negotiation.main_mode[4:], *negotiation.of(ExchangeType.quick_mode)]
        for sighting in negotiation.main_mode[:4]:
            if sighting.port != isakmp.IKE_PORT:
                check.object(f"one of main mode 1 to 4 is on UDP {sighting.port}", [sighting.frame])
        for sighting in late:
            if sighting.port != isakmp.NAT_T_PORT:
                check.object(f"IKE after main mode 4 is on UDP {sighting.port}", [sighting.frame])
        seen.append(_judge_counts(check, negotiation))

    native = [f for f in case.outside_frames if f.ip and f.ip.protocol == ESP]
    check.forbid(native, "of protocol 50")
    _judge_esp(case, check, in_udp=True)
    keepalives = _judge_keepalives(case, check)
    return check.finding(
        f"{'; '.join(seen)}; {_esp_text(case)} in UDP 4500; {count(keepalives, 'keepalive')}; "
        "0 packets of protocol 50"
    )


def _established(case: Case, check: Check) -> list[Negotiation]:
    found = negotiations(case.ike)
    done = [n for n in found if n.quick_modes]
    if not done:
        packets = sum(len(n.messages) for n in found)
        check.object(
            f"no IKE SA came about: {count(packets, 'different IKE packet')} on {case.outside}",
            frames_of(s for n in found for s in n.messages),
        )
    for client in {node.name for node in case.vpn_agents}:
        if not any(each.source == client for each in case.record.ike):
            check.object(f"{client} has no IKE SA")
    check.show(frames_of(s for n in done for s in n.messages[:9]))
    return done


def _judge_counts(check: Check, negotiation: Negotiation) -> str:
    main = len(negotiation.main_mode)
    quick = sorted({len(messages) for messages in negotiation.quick_modes.values()})
    if main != MAIN_MODE_MESSAGES:
        frames = frames_of(negotiation.main_mode)
        check.object(
            f"{count(main, 'main mode packet')} with {negotiation.gateway_address}", frames
        )
    if quick != [QUICK_MODE_MESSAGES]:
        check.object(
            f"quick modes of {' or '.join(map(str, quick))} packets with "
            f"{negotiation.gateway_address}",
            frames_of(negotiation.of(ExchangeType.quick_mode)),
        )
    rounds = len(negotiation.quick_modes)
    return (
        f"{main} main mode packets and {count(rounds, 'quick mode')} of {QUICK_MODE_MESSAGES} "
        f"packets with {negotiation.gateway_address}"
    )


def _judge_esp(case: Case, check: Check, *, in_udp: bool) -> None:
    right = [s for s in case.esp if s.sealed.in_udp == in_udp]
    name = "ESP in UDP 4500" if in_udp else "ESP as protocol 50"
    for outgoing, way in ((True, "to IBM"), (False, "from IBM")):
        check.want(any(s.outgoing == outgoing for s in right), f"no {name} {way}")

    # The client has the keys from then on, and may send before its own last message (RFC 2409 5.5).
    answered = [n.answered for n in negotiations(case.ike) if n.answered is not None]
    if right and answered and right[0].frame.number < answered[0].number:
        problem = "ESP is on the wire before the gateway has agreed on it"
        check.object(problem, [right[0].frame])


def _esp_text(case: Case) -> str:
    out = sum(s.outgoing for s in case.esp)
    return f"{out} ESP packets out and {len(case.esp) - out} in"


def _judge_keepalives(case: Case, check: Check) -> int:
    """On the customer's wire, where each HMC is told by its address."""
    keepalives = 0
    last: dict[tuple[str, str], float] = {}
    for frame in case.inside_frames:
        packet = frame.ip
        if packet is None or packet.source not in case.agent_addresses:
            continue
        if packet.destination_port != isakmp.NAT_T_PORT:
            continue
        ends = (packet.source, packet.destination)
        before = last.get(ends, frame.time)
        silence = frame.time - before
        down = case.is_cut(case.agent_addresses[packet.source], before, frame.time)
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
    found = negotiations(case.ike)
    for negotiation in found:
        for sighting in negotiation.messages:
            message = sighting.message
            if message.version != 0x10:
                check.object(f"IKE version {message.version >> 4}", [sighting.frame])
            if message.exchange == ExchangeType.aggressive:
                check.object("aggressive mode", [sighting.frame])

    proposals = [p for n in found if (p := _judge_choice(check, n))]
    if not found:
        check.object(f"no IKE on {case.outside}")
    elif not proposals:
        check.object("no gateway chose a transform", frames_of(n.messages[0] for n in found))
    for node in case.vpn_agents:
        if not any(each.source == node.name for each in case.record.ike):
            failed = [each for each in case.record.ike_failed if each.source == node.name]
            why = f": {failed[-1].why}" if failed else ""
            check.object(f"no gateway authenticated {node.name} by its key{why}")
    return check.finding(
        f"{count(len(proposals), 'IKE SA')} with authentication method 1; cipher, hash and group "
        + ", ".join(proposals)
    )


def _judge_choice(check: Check, negotiation: Negotiation) -> str:
    """Cipher, hash and group of the transform that the gateway chose; empty if it chose none."""
    for sighting in negotiation.main_mode:
        if sighting.outgoing or not sighting.message.transforms:
            continue
        transform = sighting.message.transforms[0]
        check.show([sighting.frame])
        method = transform.get(Attribute.authentication, 0)
        if method != PSK:
            check.object(f"the gateway chose authentication method {method}", [sighting.frame])
        wanted = (Attribute.encryption, Attribute.hash, Attribute.group)
        return "/".join(str(transform.get(attribute, 0)) for attribute in wanted)
    return ""


def check_r_07(case: Case) -> Finding:
    """Two VPN servers: the second takes over when the first is silent."""
    check = Check(
        "R-07",
        "where the first VPN server is silent, IKE goes to the second after the retransmit budget, "
        "and never to both at a time",
    )
    seen, put_to_test = [], False
    for node in case.vpn_agents:
        connections = case.connections(node.name)
        if len(connections) < 2:
            check.object(f"{node.name} has no second VPN server")
            continue
        text, tested = _takeover(case, check, *connections[:2])
        seen.append(text)
        put_to_test = put_to_test or tested
    if not put_to_test:
        return check.not_tested("not put to the test: " + "; ".join(seen))
    return check.finding("; ".join(seen))


def _takeover(
    case: Case, check: Check, first: IpsecConnection, second: IpsecConnection
) -> tuple[str, bool]:
    ike = case.ike_inside
    to_first = [s for s in ike if _between(s, first)]
    to_second = [s for s in ike if _between(s, second)]
    answers = [s for s in to_first if not s.outgoing]

    if not to_second:
        if answers:
            late_s = answers[0].frame.time - to_first[0].frame.time
            return f"{first.gateway} answered {first.client} after {late_s * 1000:.0f} ms", False
        check.object(f"{first.gateway} was silent, and {first.client} did not try {second.gateway}")
        return "", True

    own = case.is_own_client(first.client)
    if own and not to_first:
        return f"{first.client}'s own client asked {second.gateway} only", False
    began = to_second[0].frame.time
    fell_silent = case.silence(first.client_address, first.gateway_address, began)
    had_session = any(each.connection == first.name for each in case.record.ike)
    if answers and not (had_session and fell_silent and fell_silent.seconds > SILENT_S):
        return f"{first.gateway} was not silent to {first.client}, but did not agree with it", False
    check.show(frames_of([*to_first[:3], *to_second[:3]]))
    if to_first and not answers and not own:
        budget_s = first.retransmit_budget_s
        waited_s = began - to_first[0].frame.time
        if abs(waited_s - budget_s) > SLACK_S + 0.1 * budget_s:
            check.object(
                f"{second.gateway} was tried after {waited_s:.1f} s; the budget is {budget_s:.1f} s"
            )
    if not to_first:
        check.object(f"{second.gateway} was tried before {first.gateway}")
    both = [s.frame for s in to_first if s.frame.time > began]
    if both:
        check.object(f"IKE goes to {first.gateway} and {second.gateway} at a time", both)
    if case.record.gateway_in_use.get(first.client) != second.gateway:
        check.object(f"{second.gateway} did not take over for {first.client}")

    silent = to_first[-1].frame.time if to_first else began
    return (
        f"{first.client}: {count(len(to_first), 'IKE packet')} with {first.gateway}, "
        f"{len(answers)} of them "
        f"answers, until {began - silent:.1f} s before {second.gateway} was tried and took over"
    ), True


def _between(sighting: IkeSighting, connection: IpsecConnection) -> bool:
    ends = {sighting.packet.source, sighting.packet.destination}
    return ends == {connection.client_address, connection.gateway_address}
