"""Control planes on a simulated network with virtual time, which may lose, double and reorder datagrams."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random
from typing import TypeVar

from lab.l2tp.call import L2tpCall
from lab.l2tp.connection import ControlConnection
from lab.l2tp.control_plane import ControlPlane
from lab.l2tp.outputs import (
    CallAccepted,
    CallAsked,
    CallCleared,
    CallEstablished,
    ConnectionDown,
    ConnectionUp,
    L2tpOutput,
    Peer,
    SendDatagram,
)
from lab.l2tp.requests import LineConnection
from lab.l2tp.settings import L2tpSettings
from lab.wire.l2tp_codes import BearerType

LAC: Peer = ("10.0.0.1", 1701)
LNS: Peer = ("10.0.0.2", 1701)
DELAY_S = 0.01

Output = TypeVar("Output")


def settings(name: str, **others: object) -> L2tpSettings:
    return L2tpSettings(host_name=name, bearer=BearerType.analog, **others)  # type: ignore[arg-type]


class Wire:
    """Two nodes or more; by default each accepts and connects whatever is asked."""

    def __init__(
        self,
        nodes: dict[Peer, L2tpSettings] | None = None,
        *,
        seed: int = 1,
        loss: float = 0.0,
        doubling: float = 0.0,
        reordering: float = 0.0,
    ) -> None:
        self.random = Random(seed)
        nodes = nodes or {LAC: settings("lac"), LNS: settings("lns")}
        self.planes = {
            peer: ControlPlane(node, Random(f"{seed} {peer}")) for peer, node in nodes.items()
        }
        self.loss, self.doubling, self.reordering = loss, doubling, reordering
        self.now = 0.0
        self.told: list[tuple[float, Peer, L2tpOutput]] = []
        self.sent: list[tuple[float, Peer, SendDatagram]] = []
        self.answers = self.connects = True
        self.handlers: dict[Peer, Callable[[L2tpOutput], None]] = {}
        """Nodes that do something else."""
        self.cut = False
        """The network carries nothing."""
        self.passes: Callable[[Peer, SendDatagram], bool] = lambda _source, _datagram: True
        self._under_way: list[tuple[float, int, Peer, SendDatagram]] = []
        self._count = 0

    # What nodes say.

    def collect(self) -> None:
        """Carry what nodes sent, and note what they told."""
        for peer, plane in self.planes.items():
            while outputs := plane.take():
                for output in outputs:
                    if isinstance(output, SendDatagram):
                        self.sent.append((self.now, peer, output))
                        self._carry(peer, output)
                    else:
                        self.told.append((self.now, peer, output))
                        self.handlers.get(peer, self._react)(output)

    def _react(self, output: L2tpOutput) -> None:
        if isinstance(output, CallAsked) and self.answers:
            output.call.answer(self.now)
            if output.call.machine.name == "outgoing_lac" and self.connects:
                output.call.connect(LineConnection(33600), self.now)
        elif isinstance(output, CallAccepted) and self.connects:
            output.call.connect(LineConnection(64000), self.now)

    def _carry(self, source: Peer, datagram: SendDatagram) -> None:
        if self.cut or not self.passes(source, datagram) or self.random.random() < self.loss:
            return
        copies = 2 if self.random.random() < self.doubling else 1
        for _ in range(copies):
            late = 20 * DELAY_S if self.random.random() < self.reordering else 0.0
            self._count += 1
            at = self.now + DELAY_S + late * self.random.random()
            heapq.heappush(self._under_way, (at, self._count, source, datagram))

    # Time.

    def run_until(self, until: float) -> None:
        while True:
            self.collect()
            dues = [
                (due, 0, peer) for peer, p in self.planes.items() if (due := p.next_due) is not None
            ]
            arrivals = [(self._under_way[0][0], 1, LAC)] if self._under_way else []
            if not (events := dues + arrivals) or min(events)[0] > until:
                break
            at, is_arrival, peer = min(events)
            self.now = max(self.now, at)
            if is_arrival:
                _, _, source, datagram = heapq.heappop(self._under_way)
                if (plane := self.planes.get(datagram.peer)) is not None:
                    plane.receive(datagram.data, source, self.now)
            else:
                self.planes[peer].tick(self.now)
                due = self.planes[peer].next_due
                assert due is None or due > self.now, "it would never sleep"
        self.now = until

    def wait(self, seconds: float) -> None:
        self.run_until(self.now + seconds)

    # What came of it.

    def of(self, peer: Peer, kind: type[Output]) -> list[Output]:
        return [what for _, at, what in self.told if at == peer and isinstance(what, kind)]

    def when(self, peer: Peer, kind: type[Output]) -> list[float]:
        return [now for now, at, what in self.told if at == peer and isinstance(what, kind)]

    # What most tests do.

    def connect(self) -> tuple[ControlConnection, ControlConnection]:
        """The LAC's end of a tunnel, and the LNS's."""
        ours = self.planes[LAC].open(LNS, self.now)
        self.wait(1)
        (up,) = self.of(LNS, ConnectionUp)[-1:]
        return ours, up.connection

    def established(self, peer: Peer) -> list[L2tpCall]:
        return [event.call for event in self.of(peer, CallEstablished)]

    def cleared(self, peer: Peer) -> list[CallCleared]:
        return self.of(peer, CallCleared)

    def down(self, peer: Peer) -> list[ConnectionDown]:
        return self.of(peer, ConnectionDown)
