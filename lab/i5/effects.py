"""What the calls of a partition need of the world: L2TP calls, telephone calls, IPsec, and the kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lab.l2tp.requests import Clearing, LineConnection
from lab.record.event import Event
from tunnels.calling import FinalResult


class Leg(Protocol):
    """An L2TP call of the partition's, with an HMC or with a gateway."""

    @property
    def session(self) -> int:
        """The partition's own number of it."""

    def reply(self) -> None:
        """Send ICRP or OCRP."""

    def connect(self, line: LineConnection) -> None:
        """Send ICCN or OCCN."""

    def clear(self, why: Clearing) -> None:
        """Send CDN; does nothing if the call has ended."""


class DialledLine(Protocol):
    """A call by a modem of the partition's."""

    def give_up(self) -> None:
        """Have a modem that dials end that: ``dialled`` hears of it."""

    def hang_up(self) -> None:
        """End the call."""


class Effects(Protocol):
    """What is done for the calls. Answers come by the functions that are given along, never at once."""

    @property
    def has_modem(self) -> bool:
        """Whether a modem was found at start."""

    def secure(self, gateway: str, then: Callable[[str], None]) -> None:
        """Bring IPsec up to a gateway; ``then`` gets why not, empty if it is up."""

    def release(self, gateway: str) -> None:
        """Take IPsec down to a gateway."""

    def open_tunnel(self, gateway: str) -> None:
        """Send SCCRQ; ``CallPassing.gateway_up`` or ``gateway_down`` follows."""

    def close_tunnel(self, gateway: str) -> None:
        """Send StopCCN; ``CallPassing.gateway_down`` follows once it is acknowledged or given up."""

    def place_call(self, gateway: str) -> Leg:
        """Send ICRQ in the tunnel to a gateway."""

    def dial(
        self, client: str, number: str, then: Callable[[FinalResult], None]
    ) -> DialledLine | None:
        """Have a free modem dial for an HMC; None if none is. ``then`` gets what the modem says at last."""

    def join(self, one: Leg, other: Leg | DialledLine) -> bool:
        """Have the kernel join the two; whether it could."""

    def tell(self, event: Event) -> None:
        """Tell what happened."""
