"""Findings on ESP: P-02, P-04, P-05, P-06, P-18 and P-22."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import inf
from statistics import mean, pstdev

from lab.names import count
from lab.record.record import EspSa
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.journey import find_course
from lab.verify.sightings import EspSighting
from lab.ways.vpn.plan import IpsecConnection, clients, connections
from lab.wire.decode import AH, ESP, ICMP, Frame
from lab.wire.esp import IP_IN_IP
from lab.wire.isakmp import NAT_T_PORT

HALF_AN_HOUR_S = 1800
AROUND = 0.15
"""How far the middle of the window may be from half an hour and still be around it."""
CLOCK_SLACK_S = 5.0
"""charon rounds to seconds, and a quick mode takes its three trips."""
ECHO_REPLY, ECHO_REQUEST = b"\0", b"\x08"
FEW_INTERVALS = 2

AUTH_FAILURES = "XfrmInStateProtoError"
"""/proc/net/xfrm_stat: what the kernel counts when an ICV is wrong."""


def check_p_02(case: Case) -> Finding:
    """IPsec in tunnel mode."""
    check = Check(
        "P-02", "every SA is in tunnel mode, and what is decrypted has next header 4, IP in IP"
    )
    _judge_sas(case, check, lambda sa: sa.mode == "tunnel", lambda sa: f"{sa.mode} mode")
    for attempt in case.record.ike:
        if attempt.esp_mode and attempt.esp_mode != "TUNNEL":
            check.object(f"{attempt.connection} negotiated {attempt.esp_mode}")

    opened = [s for s in case.esp if s.opened.icv_good]
    wrong = [s for s in opened if s.opened.next_header != IP_IN_IP]
    kinds = sorted({s.opened.next_header for s in wrong})
    check.forbid(frames_of(wrong), f"with next header {kinds}")
    _need_packets(case, check, opened)
    return check.finding(
        f"{count(len(case.record.esp), 'SA')} in tunnel mode; {count(len(opened), 'packet')} "
        "decrypted, all with next header 4"
    )


def check_p_04(case: Case) -> Finding:
    """3DES with 192 bits of key."""
    check = Check(
        "P-04",
        "ESP is encrypted by 3DES with 24 bytes of key (192 bits, 168 of them effective, X-02)",
    )
    _judge_sas(
        case,
        check,
        lambda sa: (sa.encryption, sa.encryption_key_bits) == ("cbc(des3_ede)", 192),
        lambda sa: f"{sa.encryption} with {sa.encryption_key_bits} bits of key",
    )
    for attempt in case.record.ike:
        if attempt.esp_encryption and attempt.esp_encryption != "3DES_CBC":
            check.object(f"{attempt.connection} negotiated {attempt.esp_encryption}")
    for key in (key for keys in case.keys.values() for key in keys):
        if len(key.encryption_key) != 24:
            check.object(f"SA {key.spi:#010x} has a key of {len(key.encryption_key)} bytes")

    opened = [s for s in case.esp if s.opened.icv_good and s.opened.inner is not None]
    unknown = [s for s in case.esp if s.opened.key is None]
    check.forbid(frames_of(unknown), "of an SA that nobody knows")
    unread = [s for s in case.esp if s.opened.icv_good and s.opened.inner is None]
    check.forbid(frames_of(unread), "hold no IP when decrypted")
    _need_packets(case, check, opened)
    return check.finding(
        f"{count(len(case.record.esp), 'SA')} with cbc(des3_ede) and 192 bits; "
        f"{count(len(opened), 'packet')} decrypted with 24 bytes of key"
    )


def check_p_05(case: Case) -> Finding:
    """Integrity by MD5, whose key has 128 bits and not 160."""
    asked = dict.fromkeys(map(_integrity, connections(case.topology)))
    check = Check("P-05", "; or ".join(f"{name} with {_READINGS[name]}" for name in asked))
    _judge_sas(
        case,
        check,
        lambda sa: (
            (sa.integrity, sa.integrity_key_bits, sa.integrity_icv_bits)
            in [(name, _KEY_BITS[name], 96) for name in _asked(case, sa.spi)]
        ),
        lambda sa: (
            f"{sa.integrity} with {sa.integrity_key_bits // 8} bytes of key and "
            f"{sa.integrity_icv_bits // 8} bytes of ICV"
        ),
    )
    for key in (key for keys in case.keys.values() for key in keys):
        if len(key.integrity_key) * 8 not in [_KEY_BITS[name] for name in _asked(case, key.spi)]:
            check.object(f"SA {key.spi:#010x} has a key of {len(key.integrity_key)} bytes")

    known = [s for s in case.esp if s.opened.key is not None]
    good = [s for s in known if s.opened.icv_good]
    altered = _altered(case)
    if len(known) - len(good) > altered:
        bad = [s for s in known if not s.opened.icv_good]
        check.object(
            f"the ICV of {count(len(bad), 'packet')} is wrong, and {altered} were altered on "
            "the way",
            frames_of(bad),
        )
    _need_packets(case, check, good)
    told = " or ".join(f"{name}, {_KEY_BITS[name] // 8} bytes of key" for name in asked)
    return check.finding(
        f"{count(len(case.record.esp), 'SA')} with {told}; the 12 bytes of ICV of "
        f"{count(len(good), 'packet')} verified"
    )


_KEY_BITS = {"hmac(md5)": 128, "hmac(sha1)": 160}
_READINGS = {
    "hmac(md5)": "16 bytes of key and 12 bytes of ICV (the papers' 160 bits would be SHA-1: a key of 20 "
    "bytes is wrong, X-01)",
    "hmac(sha1)": "20 bytes of key and 12 bytes of ICV (the other reading of X-01, which this topology asks "
    "for)",
}


def _integrity(connection: IpsecConnection) -> str:
    """The kernel's name for what a connection proposes."""
    return "hmac(sha1)" if "sha1" in connection.client_side.esp_proposal else "hmac(md5)"


def _asked(case: Case, spi: int) -> set[str]:
    """What the topology asks of an SA: the client's kernel has the SA, too, and says which connection it is
    of. Behind SNAT the gateway's kernel does not know that.
    """
    ends = {
        (sa.node, end)
        for sa in case.record.esp
        if sa.spi == spi
        for end in (sa.source, sa.destination)
    }
    own = [c for c in connections(case.topology) if (c.client, c.gateway_address) in ends]
    return {_integrity(connection) for connection in own or connections(case.topology)}


def _altered(case: Case) -> int:
    return sum(m.packets for m in case.topology.meddling if m.action == "tamper")


def _judge_sas(
    case: Case, check: Check, right: Callable[[EspSa], bool], text: Callable[[EspSa], str]
) -> None:
    check.want(case.record.esp, "no ESP SA was ever installed")
    for sa in case.record.esp:
        check.want(right(sa), f"{sa.node} has an SA to {sa.destination} with {text(sa)}")


def _need_packets(case: Case, check: Check, packets: list[EspSighting]) -> None:
    check.show(frames_of(packets))
    check.want(packets, f"no ESP packet on {case.outside} could be opened")


def check_p_06(case: Case) -> Finding:
    """New keys at a random time around every 30 minutes."""
    windows = sorted({(c.rekey_min_s, c.rekey_max_s) for c in connections(case.topology)})
    text = " or ".join(f"{low} to {high} s" for low, high in windows)
    check = Check(
        "P-06",
        f"new ESP keys after a random time of {text}, around half an hour; a new pair of SPIs each "
        "time, which is used at once, no ping lost, the L2TP tunnel unchanged",
    )
    for low, high in windows:
        if low >= high:
            check.object(f"the window of {low} to {high} s leaves nothing to chance")
        if abs((low + high) / 2 - HALF_AN_HOUR_S) > AROUND * HALF_AN_HOUR_S:
            check.object(f"the window of {low} to {high} s is not around {HALF_AN_HOUR_S} s")

    intervals, drawn = [], []
    for connection in connections(case.topology):
        between, seconds = _judge_connection(case, check, connection)
        intervals += between
        drawn += seconds

    check.want(case.record.esp, "no ESP SA was ever installed")
    if intervals:
        _judge_continuity(case, check)
    if len(intervals) >= FEW_INTERVALS:
        return _judge_chance(check, intervals, windows)
    sas = count(len(case.record.esp), "SA")
    seen = f"{sas} and {count(len(intervals), 'rekey')} in this run"
    if not drawn:
        return check.not_tested(f"{seen}, too short to judge")
    times = ", ".join(f"{seconds} s" for seconds in drawn)
    return check.finding(f"{seen}, too short to judge randomness; the clients drew {times}")


def _judge_connection(
    case: Case, check: Check, connection: IpsecConnection
) -> tuple[list[float], list[int]]:
    """The intervals between a client's keys, and the times that charon drew for them."""
    sas = sorted(
        (
            sa
            for sa in case.record.esp
            if (sa.node, sa.destination) == (connection.client, connection.gateway_address)
        ),
        key=lambda sa: sa.added,
    )
    low, high = connection.rekey_min_s, connection.rekey_max_s
    drawn = [sa.rekey_after_s for sa in sas if sa.rekey_after_s]
    for seconds in drawn:
        if not low <= seconds <= high:
            check.object(f"{connection.client} drew {seconds} s, outside {low} to {high} s")
    _judge_spis(check, sas)
    _judge_use(case, check, sas)
    return _judge_intervals(case, check, sas, low, high), drawn


def _judge_chance(check: Check, intervals: list[float], windows: list[tuple[int, int]]) -> Finding:
    """Random, and around the middle: four standard errors of a uniform draw are allowed."""
    spread = pstdev(intervals)
    if spread == 0:
        check.object(f"all {len(intervals)} intervals are {intervals[0]:.0f} s: not random")
    middle = mean(sum(window) / 2 for window in windows)
    width = windows[-1][1] - windows[0][0]
    limit = max(4 * width / (12 * len(intervals)) ** 0.5, CLOCK_SLACK_S)
    if abs(mean(intervals) - middle) > limit:
        check.object(f"the mean of {len(intervals)} intervals is {mean(intervals):.0f} s")
    return check.finding(
        f"{count(len(intervals), 'rekey')}, after {min(intervals):.0f} to {max(intervals):.0f} s, "
        f"mean {mean(intervals):.0f} s, standard deviation {spread:.0f} s; no SPI used twice"
    )


def _judge_spis(check: Check, sas: list[EspSa]) -> None:
    spis = [sa.spi for sa in sas]
    if len(set(spis)) != len(spis):
        check.object(f"{sas[0].node} has the same SPI twice")


def _judge_use(case: Case, check: Check, sas: list[EspSa]) -> None:
    """What a client sends is encrypted by its newest keys."""
    for old, new in pairwise(sas):
        late = [
            sighting
            for sighting in case.esp
            if sighting.sealed.spi == old.spi != new.spi
            and sighting.outgoing
            and sighting.frame.time > new.added + CLOCK_SLACK_S
        ]
        if late:
            check.object(
                f"{old.node} goes on with SPI {old.spi:#010x} after SPI {new.spi:#010x} is there",
                frames_of(late),
            )


def _judge_intervals(
    case: Case, check: Check, sas: list[EspSa], low: int, high: int
) -> list[float]:
    """Between one SA and the next of the same connection; the last must not be overdue.

    Keys of a way that was taken down and brought up again are no new keys of the first one.
    """
    pairs = list(pairwise(sas))
    ends = [a for a, b in pairs if case.is_cut(a.node, a.added, b.added)]
    intervals = [b.added - a.added for a, b in pairs if a not in ends]
    for interval in intervals:
        if not low - CLOCK_SLACK_S <= interval <= high + CLOCK_SLACK_S:
            check.object(
                f"{sas[0].node} got new keys after {interval:.0f} s, outside {low} to {high} s"
            )
    for last in [*ends, *sas[-1:]]:
        kept_s = (last.removed or case.record.ended) - last.added
        if kept_s > high + CLOCK_SLACK_S:
            check.object(
                f"{last.node} kept its last keys for {kept_s:.0f} s; {high} s are the most"
            )
    return intervals


def _judge_continuity(case: Case, check: Check) -> None:
    for client in clients(case.topology):
        wanted = client.sessions if client.layout.value == "tunnels" else 1
        own = [t for t in case.record.l2tp if t.client == client.client]
        for since, until in pairwise([0.0, *case.cuts(client.client), inf]):
            tunnels = [t for t in own if since <= t.opened < until]
            if len(tunnels) > wanted * max(1, len({t.gateway for t in tunnels})):
                check.object(
                    f"{client.client} had {len(tunnels)} L2TP tunnels; keys changed, tunnels must not"
                )
    check.forbid(_lost_pings(case), "unanswered", "ping")


def _lost_pings(case: Case) -> list[Frame]:
    """Echo requests (RFC 792) to somebody who replies, and not to these; not of the run's last moments."""
    asked: dict[tuple[str, str, bytes], Frame] = {}
    answered = set()
    for item, packet in case.data():
        kind, number = packet.payload[:1], packet.payload[4:8]
        if packet.protocol != ICMP or packet.fragment_offset:
            continue
        if item.outgoing and kind == ECHO_REQUEST:
            asked[packet.source, packet.destination, number] = item.frame
        elif kind == ECHO_REPLY:
            answered.add((packet.destination, packet.source, number))
    who_answer = {ends[:2] for ends in answered}
    until = case.record.ended - CLOCK_SLACK_S
    return [
        frame
        for ends, frame in asked.items()
        if ends not in answered and ends[:2] in who_answer and frame.time < until
    ]


def check_p_18(case: Case) -> Finding:
    """ESP is IP protocol 50."""
    check = Check("P-18", "the protocol byte of each ESP packet's IP header is 50")
    own = set(case.keys)
    native = [s for s in case.esp if not s.sealed.in_udp]
    strange = [
        frame
        for frame in case.outside_frames
        if frame.ip
        and frame.ip.protocol != ESP
        and int.from_bytes(frame.ip.payload[:4], "big") in own
        and NAT_T_PORT not in (frame.ip.source_port, frame.ip.destination_port)
    ]
    if strange:
        protocols = sorted({f.ip.protocol for f in strange if f.ip})
        check.object(f"ESP goes by IP protocol {protocols}", strange)

    check.show(frames_of(native))
    in_udp = sum(s.sealed.in_udp for s in case.esp)
    if not native:
        if in_udp and case.snat:
            return check.not_tested(
                f"all {in_udp} ESP packets are in UDP 4500, as NAT demands (OUT-20)"
            )
        check.object(f"no packet of protocol 50 on {case.outside}")
    return check.finding(f"{count(len(native), 'packet')} with protocol byte 50")


def check_p_22(case: Case) -> Finding:
    """ESP authenticates as well as encrypts; there is no AH."""
    check = Check(
        "P-22",
        "no packet of protocol 51; every ESP packet carries an ICV, and one that is altered on the "
        "way is dropped and counted",
    )
    ah = [f for f, p in case.all_packets() if p.protocol == AH and not case.is_trial(p)]
    check.forbid(ah, "of protocol 51")
    for sa in case.record.esp:
        without = f"{sa.node} has an SA to {sa.destination} without integrity"
        check.want(sa.integrity_icv_bits, without)

    bad = _bad_at_receivers(case)
    counted = sum(lines.get(AUTH_FAILURES, 0) for lines in case.record.xfrm.values())
    altered = _altered(case)
    if len(bad) < altered:
        check.object(f"{altered} packets were to be altered on the way, {len(bad)} were")
    if counted != len(bad):
        check.object(
            f"{count(len(bad), 'altered packet')} reached a receiver, and the kernels counted "
            f"{counted}",
            frames_of(bad),
        )
    good = [s for s in case.esp if s.opened.icv_good]
    check.show(frames_of(bad) or frames_of(good[:4]))
    check.want(good, f"no ESP packet with a good ICV on {case.outside}")
    return check.finding(
        f"0 packets of protocol 51; the ICV of {count(len(good), 'packet')} is good; "
        f"{count(len(bad), 'altered packet')} dropped and counted"
    )


def _bad_at_receivers(case: Case) -> list[EspSighting]:
    """ESP with a wrong ICV on the wire that its receiver is plugged into."""
    wires: dict[str, bool] = {}
    for connection in connections(case.topology):
        way = find_course(case.topology, connection.client, connection.gateway)
        if way is not None:
            wires |= {way.segments[0]: False, way.segments[-1]: True}
    return [
        sighting
        for segment, outgoing in wires.items()
        for sighting in case.esp_on(segment)
        if sighting.outgoing == outgoing
        and sighting.opened.key is not None
        and not sighting.opened.icv_good
    ]
