"""Symptoms of a VPN that is up: L2TP, PPP, a gateway that dies, packets altered or sent twice."""

from __future__ import annotations

from collections import Counter

from lab.names import count
from lab.record.record import PppSession
from lab.topology.units import show_percent
from lab.verify.journey import Course
from lab.verify.sightings import EspSighting, Silence
from lab.verify.symptom import Diagnosis, Trail, first_of
from lab.ways.vpn import tunnel_symptoms
from lab.ways.vpn.alteration import AUTH_FAILURES
from lab.ways.vpn.plan import connections
from lab.wire import ppp
from lab.wire.l2tp import ControlType
from lab.wire.ppp import ChapCode, Code

REPLAYS = "XfrmInStateSeqError"
DEAD_AFTER_S = 3.0
"""Of silence, with several packets unanswered."""


def find_l2tp_refusal(trail: Trail) -> Diagnosis | None:
    """The gateway's LNS ends the tunnel or the call, and says why."""
    if _opened(trail):
        return None
    for item in trail.insides:
        if item.outgoing or item.l2tp is None:
            continue
        if item.l2tp.control_type in (ControlType.CDN, ControlType.StopCCN):
            result = item.l2tp.result
            if trail.gateway in trail.exhausted:
                return _pool_empty(trail, f"it answers {result or 'with a disconnect'}")
            if any(item.ppp for item in trail.insides):
                return None  # PPP failed first, and says more
            return Diagnosis(
                "l2tp-refused",
                f"{trail.gateway_text} ends the L2TP call of {trail.client}: "
                f"{result or 'no reason given'}",
                f"read the log of xl2tpd on {trail.gateway}",
            )
    return None


def _opened(trail: Trail) -> bool:
    return trail.case.first_opened(trail.client) > 0


def find_pap_only(trail: Trail) -> Diagnosis | None:
    """The gateway asks for PAP and nothing else."""
    demands = [
        frame.authentication[0]
        for _, frame in ppp.among(trail.insides, ppp.LCP, Code.configure_request, outgoing=False)
        if frame.option(ppp.OPTION_AUTHENTICATION) is not None
    ]
    if {*demands} != {ppp.PAP}:
        return None
    return Diagnosis(
        "pap-only-peer",
        f"the PPP of {trail.gateway_text} asks {trail.client} for PAP (C023) only; {trail.client} "
        "takes CHAP only, so that no password goes over",
        f"have {trail.gateway} ask for CHAP with MD5",
    )


def find_no_chap(trail: Trail) -> Diagnosis | None:
    """The client does not take CHAP, which the gateway asks for (RFC 1661 5.3, 5.4)."""
    refusals = [
        frame
        for _, frame in ppp.among(
            trail.insides, ppp.LCP, Code.configure_nak, Code.configure_reject, outgoing=True
        )
        if frame.option(ppp.OPTION_AUTHENTICATION) is not None
    ]
    if not refusals or ppp.among(trail.insides, ppp.CHAP, ChapCode.response) or _opened(trail):
        return None
    return Diagnosis(
        "chap-refused",
        f"the PPP of {trail.client} takes no CHAP, which that of {trail.gateway_text} asks for: "
        f"{trail.client} refuses LCP's option 3",
        f"have {trail.client} take CHAP with MD5",
    )


def find_wrong_secret(trail: Trail) -> Diagnosis | None:
    """CHAP ends in Failure."""
    if _opened(trail) or not ppp.among(trail.insides, ppp.CHAP, ChapCode.failure):
        return None
    return Diagnosis(
        "wrong-chap-secret",
        f"{trail.gateway_text} answers the CHAP response of {trail.client} with Failure: the two "
        "have different secrets for its name",
        "give both ends the same CHAP secret",
    )


def find_no_address(trail: Trail) -> Diagnosis | None:
    """CHAP succeeded, the client asked for an address, and IPCP never opens.

    A client that asks for none has not heard that CHAP succeeded, as where a link has lost it.
    """
    if _opened(trail):
        return None
    accepted = ppp.among(trail.insides, ppp.CHAP, ChapCode.success)
    asked = ppp.among(trail.insides, ppp.IPCP, Code.configure_request, outgoing=True)
    if accepted and (trail.gateway in trail.exhausted or (asked and not _gives_address(trail))):
        return _pool_empty(trail, "IPCP does not open although CHAP succeeded")
    return None


def _gives_address(trail: Trail) -> bool:
    """Whether the gateway's IPCP ever proposed an address to the client."""
    codes = (Code.configure_nak, Code.configure_ack)
    given = ppp.among(trail.insides, ppp.IPCP, *codes, outgoing=False)
    return any(frame.ip_address not in ("", "0.0.0.0") for _, frame in given)


def _pool_empty(trail: Trail, how: str) -> Diagnosis:
    return Diagnosis(
        "pool-empty",
        f"{trail.gateway_text} has no address left for {trail.client}: {how}",
        f"enlarge the address pool of {trail.gateway}",
    )


def find_death(trail: Trail) -> Diagnosis | None:
    """A gateway that answered, and does so no more."""
    silence = _silence(trail)
    if silence is None or silence.seconds < DEAD_AFTER_S:
        return None
    since_s = silence.since - trail.case.record.started
    return Diagnosis(
        "gateway-died",
        f"{trail.gateway_text} died in mid-session: it answered until {since_s:.1f} s, then left "
        f"{count(silence.unanswered, 'packet')} unanswered for {silence.seconds:.1f} s",
        f"see why the daemons of {trail.gateway} ended",
    )


def _silence(trail: Trail) -> Silence | None:
    connection = trail.connection
    if connection is None:
        return None
    return trail.case.silence(connection)


def find_l2tp_silence(trail: Trail) -> Diagnosis | None:
    """SCCRQ inside the VPN, and no answer."""
    requests = [i for i in trail.insides if i.l2tp and i.l2tp.control_type == ControlType.SCCRQ]
    if not requests or any(not i.outgoing for i in trail.insides):
        return None
    return Diagnosis(
        "l2tp-silent",
        f"{trail.gateway_text} does not answer L2TP: {count(len(requests), 'SCCRQ', 'SCCRQs')} "
        "inside the VPN",
        f"see whether xl2tpd runs on {trail.gateway}",
    )


def find_mix_up(trail: Trail) -> Diagnosis | None:
    """What a gateway sends to one client goes into the SA of another (X-03, RFC 3947 5.2).

    In transport mode two clients behind one SNAT are one address and one port to the gateway.
    """
    own: dict[tuple[str, str], set[int]] = {}
    for tunnel in trail.case.record.l2tp:
        own.setdefault((tunnel.client, tunnel.gateway), set()).add(tunnel.local_id)
    astray = [
        item
        for item in trail.case.insides
        if item.l2tp
        and not item.outgoing
        and item.client not in ("", trail.client)
        and item.l2tp.tunnel_id in own.get((trail.client, item.gateway), ())
        and item.l2tp.tunnel_id not in own.get((item.client, item.gateway), ())
    ]
    if not astray:
        return None
    first = astray[0]
    gateway = next(c for c in connections(trail.case.topology) if c.gateway == first.gateway)
    return Diagnosis(
        "mixed-up-clients",
        f"what {gateway.gateway} ({gateway.gateway_address}) sends to {trail.client} goes to "
        f"{first.client}: {count(len(astray), 'L2TP packet')} of its tunnel in the other's SA, as "
        "both have one address behind the SNAT",
        "use tunnel mode, where each client has its own inner address",
    )


def find_takeover(trail: Trail) -> Diagnosis | None:
    """Another gateway took over, because the first was silent or died."""
    used = trail.case.record.gateway_in_use.get(trail.client, "")
    ways = [w for w in trail.case.topology.ways_of(trail.client) if used in w.tunnel_ends[1:]]
    if not ways:
        return None
    own = [c for c in trail.case.connections(trail.client) if c.gateway in ways[0].tunnel_ends]

    first = type(trail)(trail.case, trail.client, own[0], hidden=True)
    if not first.ike:
        return None
    lost = first_of(
        [first],
        (
            tunnel_symptoms.find_lost_udp_500,
            tunnel_symptoms.find_lost_udp_4500,
            tunnel_symptoms.find_lost_esp,
        ),
    )
    if lost is not None:
        return Diagnosis(lost.cause, f"{lost.sentence}; {used} took over", lost.hint)
    if any(not s.outgoing for s in first.ike):
        silence = _silence(first)
        if (never := _never_opened(first, silence)) is not None:
            return Diagnosis(
                "no-session",
                f"PPP of {trail.client} with {first.gateway_text} did not come up{_chance_of_loss(first)}: "
                f"{never.why}; {used} took over",
                f"the log of pppd on {first.gateway} and on {trail.client} says how far they came",
            )
        since = f" at {silence.since - trail.case.record.started:.1f} s" if silence else ""
        return Diagnosis(
            "gateway-died",
            f"{first.gateway_text} ceased to answer in mid-session{since}, and {used} took over",
            f"see why the daemons of {first.gateway} ended",
        )

    silent = tunnel_symptoms.find_silence(first)
    assert silent is not None
    return Diagnosis(silent.cause, f"{silent.sentence}; {used} took over", silent.hint)


def _never_opened(trail: Trail, silence: Silence | None) -> PppSession | None:
    """The PPP session with a gateway that ended before IPCP opened, while the gateway still spoke."""
    for session in trail.case.record.ppp:
        own = session.client == trail.client and session.gateway == trail.gateway
        if own and session.cause and not session.opened:
            return session if silence is None or session.closed < silence.since else None
    return None


def _chance_of_loss(trail: Trail) -> str:
    """The links of the client's way that lose packets by chance."""
    topology = trail.case.topology
    names = {name: None for course in trail.courses.values() for name in course.segments}
    lossy = [s for s in map(topology.segment, names) if s.impairment and s.impairment.loss]
    return "".join(
        f", over {s.name}, a link that loses {show_percent(s.impairment.loss)} of all packets"
        for s in lossy
        if s.impairment
    )


def _esp_by_wire(trail: Trail) -> list[tuple[Course, list[list[EspSighting]]]]:
    """The ESP of each direction: on every wire of its way, in order."""
    on = trail.case.esp_on
    return [
        (way, [[s for s in on(segment) if s.outgoing == out] for segment in way.segments])
        for out, way in trail.courses.items()
    ]


def find_tampering(trail: Trail) -> Diagnosis | None:
    """ESP whose ICV is wrong at its receiver."""
    counted = sum(lines.get(AUTH_FAILURES, 0) for lines in trail.case.record.xfrm.values())
    for way, wires in _esp_by_wire(trail):
        bad = [s for s in wires[-1] if s.opened.key is not None and not s.opened.icv_good]
        if bad:
            first = bad[0].sealed
            number = next(
                n for n, wire in enumerate(wires) if any(s.sealed.data == first.data for s in wire)
            )
            link = trail.case.topology.segment(way.segments[number])
            bits = link.impairment.corrupt if link.impairment else 0.0
            if bits:
                return Diagnosis(
                    "corrupted-esp",
                    f"{count(len(bad), 'ESP packet')} corrupted on {link.name}, a link that corrupts "
                    f"{show_percent(bits)} of all packets (SPI {first.spi:#010x}, sequence "
                    f"{first.sequence}); the receiver dropped and counted {counted} ({AUTH_FAILURES})",
                    f"nothing is wrong with the way home; take corrupt: off {link.name} to be without it",
                )
            return Diagnosis(
                "tampered-esp",
                f"{count(len(bad), 'ESP packet')} altered {_place(way, number)} (SPI "
                f"{first.spi:#010x}, sequence {first.sequence}); the receiver dropped and counted "
                f"{counted} ({AUTH_FAILURES})",
                "somebody on the way alters packets; the integrity check did its work",
            )
    return None


def find_replay(trail: Trail) -> Diagnosis | None:
    """The same ESP packet twice on its receiver's wire."""
    counted = sum(lines.get(REPLAYS, 0) for lines in trail.case.record.xfrm.values())
    for way, sightings in _esp_by_wire(trail):
        wires = [Counter((s.sealed.spi, s.sealed.sequence) for s in wire) for wire in sightings]
        twice = [mark for mark, number in wires[-1].items() if number > 1]
        if twice:
            number = next(n for n, wire in enumerate(wires) if wire[twice[0]] > 1)
            spi, sequence = twice[0]
            link = trail.case.topology.segment(way.segments[number])
            copies = link.impairment.duplicate if link.impairment else 0.0
            if copies:
                return Diagnosis(
                    "duplicated-esp",
                    f"{count(len(twice), 'ESP packet')} came twice on {link.name}, a link that duplicates "
                    f"{show_percent(copies)} of all packets; the receiver dropped and counted "
                    f"{counted} ({REPLAYS})",
                    f"nothing is wrong with the way home; take duplicate: off {link.name} to be without it",
                )
            return Diagnosis(
                "replayed-esp",
                f"{count(len(twice), 'ESP packet')} sent a second time {_place(way, number)} (SPI "
                f"{spi:#010x}, sequence {sequence}); the receiver dropped and counted "
                f"{counted} ({REPLAYS})",
                "somebody on the way repeats packets; the replay window did its work",
            )
    return None


def _place(way: Course, number: int) -> str:
    if number == 0:
        return f"on {way.segments[0]}, by {way.start}"
    before, after = way.segments[number - 1], way.segments[number]
    return f"by {way.between[number - 1]}, between {before} and {after}"
