"""What happens to errands, beside their attempts."""

from __future__ import annotations

from collections.abc import Sequence

from lab.names import all_of
from lab.record.event import Event


def undone_text(unsent: Sequence[str], unfetched: Sequence[str]) -> str:
    """Which errands were not done, in words; empty if all were."""
    kept = f"not sent, and kept: {all_of(unsent)}" if unsent else ""
    return "; ".join(filter(None, (kept, f"not fetched: {all_of(unfetched)}" if unfetched else "")))


class ErrandsKept(Event, topic="agent"):
    """An agent could not do some of its errands. It keeps what it could not send."""

    errands: tuple[str, ...]
    unfetched: tuple[str, ...] = ()
    """Downloads, of which nothing is kept."""

    @property
    def sentence(self) -> str:
        return f"{self.source}: {undone_text(self.errands, self.unfetched)}"


class RowBlocked(Event, topic="firewall"):
    """The customer's firewall holds back the addresses of one row, while an agent does its errands (F-16)."""

    row: str
    addresses: tuple[str, ...]

    @property
    def sentence(self) -> str:
        return f"{self.source} holds back {self.row}: {', '.join(self.addresses)}"
