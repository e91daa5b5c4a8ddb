"""Calls that HMCs ask partitions of i5/OS for: L2TP in clear, from OCRQ on (RFC 2661 7.5). Judges nothing.

The HMC opens the tunnel and is the LNS of the call. A message has the numbers that its receiver gave to the
tunnel and the session, so each direction has numbers of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf

from lab.verify.passed_on import ClearL2tp
from lab.wire.l2tp import Avp, ControlType


@dataclass(slots=True, kw_only=True, eq=False)
class LentCall:
    """One call, from OCRQ on."""

    client: str
    partition: str
    tunnel: int
    """The HMC's own number of the tunnel."""
    asked: ClearL2tp
    """OCRQ."""
    accepted: ClearL2tp | None = None
    """OCRP."""
    connected: ClearL2tp | None = None
    """OCCN."""
    cleared: ClearL2tp | None = None
    """The first CDN, of whichever side."""
    ended: float = inf
    """When the call was cleared, or its tunnel closed."""
    frames: list[ClearL2tp] = field(default_factory=list)
    """Data with PPP, of both directions."""

    def __str__(self) -> str:
        return f"the call of {self.client} to {self.number} by {self.partition}"

    @property
    def number(self) -> str:
        """The Called Number AVP (RFC 2661 4.4.4)."""
        return self.asked.l2tp.avp(Avp.called_number).decode("ascii", "replace")

    @property
    def speed_bit_s(self) -> int:
        """The (Tx) Connect Speed AVP of OCCN; 0 without OCCN."""
        return self._long(self.connected, Avp.tx_connect_speed)

    @property
    def result(self) -> int:
        """The Result Code of the CDN, if the partition cleared the call; else 0."""
        if self.cleared is None or self.cleared.outgoing:
            return 0
        return self.cleared.l2tp.number(Avp.result_code)

    @staticmethod
    def _long(seen: ClearL2tp | None, avp: Avp) -> int:
        return int.from_bytes(seen.l2tp.avp(avp), "big") if seen is not None else 0


def read(clear: Iterable[ClearL2tp]) -> list[LentCall]:
    """The calls in what HMCs and partitions say to each other, in order; retransmissions are left out."""
    readers: dict[tuple[str, str], _LentReader] = {}
    for seen in clear:
        ends = seen.client, seen.partition
        readers.setdefault(ends, _LentReader()).take(seen)
    calls = [call for reader in readers.values() for call in reader.calls]
    return sorted(calls, key=lambda call: call.asked.frame.time)


class _LentReader:
    """Tunnels and calls between two ends."""

    def __init__(self) -> None:
        self.calls: list[LentCall] = []
        self._partners: dict[int, int] = {}
        """The partition's number of a tunnel to the HMC's."""
        self._by_hmc: dict[tuple[int, int], LentCall] = {}
        """By the HMC's numbers of tunnel and session: what the partition sends has them."""
        self._by_partition: dict[tuple[int, int], LentCall] = {}

    def take(self, seen: ClearL2tp) -> None:
        if seen.l2tp.control:
            self._control(seen)
        elif seen.ppp is not None:
            own = self._by_partition if seen.outgoing else self._by_hmc
            call = own.get((seen.l2tp.tunnel_id, seen.l2tp.session_id))
            if call is not None:
                call.frames.append(seen)

    def _control(self, seen: ClearL2tp) -> None:
        message, kind = seen.l2tp, seen.l2tp.control_type
        if not kind:
            return
        if kind == ControlType.SCCRP and not seen.outgoing:
            self._partners[message.number(Avp.assigned_tunnel_id)] = message.tunnel_id
        tunnel = self._hmc_tunnel(seen)
        if kind == ControlType.StopCCN:
            for (own, _), call in self._by_hmc.items():
                if own == tunnel:
                    call.ended = min(call.ended, seen.frame.time)
        elif kind == ControlType.OCRQ and seen.outgoing:
            self._ask(seen, tunnel)
        elif kind in (ControlType.OCRP, ControlType.OCCN, ControlType.CDN):
            self._say(seen, tunnel, kind)

    def _hmc_tunnel(self, seen: ClearL2tp) -> int:
        number = seen.l2tp.tunnel_id
        return self._partners.get(number, 0) if seen.outgoing else number

    def _ask(self, seen: ClearL2tp, tunnel: int) -> None:
        key = tunnel, seen.l2tp.number(Avp.assigned_session_id)
        before = self._by_hmc.get(key)
        if before is None or before.ended < inf:
            call = LentCall(client=seen.client, partition=seen.partition, tunnel=tunnel, asked=seen)
            self.calls.append(call)
            self._by_hmc[key] = call

    def _say(self, seen: ClearL2tp, tunnel: int, kind: int) -> None:
        message = seen.l2tp
        assigned = message.number(Avp.assigned_session_id)
        # The HMC's own number of the session: its CDN has that as Assigned Session ID.
        own = assigned if seen.outgoing else message.session_id
        call = self._by_hmc.get((tunnel, own))
        if call is None:
            return
        if kind == ControlType.CDN:
            call.cleared = call.cleared or seen
            call.ended = min(call.ended, seen.frame.time)
        elif seen.outgoing:
            return
        elif kind == ControlType.OCRP:
            call.accepted = call.accepted or seen
            self._by_partition[self._partition_tunnel(tunnel), assigned] = call
        else:
            call.connected = call.connected or seen

    def _partition_tunnel(self, hmc: int) -> int:
        return next((theirs for theirs, own in self._partners.items() if own == hmc), 0)


def steps(call: LentCall) -> Iterator[ClearL2tp]:
    """Its control messages, in order."""
    for seen in (call.asked, call.accepted, call.connected, call.cleared):
        if seen is not None:
            yield seen


def without(clear: Iterable[ClearL2tp]) -> list[ClearL2tp]:
    """What HMCs and partitions say to each other in tunnels in which no HMC asks for a modem."""
    clear = list(clear)
    lent = {(call.client, call.partition, call.tunnel) for call in read(clear)}
    partners: dict[tuple[str, str, int], int] = {}
    found = []
    for seen in clear:
        message, ends = seen.l2tp, (seen.client, seen.partition)
        if message.control_type == ControlType.SCCRP and not seen.outgoing:
            partners[*ends, message.number(Avp.assigned_tunnel_id)] = message.tunnel_id
        own = partners.get((*ends, message.tunnel_id), 0) if seen.outgoing else message.tunnel_id
        if message.control_type == ControlType.SCCRQ:
            own = message.number(Avp.assigned_tunnel_id)
        if (*ends, own) not in lent:
            found.append(seen)
    return found
