"""One call, which is one session of a tunnel: its states and its messages (RFC 2661 7.4, 7.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lab.errors import LabBroke
from lab.l2tp.avps import AvpValue, CallErrors, LinkAccm
from lab.l2tp.messages import ControlMessage, Flaw
from lab.l2tp.outputs import (
    CallAccepted,
    CallAsked,
    CallCleared,
    CallEstablished,
    LineErrorsTold,
    LinkInfoTold,
)
from lab.l2tp.requests import (
    Clearing,
    IncomingCallRequest,
    LineConnection,
    OutgoingCallRequest,
)
from lab.l2tp.states import TRANSITIONS, L2tpSignal, L2tpState, LocalSignal, Machine, Tell
from lab.wire.l2tp_codes import Avp, CdnResult, ControlType, GeneralError

if TYPE_CHECKING:
    from lab.l2tp.connection import ControlConnection

READS_NO_CAUSE = ("xelerance.com",)
"""By Vendor Name, peers that do not act on a CDN with the Q.931 Cause Code AVP, which must be mandatory
(RFC 2661 4.4.4): xl2tpd acknowledges such a CDN, and keeps the call."""

LINE_ERRORS_S = 60.0
"""WEN is not sent again before this is over (RFC 2661 6.13)."""


class L2tpCall:
    """A call of a control connection. Commands return False if the state does not allow them any more."""

    def __init__(
        self,
        connection: ControlConnection,
        machine: Machine,
        local_id: int,
        request: IncomingCallRequest | OutgoingCallRequest,
        serial_number: int,
    ) -> None:
        self.connection = connection
        self.machine = machine
        self.local_id = local_id
        """The session ID that the peer's messages have."""
        self.remote_id = 0
        """The session ID that messages to the peer have; 0 until the peer says it."""
        self.request = request
        self.serial_number = serial_number
        self.line: LineConnection | None = None
        """How the call came about, once it is up."""
        self.clearing: Clearing | None = None
        self.state = L2tpState.idle
        self._errors_again = 0.0

    def __repr__(self) -> str:
        return f"<{self.machine.name} call {self.local_id}, peer's {self.remote_id}, {self.state.value}>"

    @property
    def asked_here(self) -> bool:
        """This side asked for the call."""
        return self.machine in (Machine.incoming_lac, Machine.outgoing_lns)

    # Commands of the local side.

    def answer(self, now: float) -> bool:
        """Accept a call that the peer asks for (ICRP, OCRP)."""
        return self.signal(LocalSignal.answer, now)

    def connect(self, line: LineConnection, now: float) -> bool:
        """Say at the LAC that the call came about (ICCN, OCCN)."""
        if line.proxy and self.machine is Machine.outgoing_lac:
            raise LabBroke("only an incoming call has proxy LCP and authentication")
        before, self.line = self.line, line
        if self.signal(LocalSignal.connect, now):
            return True
        self.line = before
        return False

    def clear(self, clearing: Clearing, now: float) -> bool:
        """Refuse the call or end it (CDN)."""
        return self.signal(LocalSignal.close, now, clearing=clearing)

    def tell_line_errors(self, errors: CallErrors, now: float) -> bool:
        """Say at the LAC which errors the line had since the call came about (WEN).

        False also if that was said less than a minute ago.
        """
        lac = self.machine in (Machine.incoming_lac, Machine.outgoing_lac)
        if now < self._errors_again or not self._report(
            ControlType.WEN, {Avp.call_errors: errors}, lac, now
        ):
            return False
        self._errors_again = now + LINE_ERRORS_S
        return True

    def tell_link_info(self, accm: LinkAccm, now: float) -> bool:
        """Say at the LNS which characters PPP negotiated to escape (SLI)."""
        lns = self.machine in (Machine.incoming_lns, Machine.outgoing_lns)
        return self._report(ControlType.SLI, {Avp.accm: accm}, lns, now)

    def _report(
        self, kind: ControlType, avps: Mapping[Avp, AvpValue], may: bool, now: float
    ) -> bool:
        if not may or self.state is not L2tpState.established:
            return False
        self.connection.send(ControlMessage(kind, avps), self.remote_id, now)
        return True

    # Signals.

    def hear(self, message: ControlMessage, now: float) -> None:
        """A well-formed message of the peer for this call."""
        if (flaw := self._flaw(message)) is not None:
            self.refuse(flaw, now)
            return
        clearing = Clearing.told(message) if message.kind is ControlType.CDN else None
        self.signal(message.kind, now, message=message, clearing=clearing)

    def objection(self, message: ControlMessage, flaw: Flaw | None) -> Clearing | None:
        """Why a call that the peer asks for is refused without asking the local side."""
        flaw = flaw or self._flaw(message)
        return None if flaw is None else Clearing.for_flaw(flaw, of_call=True)

    def turn_away(self, message: ControlMessage, clearing: Clearing, now: float) -> None:
        """Refuse a call that the local side was not told of."""
        self._note(message)
        self.clearing = clearing
        self.state = L2tpState.closed
        self.connection.send(self._message(ControlType.CDN), self.remote_id, now)

    def refuse(self, flaw: Flaw, now: float) -> None:
        """End the call for a message that cannot be accepted."""
        self.clear(Clearing.for_flaw(flaw, of_call=True), now)

    def signal(
        self,
        signal: L2tpSignal,
        now: float,
        *,
        message: ControlMessage | None = None,
        clearing: Clearing | None = None,
    ) -> bool:
        """Let something happen, as the table says; False if it has no place in this state."""
        transition = TRANSITIONS.get((self.machine, self.state, signal))
        if transition is None:
            return False
        if message is not None:
            self._note(message)
        if transition.to is L2tpState.closed:
            self.clearing = clearing or Clearing.for_flaw(self._misplaced(signal), of_call=True)
        self.state = transition.to
        if transition.send is not None:
            self.connection.send(self._message(transition.send), self.remote_id, now)
        if transition.tell is not None:
            self._tell(transition.tell, message)
        return True

    def _misplaced(self, signal: L2tpSignal) -> Flaw:
        return Flaw(
            GeneralError.vendor_specific, f"{signal.name} has no place in {self.state.value}"
        )

    def _note(self, message: ControlMessage) -> None:
        if message.kind in (ControlType.ICRQ, ControlType.OCRQ, ControlType.ICRP, ControlType.OCRP):
            # A call keeps the ID that it was given first.
            self.remote_id = self.remote_id or message.number(Avp.assigned_session_id)
        elif message.kind in (ControlType.ICCN, ControlType.OCCN) and self.line is None:
            self.line = LineConnection.of(message)

    def _flaw(self, message: ControlMessage) -> Flaw | None:
        """What the peer must not ask of this call although each AVP is well formed (RFC 2661 4.4.4)."""
        unable = GeneralError.out_of_range
        settings = self.connection.settings
        if message.kind is ControlType.OCRQ and self.state is L2tpState.idle:
            asked = OutgoingCallRequest.of(message)
            if asked.bearer & ~(settings.bearer or 0):
                return Flaw(unable, f"Bearer Type is {asked.bearer:d}: there is no such line")
            if not asked.framing or asked.framing & ~settings.framing:
                return Flaw(unable, f"Framing Type is {asked.framing:d}: it was not offered")
            if asked.minimum_bps > asked.maximum_bps:
                return Flaw(unable, f"Minimum BPS {asked.minimum_bps} is above Maximum BPS")
        elif message.kind in (ControlType.ICCN, ControlType.OCCN):
            framing = message.number(Avp.framing_type)
            offered = int(settings.framing)
            if isinstance(self.request, OutgoingCallRequest):
                offered = int(self.request.framing)
            if framing & ~offered:
                return Flaw(unable, f"Framing Type is {framing}: it was not offered")
        return None

    def _message(self, kind: ControlType) -> ControlMessage:
        avps: dict[Avp, AvpValue] = {}
        if kind in (ControlType.ICRQ, ControlType.OCRQ):
            avps = dict(self.request.avps) | {Avp.call_serial_number: self.serial_number}
        elif kind in (ControlType.ICCN, ControlType.OCCN) and self.line is not None:
            return ControlMessage(kind, self.line.avps)
        elif kind is ControlType.CDN:
            clearing = self.clearing or Clearing.call(CdnResult.administrative)
            avps[Avp.result_code] = clearing.value
            reads_cause = self.connection.vendor_name not in READS_NO_CAUSE
            if clearing.cause is not None and reads_cause:
                avps[Avp.q931_cause_code] = clearing.cause
        return ControlMessage(kind, avps | {Avp.assigned_session_id: self.local_id})

    def _tell(self, tell: Tell, message: ControlMessage | None) -> None:
        if tell is Tell.down:
            self.connection.drop(self)
        say = _TOLD[tell]
        self.connection.tell(say(self, message or ControlMessage(ControlType.HELLO)))


_UNSAID = Clearing.call(CdnResult.administrative)
_Said = CallAsked | CallAccepted | CallEstablished | CallCleared | LineErrorsTold | LinkInfoTold
_TOLD: Mapping[Tell, Callable[[L2tpCall, ControlMessage], _Said]] = {
    Tell.asked: lambda call, _: CallAsked(call),
    Tell.accepted: lambda call, _: CallAccepted(call),
    Tell.up: lambda call, _: CallEstablished(call),
    Tell.down: lambda call, _: CallCleared(call, call.clearing or _UNSAID),
    Tell.line_errors: lambda call, message: LineErrorsTold(call, message.errors),
    Tell.link_info: lambda call, message: LinkInfoTold(call, message.accm),
}
