"""What a call is to be, how it came about, and why it ended: plain data, to and from the AVPs of messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from lab.l2tp.avps import AvpValue, Q931Cause, ResultValue
from lab.l2tp.messages import TEXT_MAX, ControlMessage, Flaw
from lab.wire.l2tp_codes import (
    Avp,
    BearerType,
    CdnResult,
    ControlType,
    FramingType,
    GeneralError,
    StopResult,
)


@dataclass(frozen=True, slots=True)
class IncomingCallRequest:
    """What a LAC says of a call that came in (ICRQ)."""

    called_number: str = ""
    calling_number: str = ""
    sub_address: str = ""
    bearer: BearerType | None = None
    """Neither bit for a call that is on no line; None leaves it out."""
    physical_channel_id: int | None = None

    @property
    def avps(self) -> dict[Avp, AvpValue]:
        return _given(
            {
                Avp.bearer_type: self.bearer,
                Avp.physical_channel_id: self.physical_channel_id,
                Avp.called_number: self.called_number or None,
                Avp.calling_number: self.calling_number or None,
                Avp.sub_address: self.sub_address or None,
            }
        )

    @staticmethod
    def of(message: ControlMessage) -> IncomingCallRequest:
        given = message.avps
        return IncomingCallRequest(
            called_number=message.text(Avp.called_number),
            calling_number=message.text(Avp.calling_number),
            sub_address=message.text(Avp.sub_address),
            bearer=BearerType(message.number(Avp.bearer_type))
            if Avp.bearer_type in given
            else None,
            physical_channel_id=_number(message, Avp.physical_channel_id),
        )


@dataclass(frozen=True, slots=True)
class OutgoingCallRequest:
    """Which call a LNS wants a LAC to place (OCRQ)."""

    called_number: str
    minimum_bps: int = 0
    maximum_bps: int = 0xFFFFFFFF
    bearer: BearerType = BearerType.analog
    framing: FramingType = FramingType.asynchronous
    sub_address: str = ""

    @property
    def avps(self) -> dict[Avp, AvpValue]:
        return _given(
            {
                Avp.minimum_bps: self.minimum_bps,
                Avp.maximum_bps: self.maximum_bps,
                Avp.bearer_type: self.bearer,
                Avp.framing_type: self.framing,
                Avp.called_number: self.called_number,
                Avp.sub_address: self.sub_address or None,
            }
        )

    @staticmethod
    def of(message: ControlMessage) -> OutgoingCallRequest:
        return OutgoingCallRequest(
            called_number=message.text(Avp.called_number),
            minimum_bps=message.number(Avp.minimum_bps),
            maximum_bps=message.number(Avp.maximum_bps),
            bearer=BearerType(message.number(Avp.bearer_type)),
            framing=FramingType(message.number(Avp.framing_type)),
            sub_address=message.text(Avp.sub_address),
        )


@dataclass(frozen=True, slots=True)
class LineConnection:
    """How a LAC's call came about (ICCN, OCCN)."""

    tx_bps: int
    """bit/s towards the remote end; both ways if ``rx_bps`` is None."""
    framing: FramingType = FramingType.asynchronous
    rx_bps: int | None = None
    sequencing_required: bool = False
    """Data messages must have sequence numbers."""
    proxy: Mapping[Avp, AvpValue] = field(default_factory=dict)
    """LCP and authentication that the LAC did, and the private group (RFC 2661 4.4.5); only in ICCN."""

    @property
    def avps(self) -> dict[Avp, AvpValue]:
        given = _given(
            {
                Avp.tx_connect_speed: self.tx_bps,
                Avp.framing_type: self.framing,
                Avp.rx_connect_speed: self.rx_bps,
                Avp.sequencing_required: b"" if self.sequencing_required else None,
            }
        )
        return given | dict(self.proxy)

    @staticmethod
    def of(message: ControlMessage) -> LineConnection:
        own = (
            Avp.tx_connect_speed,
            Avp.framing_type,
            Avp.rx_connect_speed,
            Avp.sequencing_required,
        )
        return LineConnection(
            tx_bps=message.number(Avp.tx_connect_speed),
            framing=FramingType(message.number(Avp.framing_type)),
            rx_bps=_number(message, Avp.rx_connect_speed),
            sequencing_required=Avp.sequencing_required in message.avps,
            proxy={kind: value for kind, value in message.avps.items() if kind not in own},
        )


class ClearedBy(Enum):
    """Who ended a call or a control connection."""

    local = "this side"
    peer = "the peer"
    silence = "nobody: the peer does not answer"
    flaw = "this side, for a message that it cannot accept"
    tie = "this side, for the peer's own tunnel stays"


@dataclass(frozen=True, slots=True)
class Clearing:
    """Why a call or a control connection ended."""

    of_call: bool
    """By CDN; otherwise with the control connection."""
    result: int
    """A ``CdnResult`` or a ``StopResult``; a peer may say any number, and 0 if nothing was said."""
    error: int | None = None
    """A ``GeneralError``; a peer may say any number."""
    text: str = ""
    cause: Q931Cause | None = None
    """What the telephone network said."""
    by: ClearedBy = ClearedBy.local

    @staticmethod
    def call(
        result: CdnResult,
        text: str = "",
        *,
        error: GeneralError | None = None,
        cause: Q931Cause | None = None,
    ) -> Clearing:
        """For CDN."""
        return Clearing(True, result, error, text, cause)

    @staticmethod
    def connection(
        result: StopResult, text: str = "", *, error: GeneralError | None = None
    ) -> Clearing:
        """For StopCCN."""
        return Clearing(False, result, error, text)

    @staticmethod
    def for_flaw(flaw: Flaw, *, of_call: bool) -> Clearing:
        """What a sender is told whose message cannot be accepted (RFC 2661 7.1)."""
        result = CdnResult.general_error if of_call else StopResult.general_error
        return Clearing(of_call, result, flaw.error, flaw.text, by=ClearedBy.flaw)

    @staticmethod
    def told(message: ControlMessage) -> Clearing:
        """What a peer says in CDN or StopCCN."""
        result, error, text = message.result
        of_call = message.kind is ControlType.CDN
        return Clearing(of_call, result, error, text, message.cause, ClearedBy.peer)

    @property
    def value(self) -> ResultValue:
        """As a Result Code AVP: a text needs an error code before it, and 0 is no error."""
        text = self.text.encode()[:TEXT_MAX].decode(errors="ignore")
        error = self.error if self.error is not None or not text else GeneralError.none
        return ResultValue(self.result, error, text)

    def __str__(self) -> str:
        """For people: ``result 8 (the called line is busy)``."""
        if self.result == 0:
            return self.text or "without a word"
        kinds = CdnResult if self.of_call else StopResult
        words = f"result {self.result}{_meaning(kinds, self.result)}"
        if self.error:
            words += f", error {self.error}{_meaning(GeneralError, self.error)}"
        return f"{words}: {self.text}" if self.text else words


def _meaning(codes: type[CdnResult | StopResult | GeneralError], number: int) -> str:
    found = next((code for code in codes if code == number), None)
    return f" ({found.meaning})" if found is not None else ""


def _given(avps: dict[Avp, AvpValue | None]) -> dict[Avp, AvpValue]:
    return {kind: value for kind, value in avps.items() if value is not None}


def _number(message: ControlMessage, kind: Avp) -> int | None:
    return message.number(kind) if kind in message.avps else None
