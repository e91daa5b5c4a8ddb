"""Control messages: which AVPs each must and may have (RFC 2661 6), and their bytes.

``read_message`` judges a body by RFC 2661 4.1, 4.2 and 7.1: what is unknown or malformed and not mandatory is
passed over, and everything else is a ``Flaw``, with the error code that the sender is to be told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lab.errors import LabBroke
from lab.l2tp.avps import (
    RULES,
    AvpValue,
    CallErrors,
    LinkAccm,
    OutOfRange,
    Q931Cause,
    ResultValue,
    WrongLength,
    read_value,
    title,
    write_value,
)
from lab.wire import l2tp
from lab.wire.l2tp import RawAvp
from lab.wire.l2tp_codes import Avp, ControlType, GeneralError

TEXT_MAX = 100
"""Octets of text beside an error code; xl2tpd keeps 119."""
_HEAD = l2tp.CONTROL | l2tp.HAS_LENGTH | l2tp.HAS_SEQUENCE | l2tp.VERSION


class Flaw(NamedTuple):
    """Why a message cannot be accepted."""

    error: GeneralError
    text: str


@dataclass(frozen=True, slots=True)
class ControlMessage:
    """A control message with its AVPs, each at most once and without Message Type."""

    kind: ControlType
    avps: Mapping[Avp, AvpValue] = field(default_factory=dict)

    def number(self, kind: Avp, default: int = 0) -> int:
        value = self.avps.get(kind, default)
        return value if isinstance(value, int) else default

    def text(self, kind: Avp) -> str:
        value = self.avps.get(kind, "")
        return value if isinstance(value, str) else ""

    def octets(self, kind: Avp) -> bytes:
        value = self.avps.get(kind, b"")
        return value if isinstance(value, bytes) else b""

    @property
    def result(self) -> ResultValue:
        value = self.avps.get(Avp.result_code)
        return value if isinstance(value, ResultValue) else ResultValue(0)

    @property
    def cause(self) -> Q931Cause | None:
        value = self.avps.get(Avp.q931_cause_code)
        return value if isinstance(value, Q931Cause) else None

    @property
    def errors(self) -> CallErrors:
        value = self.avps.get(Avp.call_errors)
        return value if isinstance(value, CallErrors) else CallErrors()

    @property
    def accm(self) -> LinkAccm:
        value = self.avps.get(Avp.accm)
        return value if isinstance(value, LinkAccm) else LinkAccm()


@dataclass(frozen=True, slots=True)
class MessageReading:
    """What came of reading a body."""

    number: int
    """The message type as it stands there; 0 if there is none."""
    message: ControlMessage | None
    """None for a type that is unknown; with what could be read if there is a flaw."""
    flaw: Flaw | None = None
    passed_over: tuple[str, ...] = ()
    """What was neither understood nor mandatory."""


class MessageRule(NamedTuple):
    """The AVPs of a message beside Message Type and Random Vector (RFC 2661 6)."""

    needed: tuple[Avp, ...]
    allowed: tuple[Avp, ...] = ()


# fmt: off
_NODE = (Avp.protocol_version, Avp.framing_capabilities, Avp.host_name, Avp.assigned_tunnel_id)
_NODE_MAY = (Avp.bearer_capabilities, Avp.receive_window_size, Avp.challenge, Avp.firmware_revision,
             Avp.vendor_name)
_CALL = (Avp.assigned_session_id, Avp.call_serial_number)
_CONNECT = (Avp.tx_connect_speed, Avp.framing_type)
_CONNECT_MAY = (Avp.rx_connect_speed, Avp.sequencing_required)
_PROXY = (Avp.initial_received_lcp_confreq, Avp.last_sent_lcp_confreq, Avp.last_received_lcp_confreq,
          Avp.proxy_authen_type, Avp.proxy_authen_name, Avp.proxy_authen_challenge, Avp.proxy_authen_id,
          Avp.proxy_authen_response, Avp.private_group_id)
MESSAGES: Mapping[ControlType, MessageRule] = {
    ControlType.SCCRQ: MessageRule(_NODE, (*_NODE_MAY, Avp.tie_breaker)),
    ControlType.SCCRP: MessageRule(_NODE, (*_NODE_MAY, Avp.challenge_response)),
    ControlType.SCCCN: MessageRule((), (Avp.challenge_response,)),
    ControlType.StopCCN: MessageRule((Avp.assigned_tunnel_id, Avp.result_code)),
    ControlType.HELLO: MessageRule(()),
    ControlType.OCRQ: MessageRule(
        (*_CALL, Avp.minimum_bps, Avp.maximum_bps, Avp.bearer_type, Avp.framing_type, Avp.called_number),
        (Avp.sub_address,)),
    ControlType.OCRP: MessageRule((Avp.assigned_session_id,), (Avp.physical_channel_id,)),
    ControlType.OCCN: MessageRule(_CONNECT, _CONNECT_MAY),
    ControlType.ICRQ: MessageRule(_CALL, (Avp.bearer_type, Avp.physical_channel_id, Avp.calling_number,
                                          Avp.called_number, Avp.sub_address)),
    ControlType.ICRP: MessageRule((Avp.assigned_session_id,)),
    ControlType.ICCN: MessageRule(_CONNECT, (*_CONNECT_MAY, *_PROXY)),
    ControlType.CDN: MessageRule((Avp.result_code, Avp.assigned_session_id), (Avp.q931_cause_code,)),
    ControlType.WEN: MessageRule((Avp.call_errors,)),
    ControlType.SLI: MessageRule((Avp.accm,)),
}
# fmt: on


def write_message(message: ControlMessage) -> bytes:
    """The body of a message. Raises LabBroke if its AVPs are not what they must be."""
    rule = MESSAGES[message.kind]
    missing = [kind for kind in rule.needed if kind not in message.avps]
    strange = [kind for kind in message.avps if kind not in (*rule.needed, *rule.allowed)]
    if missing or strange:
        names = ", ".join(title(kind) for kind in (*missing, *strange))
        raise LabBroke(f"{message.kind.name} with wrong AVPs: {names}")
    try:
        return _avp(Avp.message_type, message.kind) + b"".join(
            _avp(kind, value) for kind, value in sorted(message.avps.items())
        )
    except (WrongLength, OutOfRange) as error:
        raise LabBroke(f"{message.kind.name}: {error}") from error


def write_datagram(tunnel_id: int, session_id: int, ns: int, nr: int, body: bytes) -> bytes:
    """A control message with its header; without a body it is an acknowledgement (ZLB)."""
    words = (_HEAD, l2tp.CONTROL_HEAD + len(body), tunnel_id, session_id, ns, nr)
    return b"".join(word.to_bytes(2, "big") for word in words) + body


def _avp(kind: Avp, value: AvpValue) -> bytes:
    raw = write_value(kind, value)
    head = l2tp.AVP_HEAD + len(raw) | (l2tp.MANDATORY if RULES[kind].mandatory else 0)
    return head.to_bytes(2, "big") + bytes(2) + kind.to_bytes(2, "big") + raw


def read_message(body: bytes) -> MessageReading:
    """Read and judge the body of a control message; anything at all may be in it."""
    raws = list(l2tp.walk(body))
    length = sum(raw.head & l2tp.LENGTH for raw in raws)
    if not raws or not _names_a_type(raws[0]):
        return MessageReading(
            0, None, Flaw(GeneralError.vendor_specific, "the first AVP is no Message Type")
        )
    number = int.from_bytes(raws[0].value, "big")
    try:
        kind = ControlType(number)
    except ValueError:
        unknown = Flaw(GeneralError.out_of_range, f"Message Type is {number}")
        mandatory = raws[0].head & l2tp.MANDATORY
        return MessageReading(number, None, unknown if mandatory else None, (unknown.text,))

    avps, flaw, passed_over = _judge(kind, raws[1:])
    if flaw is None and length != len(body):
        flaw = Flaw(GeneralError.wrong_length, "an AVP does not fit into the message")
    if flaw is None:
        missing = [title(needed) for needed in MESSAGES[kind].needed if needed not in avps]
        if missing:
            flaw = Flaw(GeneralError.vendor_specific, f"{', '.join(missing)} missing")
    return MessageReading(number, ControlMessage(kind, avps), flaw, tuple(passed_over))


def _names_a_type(raw: RawAvp) -> bool:
    known = raw.vendor == 0 and raw.kind == Avp.message_type
    return known and len(raw.value) == 2 and not raw.head & (l2tp.HIDDEN | l2tp.RESERVED)


def _judge(
    kind: ControlType, raws: list[RawAvp]
) -> tuple[dict[Avp, AvpValue], Flaw | None, list[str]]:
    """The AVPs that can be read, the first flaw, and what was passed over."""
    rule = MESSAGES[kind]
    avps: dict[Avp, AvpValue] = {}
    flaw: Flaw | None = None
    passed_over: list[str] = []
    for raw in raws:
        try:
            name, value = _read(raw)
        except _AvpFlaw as error:
            if raw.head & l2tp.MANDATORY:
                flaw = flaw or error.flaw
            else:
                passed_over.append(error.flaw.text)
            continue
        # What does not belong into this message is understood, and says nothing; xl2tpd does the same.
        if name in (*rule.needed, *rule.allowed):
            avps.setdefault(name, value)
    return avps, flaw, passed_over


class _AvpFlaw(Exception):
    def __init__(self, error: GeneralError, text: str) -> None:
        super().__init__(text)
        self.flaw = Flaw(error, text)


def _read(raw: RawAvp) -> tuple[Avp, AvpValue]:
    unknown = GeneralError.unknown_mandatory_avp
    if raw.vendor:
        raise _AvpFlaw(unknown, f"AVP {raw.kind} of vendor {raw.vendor} is unknown")
    if raw.head & l2tp.RESERVED:
        # RFC 2661 4.1: such an AVP is to be taken for an unknown one.
        raise _AvpFlaw(unknown, f"AVP {raw.kind} has reserved bits")
    if raw.head & l2tp.HIDDEN:
        # RFC 2661 4.3 needs a shared secret, and there is none.
        raise _AvpFlaw(unknown, f"AVP {raw.kind} is hidden, and there is no shared secret")
    try:
        kind = Avp(raw.kind)
    except ValueError:
        raise _AvpFlaw(unknown, f"AVP {raw.kind} is unknown") from None
    try:
        return kind, read_value(kind, raw.value)
    except WrongLength as error:
        raise _AvpFlaw(GeneralError.wrong_length, str(error)) from None
    except OutOfRange as error:
        raise _AvpFlaw(GeneralError.out_of_range, str(error)) from None
