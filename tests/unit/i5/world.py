"""A world without a kernel, for the calls of a partition: what is to be done is noted, answers are given."""

from __future__ import annotations

from collections.abc import Callable

from lab.i5.effects import DialledLine, Leg
from lab.i5.passing import CallPassing
from lab.l2tp.requests import Clearing, LineConnection
from lab.record.event import Event
from tunnels.calling import FinalResult

HMC, OTHER_HMC = "hmc", "hmc-b"
CONNECTED = FinalResult("CONNECT 33600", None, 33600)


class FakeLeg:
    """An L2TP call that does as the real one: CDN goes once."""

    def __init__(self, name: str, session: int, all_said: list[str]) -> None:
        self.name = name
        self.session = session
        self.said: list[str] = []
        self._all_said = all_said
        self.cleared: Clearing | None = None

    def reply(self) -> None:
        self._say("reply")

    def connect(self, line: LineConnection) -> None:
        self._say(f"connect {line.tx_bps}")

    def clear(self, why: Clearing) -> None:
        if self.cleared is None:
            self.cleared = why
            self._say("clear")

    def _say(self, words: str) -> None:
        self.said.append(words)
        self._all_said.append(f"{self.name} {words}")


class FakeLine:
    """A telephone call."""

    def __init__(self, number: str) -> None:
        self.number = number
        self.said: list[str] = []

    def give_up(self) -> None:
        self.said.append("give up")

    def hang_up(self) -> None:
        self.said.append("hang up")


class World:
    """Effects that are only noted, in ``done``."""

    def __init__(self, modems: int = 1, *gateways: str) -> None:
        self.done: list[str] = []
        self.said: list[str] = []
        """What was said on all legs, in order."""
        self.events: list[Event] = []
        self.legs: list[FakeLeg] = []
        self.lines: list[FakeLine] = []
        self.joins = True
        self.has_modem = modems > 0
        self._free = modems
        self._secured: dict[str, Callable[[str], None]] = {}
        self._dialled: dict[FakeLine, Callable[[FinalResult], None]] = {}
        order = gateways or ("vpn1", "vpn2")
        self.passing = CallPassing("i5", {HMC: order, OTHER_HMC: order, "hmc-c": ()}, self)

    def call(self, client: str = HMC) -> FakeLeg:
        """ICRQ of an HMC."""
        self.legs.append(leg := FakeLeg(client, len(self.legs) + 1, self.said))
        self.passing.incoming(client, leg)
        return leg

    def ask(self, number: str = "18005550100", client: str = HMC) -> FakeLeg:
        """OCRQ of an HMC."""
        self.legs.append(leg := FakeLeg(client, len(self.legs) + 1, self.said))
        self.passing.outgoing(client, leg, number)
        return leg

    def ike(self, gateway: str, why: str = "") -> None:
        self._secured.pop(gateway)(why)

    def modem_says(self, result: FinalResult) -> None:
        (line,) = self._dialled
        self._dialled.pop(line)(result)

    def through(self, gateway: str = "vpn1") -> FakeLeg:
        """Everything up to a gateway's ICRP; the gateway's leg."""
        self.ike(gateway)
        self.passing.gateway_up(gateway)
        self.passing.answered(far := self.legs[-1])
        return far

    # Effects.

    def secure(self, gateway: str, then: Callable[[str], None]) -> None:
        self.done.append(f"secure {gateway}")
        self._secured[gateway] = then

    def release(self, gateway: str) -> None:
        self.done.append(f"release {gateway}")

    def open_tunnel(self, gateway: str) -> None:
        self.done.append(f"open {gateway}")

    def close_tunnel(self, gateway: str) -> None:
        self.done.append(f"close {gateway}")

    def place_call(self, gateway: str) -> Leg:
        self.done.append(f"call {gateway}")
        self.legs.append(leg := FakeLeg(gateway, len(self.legs) + 1, self.said))
        return leg

    def dial(
        self, client: str, number: str, then: Callable[[FinalResult], None]
    ) -> DialledLine | None:
        if not self._free:
            return None
        self._free -= 1
        self.done.append(f"dial {number}")
        self.lines.append(line := FakeLine(number))
        self._dialled[line] = then
        return line

    def join(self, one: Leg, other: Leg | DialledLine) -> bool:
        assert isinstance(one, FakeLeg)
        assert isinstance(other, FakeLeg | FakeLine)
        # Else the HMC's first frames would come to nothing.
        assert ("reply" if isinstance(other, FakeLeg) else "connect") not in one.said
        far = other.name if isinstance(other, FakeLeg) else other.number
        self.done.append(f"join {one.name} {far}")
        return self.joins

    def tell(self, event: Event) -> None:
        self.events.append(event)

    @property
    def kinds(self) -> list[str]:
        return [event.kind() for event in self.events]
