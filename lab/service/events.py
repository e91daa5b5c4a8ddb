"""What happens when remote service is tried. The source is the node that tries it."""

from __future__ import annotations

from lab.record.event import Event

Counts = tuple[int, int, int]
"""Packets of a scan: TCP, UDP, and of all other IP protocols."""


class HostScanned(Event, topic="scan"):
    """All 65,535 TCP and UDP ports of a host, all other IP protocols and a ping were tried.

    Ports are told as ``22, 30000-30009``. The time is the end.
    """

    started: float
    address: str
    """The source's own."""
    target: str
    purpose: str
    """``attack`` or ``control``."""
    sent: Counts
    at_firewall: Counts
    """As the customer's firewall counted them when they came."""
    at_host: Counts
    """As the host itself counted them, before any rule."""
    tcp: str
    """Ports that answered with SYN/ACK."""
    refused: str
    """Ports that answered with RST."""
    udp: str
    """Ports that answered with a datagram."""
    protocols: tuple[int, ...]
    """All other IP protocols of what came back from the host."""
    errors: int
    """ICMP errors about the scan, from whomever."""

    @property
    def silent(self) -> bool:
        """Whether nothing came back."""
        return not (self.tcp or self.refused or self.udp or self.protocols or self.errors)

    @property
    def sentence(self) -> str:
        if self.silent:
            return f"{self.source} scans {self.target}: nothing answers"
        answers = {
            "TCP": self.tcp,
            "TCP, refused": self.refused,
            "UDP": self.udp,
            "IP protocols": spans(self.protocols),
        }
        told = [f"{what} {ports}" for what, ports in answers.items() if ports]
        told += [f"{self.errors} ICMP errors"] if self.errors else []
        return f"{self.source} scans {self.target}: {'; '.join(told)}"


class CalledIn(Event, topic="call"):
    """IBM's server dialled a console's modem (I-04). The time is when the server's modem had its result."""

    started: float
    number: str
    result: str
    """The final result code of the server's modem (V.250 5.7.1)."""

    @property
    def sentence(self) -> str:
        return f"{self.source} dials {self.number}: {self.result}"


KINDS = (HostScanned, CalledIn)


def spans(numbers: tuple[int, ...] | set[int]) -> str:
    """Numbers in order, with runs of them as spans: ``22, 30000-30009``."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)
