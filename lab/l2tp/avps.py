"""What each AVP of RFC 2661 4.4 holds: its form, length and range, and whether it is mandatory.

A value is plain: a number, text, octets, or one of the records below. ``RULES`` has all of them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, TypeAlias

from lab.wire.l2tp_codes import Avp

VALUE_MAX = 1023 - 6
"""Octets of a value: the length has ten bits, and counts the six of the head (RFC 2661 4.1)."""
_MASK = 0x3
"""The two bits of each mask that have a meaning (RFC 2661 4.4.3); the others are reserved."""


class ResultValue(NamedTuple):
    """Result Code: why a call or a control connection ends (RFC 2661 4.4.2)."""

    result: int
    error: int | None = None
    text: str = ""
    """For people; goes only with an error code."""


class Q931Cause(NamedTuple):
    """Q.931 Cause Code: what the telephone network said of the call (RFC 2661 4.4.4)."""

    code: int
    """0 to 127, of Q.850: 16 is normal clearing, 17 user busy."""
    message: int = 0x45
    """The Q.931 message that brought it; 0x45 is DISCONNECT."""
    advisory: str = ""


class CallErrors(NamedTuple):
    """Call Errors: counters of a line since the call came about (RFC 2661 4.4.6)."""

    crc: int = 0
    framing: int = 0
    hardware_overruns: int = 0
    buffer_overruns: int = 0
    time_outs: int = 0
    alignment: int = 0


class LinkAccm(NamedTuple):
    """ACCM: the characters that asynchronous PPP escapes (RFC 2661 4.4.6, RFC 1662 7.1)."""

    send: int = 0xFFFFFFFF
    receive: int = 0xFFFFFFFF


AvpValue: TypeAlias = int | str | bytes | ResultValue | Q931Cause | CallErrors | LinkAccm


class AvpForm(Enum):
    """How a value is written."""

    word = auto()
    """16 bits."""
    long = auto()
    """32 bits."""
    text = auto()
    """UTF-8; what is none is replaced."""
    digits = auto()
    """Printable ASCII: a telephone number, or what goes with one."""
    octets = auto()
    absent = auto()
    """No value: that the AVP is there says all."""
    result = auto()
    cause = auto()
    errors = auto()
    accm = auto()


@dataclass(frozen=True, slots=True)
class AvpRule:
    """What must hold for an attribute."""

    form: AvpForm
    mandatory: bool
    """The M bit that it is sent with."""
    shortest: int
    """Octets of the value."""
    longest: int
    least: int = 0
    most: int = 0xFFFFFFFF
    """The range of a number."""


class WrongLength(ValueError):
    """An AVP's value has a length that it must not have: error code 2."""


class OutOfRange(ValueError):
    """An AVP's value is out of its range, or a reserved field is not 0: error code 3."""


def read_value(kind: Avp, raw: bytes) -> AvpValue:
    """Read the value of an AVP. Raises WrongLength or OutOfRange, with the AVP's name."""
    rule = RULES[kind]
    if not rule.shortest <= len(raw) <= rule.longest:
        wanted = f"{rule.shortest}" if rule.shortest == rule.longest else f"{rule.shortest} or more"
        raise WrongLength(f"{title(kind)} has {len(raw)} octets, not {wanted}")
    value = _READERS[rule.form](raw)
    if isinstance(value, int) and not rule.least <= value <= rule.most:
        raise OutOfRange(f"{title(kind)} is {value}")
    if value is None:
        what = (
            "no printable ASCII"
            if rule.form is AvpForm.digits
            else "a reserved field that is not 0"
        )
        raise OutOfRange(f"{title(kind)} has {what}")
    return value


def write_value(kind: Avp, value: AvpValue) -> bytes:
    """Write the value of an AVP. Raises WrongLength or OutOfRange if it must not be sent so."""
    rule = RULES[kind]
    try:
        raw = _WRITERS[rule.form](value)
    except (struct.error, TypeError, AttributeError, ValueError) as error:
        raise OutOfRange(f"{title(kind)} cannot be {value!r}") from error
    read_value(kind, raw)
    return raw


def title(kind: Avp) -> str:
    """An attribute's name for people: ``Host Name (7)``."""
    return f"{_TITLES.get(kind) or kind.name.replace('_', ' ').title()} ({kind.value})"


_TITLES = {
    Avp.assigned_tunnel_id: "Assigned Tunnel ID",
    Avp.assigned_session_id: "Assigned Session ID",
    Avp.q931_cause_code: "Q.931 Cause Code",
    Avp.minimum_bps: "Minimum BPS",
    Avp.maximum_bps: "Maximum BPS",
    Avp.sub_address: "Sub-Address",
    Avp.physical_channel_id: "Physical Channel ID",
    Avp.initial_received_lcp_confreq: "Initial Received LCP CONFREQ",
    Avp.last_sent_lcp_confreq: "Last Sent LCP CONFREQ",
    Avp.last_received_lcp_confreq: "Last Received LCP CONFREQ",
    Avp.proxy_authen_id: "Proxy Authen ID",
    Avp.private_group_id: "Private Group ID",
    Avp.accm: "ACCM",
}

_WORD, _LONG = struct.Struct("!H"), struct.Struct("!I")
_RESULT, _CAUSE = struct.Struct("!HH"), struct.Struct("!HB")
_ERRORS, _ACCM = struct.Struct("!H6I"), struct.Struct("!H2I")


def _read_digits(raw: bytes) -> str | None:
    return raw.decode() if all(0x20 <= octet < 0x7F for octet in raw) else None


def _read_result(raw: bytes) -> ResultValue:
    # An error code cut in half is none.
    if len(raw) < _RESULT.size:
        return ResultValue(_WORD.unpack_from(raw)[0])
    result, error = _RESULT.unpack_from(raw)
    return ResultValue(result, error, raw[_RESULT.size :].decode(errors="replace"))


def _write_result(value: ResultValue) -> bytes:
    if value.error is None:
        return _WORD.pack(value.result)
    return _RESULT.pack(value.result, value.error) + value.text.encode()


def _read_cause(raw: bytes) -> Q931Cause:
    code, message = _CAUSE.unpack_from(raw)
    # What is no ASCII must not stay, for the cause may be passed on to another peer.
    advisory = raw[_CAUSE.size :].decode("ascii", "replace").replace("\ufffd", "?")
    return Q931Cause(code, message, advisory)


def _read_errors(raw: bytes) -> CallErrors | None:
    reserved, *counts = _ERRORS.unpack(raw)
    return None if reserved else CallErrors(*counts)


def _read_accm(raw: bytes) -> LinkAccm | None:
    reserved, *maps = _ACCM.unpack(raw)
    return None if reserved else LinkAccm(*maps)


_READERS: Mapping[AvpForm, Callable[[bytes], AvpValue | None]] = {
    AvpForm.word: lambda raw: int(_WORD.unpack(raw)[0]),
    AvpForm.long: lambda raw: int(_LONG.unpack(raw)[0]),
    AvpForm.text: lambda raw: raw.decode(errors="replace"),
    AvpForm.digits: _read_digits,
    AvpForm.octets: bytes,
    AvpForm.absent: bytes,
    AvpForm.result: _read_result,
    AvpForm.cause: _read_cause,
    AvpForm.errors: _read_errors,
    AvpForm.accm: _read_accm,
}
_WRITERS: Mapping[AvpForm, Callable[..., bytes]] = {
    AvpForm.word: _WORD.pack,
    AvpForm.long: _LONG.pack,
    AvpForm.text: str.encode,
    AvpForm.digits: str.encode,
    AvpForm.octets: bytes,
    AvpForm.absent: bytes,
    AvpForm.result: _write_result,
    AvpForm.cause: lambda v: _CAUSE.pack(v.code, v.message) + v.advisory.encode("ascii"),
    AvpForm.errors: lambda v: _ERRORS.pack(0, *v),
    AvpForm.accm: lambda v: _ACCM.pack(0, *v),
}

_F = AvpForm
# fmt: off
RULES: Mapping[Avp, AvpRule] = {
    # attribute                         form     M bit  octets         least, most
    Avp.message_type:                 AvpRule(_F.word,   True,  2, 2),
    Avp.result_code:                  AvpRule(_F.result, True,  2, VALUE_MAX),
    Avp.protocol_version:             AvpRule(_F.word,   True,  2, 2),
    Avp.framing_capabilities:         AvpRule(_F.long,   True,  4, 4, 0, _MASK),
    Avp.bearer_capabilities:          AvpRule(_F.long,   True,  4, 4, 0, _MASK),
    Avp.tie_breaker:                  AvpRule(_F.octets, False, 8, 8),
    Avp.firmware_revision:            AvpRule(_F.word,   False, 2, 2),
    Avp.host_name:                    AvpRule(_F.text,   True,  1, VALUE_MAX),
    Avp.vendor_name:                  AvpRule(_F.text,   False, 0, VALUE_MAX),
    Avp.assigned_tunnel_id:           AvpRule(_F.word,   True,  2, 2, 1),
    Avp.receive_window_size:          AvpRule(_F.word,   True,  2, 2, 1),
    Avp.challenge:                    AvpRule(_F.octets, True,  1, VALUE_MAX),
    Avp.q931_cause_code:              AvpRule(_F.cause,  True,  3, VALUE_MAX),
    Avp.challenge_response:           AvpRule(_F.octets, True,  16, 16),
    Avp.assigned_session_id:          AvpRule(_F.word,   True,  2, 2, 1),
    Avp.call_serial_number:           AvpRule(_F.long,   True,  4, 4),
    Avp.minimum_bps:                  AvpRule(_F.long,   True,  4, 4),
    Avp.maximum_bps:                  AvpRule(_F.long,   True,  4, 4),
    Avp.bearer_type:                  AvpRule(_F.long,   True,  4, 4, 0, _MASK),
    Avp.framing_type:                 AvpRule(_F.long,   True,  4, 4, 0, _MASK),
    Avp.called_number:                AvpRule(_F.digits, True,  0, VALUE_MAX),
    Avp.calling_number:               AvpRule(_F.digits, True,  0, VALUE_MAX),
    Avp.sub_address:                  AvpRule(_F.digits, True,  0, VALUE_MAX),
    Avp.tx_connect_speed:             AvpRule(_F.long,   True,  4, 4),
    Avp.physical_channel_id:          AvpRule(_F.long,   False, 4, 4),
    Avp.initial_received_lcp_confreq: AvpRule(_F.octets, False, 0, VALUE_MAX),
    Avp.last_sent_lcp_confreq:        AvpRule(_F.octets, False, 0, VALUE_MAX),
    Avp.last_received_lcp_confreq:    AvpRule(_F.octets, False, 0, VALUE_MAX),
    Avp.proxy_authen_type:            AvpRule(_F.word,   False, 2, 2, 1, 5),
    Avp.proxy_authen_name:            AvpRule(_F.octets, False, 0, VALUE_MAX),
    Avp.proxy_authen_challenge:       AvpRule(_F.octets, False, 1, VALUE_MAX),
    Avp.proxy_authen_id:              AvpRule(_F.word,   False, 2, 2, 0, 0xFF),
    Avp.proxy_authen_response:        AvpRule(_F.octets, False, 0, VALUE_MAX),
    Avp.call_errors:                  AvpRule(_F.errors, True,  26, 26),
    Avp.accm:                         AvpRule(_F.accm,   True,  10, 10),
    Avp.random_vector:                AvpRule(_F.octets, True,  0, VALUE_MAX),
    Avp.private_group_id:             AvpRule(_F.octets, False, 0, VALUE_MAX),
    Avp.rx_connect_speed:             AvpRule(_F.long,   False, 4, 4),
    Avp.sequencing_required:          AvpRule(_F.absent, True,  0, 0),
}
# fmt: on
