"""One control connection, which is one tunnel: its states, its messages, and its calls (RFC 2661 7.2)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random

from lab.l2tp.avps import AvpValue
from lab.l2tp.call import L2tpCall
from lab.l2tp.delivery import Arrived, Delivery
from lab.l2tp.introduction import complaint, node_avps
from lab.l2tp.messages import (
    ControlMessage,
    Flaw,
    read_message,
    write_datagram,
    write_message,
)
from lab.l2tp.outputs import ConnectionDown, ConnectionUp, L2tpOutput, Peer, SendDatagram
from lab.l2tp.requests import ClearedBy, Clearing, IncomingCallRequest, OutgoingCallRequest
from lab.l2tp.settings import L2tpSettings
from lab.l2tp.states import OF_CALLS, TRANSITIONS, L2tpSignal, L2tpState, LocalSignal, Machine, Tell
from lab.wire.l2tp import ControlDatagram
from lab.wire.l2tp_codes import (
    Avp,
    BearerType,
    CdnResult,
    ControlType,
    FramingType,
    StopResult,
)

KEPT_COMPLAINTS = 16
_ASKS = {ControlType.ICRQ: Machine.incoming_lns, ControlType.OCRQ: Machine.outgoing_lac}


class ControlConnection:
    """A tunnel's control connection with one peer."""

    def __init__(
        self,
        settings: L2tpSettings,
        peer: Peer,
        local_id: int,
        tell: Callable[[L2tpOutput], None],
        random: Random,
        now: float,
    ) -> None:
        self.settings = settings
        self.peer = peer
        """Where messages go; the port is that which the peer answered from."""
        self.local_id = local_id
        """The tunnel ID that the peer's messages have."""
        self.remote_id = 0
        """The tunnel ID that messages to the peer have; 0 until the peer says it."""
        self.tell = tell
        self.state = L2tpState.idle
        self.asked_here = False
        """This side asked for the connection."""
        self.was_up = False
        self.asked_by = b""
        """The body of the peer's SCCRQ, if the peer asked for it."""
        self.host_name = ""
        """The peer's, as are the following ones."""
        self.vendor_name = ""
        self.framing = FramingType(0)
        self.bearer: BearerType | None = None
        self.calls: dict[int, L2tpCall] = {}
        """By the local session ID."""
        self.clearing: Clearing | None = None
        self.tie_breaker = b""
        self.passed_over: deque[str] = deque(maxlen=KEPT_COMPLAINTS)
        """What was lately wrong or unknown in the peer's messages, and not mandatory."""
        self.delivery = Delivery(self._emit, settings.patience, settings.window)
        self._random = random
        self._since = self._heard_at = now
        self._until = 0.0
        """When a closed connection may be forgotten."""
        self._serial_number = 0
        self._cleared_ids: list[int] = []

    def __repr__(self) -> str:
        ids = f"{self.local_id}, peer's {self.remote_id}"
        return f"<control connection {ids}, {self.peer[0]}:{self.peer[1]}, {self.state.value}>"

    # Commands of the local side.

    def open(self, now: float, tie_breaker: bytes = b"") -> None:
        """Ask the peer for the connection (SCCRQ)."""
        self.asked_here = True
        self.tie_breaker = tie_breaker
        self.signal(LocalSignal.open, now)

    def place(
        self,
        request: IncomingCallRequest | OutgoingCallRequest,
        now: float,
        serial_number: int | None = None,
    ) -> L2tpCall:
        """Ask the peer for a call: as LAC by ICRQ, as LNS by OCRQ, once the connection is established.

        On a connection that has ended the call is cleared at once: ``CallCleared`` says so.
        """
        if serial_number is None:
            self._serial_number += 1
            serial_number = self._serial_number
        outgoing = isinstance(request, OutgoingCallRequest)
        machine = Machine.outgoing_lns if outgoing else Machine.incoming_lac
        call = L2tpCall(self, machine, self._free_id(), request, serial_number)
        self.calls[call.local_id] = call
        call.signal(LocalSignal.open, now)
        if self.state is L2tpState.established:
            self._tunnel_open(call, now)
        elif self.state is L2tpState.closed:
            call.signal(LocalSignal.lost, now, clearing=self.clearing)
        return call

    def close(self, clearing: Clearing, now: float) -> bool:
        """End the connection and every call in it (StopCCN); False if it has ended already."""
        return self.signal(LocalSignal.close, now, clearing=clearing)

    def adopt(self, calls: list[L2tpCall]) -> None:
        """Take calls that waited for a connection that gave way to this one (RFC 2661 7.2.1)."""
        for call in calls:
            call.connection = self
            self.calls[call.local_id] = call

    # Towards the network, for calls.

    def send(self, message: ControlMessage, session_id: int, now: float) -> None:
        """Send a message reliably."""
        self.delivery.push(session_id, write_message(message), now)

    def drop(self, call: L2tpCall) -> None:
        """Forget a call that ended."""
        self.calls.pop(call.local_id, None)

    def _free_id(self) -> int:
        """A random session ID that is not in use."""
        while (number := self._random.randint(1, 0xFFFF)) in self.calls:
            pass
        return number

    def _emit(self, session_id: int, ns: int, nr: int, body: bytes) -> None:
        data = write_datagram(self.remote_id, session_id, ns, nr, body)
        self.tell(SendDatagram(data, self.peer))

    # From the network.

    def receive(self, head: ControlDatagram, source: Peer, now: float) -> str:
        """Take a control message with this connection's ID; why it was not taken, or nothing."""
        # RFC 2661 8.1: a peer may answer from another port, and keeps to that.
        finding_port = self.state is L2tpState.wait_ctl_reply
        if source != self.peer and not (finding_port and source[0] == self.peer[0]):
            return "not from the peer"
        arrived = Arrived(head.session_id, head.body)
        ready = self.delivery.take(head.ns, head.nr, arrived, now)
        if ready is None:
            return "acknowledges what was never sent"
        if ready:
            self.peer = source
        self._heard_at = now
        self._until = now + self.settings.patience.cycle_s
        for message in ready:
            self._deliver(message, now)
        if self.delivery.overfull:
            self._lose(now)
        # xl2tpd (1.3.18, control.c) forgets a call that it has cleared only for a ZLB that names the call.
        cleared_ids, self._cleared_ids = self._cleared_ids, []
        for session_id in cleared_ids or [0]:
            self.delivery.acknowledge(session_id)
        return ""

    def _deliver(self, arrived: Arrived, now: float) -> None:
        reading = read_message(arrived.body)
        self.passed_over.extend(reading.passed_over)
        message = reading.message
        if message is None:
            if reading.flaw is not None:
                self.refuse(reading.flaw, now)
        elif message.kind in OF_CALLS and self.state is L2tpState.established:
            self._call_message(arrived.session_id, message, reading.flaw, now)
        elif message.kind is ControlType.StopCCN:
            # Whatever is wrong with it, the peer goes.
            self.signal(message.kind, now, clearing=Clearing.told(message))
        elif (clearing := complaint(reading)) is not None:
            # So that the peer finds the tunnel that StopCCN is about.
            self.remote_id = self.remote_id or message.number(Avp.assigned_tunnel_id)
            self.close(clearing, now)
        else:
            self.signal(message.kind, now, message=message)

    def _call_message(
        self, session_id: int, message: ControlMessage, flaw: Flaw | None, now: float
    ) -> None:
        call = self.calls.get(session_id)
        if call is None and session_id == 0:
            remote_id = message.number(Avp.assigned_session_id)
            call = next((c for c in self.calls.values() if c.remote_id == remote_id != 0), None)
            if call is None and message.kind in _ASKS:
                self._asked(message, flaw, now)
                return
            if message.kind is not ControlType.CDN:
                # RFC 2661 7.4, 7.5: whatever else comes for no call is passed over.
                return
        if call is None:
            return
        if flaw is not None and message.kind is not ControlType.CDN:
            call.refuse(flaw, now)
            return
        if message.kind is ControlType.CDN:
            self._cleared_ids.append(call.remote_id)
        call.hear(message, now)

    def _asked(self, message: ControlMessage, flaw: Flaw | None, now: float) -> None:
        machine = _ASKS[message.kind]
        request: IncomingCallRequest | OutgoingCallRequest = (
            OutgoingCallRequest.of(message)
            if machine is Machine.outgoing_lac
            else IncomingCallRequest.of(message)
        )
        serial_number = message.number(Avp.call_serial_number)
        call = L2tpCall(self, machine, self._free_id(), request, serial_number)
        clearing = call.objection(message, flaw)
        if clearing is None and len(self.calls) >= self.settings.call_limit:
            clearing = Clearing.call(CdnResult.no_facilities_now)
        if clearing is not None:
            call.turn_away(message, clearing, now)
            return
        self.calls[call.local_id] = call
        call.hear(message, now)

    def refuse(self, flaw: Flaw, now: float) -> None:
        """End the connection for a message that cannot be accepted."""
        self.close(Clearing.for_flaw(flaw, of_call=False), now)

    # Signals.

    def signal(
        self,
        signal: L2tpSignal,
        now: float,
        *,
        message: ControlMessage | None = None,
        clearing: Clearing | None = None,
    ) -> bool:
        """Let something happen, as the table says; False if it has no place in this state."""
        transition = TRANSITIONS.get((Machine.control, self.state, signal))
        if transition is None:
            return False
        if message is not None:
            self._learn(message)
        if transition.to is L2tpState.closed and self.clearing is None:
            self.clearing = clearing or Clearing.connection(
                StopResult.state_machine_error, f"{signal.name} in {self.state.value}"
            )
            self._until = now + self.settings.patience.cycle_s
        self.state = transition.to
        if transition.send is not None:
            self.send(self._message(transition.send), 0, now)
        if transition.tell is Tell.up:
            self.was_up = True
            self.tell(ConnectionUp(self))
            for call in list(self.calls.values()):
                self._tunnel_open(call, now)
        elif transition.tell is Tell.down:
            self._down(now)
        return True

    def _down(self, now: float) -> None:
        assert self.clearing is not None
        for call in list(self.calls.values()):
            call.signal(LocalSignal.lost, now, clearing=self.clearing)
        self.tell(ConnectionDown(self, self.clearing))

    def _tunnel_open(self, call: L2tpCall, now: float) -> None:
        if call.machine is Machine.outgoing_lns and self.bearer is None:
            # RFC 2661 6.9: who sends no Bearer Capabilities places no calls.
            text = "the peer places no calls: it sent no Bearer Capabilities"
            call.clear(Clearing.call(CdnResult.no_facilities, text), now)
        else:
            call.signal(LocalSignal.tunnel_open, now)

    def _learn(self, message: ControlMessage) -> None:
        if message.kind not in (ControlType.SCCRQ, ControlType.SCCRP) or self.remote_id:
            return
        self.remote_id = message.number(Avp.assigned_tunnel_id)
        self.host_name = message.text(Avp.host_name)
        self.vendor_name = message.text(Avp.vendor_name)
        self.framing = FramingType(message.number(Avp.framing_capabilities))
        if Avp.bearer_capabilities in message.avps:
            self.bearer = BearerType(message.number(Avp.bearer_capabilities))
        if Avp.receive_window_size in message.avps:
            self.delivery.open_window(message.number(Avp.receive_window_size))

    def _message(self, kind: ControlType) -> ControlMessage:
        avps: dict[Avp, AvpValue] = {}
        if kind is ControlType.SCCCN:
            return ControlMessage(kind)
        if kind is ControlType.StopCCN:
            clearing = self.clearing or Clearing.connection(StopResult.cleared)
            avps[Avp.result_code] = clearing.value
        else:
            avps = node_avps(self.settings)
            if kind is ControlType.SCCRQ and self.tie_breaker:
                avps[Avp.tie_breaker] = self.tie_breaker
        return ControlMessage(kind, avps | {Avp.assigned_tunnel_id: self.local_id})

    # Time.

    @property
    def half_open(self) -> bool:
        return self.state in (L2tpState.wait_ctl_reply, L2tpState.wait_ctl_conn)

    @property
    def next_due(self) -> float:
        """When ``tick`` has something to do."""
        due = [] if self.delivery.due is None else [self.delivery.due]
        if self.state is L2tpState.closed:
            due.append(self._until)
        elif self.half_open:
            due.append(self._since + self.settings.establish_s)
        elif self.delivery.settled:
            due.append(self._heard_at + self.settings.hello_s)
        return min(due, default=self._since)

    def tick(self, now: float) -> bool:
        """Do what is due; False once the connection is over and done with."""
        if not self.delivery.tick(now):
            self._lose(now)
            return False
        if self.state is L2tpState.closed:
            return now < self._until
        if self.half_open and now >= self._since + self.settings.establish_s:
            text = f"not established within {self.settings.establish_s:g} s"
            self.close(Clearing.connection(StopResult.cleared, text), now)
        elif self.delivery.settled and now >= self._heard_at + self.settings.hello_s:
            self.send(ControlMessage(ControlType.HELLO), 0, now)
        return True

    def _lose(self, now: float) -> None:
        message = read_message(self.delivery.oldest).message
        name = message.kind.name if message is not None else "a message"
        clearing = Clearing(False, 0, text=f"no answer to {name}", by=ClearedBy.silence)
        self.signal(LocalSignal.lost, now, clearing=clearing)
