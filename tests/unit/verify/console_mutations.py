"""What can be wrong among consoles that look for each other, as mutations of true runs."""

from __future__ import annotations

from dataclasses import replace

from scapy.layers.inet import IP, UDP
from scapy.packet import Raw

from lab.consoles.events import ConsoleDiscovered
from lab.consoles.hello import PORT
from lab.record.event import Event
from tests.recordings.true_run import TrueRun, edited
from tests.unit.verify.mutation import Change, crosses, lost, mutation

A, B, C = "192.168.10.10", "192.168.10.11", "192.168.20.10"
SYSTEM = "192.168.128.10"


def forgotten(knower: str, other: str) -> Change:
    """A console has not discovered another."""

    def change(run: TrueRun) -> None:
        def chooses(event: Event) -> bool:
            if not isinstance(event, ConsoleDiscovered):
                return False
            return (event.source, event.console) == (knower, other)

        run.unhear(chooses)

    return change


def known(knower: str, other: str) -> Change:
    """A console has discovered another."""

    def change(run: TrueRun) -> None:
        time = run.record.started
        run.events.append(
            ConsoleDiscovered(source=knower, time=time, console=other, address=A, via="")
        )

    return change


def says(source: str, destination: str) -> IP:
    return IP(src=source, dst=destination) / UDP(sport=PORT, dport=PORT) / Raw(b"{}")


def to_everybody(run: TrueRun) -> None:
    """The broadcasts go to the limited broadcast address."""
    for frame in run.find("lan-a", lambda p: p.source == A and p.destination == "192.168.10.255"):
        run.change(frame, edited(frame, dst="255.255.255.255"))


def tell_of_another(run: TrueRun) -> None:
    """The system tells hmc-a of another console than hmc-c."""

    for frame in run.find("svc-a", lambda p: p.source == SYSTEM and b'"hmc-c"' in p.payload):
        assert frame.ip is not None
        packet = IP(frame.data[14:])
        packet[UDP].payload = Raw(frame.ip.payload.replace(b'"hmc-c"', b'"hmc-d"'))
        del packet.len, packet.chksum, packet[UDP].len, packet[UDP].chksum
        run.change(frame, frame.data[:14] + bytes(packet))


def by_broadcast(run: TrueRun) -> None:
    """It was discovered by broadcast, and not by the system's word."""
    run.events = [
        replace(event, via="") if isinstance(event, ConsoleDiscovered) else event
        for event in run.events
    ]


MUTATIONS = (
    mutation("M-01", "nothing on a card", "consoles",
             lost("svc-a", lambda p: p.source == "192.168.128.1" and p.destination == "192.168.128.255"),
             "F-17", seen="hmc-a does not broadcast on svc-a"),
    mutation("M-01", "to everybody", "consoles", to_everybody, "F-17 M-04",
             seen="of hmc-a on lan-a not to 192.168.10.255"),
    mutation("M-01", "on another subnet", "consoles",
             crosses("lan-b", "firewall", "hmc-c", says(A, "192.168.20.255")), "M-02 F-03 F-17",
             seen="1 broadcast of hmc-a on lan-b, which is not its subnet"),
    mutation("M-01", "not discovered", "consoles", forgotten("hmc-b", "hmc-a"),
             seen="hmc-b does not know hmc-a, which is on lan-a like itself"),
    mutation("M-02", "not told", "consoles", tell_of_another, "M-03",
             seen="cec-1 did not tell hmc-a of hmc-c"),
    mutation("M-02", "silent to one", "consoles",
             lost("svc-b", lambda p: p.source == "192.168.129.10"), "M-03 F-17",
             seen="cec-1 did not tell hmc-c of hmc-a"),
    mutation("M-02", "not discovered", "consoles", forgotten("hmc-c", "hmc-a"),
             seen="hmc-c does not know hmc-a, which manages cec-1, too"),
    mutation("M-02", "by broadcast", "consoles", by_broadcast, seen="hmc-a does not know hmc-c"),
    mutation("M-09", "another box is known", "consoles-ds8000", known("hmc-2", "hmc"),
             seen="hmc-2 in ds8000-2 knows hmc in ds8000-1"),
    mutation("M-09", "another box is spoken to", "consoles-ds8000",
             crosses("lan", "hmc", "hmc-2", says(A, "192.168.10.20")),
             seen="1 packet from hmc in ds8000-1 to hmc-2 in ds8000-2"),
    mutation("M-09", "the own box is not known", "consoles-ds8000", forgotten("hmc-b", "hmc"), "M-01",
             seen="hmc-b does not know hmc, which is in ds8000-1, too"),
    mutation("M-09", "nothing is heard", "consoles-ds8000",
             lost("lan", lambda p: p.source == A and p.destination == "192.168.10.255"), "M-01",
             seen="nothing of hmc came to hmc-2, which proves nothing"),
)  # fmt: skip
