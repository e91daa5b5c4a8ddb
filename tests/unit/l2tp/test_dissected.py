"""Every control message as others read it: tshark, and scapy for the headers."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.l2tp import L2TP
from scapy.packet import Raw
from scapy.utils import wrpcap

from lab.l2tp.avps import AvpValue, CallErrors, LinkAccm, Q931Cause, ResultValue
from lab.l2tp.messages import ControlMessage, write_datagram, write_message
from lab.l2tp.requests import Clearing, IncomingCallRequest, OutgoingCallRequest
from lab.wire import l2tp
from lab.wire.l2tp_codes import Avp, CdnResult, ControlType, StopResult
from tests.oracle import tshark
from tests.unit.l2tp.samples import SAMPLES
from tests.unit.l2tp.wire import LAC, LNS, Wire

needs_tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
HEAD = ("l2tp.tunnel", "l2tp.session", "l2tp.Ns", "l2tp.Nr", "l2tp.avp.message_type")
WRONG = ("_ws.malformed", "_ws.expert.message")
# The name of an AVP's value with tshark; of a value with parts, of each part.
FIELDS: Mapping[Avp, tuple[str, ...]] = {
    Avp.result_code: ("l2tp.result_code", "l2tp.avp.error_code", "l2tp.avp.error_message"),
    Avp.protocol_version: ("l2tp.avp.protocol_version",),
    Avp.framing_capabilities: ("l2tp.avp.sync_framing_supported", "l2tp.avp.async_framing_supported"),
    Avp.bearer_capabilities: ("l2tp.avp.digital_access_supported", "l2tp.avp.analog_access_supported"),
    Avp.tie_breaker: ("l2tp.tie_breaker",),
    Avp.firmware_revision: ("l2tp.avp.firmware_revision",),
    Avp.host_name: ("l2tp.avp.host_name",),
    Avp.vendor_name: ("l2tp.avp.vendor_name",),
    Avp.assigned_tunnel_id: ("l2tp.avp.assigned_tunnel_id",),
    Avp.receive_window_size: ("l2tp.avp.receive_window_size",),
    Avp.challenge: ("l2tp.avp.chap_challenge",),
    Avp.q931_cause_code: ("l2tp.avp.cause_code", "l2tp.avp.cause_msg", "l2tp.avp.advisory_msg"),
    Avp.challenge_response: ("l2tp.avp.chap_challenge_response",),
    Avp.assigned_session_id: ("l2tp.avp.assigned_session_id",),
    Avp.call_serial_number: ("l2tp.avp.call_serial_number",),
    Avp.minimum_bps: ("l2tp.avp.minimum_bps",),
    Avp.maximum_bps: ("l2tp.avp.maximum_bps",),
    Avp.bearer_type: ("l2tp.avp.digital_bearer_type", "l2tp.avp.analog_bearer_type"),
    Avp.framing_type: ("l2tp.avp.sync_framing_type", "l2tp.avp.async_framing_type"),
    Avp.called_number: ("l2tp.avp.called_number",),
    Avp.calling_number: ("l2tp.avp.calling_number",),
    Avp.sub_address: ("l2tp.avp.sub_address",),
    Avp.tx_connect_speed: ("l2tp.avp.connect_speed",),
    Avp.physical_channel_id: ("l2tp.avp.physical_channel",),
    Avp.initial_received_lcp_confreq: ("l2tp.avp.initial_received_lcp_confreq",),
    Avp.last_sent_lcp_confreq: ("l2tp.avp.last_sent_lcp_confreq",),
    Avp.last_received_lcp_confreq: ("l2tp.avp.last_received_lcp_confreq",),
    Avp.proxy_authen_type: ("l2tp.avp.proxy_authen_type",),
    Avp.proxy_authen_name: ("l2tp.avp.proxy_authen_name",),
    Avp.proxy_authen_challenge: ("l2tp.avp.proxy_authen_challenge",),
    Avp.proxy_authen_id: ("l2tp.avp.proxy_authen_id",),
    Avp.proxy_authen_response: ("l2tp.avp.proxy_authen_response",),
    Avp.call_errors: ("l2tp.avp.crc_errors", "l2tp.avp.framing_errors", "l2tp.avp.hardware_overruns",
                      "l2tp.avp.buffer_overruns", "l2tp.avp.time_out_errors", "l2tp.avp.alignment_errors"),
    Avp.accm: ("l2tp.avp.send_accm", "l2tp.avp.receive_accm"),
    Avp.private_group_id: ("l2tp.avp.private_group_id",),
    Avp.rx_connect_speed: ("l2tp.avp.rx_connect_speed",),
}  # fmt: skip
MASKS = {Avp.framing_capabilities, Avp.bearer_capabilities, Avp.bearer_type, Avp.framing_type}
ALL_FIELDS = tuple(field for fields in FIELDS.values() for field in fields)


def capture(path: Path, datagrams: Iterable[bytes]) -> Path:
    ends = Ether() / IP(src=LAC[0], dst=LNS[0]) / UDP(sport=1701, dport=1701)
    wrpcap(str(path), [ends / Raw(data) for data in datagrams])
    return path


def parts(kind: Avp, value: AvpValue) -> list[str]:
    """A value as tshark shows it, by parts."""
    match value:
        case ResultValue() | Q931Cause() | CallErrors() | LinkAccm():
            return [str(part) for part in value]
        case int() if kind in MASKS:
            return [str(value & 1), str(value >> 1)]
        case int() if kind is Avp.protocol_version:
            return [str(value >> 8)]
        case bytes() if kind is Avp.tie_breaker:
            return ["0x" + value.hex()]
        case bytes() if kind is Avp.proxy_authen_name:
            return [value.decode()]
        case bytes():
            return [value.hex()]
        case int() | str():
            return [str(value)]


def same(seen: str, wanted: str) -> bool:
    seen = {"True": "1", "False": "0"}.get(seen, seen)
    return seen == wanted or (
        wanted.isdigit() and seen.startswith("0x") and int(seen, 16) == int(wanted)
    )


@needs_tshark
def test_tshark_reads_every_avp_of_every_message(tmp_path: Path) -> None:
    datagrams = [
        write_datagram(100 + number, 200 + number, number, 65535 - number, write_message(sample))
        for number, sample in enumerate(SAMPLES)
    ]
    rows = tshark(capture(tmp_path / "messages.pcap", datagrams), (*HEAD, *WRONG, *ALL_FIELDS))
    assert len(rows) == len(SAMPLES)
    for number, (row, sample) in enumerate(zip(rows, SAMPLES, strict=True)):
        seen = dict(zip((*HEAD, *WRONG, *ALL_FIELDS), row, strict=True))
        numbers = (100 + number, 200 + number, number, 65535 - number, sample.kind.value)
        assert [seen[field] for field in HEAD] == [str(each) for each in numbers]
        assert [seen[field] for field in WRONG] == ["", ""]
        checked = 0
        for kind, value in sample.avps.items():
            if kind is Avp.sequencing_required:
                continue
            for field, wanted in zip(FIELDS[kind], parts(kind, value), strict=True):
                assert same(seen[field], wanted), (sample.kind, field, seen[field], wanted)
                checked += 1
        # And nothing that is not there.
        assert sum(bool(seen[field]) for field in ALL_FIELDS) == checked
    assert {*Avp} - {*FIELDS} == {Avp.message_type, Avp.random_vector, Avp.sequencing_required}


@needs_tshark
def test_tshark_finds_each_avp_and_its_m_bit(tmp_path: Path) -> None:
    path = capture(
        tmp_path / "messages.pcap",
        [write_datagram(1, 2, 3, 4, write_message(sample)) for sample in SAMPLES],
    )
    fields = ("l2tp.avp.type", "l2tp.avp.mandatory", "l2tp.avp.hidden")
    rows = tshark(path, fields, "-E", "occurrence=a")
    optional = {5, 6, 8, *range(25, 34), 37, 38}
    for row, sample in zip(rows, SAMPLES, strict=True):
        kinds, mandatory, hidden = (column.split(",") for column in row)
        assert [int(kind) for kind in kinds] == [0, *sorted(sample.avps)]
        bits = [bit in ("1", "True") for bit in mandatory]
        assert bits == [int(kind) not in optional for kind in kinds]
        assert {*hidden} <= {"0", "False"}


def everything() -> list[bytes]:
    """All that two nodes say to each other, of every kind."""
    wire = Wire()
    ours, theirs = wire.connect()
    incoming = ours.place(IncomingCallRequest("1", "2", "3", physical_channel_id=4), wire.now)
    outgoing = theirs.place(OutgoingCallRequest("5", sub_address="6"), wire.now)
    wire.wait(1)
    incoming.tell_line_errors(CallErrors(1), wire.now)
    outgoing.tell_link_info(LinkAccm(0, 0), wire.now)
    wire.wait(61)
    said = Clearing.call(CdnResult.busy, "busy", cause=Q931Cause(17, advisory="user busy"))
    incoming.clear(said, wire.now)
    ours.close(Clearing.connection(StopResult.shutting_down, "bye"), wire.now)
    wire.wait(1)
    return [datagram.data for _, _, datagram in wire.sent]


@needs_tshark
def test_tshark_finds_nothing_wrong_with_what_nodes_say(tmp_path: Path) -> None:
    rows = tshark(capture(tmp_path / "said.pcap", everything()), (*HEAD, *WRONG))
    assert {int(row[4] or 0) for row in rows} == {0, *ControlType}
    assert {row[5:] for row in rows} == {("", "")}


def test_scapy_reads_the_same_headers() -> None:
    for data in everything():
        ours, theirs = l2tp.control_datagram(data), L2TP(data)
        assert ours is not None
        assert theirs.len == len(data) == ours.length
        assert (theirs.tunnel_id, theirs.session_id) == (ours.tunnel_id, ours.session_id)
        assert (theirs.ns, theirs.nr) == (ours.ns, ours.nr)
        assert set(str(theirs.hdr).split("+")) == {"control", "length", "sequence"}


def test_scapys_message_is_read() -> None:
    inside = write_message(ControlMessage(ControlType.HELLO))
    data = bytes(
        L2TP(hdr="control+length+sequence", tunnel_id=5, session_id=6, ns=7, nr=8) / Raw(inside)
    )
    assert data == write_datagram(5, 6, 7, 8, inside)
