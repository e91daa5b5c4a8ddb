"""What can be wrong with a session by Internet, as mutations of true runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Raw

from lab.record.event import Event
from lab.relay.events import (
    TYPED,
    CodeNotTaken,
    LedIn,
    LedOut,
    PortAsked,
    PortsAsked,
    RelayTried,
    SessionJoined,
    WaitedAtRelay,
)
from lab.relay.frames import MAGIC
from lab.service.events import HostScanned, InboundDisabled, ServiceTried
from lab.service.marks import Purpose
from lab.topology.model import Topology
from lab.wire import tls
from lab.wire.decode import Frame, Packet
from tests.recordings.true_run import ETHERNET, TrueRun, edited
from tests.unit.verify.mutation import Believed, Change, crosses, judged_by, mutation
from tests.unit.verify.service_mutations import (
    ATTACK,
    changed,
    scanned,
    without,
    without_number,
)

RELAY, INSIDE, PUBLIC = "192.0.2.50", "10.1.0.50", "198.51.100.2"
HMC = {"service-aos": "192.168.10.10", "service-internet": "203.0.113.10"}
EXPECTED = {"service-aos": "I-26", "service-internet": "I-27"}


def of_relay(packet: Packet) -> bool:
    return packet.protocol == 6 and {packet.source, packet.destination} & {RELAY, INSIDE} != set()


def from_relay(packet: Packet) -> bool:
    return of_relay(packet) and packet.source in (RELAY, INSIDE)


def of_payload(chooses: Callable[[Packet], bool]) -> Callable[[Packet], bool]:
    return lambda packet: chooses(packet) and bool(packet.payload)


def with_payload(frame: Frame, payload: bytes) -> bytes:
    """A frame with as many other bytes in its TCP packet."""
    packet = IP(frame.data[ETHERNET:])
    packet[TCP].remove_payload()
    del packet.chksum, packet.len, packet[TCP].chksum
    return frame.data[:ETHERNET] + bytes(packet / Raw(payload))


def said(
    segment: str,
    chooses: Callable[[Packet], bool],
    edit: Callable[[bytes], bytes],
    number: int = 0,
) -> Change:
    """The TCP payload of one packet was otherwise."""

    def change(run: TrueRun) -> None:
        frame = run.find(segment, of_payload(chooses))[number]
        assert frame.ip is not None
        new = edit(frame.ip.payload)
        assert len(new) == len(frame.ip.payload), "else the stream has a gap"
        run.change(frame, with_payload(frame, new))

    return change


def over(payload: bytes, text: bytes, at: int = 0) -> bytes:
    return payload[:at] + text + payload[at + len(text) :]


def opened_by_relay(segment: str) -> Change:
    """The relay sends the SYN of a connection, and the console answers."""

    def change(run: TrueRun) -> None:
        for frame in run.find(segment, of_relay):
            assert frame.ip is not None
            flags = {True: "SA", False: "S"}
            if frame.ip.is_bare_syn or frame.ip.is_syn_ack:
                packet = IP(frame.data[ETHERNET:])
                packet[TCP].flags = flags[frame.ip.is_bare_syn]
                del packet[TCP].chksum
                run.change(frame, frame.data[:ETHERNET] + bytes(packet))

    return change


def by_another_host(run: TrueRun) -> None:
    """Not the console, but the PC beside it goes to the relay."""
    for frame in run.find("lan", of_relay):
        assert frame.ip is not None
        own = "src" if frame.ip.destination == RELAY else "dst"
        run.change(frame, edited(frame, **{own: "192.168.10.20"}))


def old_tls(payload: bytes) -> bytes:
    """A ServerHello of TLS 1.1."""
    assert payload[5] == tls.SERVER_HELLO
    return over(payload, b"\x03\x02", 9)


def silent_sessions(run: TrueRun) -> None:
    """On the customer's wire nothing came back by TLS but handshakes."""
    for frame in run.find("lan", of_payload(from_relay)):
        assert frame.ip is not None
        payload = frame.ip.payload
        if payload[0] == tls.APPLICATION_DATA:
            run.drop("lan", [frame])


def no_wire(run: TrueRun) -> None:
    """Nothing of the relay is on the customer's wire."""
    run.drop("lan", run.find("lan", of_relay))


def early(run: TrueRun) -> None:
    """The console went to the relay before anybody was let in."""
    frame = run.find("lan", of_relay)[0]
    run.change(frame, time=run.record.path_up)


def in_clear(text: bytes, segment: str = "core") -> Change:
    """Something readable on IBM's own wire."""
    packet = IP(src="10.1.0.40", dst="10.1.0.20") / UDP(sport=9, dport=9) / Raw(b".." + text)
    return crosses(segment, "service", "sdc", packet)


def syn_to(destination: str, segment: str = "fw-inet") -> Change:
    packet = IP(src=RELAY, dst=destination) / TCP(sport=4000, dport=22, flags="S")
    return crosses(segment, "internet", "firewall", packet)


def syn_to_hmc(run: TrueRun) -> None:
    packet = IP(src=RELAY, dst="192.168.10.10") / TCP(sport=4000, dport=22, flags="S")
    run.put("lan", "firewall", "hmc", bytes(packet), run.end)


def to_partition(run: TrueRun) -> None:
    """The console passes something on."""
    packet = IP(src="203.0.113.10", dst="192.168.1.10") / TCP(sport=4000, dport=22, flags="S")
    last = next(e.time for e in run.events if isinstance(e, PortsAsked))
    run.put("lpar-1", "hmc", "lpar-1", bytes(packet), last)


ANSWER = IP(src=PUBLIC, dst="192.0.2.20") / TCP(sport=22, dport=ATTACK, flags="SA")
"""To a scan by sdc, whatever the scanner says."""


def answer_at_first(run: TrueRun) -> None:
    """Before anybody was let in."""
    run.put("dmz", "internet", "sdc", bytes(ANSWER), run.record.path_up)


def session_scanned(source: str, **fields: object) -> Change:
    """What a node made of its scan during the session."""

    def change(run: TrueRun) -> None:
        run.events = [
            replace(e, **fields)  # type: ignore[arg-type]
            if isinstance(e, HostScanned) and (e.source, e.state) == (source, "session")
            else e
            for e in run.events
        ]

    return change


def of_kind(kind: type[Event], **values: object) -> Callable[[object], bool]:
    def chooses(event: object) -> bool:
        return isinstance(event, kind) and all(
            getattr(event, name) == value for name, value in values.items()
        )

    return chooses


def with_rules(**fields: object) -> Believed:
    """The customer's firewall has other rules for the relay."""

    def change(model: Topology) -> Topology:
        firewall = model.firewall
        assert firewall is not None
        rules = tuple(
            replace(rule, **fields) if rule.destination == RELAY else rule  # type: ignore[arg-type]
            for rule in firewall.rules
        )
        return replace(model, firewall=replace(firewall, rules=rules))

    return change


def without_rules(model: Topology) -> Topology:
    """The customer's firewall has no rule for the relay."""
    firewall = model.firewall
    assert firewall is not None
    rules = tuple(rule for rule in firewall.rules if rule.destination != RELAY)
    return replace(model, firewall=replace(firewall, rules=rules))


AOS, POWER = "service-aos", "service-internet"
BOTH = tuple(
    each
    for name, requirement in EXPECTED.items()
    for each in (
        mutation(requirement, "not TLS from the first byte", name,
                 said("lan", from_relay, lambda p: over(p, b"SSH-2")),
                 seen="is not TLS: byte 0 begins no TLS record: 53 53 48 2d 32"),
        mutation(requirement, "no TLS any more", name,
                 said("fw-inet", from_relay, lambda p: over(p, b"\x00\x00"), -1),
                 seen="begins no TLS record: 00 00"),
        mutation(requirement, "what is typed is readable", name, in_clear(TYPED),
                 seen="1 frame on core with what the representative typed, readable"),
        mutation(requirement, "a port that is not listed", name,
                 changed(PortsAsked, opened="22-23, 443, 5000"),
                 seen="TCP 22-23, 443, 5000 opened, and listed is 22-23, 443, 2125"),
    )
)  # fmt: skip
MUTATIONS = (
    *BOTH,
    mutation("I-26", "the relay opens the connection", AOS, opened_by_relay("lan"), "F-03 g2 OUT-02",
             seen="a connection on lan does not begin with a SYN"),
    mutation("I-26", "another host opens it", AOS, by_another_host, "OUT-02",
             seen="192.168.10.20 opens a connection to 192.0.2.50:8200 on lan, and not the console"),
    mutation("I-26", "a SYN to the customer", AOS, syn_to(PUBLIC),
             seen="1 packet of a connection that somebody opens to the customer"),
    mutation("I-26", "a SYN to the HMC", AOS, syn_to_hmc, "F-03 g2 OUT-02",
             seen="1 packet of a connection that somebody opens to the customer"),
    judged_by("I-26", "a rule that lets the relay in", AOS, with_rules(both_ways=True),
              seen="a rule of firewall admits more than TCP out to relay"),
    judged_by("I-26", "no rule", AOS, without_rules, "F-03", seen="no rule of firewall asks for relay"),
    judged_by("I-26", "a rule for another protocol", AOS, with_rules(protocol="udp"), "F-03",
              seen="a rule of firewall admits more than TCP out to relay"),
    mutation("I-26", "TLS 1.1", AOS, said("lan", from_relay, old_tls), seen="is of an old TLS (0x0302)"),
    mutation("I-26", "no handshake", AOS,
             said("dmz", from_relay, lambda p: over(p, bytes([tls.APPLICATION_DATA]))),
             seen="does not begin with a handshake"),
    mutation("I-26", "the representative's own is no TLS", AOS,
             said("core", from_relay, lambda p: over(p, b"hello")), seen="on core is not TLS"),
    mutation("I-26", "an end agreed on TLS 1.1", AOS, changed(RelayTried, 1, tls_version="TLSv1.1"),
             seen="agreed on TLSv1.1"),
    mutation("I-26", "nothing is on the customer's wire", AOS, no_wire,
             seen="no connection with relay is on lan"),
    mutation("I-26", "sessions that carried nothing", AOS, silent_sessions,
             seen="nothing of the relay is on lan in session 2"),
    mutation("I-26", "what a port says is readable", AOS, in_clear(b"This is port tcp/22 of hmc"),
             seen="with what a port of the console said, readable"),
    mutation("I-26", "the relay's protocol is readable", AOS, in_clear(MAGIC),
             seen="with the relay's own protocol, readable"),
    mutation("I-26", "a listed port that says nothing", AOS, changed(ServiceTried, 3, answer=""),
             seen="service to hmc (127.0.0.2:2125): does not answer"),
    mutation("I-26", "a port says another's name", AOS,
             changed(ServiceTried, 0, answer="This is port tcp/22 of lpar-1"),
             seen="says 'This is port tcp/22 of lpar-1'"),
    mutation("I-26", "a listed port was not tried", AOS, without(of_kind(ServiceTried, port=9090)),
             seen="TCP 9090 was not tried"),
    mutation("I-26", "an unlisted port is opened", AOS, changed(PortAsked, answer="open"),
             seen="service asks for TCP 1 of the console: open"),
    mutation("I-26", "no unlisted port was tried", AOS, without(of_kind(PortsAsked)),
             seen="the representative did not ask for ports that are not listed"),
    mutation("I-26", "ports without an answer", AOS, changed(PortsAsked, answered=101),
             seen="of 102 ports 101 were answered for"),
    mutation("I-26", "a host can be named", AOS, changed(LedOut, 1, reason="left"),
             seen="a frame that names another host has ended no session"),
    mutation("I-27", "a partition is reached", POWER, to_partition,
             seen="1 packet on lpar-1 since a session began"),
    mutation("I-01", "the console goes to the relay while it is off", AOS, early,
             seen="1 packet of the relay before anybody was let in"),
    mutation("I-01", "an answer to a scan while it is off", AOS, answer_at_first,
             seen="1 packet in answer to a scan on dmz"),
    mutation("I-01", "nobody waited at the relay", AOS, without_number(WaitedAtRelay, 0),
             seen="service has not waited at the relay"),
    mutation("I-01", "a session without an enabling", AOS, changed(WaitedAtRelay, 0, result="joined"),
             seen="service waits at the relay: joined"),
    mutation("I-01", "a port answers the Internet", AOS, scanned(Purpose.attack, tcp="22"),
             seen="internet scans 198.51.100.2: TCP 22"),
    mutation("I-02", "a used code is taken", AOS, without(of_kind(CodeNotTaken)),
             seen="a used code was not tried, or not refused"),
    mutation("I-02", "the used code's enabling serves a session", AOS,
             changed(InboundDisabled, 1, reason="used"), seen="enabling 2 served 0 sessions"),
    mutation("I-02", "no second session", AOS, without_number(SessionJoined, 1),
             seen="a session was not let in a second time"),
    mutation("I-02", "an enabling without a session", AOS, without_number(LedIn, 1), "I-21",
             seen="enabling 3 served 0 sessions"),
    mutation("I-02", "not used up", AOS, changed(InboundDisabled, 0, reason="disabled"),
             seen="enabling 1 was not used up by its session"),
    mutation("I-02", "nobody waited in between", AOS, without_number(WaitedAtRelay, 2),
             seen="nobody waited at the relay after the session"),
    mutation("I-18", "an answer to a scan", AOS, crosses("dmz", "internet", "sdc", ANSWER),
             seen="1 packet in answer to a scan on dmz"),
    mutation("I-18", "the Internet gets in meanwhile", AOS, session_scanned("internet", tcp="22"),
             seen="internet scans 198.51.100.2: TCP 22"),
    mutation("I-18", "the relay has not tried meanwhile", AOS,
             without(of_kind(HostScanned, source="relay")),
             seen="relay has not tried to get in during a session"),
    mutation("I-18", "a packet was lost", AOS,
             session_scanned("relay", at_firewall=(65_535, 65_534, 254)), seen="so it proves nothing"),
    mutation("I-18", "nobody looks afterwards", AOS, without(of_kind(HostScanned, state="over")),
             seen="internet has not tried to get in"),
)  # fmt: skip
