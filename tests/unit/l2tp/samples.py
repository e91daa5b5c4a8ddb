"""One of each control message with every AVP that it may have, and AVPs put together octet by octet."""

from __future__ import annotations

from lab.l2tp.avps import AvpValue, CallErrors, LinkAccm, Q931Cause, ResultValue
from lab.l2tp.messages import ControlMessage
from lab.wire.l2tp_codes import Avp, BearerType, ControlType, FramingType

_NODE: dict[Avp, AvpValue] = {
    Avp.protocol_version: 0x0100,
    Avp.framing_capabilities: FramingType.asynchronous | FramingType.synchronous,
    Avp.bearer_capabilities: BearerType.analog,
    Avp.firmware_revision: 0x0123,
    Avp.host_name: "hmc.example",
    Avp.vendor_name: "callhome-lab",
    Avp.assigned_tunnel_id: 40001,
    Avp.receive_window_size: 8,
    Avp.challenge: b"\x01\x02\x03\x04",
}
_RESPONSE = bytes(range(16))
SAMPLES = (
    ControlMessage(ControlType.SCCRQ, _NODE | {Avp.tie_breaker: b"\x11" * 8}),
    ControlMessage(ControlType.SCCRP, _NODE | {Avp.challenge_response: _RESPONSE}),
    ControlMessage(ControlType.SCCCN, {Avp.challenge_response: _RESPONSE}),
    ControlMessage(
        ControlType.StopCCN,
        {Avp.assigned_tunnel_id: 40001, Avp.result_code: ResultValue(2, 8, "AVP 99 is unknown")},
    ),
    ControlMessage(ControlType.HELLO),
    ControlMessage(
        ControlType.OCRQ,
        {
            Avp.assigned_session_id: 50001,
            Avp.call_serial_number: 77,
            Avp.minimum_bps: 2400,
            Avp.maximum_bps: 33600,
            Avp.bearer_type: BearerType.analog,
            Avp.framing_type: FramingType.asynchronous,
            Avp.called_number: "18005550100",
            Avp.sub_address: "9",
        },
    ),
    ControlMessage(ControlType.OCRP, {Avp.assigned_session_id: 50002, Avp.physical_channel_id: 3}),
    ControlMessage(
        ControlType.OCCN,
        {
            Avp.tx_connect_speed: 33600,
            Avp.rx_connect_speed: 31200,
            Avp.framing_type: FramingType.asynchronous,
            Avp.sequencing_required: b"",
        },
    ),
    ControlMessage(
        ControlType.ICRQ,
        {
            Avp.assigned_session_id: 50003,
            Avp.call_serial_number: 78,
            Avp.bearer_type: BearerType.digital,
            Avp.physical_channel_id: 4,
            Avp.called_number: "5550100",
            Avp.calling_number: "5550001",
            Avp.sub_address: "8",
        },
    ),
    ControlMessage(ControlType.ICRP, {Avp.assigned_session_id: 50004}),
    ControlMessage(
        ControlType.ICCN,
        {
            Avp.tx_connect_speed: 10_000_000,
            Avp.rx_connect_speed: 9_000_000,
            Avp.framing_type: FramingType.synchronous,
            Avp.sequencing_required: b"",
            Avp.initial_received_lcp_confreq: b"\x05\x06\x01\x02\x03\x04",
            Avp.last_sent_lcp_confreq: b"\x03\x04\xc0\x23",
            Avp.last_received_lcp_confreq: b"\x05\x06\x01\x02\x03\x05",
            Avp.proxy_authen_type: 2,
            Avp.proxy_authen_name: b"hmc",
            Avp.proxy_authen_challenge: b"\xaa\xbb",
            Avp.proxy_authen_id: 1,
            Avp.proxy_authen_response: b"\xcc" * 16,
            Avp.private_group_id: b"group",
        },
    ),
    ControlMessage(
        ControlType.CDN,
        {
            Avp.result_code: ResultValue(8, 0, "the line is busy"),
            Avp.assigned_session_id: 50005,
            Avp.q931_cause_code: Q931Cause(17, 0x45, "user busy"),
        },
    ),
    ControlMessage(ControlType.WEN, {Avp.call_errors: CallErrors(1, 2, 3, 4, 5, 6)}),
    ControlMessage(ControlType.SLI, {Avp.accm: LinkAccm(0x000A0000, 0xFFFFFFFF)}),
)


def avp(kind: int, value: str = "", *, vendor: int = 0, bits: int = 0x8000) -> bytes:
    """An AVP, whatever is in it; ``bits`` are those beside its length."""
    raw = bytes.fromhex(value)
    words = (bits | 6 + len(raw), vendor, kind)
    return b"".join(word.to_bytes(2, "big") for word in words) + raw


def body(*avps: bytes) -> bytes:
    return b"".join(avps)
