"""What can be wrong between an agent's host and its management module, as mutations of true runs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace

from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from lab.imm.events import ModuleSubscribed, NoticeSent
from lab.record.record import Record
from lab.wire.decode import Frame, Packet
from tests.recordings.true_run import TrueRun
from tests.unit.verify.mutation import Change, crosses, in_turn, lost, mutation, noted, tell

GOOD, IN_CLEAR = "esa-imm", "esa-imm.imm-https-off"
ESA, IMM = "169.254.95.120", "169.254.95.118"


def of_port(port: int) -> Callable[[Packet], bool]:
    return lambda packet: port in (packet.source_port, packet.destination_port)


def syn_to(port: int) -> Change:
    packet = IP(src=ESA, dst=IMM) / TCP(sport=4000, dport=port, flags="S", seq=7)
    return crosses("module", "esa", "imm", packet)


def speak_in_clear(run: TrueRun) -> None:
    """What goes to 5989 is HTTP, and not TLS."""
    hello = run.find("module", lambda p: p.source == ESA and p.payload[:1] == b"\x16")[0]
    at = hello.data.index(b"\x16\x03\x01")
    run.change(hello, hello.data[:at] + b"GET" + hello.data[at + 3 :])


def the_notice(run: TrueRun) -> NoticeSent:
    (notice,) = (event for event in run.events if isinstance(event, NoticeSent))
    return notice


def refuse_the_notice(run: TrueRun) -> None:
    """The agent's host had an answer, and not the right one."""
    notice = the_notice(run)
    told = NoticeSent.of(notice, problem="it answers 403 Forbidden")
    run.events = [told if event is notice else event for event in run.events]


def after_the_notice(run: TrueRun) -> list[Frame]:
    """What went to the server that got the problem, since then."""
    (entry,) = (each for each in run.record.ledger if each.kind == "service: problem")
    since = the_notice(run).began
    return [
        frame
        for frames in run.wire.values()
        for frame in frames
        if frame.ip
        and frame.ip.destination == entry.server_ip
        and frame.ip.payload
        and frame.time >= since
    ]


def lose_the_call(run: TrueRun) -> None:
    """The ledger has the problem, and the wires nothing of it."""
    frames = after_the_notice(run)
    assert frames
    for segment in run.wire:
        run.drop(segment, frames)


def call_before_the_notice(run: TrueRun) -> None:
    """The problem was there before the module told of the failure."""
    entries = run.record.ledger
    number = next(n for n, each in enumerate(entries) if each.kind == "service: problem")
    entries[number] = replace(entries[number], time=the_notice(run).began - 1)


def forget_the_problem(record: Record) -> None:
    record.ledger = [each for each in record.ledger if each.kind != "service: problem"]


def take_no_problem(record: Record) -> None:
    record.ledger = [
        replace(each, status=503) if each.kind == "service: problem" else each
        for each in record.ledger
    ]


def last_longer(record: Record) -> None:
    """Long enough for a call home that does not come."""
    record.ended += 100


def password(run: TrueRun) -> str:
    return run.topology.modules[0].password.reveal()


def log_in(run: TrueRun) -> str:
    """As HTTP has it (RFC 7617)."""
    module = run.topology.modules[0]
    return b64encode(f"{module.user}:{module.password.reveal()}".encode()).decode()


def say_log_in_elsewhere(run: TrueRun) -> None:
    """In clear to the module, and at another port than that of the papers."""
    packet = (
        IP(src=ESA, dst=IMM) / TCP(sport=4000, dport=80, flags="PA") / Raw(log_in(run).encode())
    )
    run.put("module", "esa", "imm", bytes(packet), run.end)


def say_it_on_another_wire(run: TrueRun) -> None:
    """What the agent says at 5988, and on the customer's network."""
    (asked, *_) = run.find("module", lambda p: log_in(run).encode() in p.payload)
    run.put("lan", "esa", "firewall", asked.data[14:], run.end)


MUTATIONS = (
    mutation("E-04", "HTTP first", IN_CLEAR, lost("module", of_port(5989)), "g5", untested="R-06",
             seen="5989 had not been asked"),
    mutation("E-04", "no answer was waited for", IN_CLEAR,
             lost("module", lambda p: p.source_port == 5989), "g5", seen="and had not refused"),
    mutation("E-04", "HTTP beside HTTPS", GOOD, syn_to(5988), "R-06", seen="5989 had answered"),
    mutation("E-04", "no TLS", GOOD, speak_in_clear, seen="is no TLS"),
    mutation("E-04", "another port", GOOD, syn_to(5987), seen="5987"),
    mutation("R-06", "a packet of 5988", GOOD,
             crosses("module", "imm", "esa", IP(src=IMM, dst=ESA) / TCP(sport=5988, flags="R"))),
    mutation("R-06", "no backup", IN_CLEAR, lost("module", of_port(5988)), "E-05",
             seen="5988 was never asked"),
    mutation("E-05", "no request on the wire", GOOD, lost("module", of_port(5989)),
             untested="E-04 R-06", seen="carries the subscription"),
    mutation("E-05", "no notice on the wire", GOOD, lost("module", of_port(5990)),
             seen="carries the notice"),
    mutation("E-05", "no answer to the notice", GOOD,
             lost("module", lambda p: p.source_port == 5990 and bool(p.payload)),
             seen="carries the notice"),
    mutation("E-05", "no call on the wires", GOOD, lose_the_call, seen="no packet carries"),
    mutation("E-05", "no subscription", GOOD,
             lambda run: run.unhear(lambda event: isinstance(event, ModuleSubscribed)),
             seen="did not subscribe"),
    mutation("E-05", "the notice is refused", GOOD, refuse_the_notice, seen="403 Forbidden"),
    mutation("E-05", "no problem", GOOD, in_turn(noted(forget_the_problem), noted(last_longer)),
             seen="no problem came to IBM"),
    mutation("E-05", "the problem is not taken", GOOD,
             in_turn(noted(take_no_problem), noted(last_longer)), seen="no problem came to IBM"),
    mutation("E-05", "the problem came first", GOOD,
             in_turn(call_before_the_notice, noted(last_longer)), seen="no problem came to IBM"),
    mutation("g5", "the module's password", GOOD, tell(password), seen="on dmz"),
    mutation("g5", "the module's log-in", GOOD, tell(log_in), seen="the log-in at imm"),
    mutation("g5", "the log-in at another port", IN_CLEAR, say_log_in_elsewhere, seen="on module"),
    mutation("g5", "the log-in on another wire", IN_CLEAR, say_it_on_another_wire, seen="on lan"),
)  # fmt: skip
