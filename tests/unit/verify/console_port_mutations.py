"""What can be wrong with the ports of consoles in their firewalls, as mutations of true runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lab.consoles.hello import PORT
from lab.topology.consoles import INTER_CONSOLE_PORT
from lab.ways.consoles.events import PortTaken
from tests.recordings.true_run import TrueRun, edited
from tests.unit.verify.mutation import Change, mutation

A, B = "192.168.10.10", "192.168.10.11"
"""A call-home server, and the console that needs it."""
NAME, LAN = "consoles", "lan-a"


def trial(run: TrueRun, port: int) -> PortTaken:
    """When a port of consoles was away."""
    return next(e for e in run.events if isinstance(e, PortTaken) and e.port == port)


def told(port: int, **changed: Any) -> Change:
    """A trial ended otherwise."""

    def change(run: TrueRun) -> None:
        one = trial(run, port)
        run.events = [replace(e, **changed) if e is one else e for e in run.events]

    return change


def untried(port: int) -> Change:
    """A port was not taken away."""

    def change(run: TrueRun) -> None:
        one = trial(run, port)
        run.unhear(lambda event: event is one)

    return change


def answered(run: TrueRun) -> None:
    """A server answers while its port is closed: the SYN/ACK of later comes then."""
    one = trial(run, INTER_CONSOLE_PORT)
    later = run.find(LAN, lambda p: p.is_syn_ack and p.source_port == INTER_CONSOLE_PORT)
    first = next(frame for frame in later if frame.time >= one.restored)
    run.add(LAN, first.data, (one.started + one.restored) / 2)


def silent_since(port: int) -> Change:
    """No server answers at 9920 when a port is given back."""

    def change(run: TrueRun) -> None:
        one = trial(run, port)
        frames = run.find(LAN, lambda p: p.is_syn_ack and p.source_port == INTER_CONSOLE_PORT)
        run.drop(LAN, [f for f in frames if one.restored <= f.time <= one.time])

    return change


def nobody_asked(run: TrueRun) -> None:
    """No SYN to a server while the port was closed."""
    one = trial(run, INTER_CONSOLE_PORT)
    frames = run.find(LAN, lambda p: p.is_bare_syn and p.destination_port == INTER_CONSOLE_PORT)
    run.drop(LAN, [f for f in frames if one.started <= f.time < one.restored])


def nobody_spoke(run: TrueRun) -> None:
    """No broadcast of another console while the one was deaf."""
    one = trial(run, PORT)
    frames = run.find(LAN, lambda p: p.uses_udp(PORT) and p.source != B)
    run.drop(LAN, [f for f in frames if one.started < f.time < one.restored])


def got_home(run: TrueRun) -> None:
    """IBM has heard of the console while it had no port."""
    one = trial(run, PORT)
    (last, *_) = [entry for entry in run.record.ledger if entry.key][::-1]
    run.record.ledger.append(replace(last, time=one.restored - 1.0))


def more_came(run: TrueRun) -> None:
    """A datagram of another console that the firewall has not counted."""
    (first, *_) = run.find(LAN, lambda p: p.uses_udp(PORT) and p.source == B)
    run.add(LAN, edited(first, src=A, dst="192.168.10.255"), first.time + 0.1)


def counted(node: str, counter: str, number: int) -> Change:
    """A firewall has counted otherwise."""

    def change(run: TrueRun) -> None:
        run.record.counters[node][counter] = number

    return change


MUTATIONS = (
    mutation("M-04", "answered while closed", NAME, answered, "M-05",
             seen="1 SYN/ACK without TCP 9920"),
    mutation("M-04", "home without 9920", NAME, told(INTER_CONSOLE_PORT, acknowledged=True),
             seen="hmc-b got home without TCP 9920"),
    mutation("M-04", "nobody known without 9920", NAME, told(INTER_CONSOLE_PORT, known=""),
             seen="hmc-b knew nobody without TCP 9920"),
    mutation("M-04", "nobody asked without 9920", NAME, nobody_asked, "F-17",
             seen="hmc-b asked nobody without TCP 9920"),
    mutation("M-04", "not home with 9920 back", NAME, silent_since(INTER_CONSOLE_PORT),
             seen="hmc-b does not get home with TCP 9920 given back"),
    mutation("M-04", "known without 9900", NAME, told(PORT, known="hmc-a"),
             seen="hmc-b knew hmc-a without UDP 9900"),
    mutation("M-04", "home without 9900", NAME, got_home, seen="hmc-b got home without UDP 9900"),
    mutation("M-04", "nobody spoke", NAME, nobody_spoke, "F-17",
             seen="nobody spoke to hmc-b at UDP 9900, which proves nothing"),
    mutation("M-04", "not home with 9900 back", NAME, told(PORT, again=False),
             seen="hmc-b does not get home with UDP 9900 given back"),
    mutation("M-04", "one not tried", NAME, untried(PORT), "F-17", seen="nobody took 9900 away"),
    mutation("F-17", "more than was counted", NAME, more_came,
             seen="and its firewall counted"),
    mutation("F-17", "nothing by the rule", NAME, counted("hmc-a", "allow-F-17-tcp-9920", 0),
             seen="the rule of hmc-a for tcp 9920 let nothing in"),
    mutation("F-17", "nothing dropped", NAME, counted("hmc-a", "closed-tcp-9920", 0),
             seen="hmc-a dropped 0 at tcp 9920, and its rule was away"),
    mutation("F-17", "dropped with a rule", NAME, counted("hmc-a", "closed-udp-9900", 3),
             seen="hmc-a dropped 3 at udp 9900, and its rule was never away"),
)  # fmt: skip
