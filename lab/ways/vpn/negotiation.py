"""IKE SAs as they came about on a wire: messages by exchange, in each version's own shape. Judges nothing."""

from __future__ import annotations

from dataclasses import dataclass

from lab.verify.case import Case
from lab.verify.sightings import IkeSighting
from lab.wire.decode import Frame
from lab.wire.isakmp import ExchangeType

MAIN_MODE_MESSAGES = 6
QUICK_MODE_MESSAGES = 3


@dataclass(frozen=True, slots=True)
class IkeShape:
    """How a version of IKE comes to its first ESP SA."""

    opening: str
    opens_by: ExchangeType
    messages: int
    on_500: int
    """How many of them are on UDP 500 behind NAT."""
    ending: str
    ends_by: ExchangeType
    then: int
    """Messages of what follows."""


SHAPES = {
    1: IkeShape(
        "main mode",
        ExchangeType.main_mode,
        MAIN_MODE_MESSAGES,
        4,
        "quick mode",
        ExchangeType.quick_mode,
        QUICK_MODE_MESSAGES,
    ),
    2: IkeShape(
        "IKE_SA_INIT", ExchangeType.ike_sa_init, 2, 2, "IKE_AUTH", ExchangeType.ike_auth, 2
    ),
}
"""RFC 2409 5.4 and 5.5; RFC 7296 1.2."""


@dataclass(frozen=True, slots=True)
class Negotiation:
    """One IKE SA on the outside wire: its messages in order, retransmissions left out."""

    messages: list[IkeSighting]

    def of(self, exchange: ExchangeType) -> list[IkeSighting]:
        return [s for s in self.messages if s.message.exchange == exchange]

    @property
    def main_mode(self) -> list[IkeSighting]:
        return self.of(ExchangeType.main_mode)

    @property
    def version(self) -> int:
        return self.messages[0].message.version >> 4

    @property
    def shape(self) -> IkeShape:
        return SHAPES[self.version]

    @property
    def opening(self) -> list[IkeSighting]:
        """Main mode, or what version 2 has in its place."""
        return self.of(self.shape.opens_by)

    @property
    def endings(self) -> dict[int, list[IkeSighting]]:
        """Messages of quick mode by message ID, or of what version 2 has in its place."""
        found: dict[int, list[IkeSighting]] = {}
        for sighting in self.of(self.shape.ends_by):
            found.setdefault(sighting.message.message_id, []).append(sighting)
        return found

    @property
    def answered(self) -> Frame | None:
        """The gateway's first answer on ESP: the second message of quick mode, or of IKE_AUTH."""
        answers = (s for s in self.of(self.shape.ends_by) if not s.outgoing)
        return next((s.frame for s in answers), None)

    @property
    def gateway_address(self) -> str:
        return self.messages[0].gateway_address

    @property
    def is_whole(self) -> bool:
        """Whether it is there from its first message on, which has no cookie of the other end yet."""
        return not any(self.messages[0].message.responder_cookie)

    @property
    def without_end(self) -> Negotiation:
        """Without the last quick mode, or what is in its place, if that lacks messages."""
        endings = [*self.endings.values()]
        if not endings or len(endings[-1]) >= self.shape.then:
            return self
        return Negotiation([s for s in self.messages if s not in endings[-1]])


def negotiations(sightings: list[IkeSighting]) -> list[Negotiation]:
    """Group by initiator cookie, which no NAT changes; a retransmission counts once."""
    found: dict[bytes, list[IkeSighting]] = {}
    known = set()
    for sighting in sightings:
        key = (sighting.message.key, sighting.outgoing)
        if key not in known:
            known.add(key)
            found.setdefault(sighting.message.initiator_cookie, []).append(sighting)
    return [Negotiation(messages) for messages in found.values()]


def of_capture(case: Case) -> list[Negotiation]:
    """Those that can be judged: a capture from outside the lab may begin or end in the middle of one."""
    found = negotiations(case.ike)
    if case.has_record:
        return found
    return [whole for n in found if n.is_whole and (whole := n.without_end).endings]


def why_untested(case: Case) -> str:
    """Why nothing is said of IKE; empty where there is something to judge, or should be."""
    if case.has_record:
        return ""
    if not of_capture(case):
        return "no IKE is in the capture from the first message to the last"
    both = {sighting.outgoing for sighting in case.esp}
    return "" if len(both) == 2 else "no ESP of both directions is in the capture"
