"""The relay on IBM's side: one thread with all connections, in which TLS, codes and joined sessions go on.

The sockets are opened inside the node. What a connection may ask for belongs to ``switchboard``. Of a joined
session the relay reads no more than the other end takes: so it never holds more than ``MOST_QUEUED`` bytes of
it in each direction, and a little.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabBroke
from lab.linux import listening
from lab.linux.worker import Broke, readable, start_worker
from lab.record.event import Tell
from lab.relay.codes import Codes
from lab.relay.events import CodeGiven, CodeNotTaken, SessionJoined, SessionParted
from lab.relay.flow import TlsFlow, server_context
from lab.relay.switchboard import (
    CodeRefused,
    Dropped,
    Invited,
    Joined,
    Order,
    Said,
    Switchboard,
)
from lab.topology.service import CODE_DIGITS, RELAY_PORTS

if TYPE_CHECKING:
    from lab.linux.nodes import Node
    from lab.ways.ground import Ground

KEYS = "relay.pem"
KEY_LOG = "tls.keylog"
MOST_CALLERS = 64
"""A caller more is turned away."""
MOST_QUEUED = 256 * 1024
READS_AT_ONCE = 16
"""Of one connection, before the others have their turn."""
HANDSHAKE_S = 20.0
FAREWELL_S = 5.0
_BACKLOG = 64
_UNIT = 0.001
"""A poll's timeout is rounded up, so that a deadline has passed when it ends."""


def start(ground: Ground, node: Node) -> AbstractContextManager[Relay]:
    """IBM's relay, on its node."""
    service = ground.topology.service
    silent = service.relay_address if service is not None and service.relay_silent else ""
    keys, tell = ground.run_dir / "keys", ground.story.tell
    addresses = [interface.ip for interface in ground.topology.node(node.name).interfaces]
    places = [(address, port) for address in addresses for port in RELAY_PORTS]
    return serving(node, places, keys, tell, silent=silent)


@contextlib.contextmanager
def serving(
    node: Node, places: list[tuple[str, int]], keys: Path, tell: Tell, *, silent: str = ""
) -> Iterator[Relay]:
    """A relay at these addresses and ports, while the ``with`` block runs.

    Reads ``relay.pem``, and notes in ``tls.keylog`` with what Wireshark reads the captures. At an address
    that is ``silent``, a fault, it takes connections and says nothing.
    """
    with contextlib.ExitStack() as undo:
        try:
            context = server_context(keys / KEYS, keys / KEY_LOG)
        except OSError as error:  # SSLError is one
            raise LabBroke(
                f"{node.name} cannot use its certificate {keys / KEYS}: {error.strerror or error}",
                hint="authority.issue writes it before the lab boots",
            ) from error
        listeners = node.call(
            listening.by_tcp,
            node.name,
            places,
            _BACKLOG,
            "another program of the node has the port",
        )
        for listener in listeners:
            undo.enter_context(listener)
        speaking = [listener for listener in listeners if listener.getsockname()[0] != silent]
        relay = Relay(node.name, context, speaking, tell)
        undo.callback(relay.close)
        undo.enter_context(start_worker(relay.run, f"{node.name}'s relay"))
        yield relay


@dataclass(slots=True)
class _Leg:
    """A connection to the relay."""

    number: int
    flow: TlsFlow
    address: str
    until: float
    """When the handshake, or the farewell, has to be over."""
    peer: _Leg | None = None
    """The other end of its session."""
    leaving: bool = False
    """Whether it ends once what is queued is sent."""
    parting: bool = False
    """Whether the goodbye was said."""
    known: bool = False
    """Whether the switchboard knows it."""


class Relay:
    """The thread's work; made by ``serving``."""

    def __init__(
        self, name: str, context: ssl.SSLContext, listeners: list[socket.socket], tell: Tell
    ) -> None:
        self._name = name
        self._context = context
        self._listeners = listeners
        self._tell = tell
        self._board = Switchboard(Codes(lambda: secrets.randbelow(10**CODE_DIGITS)))
        self._legs: dict[int, _Leg] = {}
        self._count = 0
        self._broke = Broke(f"{name}'s relay")

    def check(self) -> None:
        """Raise, once, what ended the thread before its time."""
        self._broke.check()

    def close(self) -> None:
        """Close every connection; the thread has ended."""
        for leg in list(self._legs.values()):
            self._forget(leg)

    def run(self, told: int) -> None:
        """Serve until ``told`` is readable."""
        with self._broke:
            while self._turn(told):
                pass

    def _turn(self, told: int) -> bool:
        """Wait for something, and do what it asks for; False if it was ``told``."""
        legs = list(self._legs.values())
        ready = self._wait(told, legs)
        if told in ready:
            return False
        # Bytes that TLS holds already belong to a leg that was not read while its peer was slow.
        due = [leg for leg in legs if leg.flow.fileno() in ready or leg.flow.holds_more]
        for leg in due:
            self._guarded(leg, self._serve)
        for listener in self._listeners:
            if listener.fileno() in ready:
                self._accept(listener)
        now = time.monotonic()
        self._carry_out(self._board.expire(now))
        for leg in [leg for leg in self._legs.values() if leg.until <= now]:
            self._forget(leg)
        for leg in list(self._legs.values()):
            self._guarded(leg, self._send)
        return True

    def _wait(self, told: int, legs: list[_Leg]) -> set[int]:
        poller = readable(told, *self._listeners)
        for leg in legs:
            poller.register(leg.flow.fileno(), leg.flow.events(reads=self._reads(leg)))
        return {number for number, _ in poller.poll(self._patience_ms())}

    def _patience_ms(self) -> float | None:
        legs = self._legs.values()
        if any(leg.flow.holds_more and self._reads(leg) for leg in legs):
            return 0
        ends = [self._board.next_deadline, *(leg.until for leg in legs)]
        ends += [leg.flow.stalls_at for leg in legs if leg.flow.queued]
        end = min(ends)
        return None if end == inf else 1000 * (max(0.0, end - time.monotonic()) + _UNIT)

    @staticmethod
    def _reads(leg: _Leg) -> bool:
        """Whether a leg is listened to: there is room for what it would say, or it has nothing to say."""
        if leg.leaving:
            return leg.parting
        return leg.peer is None or leg.peer.flow.queued < MOST_QUEUED

    def _guarded(self, leg: _Leg, action: Callable[[_Leg], None]) -> None:
        """Do something for a leg that is still there; a leg that breaks is forgotten."""
        if self._legs.get(leg.number) is not leg:
            return
        try:
            action(leg)
        except OSError:
            self._forget(leg)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, (address, _) = listener.accept()
        except OSError:  # The caller has gone again, or there are no more descriptors now.
            return
        if len(self._legs) >= MOST_CALLERS:
            connection.close()
            return
        self._count += 1
        try:
            flow = TlsFlow(connection, self._context, server=True)
        except OSError:
            connection.close()
            return
        leg = _Leg(self._count, flow, address, time.monotonic() + HANDSHAKE_S)
        self._legs[leg.number] = leg

    def _serve(self, leg: _Leg) -> None:
        if leg.parting:
            if leg.flow.drain():
                self._forget(leg)
            return
        if not leg.flow.shake():
            return
        if not leg.known:
            leg.known, leg.until = True, inf
            self._board.note_connected(leg.number, leg.address, time.monotonic())
        for _ in range(READS_AT_ONCE):
            if self._legs.get(leg.number) is not leg or leg.leaving or not self._reads(leg):
                return
            data = leg.flow.read()
            if data is None:
                self._part(leg)
                return
            if not data:
                return
            if leg.peer is not None:
                leg.peer.flow.queue(data)
                leg.peer.flow.flush()
            else:
                self._carry_out(self._board.receive(leg.number, data, time.monotonic()))

    def _carry_out(self, orders: list[Order]) -> None:
        for order in orders:
            match order:
                case Said():
                    self._legs[order.number].flow.queue(order.data)
                case Dropped():
                    self._legs[order.number].leaving = True
                case Invited():
                    self._tell(CodeGiven(source=self._name, valid_s=order.valid_s))
                case CodeRefused():
                    address = self._legs[order.number].address
                    reason = order.reason.name.replace("_", "-")
                    self._tell(CodeNotTaken(source=self._name, address=address, reason=reason))
                case Joined():
                    self._join(order)

    def _join(self, order: Joined) -> None:
        console, representative = self._legs[order.console], self._legs[order.representative]
        console.peer, representative.peer = representative, console
        representative.flow.queue(order.early)
        self._tell(
            SessionJoined(
                source=self._name, console=console.address, representative=representative.address
            )
        )

    def _send(self, leg: _Leg) -> None:
        leg.flow.flush()
        if leg.leaving and not leg.parting and not leg.flow.queued:
            leg.parting, leg.until = True, time.monotonic() + FAREWELL_S
            leg.flow.say_goodbye()

    def _part(self, leg: _Leg) -> None:
        """A leg has ended its direction: its session ends, once the other end has all."""
        leg.leaving = True
        self._leave_peer(leg)

    def _forget(self, leg: _Leg) -> None:
        if self._legs.pop(leg.number, None) is None:
            return
        self._board.note_gone(leg.number)
        self._leave_peer(leg)
        leg.flow.close()

    def _leave_peer(self, leg: _Leg) -> None:
        peer, leg.peer = leg.peer, None
        if peer is None:
            return
        peer.peer, peer.leaving = None, True
        self._tell(
            SessionParted(
                source=self._name, by=leg.address, received=leg.flow.received, sent=leg.flow.sent
            )
        )
