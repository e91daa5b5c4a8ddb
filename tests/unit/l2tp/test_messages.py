"""AVPs and control messages against RFC 2661 4 and 6, and what is said of messages that break them."""

from __future__ import annotations

import pytest

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
    write_value,
)
from lab.l2tp.messages import (
    MESSAGES,
    ControlMessage,
    Flaw,
    read_message,
    write_datagram,
    write_message,
)
from lab.wire import l2tp
from lab.wire.l2tp_codes import Avp, BearerType, ControlType, FramingType, GeneralError
from tests.unit.l2tp.samples import SAMPLES, avp, body

# Attribute, M bit, fewest and most octets of its value: RFC 2661 4.4, written a second time.
RFC = """
0 M 2 2 | 1 M 2 1017 | 2 M 2 2 | 3 M 4 4 | 4 M 4 4 | 5 - 8 8 | 6 - 2 2 | 7 M 1 1017 | 8 - 0 1017
9 M 2 2 | 10 M 2 2 | 11 M 1 1017 | 12 M 3 1017 | 13 M 16 16 | 14 M 2 2 | 15 M 4 4 | 16 M 4 4
17 M 4 4 | 18 M 4 4 | 19 M 4 4 | 21 M 0 1017 | 22 M 0 1017 | 23 M 0 1017 | 24 M 4 4 | 25 - 4 4
26 - 0 1017 | 27 - 0 1017 | 28 - 0 1017 | 29 - 2 2 | 30 - 0 1017 | 31 - 1 1017 | 32 - 2 2
33 - 0 1017 | 34 M 26 26 | 35 M 10 10 | 36 M 0 1017 | 37 - 0 1017 | 38 - 4 4 | 39 M 0 0
"""
WORDS = [line.split() for line in RFC.replace("\n", "|").split("|") if line.strip()]
# A second table: which message must have which AVPs (RFC 2661 6).
NEEDED = {
    "SCCRQ": {2, 3, 7, 9},
    "SCCRP": {2, 3, 7, 9},
    "SCCCN": set(),
    "StopCCN": {1, 9},
    "HELLO": set(),
    "ICRQ": {14, 15},
    "ICRP": {14},
    "ICCN": {19, 24},
    "OCRQ": {14, 15, 16, 17, 18, 19, 21},
    "OCRP": {14},
    "OCCN": {19, 24},
    "CDN": {1, 14},
    "WEN": {34},
    "SLI": {35},
}


@pytest.mark.parametrize(("number", "mandatory", "fewest", "most"), WORDS)
def test_each_avp_is_as_the_rfc_has_it(number: str, mandatory: str, fewest: str, most: str) -> None:
    rule = RULES[Avp(int(number))]
    assert (rule.mandatory, rule.shortest, rule.longest) == (
        mandatory == "M",
        int(fewest),
        int(most),
    )


def test_there_are_39_avps_and_14_messages() -> None:
    assert [int(words[0]) for words in WORDS] == sorted(RULES) == sorted(Avp)
    assert len(RULES) == 39
    assert len(MESSAGES) == len(ControlType) == 14
    assert {kind.name: {*map(int, rule.needed)} for kind, rule in MESSAGES.items()} == NEEDED


VALUES: list[tuple[Avp, AvpValue, str]] = [
    (Avp.protocol_version, 0x0100, "0100"),
    (Avp.framing_capabilities, FramingType.asynchronous | FramingType.synchronous, "00000003"),
    (Avp.bearer_capabilities, BearerType.analog, "00000002"),
    (Avp.tie_breaker, b"12345678", "3132333435363738"),
    (Avp.host_name, "hmc-\u00fc", "686d632dc3bc"),
    (Avp.assigned_tunnel_id, 65535, "ffff"),
    (Avp.q931_cause_code, Q931Cause(17, 0x45, "busy"), "00114562757379"),
    (Avp.result_code, ResultValue(1), "0001"),
    (Avp.result_code, ResultValue(2, 8), "00020008"),
    (Avp.result_code, ResultValue(2, 6, "no"), "000200066e6f"),
    (Avp.maximum_bps, 0xFFFFFFFF, "ffffffff"),
    (Avp.called_number, "18005550100", "3138303035353530313030"),
    (Avp.call_errors, CallErrors(1, 2, 3, 4, 5, 6), "0000" + "".join(f"{n:08x}" for n in range(1, 7))),
    (Avp.accm, LinkAccm(0xA0000, 0), "0000000a000000000000"),
    (Avp.sequencing_required, b"", ""),
    (Avp.proxy_authen_id, 255, "00ff"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "octets"), VALUES)
def test_a_value_and_its_octets(kind: Avp, value: AvpValue, octets: str) -> None:
    assert write_value(kind, value).hex() == octets
    assert read_value(kind, bytes.fromhex(octets)) == value


@pytest.mark.parametrize("kind", [*Avp])
def test_lengths_are_kept(kind: Avp) -> None:
    rule = RULES[kind]
    if rule.shortest:
        with pytest.raises(WrongLength, match=rf"\({kind:d}\) has {rule.shortest - 1} octets"):
            read_value(kind, b"\x01" * (rule.shortest - 1))
    with pytest.raises(WrongLength):
        read_value(kind, b"\x01" * (rule.longest + 1))


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        (Avp.framing_capabilities, "00000004"),
        (Avp.bearer_capabilities, "80000000"),
        (Avp.assigned_tunnel_id, "0000"),
        (Avp.assigned_session_id, "0000"),
        (Avp.receive_window_size, "0000"),
        (Avp.bearer_type, "00000004"),
        (Avp.framing_type, "00000008"),
        (Avp.proxy_authen_type, "0000"),
        (Avp.proxy_authen_type, "0006"),
        (Avp.proxy_authen_id, "0100"),
        (Avp.accm, "0001" + "00" * 8),
        (Avp.call_errors, "0001" + "00" * 24),
        (Avp.called_number, "310d41540d"),
        (Avp.calling_number, "31c3bc"),
        (Avp.sub_address, "7f"),
    ],
)
def test_ranges_are_kept(kind: Avp, octets: str) -> None:
    with pytest.raises(OutOfRange, match=rf"\({kind:d}\)"):
        read_value(kind, bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Avp.assigned_tunnel_id, 65536),
        (Avp.assigned_tunnel_id, "seven"),
        (Avp.host_name, 7),
        (Avp.result_code, 2),
        (Avp.accm, b""),
        (Avp.q931_cause_code, Q931Cause(17, advisory="\u00fc")),
    ],
)
def test_what_cannot_be_written_is_not(kind: Avp, value: AvpValue) -> None:
    with pytest.raises(OutOfRange, match="cannot be"):
        write_value(kind, value)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind.name)
def test_a_message_is_read_as_it_was_written(sample: ControlMessage) -> None:
    reading = read_message(write_message(sample))
    assert reading.message == sample
    assert (reading.flaw, reading.passed_over) == (None, ())


def test_samples_have_every_message_and_every_avp() -> None:
    assert {sample.kind for sample in SAMPLES} == {*ControlType}
    used = {kind for sample in SAMPLES for kind in sample.avps}
    allowed = {kind for rule in MESSAGES.values() for kind in (*rule.needed, *rule.allowed)}
    # Message Type is written by itself; a Random Vector says nothing without a hidden AVP.
    assert used == allowed == {*Avp} - {Avp.message_type, Avp.random_vector}


def test_a_datagram_octet_by_octet() -> None:
    hello = write_datagram(7, 0, 65535, 258, write_message(ControlMessage(ControlType.HELLO)))
    assert hello.hex(" ") == "c8 02 00 14 00 07 00 00 ff ff 01 02 80 08 00 00 00 00 00 06"
    zlb = write_datagram(1, 2, 3, 4, b"")
    assert zlb.hex() == "c802000c0001000200030004"
    head = l2tp.control_datagram(hello)
    assert head is not None
    assert (head.tunnel_id, head.session_id, head.ns, head.nr) == (7, 0, 65535, 258)
    assert l2tp.control_datagram(hello[:11]) is None


@pytest.mark.parametrize(
    "message",
    [
        ControlMessage(ControlType.ICRP),
        ControlMessage(ControlType.HELLO, {Avp.host_name: "hmc"}),
        ControlMessage(ControlType.ICRP, {Avp.assigned_session_id: 0}),
        ControlMessage(ControlType.ICRP, {Avp.assigned_session_id: "1"}),
    ],
)
def test_a_message_that_must_not_be_sent_is_not(message: ControlMessage) -> None:
    with pytest.raises(LabBroke, match=r"HELLO|ICRP"):
        write_message(message)


def test_a_cause_of_any_octets_can_be_passed_on() -> None:
    cause = read_value(Avp.q931_cause_code, bytes.fromhex("00ff2062fc7379"))
    assert cause == Q931Cause(255, 0x20, "b?sy")
    assert write_value(Avp.q931_cause_code, cause).hex() == "00ff20623f7379"


ICRP = avp(0, "000b"), avp(14, "0007")
FLAWS = [
    pytest.param(body(*ICRP, avp(99)), GeneralError.unknown_mandatory_avp, "99", id="unknown"),
    pytest.param(body(*ICRP, avp(20)), GeneralError.unknown_mandatory_avp, "20", id="reserved"),
    pytest.param(
        body(*ICRP, avp(1, vendor=9)), GeneralError.unknown_mandatory_avp, "vendor 9", id="vendor"
    ),
    pytest.param(
        body(*ICRP, avp(15, "00000001", bits=0xC000)),
        GeneralError.unknown_mandatory_avp,
        "AVP 15 is hidden",
        id="hidden",
    ),
    pytest.param(
        body(*ICRP, avp(15, "00000001", bits=0x8400)),
        GeneralError.unknown_mandatory_avp,
        "AVP 15 has reserved bits",
        id="reserved bit",
    ),
    pytest.param(
        body(ICRP[0], avp(14, "000007")), GeneralError.wrong_length, "(14) has 3", id="length"
    ),
    pytest.param(body(ICRP[0], avp(14, "0000")), GeneralError.out_of_range, "(14) is 0", id="range"),
    pytest.param(
        body(ICRP[0]), GeneralError.vendor_specific, "Assigned Session ID (14) missing", id="missing"
    ),
    pytest.param(
        body(*ICRP, bytes.fromhex("8009000000")), GeneralError.wrong_length, "not fit", id="cut"
    ),
    pytest.param(
        body(*ICRP, bytes.fromhex("800500000008")), GeneralError.wrong_length, "not fit", id="short"
    ),
    pytest.param(
        body(*ICRP, bytes.fromhex("83ff0000000831")), GeneralError.wrong_length, "not fit", id="long"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("octets", "error", "words"), FLAWS)
def test_a_flaw_has_its_error_code(octets: bytes, error: GeneralError, words: str) -> None:
    reading = read_message(octets)
    assert reading.number == ControlType.ICRP
    assert reading.message is not None
    assert reading.flaw is not None
    assert reading.flaw.error is error
    assert words in reading.flaw.text


@pytest.mark.parametrize(
    "strange",
    [
        avp(99, bits=0),
        avp(1, "31", vendor=9, bits=0),
        avp(15, "00000001", bits=0x4000),
        avp(15, "00000001", bits=0x0400),
        avp(38, "2580", bits=0),
        avp(29, "0009", bits=0),
    ],
)
def test_what_is_wrong_and_not_mandatory_is_passed_over(strange: bytes) -> None:
    reading = read_message(body(*ICRP, strange))
    assert reading.flaw is None
    assert reading.message == ControlMessage(ControlType.ICRP, {Avp.assigned_session_id: 7})
    assert len(reading.passed_over) == 1


def test_what_belongs_to_another_message_says_nothing() -> None:
    reading = read_message(body(*ICRP, avp(7, "61"), avp(14, "0008"), avp(36, "00" * 16)))
    assert reading.message == ControlMessage(ControlType.ICRP, {Avp.assigned_session_id: 7})
    assert reading.flaw is None


@pytest.mark.parametrize(
    ("first", "flaw", "number"),
    [
        (avp(14, "0007"), True, 0),
        (avp(0, "00"), True, 0),
        (avp(0, "000b", vendor=9), True, 0),
        (avp(0, "000b", bits=0xC000), True, 0),
        (avp(0, "000d"), True, 13),
        (avp(0, "0005"), True, 5),
        (avp(0, "000d", bits=0), False, 13),
        (b"\x80", True, 0),
    ],
)
def test_a_message_of_no_known_type(first: bytes, flaw: bool, number: int) -> None:
    """The M bit of Message Type says whether the tunnel is to be cleared (RFC 2661 4.4.1)."""
    reading = read_message(first)
    assert reading.message is None
    assert reading.number == number
    assert isinstance(reading.flaw, Flaw) is flaw


def test_the_judge_reads_the_same() -> None:
    message = ControlMessage(
        ControlType.CDN,
        {Avp.result_code: ResultValue(2, 6, "no line"), Avp.assigned_session_id: 9},
    )
    data = write_datagram(5, 6, 7, 8, write_message(message))
    seen = l2tp.parse(data + b"padding")
    assert seen is not None
    assert (seen.tunnel_id, seen.session_id, seen.sequence) == (5, 6, 7)
    assert seen.control_type == ControlType.CDN
    assert seen.number(Avp.assigned_session_id) == 9
    assert seen.result == "result 2, error 6: no line"
    # What is cut short is not taken for a shorter value.
    cut = l2tp.parse(data[:-1])
    assert cut is not None
    assert cut.avp(Avp.assigned_session_id) == b""
