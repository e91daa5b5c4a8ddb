"""What happens to errands, beside their attempts."""

from __future__ import annotations

from lab.record.event import Event


class ErrandsKept(Event, topic="agent"):
    """An agent could not do some of its errands, and keeps them."""

    errands: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"{self.source}: not sent, and kept: {', '.join(self.errands)}"


class RowBlocked(Event, topic="firewall"):
    """The customer's firewall holds back the addresses of one row, while an agent does its errands (F-16)."""

    row: str
    addresses: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"{self.source} holds back {self.row}: {', '.join(self.addresses)}"
