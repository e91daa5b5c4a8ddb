"""Lookups of names on the wires: who asked whom for what, and what came back (RFC 1035 4.1), read by scapy.

UDP alone is read; whoever asks by TCP asks by UDP first (RFC 7766 5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lab.wire import _scapy
from lab.wire.decode import Frame, Packet

PORT = 53
KINDS = {1: "A", 28: "AAAA"}
"""Types of records that hold addresses (RFC 1035 3.2.2, RFC 3596 2.1)."""
NO_SUCH_NAME = 3
"""RFC 1035 4.1.1: the code of an answer that says so."""


@dataclass(frozen=True, slots=True)
class DnsMessage:
    """A message with a question."""

    number: int
    is_answer: bool
    name: str
    kind: str
    """Of records: ``A``, ``AAAA``, or what scapy calls another one."""
    code: int
    """RFC 1035 4.1.1; 0 is success."""
    addresses: tuple[str, ...]
    """Those that an answer tells."""


@dataclass(slots=True)
class Lookup:
    """One question for the addresses of a name, asked once or several times, and its answer."""

    client: str
    server: str
    name: str
    kind: str
    """``A`` or ``AAAA``."""
    time: float
    asked: list[Frame] = field(default_factory=list)
    answers: list[Frame] = field(default_factory=list)
    code: int = 0
    """RFC 1035 4.1.1, of the first answer; 0 is success."""
    addresses: tuple[str, ...] = ()

    @property
    def answered(self) -> bool:
        return bool(self.answers)


def read(packets: Iterable[tuple[Frame, Packet]]) -> list[Lookup]:
    """The lookups among packets of one wire, in the order in which they were first asked.

    What scapy cannot read as DNS is left out.
    """
    found: dict[tuple[object, ...], Lookup] = {}
    for frame, packet in packets:
        asks = packet.destination_port == PORT
        message = read_message(packet) if packet.uses_udp(PORT) else None
        if message is None or message.kind not in KINDS.values():
            continue
        client, server = (
            (packet.source, packet.destination) if asks else (packet.destination, packet.source)
        )
        port = packet.source_port if asks else packet.destination_port
        name, kind = message.name, message.kind
        key = client, port, server, message.number, name, kind
        lookup = found.get(key)
        if lookup is None:
            lookup = found[key] = Lookup(client, server, name, kind, frame.time)
        if asks:
            lookup.asked.append(frame)
        else:
            if not lookup.answers:
                lookup.code, lookup.addresses = message.code, message.addresses
            lookup.answers.append(frame)
    return list(found.values())


def presented(name: bytes) -> str:
    """A name or a label as people read it: a byte that is no printable ASCII as ``\\DDD`` (RFC 1035 5.1).

    So a name from a wire breaks no line of a report, and no terminal.
    """
    return "".join(
        chr(byte) if 0x21 <= byte <= 0x7E and byte != ord("\\") else f"\\{byte:03d}"
        for byte in name
    )


def read_message(packet: Packet) -> DnsMessage | None:
    """The message in a packet; None where scapy cannot read one."""
    reader = _scapy.dns_reader()
    try:
        dns = reader(packet.payload)
        question = dns.qd[0] if dns.qdcount else None
        if question is None:
            return None
        name = presented(question.qname).rstrip(".").lower()
        kind = KINDS.get(question.qtype) or str(
            question.get_field("qtype").i2repr(question, question.qtype)
        )
        records = [dns.an[place] for place in range(len(dns.an or ()))]
        told = (str(each.rdata) for each in records if getattr(each, "type", 0) in KINDS)
        return DnsMessage(int(dns.id), bool(dns.qr), name, kind, int(dns.rcode), tuple(told))
    except Exception:  # noqa: BLE001 - of bytes from anywhere scapy raises whatever it may
        return None
