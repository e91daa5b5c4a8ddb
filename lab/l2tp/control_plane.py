"""The L2TP control plane of one node: every tunnel it has, with whatever peers, as LAC and as LNS.

Datagrams go in by ``receive``, and the time by ``tick``, when ``next_due`` says; datagrams and events come
out by ``take``. Nothing that a peer sends raises: what cannot be used is counted in ``ignored``.

What is bounded, so that wild peers cannot make it grow:

- ``half_open_limit``: SCCRQs that are answered and not completed; one more drops the oldest, silently.
- ``connection_limit``: connections in all, with those that ended and only acknowledge retransmissions.
- ``call_limit``: calls of a connection; ``delivery.BACKLOG``: messages that a peer does not acknowledge.
- A SCCRQ that cannot be accepted is answered by one StopCCN, and nothing is kept of it: should that be
  lost, the peer's retransmission brings another one.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum, auto
from random import Random

from lab.l2tp.avps import AvpValue
from lab.l2tp.call import L2tpCall
from lab.l2tp.connection import ControlConnection
from lab.l2tp.introduction import complaint
from lab.l2tp.messages import (
    ControlMessage,
    read_message,
    write_datagram,
    write_message,
)
from lab.l2tp.outputs import L2tpOutput, Peer, SendDatagram
from lab.l2tp.requests import ClearedBy, Clearing
from lab.l2tp.settings import L2tpSettings
from lab.l2tp.states import L2tpState, LocalSignal
from lab.wire import l2tp
from lab.wire.l2tp import ControlDatagram
from lab.wire.l2tp_codes import Avp, ControlType, GeneralError, StopResult

_TIE_BREAKER_BYTES = 8


class ControlPlane:
    """All L2TP control connections of a node."""

    def __init__(self, settings: L2tpSettings, random: Random) -> None:
        self.settings = settings
        self.connections: dict[int, ControlConnection] = {}
        """By the local tunnel ID; also those that ended, as long as a peer may retransmit (RFC 2661 5.7)."""
        self.ignored: Counter[str] = Counter()
        """Datagrams that changed nothing, by reason."""
        self._random = random
        self._asked: dict[tuple[Peer, int], ControlConnection] = {}
        """Connections that peers asked for, by their address and the tunnel ID of theirs."""
        self._outputs: list[L2tpOutput] = []

    def open(self, peer: Peer, now: float, *, single: bool = False) -> ControlConnection:
        """Ask a peer for a control connection (SCCRQ); ``ConnectionUp`` or ``ConnectionDown`` follows.

        ``single`` sends a Tie Breaker: with this peer there is to be one connection alone, even if
        both ask at once.
        """
        connection = self._connection(peer, now)
        tie_breaker = self._random.randbytes(_TIE_BREAKER_BYTES) if single else b""
        connection.open(now, tie_breaker)
        return connection

    def take(self) -> list[L2tpOutput]:
        """What is to be sent and told, in the order in which it came about; each only once."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def close(self, clearing: Clearing, now: float) -> None:
        """End every connection (StopCCN), as a node does that goes down; it can go once it is ``settled``."""
        for connection in list(self.connections.values()):
            connection.close(clearing, now)

    @property
    def settled(self) -> bool:
        """Of connections that were up, every message is acknowledged, or its peer given up."""
        return all(each.delivery.settled for each in self.connections.values() if each.was_up)

    @property
    def next_due(self) -> float | None:
        """When ``tick`` is wanted at the latest."""
        return min((each.next_due for each in self.connections.values()), default=None)

    def tick(self, now: float) -> None:
        """Do what is due: retransmissions, HELLO, and what is given up."""
        for connection in list(self.connections.values()):
            if connection.next_due <= now and not connection.tick(now):
                self._forget(connection)

    def receive(self, data: bytes, source: Peer, now: float) -> None:
        """Take a datagram, whatever it is. Data messages belong to the kernel, and are passed over."""
        reason = self._receive(data, source, now)
        if reason:
            self.ignored[reason] += 1

    def _receive(self, data: bytes, source: Peer, now: float) -> str:
        head = l2tp.control_datagram(data)
        if head is None:
            seen = l2tp.parse(data)
            return "no L2TPv2" if seen is None or seen.control else "data"
        if not head.well_formed:
            return "malformed header"
        if head.tunnel_id:
            connection = self.connections.get(head.tunnel_id)
            return connection.receive(head, source, now) if connection else "no such tunnel"
        return self._first(head, source, now)

    # Messages without a tunnel ID: the peer does not know it yet.

    def _first(self, head: ControlDatagram, source: Peer, now: float) -> str:
        reading = read_message(head.body)
        message = reading.message
        if message is None or message.kind not in (ControlType.SCCRQ, ControlType.StopCCN):
            return "no tunnel ID"
        remote_id = message.number(Avp.assigned_tunnel_id)
        known = self._asked.get((source, remote_id))
        if known is not None and not _starts_anew(known, head):
            return known.receive(head, source, now)
        if message.kind is not ControlType.SCCRQ or head.session_id or head.ns or head.nr:
            return "no tunnel ID"
        clearing = complaint(reading) or self._full()
        if clearing is not None:
            self._refuse(source, remote_id, clearing)
            return ""
        return self._accept(head, message, source, now)

    def _accept(
        self, head: ControlDatagram, message: ControlMessage, source: Peer, now: float
    ) -> str:
        """Let the peer have its connection, if no other one is to stay in its place (RFC 2661 4.4.3)."""
        remote_id, theirs = message.number(Avp.assigned_tunnel_id), message.octets(Avp.tie_breaker)
        ours = [c for c in self.connections.values() if c.asked_here and c.peer[0] == source[0]]
        if theirs and any(c.tie_breaker and c.state is L2tpState.established for c in ours):
            self._refuse(source, remote_id, Clearing.connection(StopResult.exists_already))
            return ""
        rivals = [
            (each, break_tie(each.tie_breaker, theirs))
            for each in ours
            if each.state is L2tpState.wait_ctl_reply
        ]
        stays = all(tie in (Tie.none, Tie.theirs) for _, tie in rivals)
        orphans: list[L2tpCall] = []
        for rival, tie in rivals:
            if tie in (Tie.theirs, Tie.equal):
                if stays:
                    orphans += rival.calls.values()
                    rival.calls.clear()
                rival.signal(LocalSignal.lose_tie, now, clearing=_TIE_LOST)
                self._forget(rival)
        if not stays:
            return "lost the tie"

        self._make_room()
        connection = self._connection(source, now)
        connection.adopt(orphans)
        self._asked[source, remote_id] = connection
        connection.asked_by = head.body
        return connection.receive(head, source, now)

    def _refuse(self, peer: Peer, remote_id: int, clearing: Clearing) -> None:
        """Answer a SCCRQ with StopCCN, and keep nothing."""
        avps: dict[Avp, AvpValue] = {
            Avp.assigned_tunnel_id: self._free_id(),
            Avp.result_code: clearing.value,
        }
        body = write_message(ControlMessage(ControlType.StopCCN, avps))
        self._outputs.append(SendDatagram(write_datagram(remote_id, 0, 0, 1, body), peer))

    def _full(self) -> Clearing | None:
        if len(self.connections) < self.settings.connection_limit:
            return None
        ended = [c for c in self.connections.values() if c.state is L2tpState.closed]
        if ended:
            self._forget(ended[0])
            return None
        error = GeneralError.no_resources
        return Clearing.connection(StopResult.general_error, error=error)

    def _make_room(self) -> None:
        asked = self._asked.values()
        half_open = [each for each in asked if each.state is L2tpState.wait_ctl_conn]
        if len(half_open) >= self.settings.half_open_limit:
            self._forget(half_open[0])
            self.ignored["half open, and the oldest of too many"] += 1

    def _connection(self, peer: Peer, now: float) -> ControlConnection:
        local_id = self._free_id()
        tell = self._outputs_append
        connection = ControlConnection(self.settings, peer, local_id, tell, self._random, now)
        self.connections[local_id] = connection
        return connection

    def _outputs_append(self, output: L2tpOutput) -> None:
        # Not the list's own method: ``take`` begins a new list.
        self._outputs.append(output)

    def _free_id(self) -> int:
        while (number := self._random.randint(1, 0xFFFF)) in self.connections:
            pass
        return number

    def _forget(self, connection: ControlConnection) -> None:
        self.connections.pop(connection.local_id, None)
        key = (connection.peer, connection.remote_id)
        if self._asked.get(key) is connection:
            del self._asked[key]


_TIE_LOST = Clearing(False, 0, by=ClearedBy.tie)


class Tie(Enum):
    """What becomes of two SCCRQs that crossed (RFC 2661 4.4.3)."""

    none = auto()
    """Nobody wants one connection alone: there are two."""
    ours = auto()
    theirs = auto()
    equal = auto()
    """Neither stays."""


def break_tie(ours: bytes, theirs: bytes) -> Tie:
    """Compare two Tie Breakers, of which either may be missing: the lower value wins."""
    if not ours and not theirs:
        return Tie.none
    if ours == theirs:
        return Tie.equal
    if not theirs or (ours and ours < theirs):
        return Tie.ours
    return Tie.theirs


def _starts_anew(known: ControlConnection, head: ControlDatagram) -> bool:
    """A peer that was started again may use a tunnel ID again, while its old connection is not forgotten."""
    return (
        known.state is L2tpState.closed and head.ns == head.nr == 0 and head.body != known.asked_by
    )
