"""What can be wrong with events that wait for approval, as mutations of true runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from scapy.layers.inet import IP, TCP, UDP

from lab.events_manager.events import (
    ConsoleRegistered,
    EventDecided,
    EventHeld,
    EventsListed,
    WaitingAsked,
)
from lab.record.event import Event
from lab.record.record import Transaction
from lab.wire.decode import Packet
from tests.recordings.true_run import TrueRun
from tests.unit.verify.mutation import LISTED, Change, crosses, lost, mutation

NAME = "events-manager"
M, A, B, C = "203.0.113.10", "203.0.113.11", "203.0.113.12", "203.0.113.13"


def syn(source: str, destination: str, port: int) -> IP:
    return IP(src=source, dst=destination) / TCP(sport=4000, dport=port, flags="S", seq=7)


def told(kind: type[Event], **fields: Any) -> Change:
    """Other values in the events of a kind."""

    def change(run: TrueRun) -> None:
        assert any(isinstance(event, kind) for event in run.events)
        run.events = [replace(e, **fields) if isinstance(e, kind) else e for e in run.events]

    return change


def list_another(run: TrueRun) -> None:
    """The event of the console that nobody has registered is in the list."""
    told(EventsListed, consoles=("hmc-a", "hmc-a", "hmc-b", "hmc-c"),
         events=("hmc-a-1", "hmc-a-2", "hmc-b-1", "hmc-c-1"))(run)  # fmt: skip


def speak_in_clear(run: TrueRun) -> None:
    """What the manager says first is HTTP, and not TLS."""
    hello = run.find("lan", lambda p: p.source == M and p.destination == B and bool(p.payload))[0]
    at = hello.data.index(b"\x16\x03\x01")
    run.change(hello, hello.data[:at] + b"GET" + hello.data[at + 3 :])


def decided(run: TrueRun, event: str) -> EventDecided:
    return next(e for e in run.events if isinstance(e, EventDecided) and e.event == event)


def tell_nothing_of(event: str) -> Change:
    """The connection that carries a decision is not on the wire."""

    def change(run: TrueRun) -> None:
        port = decided(run, event).own_port
        lost("lan", lambda p: M in (p.source, p.destination)
             and port in (p.source_port, p.destination_port))(run)  # fmt: skip

    return change


def ask_nothing_of_b(run: TrueRun) -> None:
    """The connections in which hmc-b is asked are not on the wire, but for the registration."""
    ports = {e.own_port for e in run.events if isinstance(e, WaitingAsked) and e.console == "hmc-b"}
    lost("lan", lambda p: B in (p.source, p.destination)
         and bool(ports & {p.source_port, p.destination_port}))(run)  # fmt: skip


def ask_a_late(run: TrueRun) -> None:
    """hmc-a is asked only after something of it is approved."""
    first = decided(run, "hmc-a-1").time
    run.unhear(lambda e: isinstance(e, WaitingAsked) and e.console == "hmc-a" and e.time < first)


def entry_of(run: TrueRun) -> int:
    return next(n for n, each in enumerate(run.record.ledger) if each.key == "hmc-a-1")


def noted(**fields: str) -> Change:
    """IBM's entry of the approved event says something else."""

    def change(run: TrueRun) -> None:
        ledger, number = run.record.ledger, entry_of(run)
        ledger[number] = replace(ledger[number], **cast("Any", fields))

    return change


def noted_too(make: Callable[[TrueRun, Transaction], Transaction]) -> Change:
    """IBM has an entry more."""

    def change(run: TrueRun) -> None:
        run.record.ledger.append(make(run, run.record.ledger[entry_of(run)]))

    return change


def digest(run: TrueRun, event: str) -> str:
    return next(e.sha256 for e in run.events if isinstance(e, EventHeld) and e.event == event)


def forget_the_event(run: TrueRun) -> None:
    del run.record.ledger[entry_of(run)]


def lose_the_call(run: TrueRun) -> None:
    """The approved event is in IBM's ledger, and not on the console's wire."""
    port = run.record.ledger[entry_of(run)].peer_port
    lost("lan", lambda p: A in (p.source, p.destination)
         and port in (p.source_port, p.destination_port))(run)  # fmt: skip


def of_b(packet: Packet) -> bool:
    return (packet.source, packet.destination, packet.source_port) == (B, M, 443)


MUTATIONS = (
    mutation("M-10", "a packet to another console", NAME,
             crosses("lan", "hmc-m", "hmc-c", syn(M, C, 443)), "g2",
             seen="1 packet between hmc-m and hmc-c, which is not registered"),
    mutation("M-10", "another console's event", NAME, list_another,
             seen="hmc-c-1 of hmc-c is listed"),
    mutation("M-10", "an event is left out", NAME,
             told(EventsListed, consoles=("hmc-a", "hmc-b"), events=("hmc-a-1", "hmc-b-1")),
             seen="hmc-a-2 of hmc-a waits, and is not listed"),
    mutation("M-11", "no TLS", NAME, speak_in_clear, seen="what goes to hmc-b is no TLS"),
    mutation("M-11", "by 9920", NAME, crosses("lan", "hmc-m", "hmc-a", syn(M, A, 9920)), "g2",
             seen="1 flow of hmc-m to TCP 9920 of hmc-a"),
    mutation("M-11", "no answer", NAME, lost("lan", of_b), "M-12",
             seen="hmc-b does not answer hmc-m"),
    mutation("M-12", "not registered", NAME,
             lambda run: run.unhear(lambda e: isinstance(e, ConsoleRegistered) and e.source == "hmc-b"),
             seen="hmc-b was never registered"),
    mutation("M-12", "not on the wire", NAME, ask_nothing_of_b, seen="no connection carries that"),
    mutation("M-12", "asked after an approval", NAME, ask_a_late, seen="it was not asked"),
    mutation("M-13", "a packet to IBM", NAME, crosses("lan", "hmc-b", "firewall", syn(B, LISTED, 443)),
             seen="1 packet of hmc-b and whom it calls"),
    mutation("M-13", "a datagram", NAME,
             crosses("lan", "hmc-c", "firewall", IP(src=C, dst=LISTED) / UDP(sport=4000, dport=443)),
             seen="1 packet of hmc-c and whom it calls"),
    mutation("M-13", "IBM has it", NAME,
             noted_too(lambda run, its: replace(its, key="hmc-b-1", body_sha256="")),
             seen="hmc-b-1 waits, and IBM's servers have it 1 time"),
    mutation("M-13", "IBM has the data", NAME,
             noted_too(lambda run, its: replace(its, key="", body_sha256=digest(run, "hmc-c-1"))),
             seen="hmc-c-1 waits, and IBM's servers have it 1 time"),
    mutation("M-13", "a call before the approval", NAME, tell_nothing_of("hmc-a-1"), "M-14",
             seen="of hmc-a and whom it calls"),
    mutation("M-14", "nobody tells the console", NAME, tell_nothing_of("hmc-a-2"),
             seen="no connection tells hmc-a what was decided on hmc-a-2"),
    mutation("M-14", "not sent", NAME, forget_the_event, seen="and IBM does not have it"),
    mutation("M-14", "sent twice", NAME, noted_too(lambda run, its: replace(its)),
             seen="IBM has hmc-a-1 2 times"),
    mutation("M-14", "other data was sent", NAME, noted(body_sha256="00"),
             seen="IBM has other data of hmc-a-1"),
    mutation("M-14", "other data was approved", NAME, told(EventDecided, sha256="00"),
             seen="other data of hmc-a-1 was approved"),
    mutation("M-14", "by the manager", NAME, noted(peer_ip=M), seen="came from 203.0.113.10"),
    mutation("M-14", "a packet of the manager", NAME,
             crosses("lan", "hmc-m", "firewall", syn(M, LISTED, 443)),
             seen="1 packet of hmc-m and whom it calls"),
    mutation("M-14", "what was rejected", NAME,
             noted_too(lambda run, its: replace(its, key="hmc-a-2", body_sha256="")),
             seen="hmc-a-2 was rejected, and IBM's servers have it 1 time"),
    mutation("M-14", "no call on the wire", NAME, lose_the_call,
             seen="no connection of hmc-a after the approval carries hmc-a-1"),
    mutation("M-14", "one call more", NAME,
             crosses("lan", "hmc-a", "firewall", syn(A, LISTED, 443)), "M-13",
             seen="1 packet of hmc-a and whom it calls"),
)  # fmt: skip
