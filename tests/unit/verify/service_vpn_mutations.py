"""What can be wrong with remote service by VPN, as mutations of a true run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scapy.layers.inet import IP, TCP, UDP

from lab.service.events import (
    ConsoleUsed,
    Flooded,
    HostScanned,
    InboundRefused,
    LockedDown,
    SessionSought,
    SessionUp,
)
from lab.service.flood import SOURCE_PORT
from lab.topology.model import AllowRule, Topology
from lab.verify.sightings import Inside
from lab.wire import isakmp, ppp
from lab.wire.decode import Packet
from lab.wire.l2tp import ControlType
from lab.wire.ppp import ChapCode
from tests.recordings import sealing
from tests.recordings.true_run import TrueRun, with_sums
from tests.unit.verify.mutation import SYN, Change, crosses, judged_by, mutation
from tests.unit.verify.service_mutations import changed, without
from tests.unit.verify.vpn_mutations import inner

IP_IN_PPP = b"\xff\x03\x00\x21"
RUN, DS8000 = "service-vpn", "service-ds8000-vpn"
VPN1, HMC, CALLER = "129.42.160.16", "203.0.113.10", "10.253.0.2"
OWN, LPAR_1, LPAR_2 = "10.254.1.2", "10.254.1.3", "10.254.1.4"


def sealed(chooses: Callable[[Inside], object], edit: Callable[[bytes], bytes]) -> Change:
    """The first packet of a session like that has other content."""

    def change(run: TrueRun) -> None:
        item = run.inside_session(chooses)[0]
        run.reseal(item, edit(inner(item)))

    return change


def more(chooses: Callable[[Inside], object], edit: Callable[[bytes], bytes]) -> Change:
    """One packet of a session more, like another, a little later."""

    def change(run: TrueRun) -> None:
        item = run.inside_session(chooses)[0]
        run.seal(item, edit(inner(item)), item.frame.time + 0.001)

    return change


def gone(chooses: Callable[[Inside], object]) -> Change:
    """The first packet of a session like that was not there."""
    return lambda run: run.unseal(run.inside_session(chooses)[:1])


def is_control(kind: ControlType) -> Callable[[Inside], object]:
    return lambda item: item.l2tp and item.l2tp.control_type == kind


def is_ppp(protocol: int, code: int) -> Callable[[Inside], object]:
    return lambda item: item.ppp and item.ppp.protocol == protocol and item.ppp.code == code


def is_data(source: str, *, outgoing: bool) -> Callable[[Inside], object]:
    return lambda i: i.data and i.outgoing == outgoing and i.data.source == source


def in_packet(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """Other bytes of the same length."""

    def edit(content: bytes) -> bytes:
        assert old in content, "there is nothing like that in it"
        return content.replace(old, new)

    return edit


def readdressed(old: str, new: str) -> Callable[[bytes], bytes]:
    """Another address in the IP packet that PPP carries."""

    def edit(content: bytes) -> bytes:
        at = content.index(IP_IN_PPP) + len(IP_IN_PPP)
        return content[:at] + with_sums(content[at:].replace(address(old), address(new)))

    return edit


def address(text: str) -> bytes:
    return bytes(map(int, text.split(".")))


def answer_flood(run: TrueRun) -> None:
    """A SYN/ACK of the console's to the flood, by the console's own session."""
    item = run.inside_session(is_data(OWN, outgoing=True))[0]
    packet, content = item.packet, inner(item)
    at = content.index(IP_IN_PPP) + len(IP_IN_PPP)
    answer = IP(src=OWN, dst=CALLER) / TCP(sport=1, dport=SOURCE_PORT, flags="SA")
    body = content[20:at] + bytes(answer)
    whole = sealing.ip(packet.source, packet.destination, packet.protocol, body)
    run.seal(item, whole, item.frame.time + 0.001)


def lose_session(run: TrueRun) -> None:
    """Nothing of the first session crosses the access line."""
    since, until = run.case().borrowed[0]
    run.unseal(run.inside_session(lambda i: since <= i.frame.time <= until))


def ike_of_gateway(run: TrueRun) -> None:
    """The gateway begins a phase 1 of its own, in the session."""

    def begins(packet: Packet) -> bool:
        message = isakmp.message(packet)
        return message is not None and not any(message.responder_cookie)

    frame = run.find("fw-inet", begins)[-1]
    assert frame.ip is not None
    packet = IP(frame.data[14:])
    back = IP(src=VPN1, dst=HMC) / UDP(sport=500, dport=500) / bytes(packet[UDP].payload)
    run.put("fw-inet", "internet", "firewall", bytes(back), frame.time + 0.5)


def one_more_rule(model: Topology) -> Topology:
    """The customer's firewall also opens a port from outside."""
    wall = model.firewall
    assert wall is not None
    rule = AllowRule(
        requirement="F-17", source=VPN1, destination=HMC, protocol="tcp", port=22, both_ways=True
    )
    return replace(model, firewall=replace(wall, rules=(*wall.rules, rule)))


def other_layout(model: Topology) -> Topology:
    assert model.service is not None
    return replace(model, service=replace(model.service, layout="sessions"))


def early(run: TrueRun) -> None:
    """The lock-down of the first session stands only when its tunnels are there."""
    request = run.inside_session(is_control(ControlType.SCCRQ))[0]
    chosen = next(event for event in run.events if isinstance(event, LockedDown))
    run.events = [
        replace(e, time=request.frame.time + 0.001) if e is chosen else e for e in run.events
    ]


def before_sas(run: TrueRun) -> None:
    """The SAs of the first session stand only when its tunnels are there."""
    request = run.inside_session(is_control(ControlType.SCCRQ))[0]
    since = run.case().borrowed[0][0]
    for sa in run.record.esp:
        if since <= sa.added <= request.frame.time:
            sa.added = request.frame.time + 1


def crossing(by: str, **fields: object) -> Change:
    """The scan by the PPP session of another came out otherwise."""

    def change(run: TrueRun) -> None:
        run.events = [
            replace(e, **fields)  # type: ignore[arg-type]
            if isinstance(e, HostScanned) and (e.by, e.target) == (by, LPAR_2)
            else e
            for e in run.events
        ]

    return change


def second_call(run: TrueRun) -> None:
    """One more ICRQ in the first session, of another sequence number."""
    item = run.inside_session(is_control(ControlType.ICRQ))[0]
    content = inner(item)
    at = 28 + 8  # IP and UDP; then flags, length, tunnel, session, and Ns (RFC 2661 3.1)
    changed_content = content[:at] + b"\x00\x63" + content[at + 2 :]
    run.seal(item, changed_content, item.frame.time + 0.001)


MUTATIONS = (
    mutation("I-22", "a session for a partition", DS8000, second_call,
             seen="session 1 has 2 ICRQ, not 1"),
    mutation("I-22", "a packet to a partition", DS8000,
             crosses("images", "hmc", "image-1", IP(src=CALLER, dst="192.168.1.10") / SYN),
             seen="1 packet of a session on images"),
    mutation("I-25", "the gateway begins", DS8000, ike_of_gateway, "I-14", seen=f"{VPN1} began IKE"),
    mutation("I-28", "a way is not refused", "service-esa",
             without(lambda e: isinstance(e, InboundRefused) and e.by == "vpn"),
             seen="by vpn was not refused"),
    mutation("I-28", "a port answers", "service-esa",
             crosses("lan", "esa", "firewall",
                     IP(src=HMC, dst="198.51.100.1") / TCP(sport=22, dport=61_000, flags="SA")),
             "I-01 OUT-02", seen="1 packet in answer to a scan on lan"),
    mutation("I-01", "a session that nobody let in", RUN, changed(SessionSought, gateway="vpn1"),
             seen="service looks for a session of hmc: it is at vpn1"),
    mutation("I-02", "nobody looked afterwards", RUN,
             without(lambda e: isinstance(e, SessionSought)), "I-01",
             seen="service has not looked for a session of hmc"),
    mutation("I-10", "HTTPS fails", RUN, changed(ConsoleUsed, 2, status=7, answer="no route"),
             seen="service to hmc (10.254.1.2:8443): curl ends with 7"),
    mutation("I-12", "another gateway", RUN, changed(SessionUp, gateway="vpn2"),
             seen="session 1 is at vpn1, and hmc says vpn2"),
    mutation("I-12", "nothing of a session", RUN, lose_session, "I-13 I-16 I-18 I-32 P-21",
             seen="nothing of session 1 is between hmc and vpn1"),
    mutation("I-13", "nothing of a session", RUN, lose_session, "I-12 I-16 I-18 I-32 P-21",
             seen="nothing of session 1 is on fw-inet"),
    mutation("I-14", "the gateway begins", RUN, ike_of_gateway, seen=f"{VPN1} began IKE"),
    judged_by("I-15", "a rule more", RUN, one_more_rule,
              seen="the firewall opens tcp 22 for F-17"),
    mutation("I-15", "a SYN from outside", RUN,
             crosses("lan", "firewall", "hmc", IP(src="198.51.100.1", dst=HMC) / SYN), "OUT-02 F-06 g2",
             seen="1 SYN came through firewall"),
    judged_by("I-16", "another layout", RUN, other_layout, seen="session 1 has 3 SCCRQ, not 1"),
    mutation("I-16", "a call less", RUN, gone(is_control(ControlType.ICRQ)),
             seen="session 1 has 2 ICRQ, not 3"),
    mutation("I-16", "another address", RUN, changed(SessionUp, aliases=(LPAR_1, "10.254.1.9")),
             "I-09 I-17 I-18", seen="IPCP gave"),
    mutation("I-17", "by another's session", RUN,
             sealed(is_data(LPAR_1, outgoing=True), readdressed(LPAR_1, LPAR_2)),
             seen="1 packet in session 1 by a PPP session that is another's"),
    mutation("I-17", "somebody else on the partition's wire", RUN,
             crosses("lpar-1", "hmc", "lpar-1", IP(src=CALLER, dst="192.168.1.77") / SYN),
             seen="1 packet of a session on lpar-1 and not for lpar-1"),
    mutation("I-17", "it answers", RUN, crossing("lpar-1", tcp="22"),
             seen="by the session of lpar-1 service scans 10.254.1.4: TCP 22"),
    mutation("I-17", "not tried", RUN,
             without(lambda e: isinstance(e, HostScanned) and (e.by, e.target) == ("lpar-1", LPAR_2)),
             seen="nobody tried to get elsewhere by the session of lpar-1"),
    mutation("I-18", "the flood is answered", RUN, answer_flood, "I-10",
             seen="1 packet answered the flood before session 1 stood"),
    mutation("I-18", "nobody floods", RUN, without(lambda e: isinstance(e, Flooded)),
             seen="nobody flooded a closed port while a session came up"),
    mutation("P-21", "a wrong response", RUN,
             sealed(is_ppp(ppp.CHAP, ChapCode.response), in_packet(b"service.hmc", b"service.hmd")),
             seen="session 1: 2 right responses, 3 accepted, of 3"),
    mutation("P-21", "not accepted", RUN, gone(is_ppp(ppp.CHAP, ChapCode.success)),
             seen="session 1: 3 right responses, 2 accepted, of 3"),
    mutation("P-21", "the lock-down is late", RUN, early,
             seen="session 1: L2TP began before the lock-down"),
    mutation("P-21", "the SAs are late", RUN, before_sas,
             seen="session 1: L2TP began before new SAs stood"),
)  # fmt: skip
