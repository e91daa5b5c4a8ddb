"""The numbers of L2TPv2 (RFC 2661): control messages, AVPs, results and errors, with what they mean."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class ControlType(IntEnum):
    """Control messages (RFC 2661 3.2); 5 and 13 are reserved."""

    SCCRQ = 1
    SCCRP = 2
    SCCCN = 3
    StopCCN = 4
    HELLO = 6
    OCRQ = 7
    OCRP = 8
    OCCN = 9
    ICRQ = 10
    ICRP = 11
    ICCN = 12
    CDN = 14
    WEN = 15
    SLI = 16


class Avp(IntEnum):
    """The attributes (RFC 2661 4.4); 20 is reserved."""

    message_type = 0
    result_code = 1
    protocol_version = 2
    framing_capabilities = 3
    bearer_capabilities = 4
    tie_breaker = 5
    firmware_revision = 6
    host_name = 7
    vendor_name = 8
    assigned_tunnel_id = 9
    receive_window_size = 10
    challenge = 11
    q931_cause_code = 12
    challenge_response = 13
    assigned_session_id = 14
    call_serial_number = 15
    minimum_bps = 16
    maximum_bps = 17
    bearer_type = 18
    framing_type = 19
    called_number = 21
    calling_number = 22
    sub_address = 23
    tx_connect_speed = 24
    physical_channel_id = 25
    initial_received_lcp_confreq = 26
    last_sent_lcp_confreq = 27
    last_received_lcp_confreq = 28
    proxy_authen_type = 29
    proxy_authen_name = 30
    proxy_authen_challenge = 31
    proxy_authen_id = 32
    proxy_authen_response = 33
    call_errors = 34
    accm = 35
    random_vector = 36
    private_group_id = 37
    rx_connect_speed = 38
    sequencing_required = 39


class FramingType(IntFlag):
    """Framing Capabilities and Framing Type: a mask of 32 bits (RFC 2661 4.4.3, 4.4.4)."""

    synchronous = 1
    asynchronous = 2


class BearerType(IntFlag):
    """Bearer Capabilities and Bearer Type: a mask of 32 bits (RFC 2661 4.4.3, 4.4.4)."""

    digital = 1
    analog = 2


class StopResult(IntEnum):
    """Why a control connection ends: the Result Code of StopCCN (RFC 2661 4.4.2)."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> StopResult:
        """A member knows what it means, in a few words."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.meaning = meaning
        return member

    cleared = 1, "cleared on request"
    general_error = 2, "the error code says why"
    exists_already = 3, "there is a control channel already"
    not_authorized = 4, "the requester may have no control channel"
    version_not_supported = 5, "the protocol version is not supported"
    shutting_down = 6, "the requester shuts down"
    state_machine_error = 7, "a message came that does not fit the state"


class CdnResult(IntEnum):
    """Why a call ends: the Result Code of CDN (RFC 2661 4.4.2)."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> CdnResult:
        """A member knows what it means, in a few words."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.meaning = meaning
        return member

    carrier_lost = 1, "the carrier was lost"
    general_error = 2, "the error code says why"
    administrative = 3, "disconnected by the administration"
    no_facilities_now = 4, "no line or other facility is free now"
    no_facilities = 5, "there is no line or other facility for such a call"
    invalid_destination = 6, "the destination is invalid"
    no_carrier = 7, "no carrier was detected"
    busy = 8, "the called line is busy"
    no_dial_tone = 9, "the line gives no dial tone"
    not_in_time = 10, "the call did not come about in the time that the LAC allows"
    no_framing = 11, "the call came about, but no framing was detected"


class GeneralError(IntEnum):
    """The Error Code beside a Result Code (RFC 2661 4.4.2)."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> GeneralError:
        """A member knows what it means, in a few words."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.meaning = meaning
        return member

    none = 0, "no error"
    no_control_connection = 1, "there is no control connection between the two yet"
    wrong_length = 2, "a length is wrong"
    out_of_range = 3, "a value is out of its range, or a reserved field is not 0"
    no_resources = 4, "resources do not suffice now"
    invalid_session = 5, "the session ID is invalid here"
    vendor_specific = 6, "the text says why"
    try_another = 7, "another LNS should be tried"
    unknown_mandatory_avp = 8, "a mandatory AVP is unknown"
