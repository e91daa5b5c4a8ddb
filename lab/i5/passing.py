"""What becomes of the calls that HMCs ask a partition for: no sockets, threads, clock or kernel here.

    HMC sends                  the partition does                         and when that has come
    ICRQ                       IPsec and a tunnel to the first gateway    ICCN to the gateway at its ICRP, and
                               that answers, or to that which other       then ICRP to the HMC
                               calls have already; ICRQ in it
    OCRQ                       OCRP; its modem dials                      OCCN, after CONNECT
    CDN, StopCCN, or nothing   the other end is cleared, too

A gateway's IPsec and tunnel are shared by all calls to it, and go with the last. Until a gateway has answered
a call, the next one is tried; after that a CDN goes through with its codes.

The gateway's ICCN does not wait for the HMC's: PPP follows that at once, and the kernel passes it on before a
program can pass ICCN on. A gateway loses PPP that comes before ICCN, and pppd sends LCP again after 3 s only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from lab.i5 import clearing
from lab.i5.effects import DialledLine, Effects, Leg
from lab.i5.events import PassThroughAsked, PassThroughCleared, PassThroughJoined
from lab.l2tp.requests import Clearing, LineConnection
from lab.record.cause import GatewayCause
from lab.ways.vpn.events import GatewayFailed
from lab.wire.l2tp_codes import FramingType
from tunnels.calling import FinalResult

NO_LINE = LineConnection(0, FramingType.synchronous)
"""Of a call that is on no line: so xl2tpd says it, too."""
LINE = "line"
"""Who ends a call of a modem's, in an event."""

DIALLABLE = re.compile(r"[0-9*#,]{1,40}")
"""What a called number may have in it: nothing by which a modem would be told anything else (V.250 6.3.1)."""


class LinkState(Enum):
    """How far a partition is with a gateway."""

    down = auto()
    securing = auto()
    opening = auto()
    up = auto()
    closing = auto()


@dataclass(eq=False, slots=True)
class _Gateway:
    """A gateway, and the calls that need it."""

    name: str
    state: LinkState = LinkState.down
    waiting: list[_Passage] = field(default_factory=list)
    """For the tunnel."""
    calls: list[_Passage] = field(default_factory=list)
    """In the tunnel."""

    @property
    def needed(self) -> bool:
        return bool(self.waiting or self.calls)

    @property
    def in_use(self) -> bool:
        """Whether it is up for other calls, or is being brought up for them."""
        return self.needed and self.state in (LinkState.securing, LinkState.opening, LinkState.up)


@dataclass(eq=False, slots=True)
class _Passage:
    """An HMC's call for the VPN, and the partition's own call that it is joined with."""

    client: str
    near: Leg
    untried: list[str]
    reasons: dict[str, str] = field(default_factory=dict)
    """By gateway: why it gives no way."""
    gateway: _Gateway | None = None
    far: Leg | None = None
    answered: bool = False


@dataclass(eq=False, slots=True)
class _Dialling:
    """An HMC's call for the modem, and the line."""

    client: str
    near: Leg
    number: str
    line: DialledLine | None = None
    dialled: bool = False
    """The modem has said what became of the number."""
    ended: bool = False


class CallPassing:
    """The calls of a partition, of all HMCs."""

    def __init__(
        self, partition: str, gateways: Mapping[str, tuple[str, ...]], effects: Effects
    ) -> None:
        """``gateways``: by HMC, in the order in which they are tried; none if it borrows no VPN."""
        self._partition = partition
        self._order = gateways
        self._effects = effects
        names = dict.fromkeys(name for order in gateways.values() for name in order)
        self._gateways = {name: _Gateway(name) for name in names}
        self._passages: dict[Leg, _Passage] = {}
        """By either of their legs."""
        self._diallings: dict[Leg, _Dialling] = {}
        self._by_line: dict[DialledLine, _Dialling] = {}

    @property
    def idle(self) -> bool:
        """Whether no call is there, and nothing is up for one."""
        links = self._gateways.values()
        nothing_up = all(gateway.state is LinkState.down for gateway in links)
        return nothing_up and not (self._passages or self._diallings or self._by_line)

    # What HMCs ask for.

    def incoming(self, client: str, near: Leg) -> None:
        """ICRQ of an HMC."""
        self._effects.tell(PassThroughAsked(source=self._partition, client=client, number=""))
        order = self._order.get(client, ())
        if not order:
            self._refuse(client, near, clearing.NO_VPN)
            return
        # Who has a gateway asks no other beside it.
        untried = sorted(order, key=lambda name: not self._gateways[name].in_use)
        passage = self._passages[near] = _Passage(client, near, untried)
        self._try_next(passage)

    def outgoing(self, client: str, near: Leg, number: str) -> None:
        """OCRQ of an HMC."""
        self._effects.tell(PassThroughAsked(source=self._partition, client=client, number=number))
        if not DIALLABLE.fullmatch(number):
            self._refuse(client, near, clearing.NO_NUMBER)
            return
        if not self._effects.has_modem:
            self._refuse(client, near, clearing.NO_MODEM)
            return
        dialling = _Dialling(client, near, number)
        line = self._effects.dial(client, number, lambda result: self._dialled(dialling, result))
        if line is None:
            self._refuse(client, near, clearing.MODEM_IN_USE)
            return
        dialling.line = line
        self._diallings[near] = self._by_line[line] = dialling
        near.reply()

    def cleared(self, leg: Leg, why: Clearing, by: str) -> None:
        """CDN of an HMC or a gateway, or their tunnel's end."""
        if (dialling := self._diallings.get(leg)) is not None:
            self._end_dialling(dialling, why, by)
        elif (passage := self._passages.get(leg)) is not None:
            if leg is passage.far and not passage.answered:
                self._leave(passage)
                self._fails(passage, GatewayCause.call_ended, why.text or str(why))
            else:
                self._end_passage(passage, why, by)

    # Gateways.

    def answered(self, far: Leg) -> None:
        """ICRP of a gateway: the two are joined, the gateway gets ICCN, and then the HMC its own ICRP."""
        passage = self._passages.get(far)
        if passage is None or passage.answered:
            return
        assert passage.gateway is not None
        passage.answered = True
        if not self._effects.join(passage.near, far):
            self._end_passage(passage, clearing.CANNOT_JOIN, self._partition)
            return
        self._tell_joined(passage.client, passage.gateway.name, passage.near)
        far.connect(NO_LINE)
        passage.near.reply()

    def gateway_up(self, name: str) -> None:
        """The tunnel to a gateway is up."""
        gateway = self._gateways[name]
        gateway.state = LinkState.up
        waiting, gateway.waiting = gateway.waiting, []
        for passage in waiting:
            self._place(passage, gateway)
        self._let_go(gateway)

    def gateway_down(self, name: str, cause: GatewayCause, detail: str) -> None:
        """The tunnel to a gateway did not come up, or has gone."""
        gateway = self._gateways[name]
        closed = gateway.state is LinkState.closing
        lost, gateway.calls = gateway.calls, []
        waiting = []
        if not closed:
            waiting, gateway.waiting = gateway.waiting, []
        gateway.state = LinkState.down
        for passage in lost:
            if passage.answered:
                why = clearing.lost_gateway(name, detail)
                self._end_passage(passage, why, name)
            else:
                waiting.append(passage)
        for passage in waiting:
            self._leave(passage)
        if gateway.waiting:
            # Somebody has asked for it while it was being closed: IPsec is up still.
            gateway.state = LinkState.opening
            self._effects.open_tunnel(name)
        else:
            self._effects.release(name)
        for passage in waiting:
            self._fails(passage, cause, detail)

    def _try_next(self, passage: _Passage) -> None:
        if not passage.untried:
            self._forget(passage)
            why = clearing.no_gateway(passage.reasons)
            self._refuse(passage.client, passage.near, why)
            return
        gateway = self._gateways[passage.untried.pop(0)]
        passage.gateway = gateway
        if gateway.state is LinkState.up:
            self._place(passage, gateway)
            return
        gateway.waiting.append(passage)
        if gateway.state is LinkState.down:
            gateway.state = LinkState.securing
            self._effects.secure(gateway.name, lambda why: self._secured(gateway, why))

    def _secured(self, gateway: _Gateway, why: str) -> None:
        """IPsec to a gateway is up, or does not come up."""
        if not why and gateway.waiting:
            gateway.state = LinkState.opening
            self._effects.open_tunnel(gateway.name)
            return
        gateway.state = LinkState.down
        waiting, gateway.waiting = gateway.waiting, []
        if not why:
            self._effects.release(gateway.name)
        for passage in waiting:
            self._fails(passage, GatewayCause.no_ike, why)

    def _place(self, passage: _Passage, gateway: _Gateway) -> None:
        gateway.calls.append(passage)
        passage.far = self._effects.place_call(gateway.name)
        self._passages[passage.far] = passage

    def _fails(self, passage: _Passage, cause: GatewayCause, detail: str) -> None:
        """A gateway gives a passage no way: the next one is tried."""
        assert passage.gateway is not None
        name, passage.gateway = passage.gateway.name, None
        failed = GatewayFailed(source=self._partition, gateway=name, cause=cause, detail=detail)
        self._effects.tell(failed)
        passage.reasons[name] = detail if cause is GatewayCause.no_ike else failed.why
        self._try_next(passage)

    def _leave(self, passage: _Passage) -> None:
        """A passage is done with its gateway, which may be let go."""
        if passage.far is not None:
            self._passages.pop(passage.far, None)
            passage.far = None
        gateway = passage.gateway
        if gateway is not None:
            for passages in (gateway.waiting, gateway.calls):
                if passage in passages:
                    passages.remove(passage)
            self._let_go(gateway)

    def _let_go(self, gateway: _Gateway) -> None:
        """Close the tunnel that nobody needs."""
        if gateway.state is LinkState.up and not gateway.needed:
            gateway.state = LinkState.closing
            self._effects.close_tunnel(gateway.name)

    # Ends.

    def _end_passage(self, passage: _Passage, why: Clearing, by: str) -> None:
        """Clear both legs, whichever of them is there still."""
        name = passage.gateway.name if passage.gateway is not None else ""
        for leg in (passage.near, passage.far):
            if leg is not None:
                leg.clear(why)
        self._leave(passage)
        self._forget(passage)
        self._tell_cleared(passage.client, name, why, by)

    def _forget(self, passage: _Passage) -> None:
        self._passages.pop(passage.near, None)

    def _refuse(self, client: str, near: Leg, why: Clearing) -> None:
        near.clear(why)
        self._tell_cleared(client, "", why, self._partition)

    # The modem.

    def _dialled(self, dialling: _Dialling, result: FinalResult) -> None:
        """A modem has said at last what became of a number."""
        line = dialling.line
        assert line is not None, "it has dialled"
        dialling.dialled = True
        if dialling.ended:
            self._hang_up(line)
            return
        if result.cause is not None:
            self._end_dialling(dialling, clearing.NOT_CONNECTED[result.cause], LINE)
        elif not self._effects.join(dialling.near, line):
            # The carrier may have gone meanwhile; its port is hung up on then.
            self._end_dialling(dialling, clearing.CANNOT_JOIN, self._partition)
        else:
            self._tell_joined(dialling.client, dialling.number, dialling.near)
            dialling.near.connect(LineConnection(result.rate_bit_s, rx_bps=result.rate_bit_s))

    def line_lost(self, line: DialledLine) -> None:
        """The carrier of a call that was joined has gone."""
        if (dialling := self._by_line.get(line)) is not None and not dialling.ended:
            self._end_dialling(dialling, clearing.LOST_CARRIER, LINE)

    def _end_dialling(self, dialling: _Dialling, why: Clearing, by: str) -> None:
        dialling.ended = True
        self._diallings.pop(dialling.near, None)
        dialling.near.clear(why)
        self._tell_cleared(dialling.client, dialling.number, why, by)
        line = dialling.line
        assert line is not None, "it has dialled"
        if dialling.dialled:
            self._hang_up(line)
        else:
            # ``_dialled`` hangs up.
            line.give_up()

    def _hang_up(self, line: DialledLine) -> None:
        self._by_line.pop(line, None)
        line.hang_up()

    # The story.

    def _tell_joined(self, client: str, far: str, near: Leg) -> None:
        session = near.session
        self._effects.tell(
            PassThroughJoined(source=self._partition, client=client, far=far, session=session)
        )

    def _tell_cleared(self, client: str, far: str, why: Clearing, by: str) -> None:
        self._effects.tell(
            PassThroughCleared(
                source=self._partition,
                client=client,
                far=far,
                by=by,
                result=why.result,
                error=why.error or 0,
                words=why.text,
            )
        )
