"""The readers of captures: against tshark, against scapy's own encoders, and on broken input."""

from __future__ import annotations

import os
import shutil
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from lab.errors import LabError
from lab.verify.journey import find_course, journeys
from lab.ways.vpn.plan import connections
from lab.wire import decode, esp, isakmp, l2tp, ppp
from tests import oracle
from tests.recordings.true_run import Recordings
from tests.unit.verify.stage import START, write_capture

needs_tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
PACE_FRAMES = 100_000
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
ETHER = Ether(src=MACS[0], dst=MACS[1])  # without them scapy would ask the host's network


def _fragments(packet: IP) -> list[IP]:
    cut: Any = fragment  # scapy has no types for it
    return list(cut(packet, fragsize=1400))


@needs_tshark
@pytest.mark.parametrize("name", ["direct-snat", "vpn", "vpn-nat"])
def test_tshark_agrees_on_every_segment(name: str, recordings: Recordings) -> None:
    run = recordings(name)

    for segment in run.wire:
        capture = run.run_dir / "wire" / f"{segment}.pcapng"
        assert oracle.differences(capture) == [], segment


@needs_tshark
@pytest.mark.parametrize("name", ["vpn", "vpn-nat"])
def test_tshark_agrees_on_what_is_inside_the_esp(name: str, recordings: Recordings) -> None:
    run_dir = recordings(name).run_dir
    capture, keys = run_dir / "wire" / "fw-inet.pcapng", run_dir / "keys" / "esp.json"

    assert oracle.differences(capture, keys) == []
    rows = oracle.tshark(capture, ("chap.code",), *oracle.decryption_options(keys))
    assert [code for (code,) in rows if code] == ["1", "2", "3"], "tshark reads down to CHAP"


@needs_tshark
def test_the_comparison_notices_a_difference(recordings: Recordings, tmp_path: Path) -> None:
    run_dir = recordings("vpn").run_dir
    keys = tmp_path / "esp.json"
    text = (run_dir / "keys" / "esp.json").read_text()
    keys.write_text(text[: text.index("}") + 1] + "]")  # tshark and we know the first SA only
    capture = run_dir / "wire" / "fw-inet.pcapng"
    assert oracle.differences(capture, keys) == []

    frames = decode.read(capture)
    known = esp.load_keys(keys)
    opened = [
        esp.open_sealed(sealed, known).inner is not None
        for frame in frames
        if frame.ip and (sealed := esp.sealed(frame.ip))
    ]
    assert any(opened)
    assert not all(opened)


@needs_tshark
def test_tshark_agrees_on_fragments_and_strangers(tmp_path: Path) -> None:
    big = IP(src="10.0.0.1", dst="10.0.0.2", id=7) / UDP(sport=4500, dport=4500) / Raw(bytes(3000))
    packets = [
        ETHER / ARP(hwsrc=MACS[0], hwdst=MACS[1], psrc="10.0.0.1", pdst="10.0.0.2"),
        ETHER / IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=53, dport=53),
        ETHER / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(),
        *[ETHER / piece for piece in _fragments(big)],
    ]
    path = tmp_path / "lan.pcapng"
    write_capture(path, [(START + n, bytes(packet)) for n, packet in enumerate(packets)])

    fields = ("ip.proto", "ip.flags.mf")
    theirs = [
        (protocol, more in ("1", "True"))  # tshark's spelling depends on its version
        for protocol, more in oracle.tshark(path, fields, "-o", "ip.defragment:FALSE")
    ]
    ours = [
        (str(f.ip.protocol), f.ip.more_fragments)
        if f.ip and f.ethertype == decode.ETHERTYPE_IPV4
        else ("", False)
        for f in decode.read(path)
    ]

    assert ours == theirs
    read = [f.ip for f in decode.read(path) if f.ip]
    fragments = [packet.more_fragments or packet.fragment_offset > 0 for packet in read]
    assert fragments == [False, False, True, True, True]


def test_numbers_and_times_are_those_of_the_capture(tmp_path: Path) -> None:
    path = tmp_path / "lan.pcapng"
    frames = [
        (START + 0.25 * n, bytes(ETHER / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(dport=n)))
        for n in range(1, 4)
    ]
    write_capture(path, frames)

    found = decode.read(path)

    assert [f.number for f in found] == [1, 2, 3]
    assert [f.time for f in found] == pytest.approx([time for time, _ in frames], abs=2e-6)
    assert [f.ip.destination_port for f in found if f.ip] == [1, 2, 3]
    assert {f.segment for f in found} == {"lan"}


def last_block(capture: bytes) -> bytes:
    """The bytes of a capture's last frame, whose length stands at both ends (pcapng 3.1)."""
    (length,) = struct.unpack("=I", capture[-4:])
    return capture[-length:]


def test_a_hundred_thousand_frames_are_read_in_seconds(tmp_path: Path) -> None:
    path = tmp_path / "lan.pcapng"
    packet = bytes(ETHER / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(dport=443) / Raw(bytes(60)))
    write_capture(path, [(START, packet)])
    one = path.read_bytes()
    path.write_bytes(one + last_block(one) * (PACE_FRAMES - 1))

    started = time.process_time()
    found = decode.read(path)
    took_s = time.process_time() - started

    assert len(found) == PACE_FRAMES
    assert took_s < 8, f"{took_s:.1f} s of processor time"


@pytest.mark.parametrize("content", [b"", b"\xd4\xc3\xb2\xa1" + bytes(20), b"not a capture"])
def test_what_is_no_capture_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "lan.pcapng"
    path.write_bytes(content)

    with pytest.raises(LabError, match="not a pcapng"):
        decode.read(path)


def test_a_missing_capture_says_which(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="segment dmz is missing"):
        decode.read(tmp_path / "dmz.pcapng")


@given(st.binary(max_size=200))
def test_no_bytes_break_a_reader(data: bytes) -> None:
    decode.bare_transport("10.0.0.1", "10.0.0.2", decode.UDP, data)
    for port in (500, 4500):
        udp = struct.pack("!HHHH", port, 4000, 8 + len(data), 0) + data
        packet = decode.bare_transport("10.0.0.1", "10.0.0.2", decode.UDP, udp)
        assert packet.payload == data
        isakmp.message(packet)
        if sealed := esp.sealed(packet):
            assert esp.open_sealed(sealed, {}).inner is None
    if message := isakmp.parse(data):
        assert len(message.transforms) + len(message.notifies) <= len(data)
    if datagram := l2tp.parse(data):
        assert isinstance(datagram.result, str)
    decode.parse_ip(data)
    if frame := ppp.parse(data):
        assert isinstance(frame.ip_address, str)
        assert frame.authentication >= (0, 0)
        assert len(frame.chap_value) <= len(data)


def test_chap_of_rfc_1994_has_its_known_answer() -> None:
    challenge = bytes(range(16))

    assert ppp.chap_md5(1, "secret", challenge).hex() == "740e86463bda3a4d7017d6e0fba0699d"


def test_an_altered_icv_is_told_and_nothing_decrypted(recordings: Recordings) -> None:
    run = recordings("vpn")
    keys = run.keys
    frame = run.find("fw-inet", lambda packet: packet.protocol == decode.ESP)[0]
    assert frame.ip is not None
    sealed = esp.sealed(frame.ip)
    assert sealed is not None
    assert esp.open_sealed(sealed, keys).icv_good

    wrong = sealed.data[:-1] + bytes([sealed.data[-1] ^ 1])
    altered = esp.Sealed(sealed.spi, sealed.sequence, wrong, sealed.in_udp)
    opened = esp.open_sealed(altered, keys)

    assert (opened.icv_good, opened.inner) == (False, None)
    assert opened.key is not None


def test_a_key_does_not_show_in_text(recordings: Recordings) -> None:
    (key, *_), *_ = recordings("vpn").keys.values()

    assert key.encryption_key.hex() not in repr(key)
    assert str(key.encryption_key) not in repr(key)


def test_a_broken_key_file_is_refused_without_its_content(tmp_path: Path) -> None:
    path = tmp_path / "esp.json"
    path.write_text('[{"spi": 1, "encryption_key": "feedface"}]')

    with pytest.raises(LabError) as caught:
        esp.load_keys(path)
    assert "feedface" not in str(caught.value)
    assert "integrity_key" in str(caught.value)


def test_hidden_and_foreign_avps_are_passed_over() -> None:
    avps = b"".join(
        struct.pack("!HHH", flags | 6 + len(value), vendor, kind) + value
        for flags, vendor, kind, value in (
            (0x8000, 0, 0, b"\x00\x01"),
            (0x4000, 0, 7, b"hidden"),
            (0x0000, 9, 7, b"foreign"),
            (0x8000, 0, 7, b"hmc"),
        )
    )
    header = struct.pack("!HHHHHH", 0xC802, 12 + len(avps), 5, 0, 3, 4)

    found = l2tp.parse(header + avps)

    assert found is not None
    assert (found.control_type, found.avp(7), found.sequence) == (1, b"hmc", 3)


def test_a_packet_is_followed_over_the_wires_and_through_nat(recordings: Recordings) -> None:
    run = recordings("vpn-nat")
    way = find_course(run.topology, "hmc", "vpn1")
    assert way is not None
    assert (way.segments, way.between) == (("lan", "fw-inet", "dmz"), ("firewall", "internet"))

    def lost() -> list[tuple[str, str]]:
        connection = connections(run.topology)[0]
        ends = connection.client_address, connection.gateway_address
        found = journeys(run.case(), way, *ends)
        assert sum(not journey.lost_at for journey in found) > 10
        return [(journey.lost_at, journey.last_segment) for journey in found if journey.lost_at]

    before = lost()
    first = run.find("dmz", lambda packet: packet.protocol == decode.UDP)[0]  # main mode 1
    run.drop("dmz", [first])

    assert lost() == [("internet", "fw-inet"), *before]


def test_random_bytes_are_not_taken_for_a_known_sa() -> None:
    packet = decode.bare_transport("10.0.0.1", "10.0.0.2", decode.ESP, os.urandom(64))
    sealed = esp.sealed(packet)

    assert sealed is not None
    assert esp.open_sealed(sealed, {}).key is None


def test_what_was_decrypted_for_one_copy_of_a_recording_is_not_there_for_one_without_keys(
    recordings: Recordings,
) -> None:
    first, without, again = (recordings("vpn") for _ in range(3))
    without.keys = {}

    assert any(seen.opened.inner for seen in first.case().esp)
    assert without.case().esp
    assert not any(seen.opened.inner for seen in without.case().esp)
    assert any(seen.opened.inner for seen in again.case().esp)


def test_a_packet_and_its_frame_have_their_bytes_in_common() -> None:
    datagram = IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=2) / b"payload"
    frame = decode.read_frame("lan", 1, 0.0, bytes(Ether() / datagram))

    assert frame.ip is not None
    assert frame.ip.raw is frame.data
    assert frame.ip.payload == b"payload"
    assert frame.ip == decode.parse_ip(bytes(datagram)), "wherever it was read from"
    assert frame.ip != decode.parse_ip(bytes(datagram).replace(b"payload", b"another"))


def test_what_crosses_several_wires_is_opened_once(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = recordings("vpn-nat").case()
    opened: list[bytes] = []
    open_esp = case.open_esp

    def open_it(sealed: esp.Sealed) -> esp.Opened:
        opened.append(sealed.data)
        return open_esp(sealed)

    monkeypatch.setattr(case, "open_esp", open_it)
    seen = [case.esp_on(segment) for segment in ("lan", "fw-inet")]
    assert len(opened) == len({*opened}) == len({s.sealed.data for each in seen for s in each})
    assert min(len(each) for each in seen) > len(opened) / 2
