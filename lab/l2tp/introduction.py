"""How nodes introduce themselves when they set up a control connection, and what is not accepted then."""

from __future__ import annotations

from lab.l2tp.avps import AvpValue
from lab.l2tp.messages import MessageReading
from lab.l2tp.requests import ClearedBy, Clearing
from lab.l2tp.settings import L2tpSettings
from lab.wire.l2tp_codes import Avp, GeneralError, StopResult

PROTOCOL_VERSION = 0x0100
"""Version 1, revision 0 (RFC 2661 4.4.3)."""


def node_avps(settings: L2tpSettings) -> dict[Avp, AvpValue]:
    """What a node says of itself in SCCRQ and SCCRP."""
    avps: dict[Avp, AvpValue] = {
        Avp.protocol_version: PROTOCOL_VERSION,
        Avp.framing_capabilities: settings.framing,
        Avp.firmware_revision: settings.firmware_revision,
        Avp.host_name: settings.host_name,
        Avp.vendor_name: settings.vendor_name,
        Avp.receive_window_size: settings.window,
    }
    if settings.bearer is not None:
        avps[Avp.bearer_capabilities] = settings.bearer
    return avps


def complaint(reading: MessageReading) -> Clearing | None:
    """Why a message that is about the control connection cannot be accepted."""
    message, flaw = reading.message, reading.flaw
    if message is not None and Avp.protocol_version in message.avps:
        version = message.number(Avp.protocol_version)
        if version >> 8 != PROTOCOL_VERSION >> 8:
            text = f"protocol version {version >> 8}.{version & 0xFF}"
            # RFC 2661 4.4.2: the error code is the highest version that is supported.
            return Clearing(
                False,
                StopResult.version_not_supported,
                PROTOCOL_VERSION,
                text,
                by=ClearedBy.flaw,
            )
    if flaw is not None:
        return Clearing.for_flaw(flaw, of_call=False)
    if message is not None and (
        Avp.challenge in message.avps or Avp.challenge_response in message.avps
    ):
        text = "tunnel authentication is not done here"
        return Clearing(
            False,
            StopResult.not_authorized,
            GeneralError.none,
            text,
            by=ClearedBy.flaw,
        )
    return None
