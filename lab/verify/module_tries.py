"""The connections that an agent's host opens to its management module, as the wire between them shows.

Knows packets, and judges nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field

from lab.topology.management import HTTP_PORT, HTTPS_PORT, ModulePlan
from lab.verify.case import Case
from lab.verify.once import once
from lab.wire.decode import TCP, Frame, Packet

WAITED_S = 1.0
"""Who does not wait so long has not waited for an answer: TCP sends a SYN again only then (RFC 6298)."""


@dataclass(slots=True)
class ModuleTry:
    """One connection, from its first SYN."""

    frame: Frame
    """The first SYN."""
    port: int
    """Of the module."""
    own_port: int
    refused: float = 0.0
    """When the module reset it before it had said anything; 0 if it did not."""
    answered: float = 0.0
    """When the module took the connection (SYN/ACK); 0 if it did not."""
    served: float = 0.0
    """When the module first said something; 0 if it never did."""
    asked: bytes = b""
    """The first bytes that the agent's host sent."""
    last: float = 0.0
    """When the last packet was seen."""
    frames: list[Frame] = field(default_factory=list)

    @property
    def time(self) -> float:
        return self.frame.time

    @property
    def is_tls(self) -> bool:
        """Whether it begins with a record of TLS's handshake (RFC 8446 5.1)."""
        return self.asked[:2] == b"\x16\x03"

    def unavailable_at(self, moment: float) -> bool:
        """Whether the agent's host could know by a moment that nobody serves it: a reset, or silence."""
        if self.served and self.served <= moment:
            return False
        return 0.0 < self.refused <= moment or moment - self.time >= WAITED_S

    @property
    def unavailable_since(self) -> float:
        """When the agent's host could first know that nobody serves it; 0: it never could. Who asks nothing
        on a connection that was taken waits for no answer."""
        waits = self.asked or not self.answered
        in_time = self.served and self.served - self.time < WAITED_S
        silent = self.time + WAITED_S if waits and not in_time else 0.0
        return min((each for each in (self.refused, silent) if each), default=0.0)


def tries(case: Case, module: ModulePlan) -> list[ModuleTry]:
    """All of them, in the order of their beginnings."""
    return _all(case)[module.node]


@once
def _all(case: Case) -> dict[str, list[ModuleTry]]:
    return {
        module.node: read(case.packets(module.link), module) for module in case.topology.modules
    }


def read(packets: Iterable[tuple[Frame, Packet]], module: ModulePlan) -> list[ModuleTry]:
    """Those in the packets of the module's link."""
    found: list[ModuleTry] = []
    open_now: dict[tuple[int, int], ModuleTry] = {}
    for frame, packet in packets:
        if packet.protocol != TCP or packet.is_fragment:
            continue
        if (packet.source, packet.destination) == (module.agent_address, module.address):
            key = packet.source_port, packet.destination_port
            if packet.is_bare_syn and not _goes_on(open_now.get(key), packet):
                new = ModuleTry(frame, packet.destination_port, packet.source_port)
                open_now[key] = new
                found.append(new)
            if key in open_now:
                _take_own(open_now[key], frame, packet)
        elif (packet.source, packet.destination) == (module.address, module.agent_address):
            key = packet.destination_port, packet.source_port
            if key in open_now:
                _take_answer(open_now[key], frame, packet)
    return found


def _goes_on(known: ModuleTry | None, syn: Packet) -> bool:
    """Whether a SYN is that of a connection that is known, once more."""
    return (
        known is not None
        and known.frame.ip is not None
        and (known.frame.ip.tcp_sequence == syn.tcp_sequence)
    )


def _take_own(one: ModuleTry, frame: Frame, packet: Packet) -> None:
    one.last = frame.time
    one.frames.append(frame)
    if packet.payload and not one.asked:
        one.asked = packet.payload


def _take_answer(one: ModuleTry, frame: Frame, packet: Packet) -> None:
    one.last = frame.time
    one.frames.append(frame)
    if packet.is_syn_ack and not one.answered:
        one.answered = frame.time
    if packet.payload and not one.served:
        one.served = frame.time
    if packet.is_reset and not (one.served or one.refused):
        one.refused = frame.time


def why_too_early(found: list[ModuleTry], clear: ModuleTry) -> str:
    """Why a connection to 5988 should not have been, by the one to 5989 before it; empty if it may be."""
    before = [each for each in found if each.port == HTTPS_PORT and each.time <= clear.time]
    if not before:
        return f"{HTTPS_PORT} had not been asked"
    last = before[-1]
    if last.served and last.served <= clear.time:
        return f"{HTTPS_PORT} had answered"
    if not last.unavailable_at(clear.time):
        return f"{HTTPS_PORT} had been asked {clear.time - last.time:.3f} s before, and had not refused"
    return ""


def is_lawful_in_clear(case: Case, frame: Frame, value: bytes) -> bool:
    """Whether the papers have it in clear: what the agent's host tells the module at 5988, once 5989 was not
    available (S0, R-06). That is the module's log-in, and the system's identification; nothing of IBM's."""
    packet = frame.ip
    if packet is None or HTTP_PORT not in (packet.source_port, packet.destination_port):
        return False
    systems = {entry.system.encode() for entry in case.record.ledger if entry.system}
    for module in case.topology.modules:
        if frame.segment != module.link or value not in {*log_in(module), *systems}:
            continue
        found = tries(case, module)
        for one in found:
            if one.port == HTTP_PORT and any(each is frame for each in one.frames):
                return not why_too_early(found, one)
    return False


def log_in(module: ModulePlan) -> tuple[bytes, bytes]:
    """The password, and the log-in as HTTP has it (RFC 7617)."""
    password = module.password.reveal()
    return password.encode(), b64encode(f"{module.user}:{password}".encode())
