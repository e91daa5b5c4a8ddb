"""Findings on ESP: P-02, P-04, P-05, P-18 and P-22."""

from __future__ import annotations

from collections.abc import Callable

from lab.names import count
from lab.record.record import EspSa
from lab.verify.case import Case
from lab.verify.finding import Check, Finding, frames_of
from lab.verify.outbound import is_ah
from lab.verify.sightings import EspSighting
from lab.verify.step import Step
from lab.ways.vpn import proposal
from lab.ways.vpn.alteration import (
    OLD,
    UNKNOWN,
    bad_at_receivers,
    refused,
    sent_so,
    to_be_altered,
    unexplained,
)
from lab.ways.vpn.plan import IpsecConnection, connections
from lab.ways.vpn.proposal import MACS, Proposal
from lab.wire.decode import ESP
from lab.wire.esp import IP_IN_IP, Key
from lab.wire.isakmp import NAT_T_PORT


def check_p_02(case: Case) -> Finding:
    """IPsec in tunnel mode."""
    check = Check(
        "P-02", "every SA is in tunnel mode, and what is decrypted has next header 4, IP in IP"
    )
    case.need_keys()
    if why := case.why_no_esp:
        return check.not_tested(why)
    _judge_sas(case, check, lambda sa: sa.mode == "tunnel", lambda sa: f"{sa.mode} mode")
    for attempt in case.record.ike if case.has_record else ():
        if attempt.esp_mode and attempt.esp_mode != "TUNNEL":
            check.object(f"{attempt.connection} negotiated {attempt.esp_mode}")

    opened = [s for s in case.esp if s.opened.icv_good]
    wrong = [s for s in opened if s.opened.next_header != IP_IN_IP]
    kinds = sorted({s.opened.next_header for s in wrong})
    check.forbid(frames_of(wrong), f"with next header {kinds}")
    _need_packets(case, check, opened)
    return check.finding(
        f"{_sas_text(case)} in tunnel mode; {count(len(opened), 'packet')} "
        "decrypted, all with next header 4"
    )


def check_p_04(case: Case) -> Finding:
    """3DES with 192 bits of key."""
    check = Check(
        "P-04",
        "ESP is encrypted by 3DES with 24 bytes of key (192 bits, 168 of them effective, X-02)",
    )
    other = {p.cipher for c in connections(case.topology) if (p := _proposal(c)).cipher != "3des"}
    case.need_keys()
    if why := case.why_no_esp:
        return check.not_tested(why)
    _differ(check, other, "ESP encrypts by {}", "3DES")
    _judge_sas(
        case,
        check,
        lambda sa: (
            (sa.encryption, sa.encryption_key_bits)
            in [(p.suite.kernel, p.suite.key_bits) for p in _asked(case, sa.spi)]
        ),
        lambda sa: f"{sa.encryption} with {sa.encryption_key_bits} bits of key",
    )
    for attempt in case.record.ike if case.has_record else ():
        if attempt.esp_encryption and attempt.esp_encryption != "3DES_CBC" and not other:
            check.object(f"{attempt.connection} negotiated {attempt.esp_encryption}")
    for key in _keys(case):
        if len(key.encryption_key) * 8 not in [p.suite.key_bits for p in _asked(case, key.spi)]:
            check.object(f"SA {key.spi:#010x} has a key of {len(key.encryption_key)} bytes")

    opened = [s for s in case.esp if s.opened.icv_good and s.opened.inner is not None]
    unknown = [s for s in case.esp if s.opened.key is None]
    if unknown and len(unknown) > refused(case, UNKNOWN):
        check.forbid(frames_of(sent_so(case, unknown)), "of an SA that nobody knows")
    unread = [s for s in case.esp if s.opened.icv_good and s.opened.inner is None]
    check.forbid(frames_of(unread), "hold no IP when decrypted")
    _need_packets(case, check, opened)
    return check.finding(
        f"{_sas_text(case)} with cbc(des3_ede) and 192 bits; "
        f"{count(len(opened), 'packet')} decrypted with 24 bytes of key"
    )


def check_p_05(case: Case) -> Finding:
    """Integrity by MD5, whose key has 128 bits and not 160."""
    proposals = [_proposal(connection) for connection in connections(case.topology)]
    asked = dict.fromkeys(p.mac for p in proposals if p.mac in _READINGS)
    readings = [f"{MACS[name].kernel} with {_READINGS[name]}" for name in asked or ("md5",)]
    check = Check("P-05", "; or ".join(readings))
    other = {p.mac or f"that of {p.cipher}" for p in proposals if p.mac not in _READINGS}
    case.need_keys()
    if why := case.why_no_esp:
        return check.not_tested(why)
    _differ(check, other, "ESP's integrity is {}", "MD5")
    _judge_sas(
        case,
        check,
        lambda sa: (
            (sa.integrity, sa.integrity_key_bits, sa.integrity_icv_bits)
            in [_integrity(p) for p in _asked(case, sa.spi)]
        ),
        lambda sa: (
            f"{sa.integrity} with {sa.integrity_key_bits // 8} bytes of key and "
            f"{sa.integrity_icv_bits // 8} bytes of ICV"
        ),
    )
    for key in _keys(case):
        if len(key.integrity_key) * 8 not in [_integrity(p)[1] for p in _asked(case, key.spi)]:
            check.object(f"SA {key.spi:#010x} has a key of {len(key.integrity_key)} bytes")

    known = [s for s in case.esp if s.opened.key is not None]
    good = [s for s in known if s.opened.icv_good]
    bad = [s for s in known if not s.opened.icv_good]
    if why := unexplained(case, bad):
        check.object(f"the ICV of {count(len(bad), 'packet')} is wrong, and {why}", frames_of(bad))
    _need_packets(case, check, good)
    told = " or ".join(f"{MACS[n].kernel}, {MACS[n].key_bits // 8} bytes of key" for n in asked)
    dropped = f"; {count(len(bad), 'packet')} altered on the way" if bad else ""
    return check.finding(
        f"{_sas_text(case)} with {told}; the 12 bytes of ICV of "
        f"{count(len(good), 'packet')} verified{dropped}"
    )


_READINGS = {
    "md5": "16 bytes of key and 12 bytes of ICV (the papers' 160 bits would be SHA-1: a key of 20 "
    "bytes is wrong, X-01)",
    "sha1": "20 bytes of key and 12 bytes of ICV (the other reading of X-01, which this topology asks "
    "for)",
}


def _proposal(connection: IpsecConnection) -> Proposal:
    return proposal.parse(connection.client_side.esp_proposal, ike=False)


def _differ(check: Check, other: set[str], how: str, papers: str) -> None:
    """Object to what a topology asks for, where it is not the papers'."""
    if other:
        what = how.format(" and ".join(sorted(other)))
        check.object(f"{what}, as this topology's ipsec.esp asks; the papers say {papers}")


def _integrity(asked: Proposal) -> tuple[str, int, int]:
    """The kernel's name, and the bits of key and ICV, of what is proposed."""
    if asked.suite.is_aead:
        return "", 0, asked.suite.icv_bits
    mac = MACS[asked.mac]
    return mac.kernel, mac.key_bits, mac.icv_bits


def _asked(case: Case, spi: int) -> set[Proposal]:
    """What the topology asks of an SA: the client's kernel has the SA, too, and says which connection it is
    of. Behind SNAT the gateway's kernel does not know that.
    """
    ends = {
        (sa.node, end)
        for sa in (case.record.esp if case.has_record else ())
        if sa.spi == spi
        for end in (sa.source, sa.destination)
    }
    own = [c for c in connections(case.topology) if (c.client, c.gateway_address) in ends]
    return {_proposal(connection) for connection in own or connections(case.topology)}


def _keys(case: Case) -> list[Key]:
    """Of every SA; where there is no record, of those that are on the wire: a file may have others, too."""
    on_wire = {sighting.sealed.spi for sighting in case.esp}
    return [
        key for spi, keys in case.keys.items() if case.has_record or spi in on_wire for key in keys
    ]


def _sas_text(case: Case) -> str:
    """How many the kernels had, or how many the capture shows."""
    shown = {sighting.sealed.spi for sighting in case.esp}
    return count(len(case.record.esp if case.has_record else shown), "SA")


def _judge_sas(
    case: Case, check: Check, right: Callable[[EspSa], bool], text: Callable[[EspSa], str]
) -> None:
    if not case.has_record:
        return
    check.need(Step.ike, case.record.esp, "no ESP SA was ever installed")
    for sa in case.record.esp:
        check.want(right(sa), f"{sa.node} has an SA to {sa.destination} with {text(sa)}")


def _need_packets(case: Case, check: Check, packets: list[EspSighting]) -> None:
    check.show(frames_of(packets))
    nothing = f"no ESP packet on {case.ipsec_outside} could be opened"
    unread = any(s.opened.inner is None for s in case.esp)
    # What is there and cannot be opened is no consequence of a way that stayed down.
    if unread:
        check.want(packets, nothing)
    check.need(Step.esp, packets, nothing)


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
        if in_udp and case.topology.seen_address:
            return check.not_tested(
                f"all {in_udp} ESP packets are in UDP 4500, as NAT demands (OUT-20)"
            )
        if case.why_no_esp:
            return check.not_tested(case.why_no_esp)
        check.lack(Step.esp, f"no packet of protocol 50 on {case.ipsec_outside}")
    return check.finding(f"{count(len(native), 'packet')} with protocol byte 50")


def check_p_22(case: Case) -> Finding:
    """ESP authenticates as well as encrypts; there is no AH."""
    check = Check(
        "P-22",
        "no packet of protocol 51; every ESP packet carries an ICV, and one that is altered on the "
        "way is dropped and counted",
    )
    ah = [f for f, p in case.all_packets() if is_ah(p) and not case.is_trial(p)]
    check.forbid(ah, "of protocol 51")
    for sa in case.record.esp:
        without = f"{sa.node} has an SA to {sa.destination} without integrity"
        check.want(sa.integrity_icv_bits, without)

    bad = bad_at_receivers(case)
    altered = to_be_altered(case)
    if len(bad) < altered:
        check.object(f"{altered} packets were to be altered on the way, {len(bad)} were")
    counted = refused(case)
    # What is altered in its sequence number may be taken for an old packet, before anything is checked.
    if not counted <= len(bad) <= counted + refused(case, OLD):
        check.object(
            f"{count(len(bad), 'altered packet')} reached a receiver, and the kernels counted "
            f"{counted}",
            frames_of(bad),
        )
    good = [s for s in case.esp if s.opened.icv_good]
    check.show(frames_of(bad) or frames_of(good[:4]))
    nothing = f"no ESP packet with a good ICV on {case.ipsec_outside}"
    if case.esp:
        check.want(good, nothing)
    check.need(Step.esp, good, nothing)
    return check.finding(
        f"0 packets of protocol 51; the ICV of {count(len(good), 'packet')} is good; "
        f"{count(len(bad), 'altered packet')} dropped and counted"
    )
