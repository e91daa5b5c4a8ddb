"""Notes in captures: the packets stay, others read them, and what is not whole stays what it is."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import RawPcapNgReader

from lab.wire import calls, decode, foreign
from lab.wireshark import annotated
from lab.wireshark.annotated import Notes
from tests.oracle import tshark
from tests.recordings import archive
from tests.unit.verify.test_wire import needs_tshark

NAMES = {"192.168.10.10": "hmc", "129.42.160.16": "vpn1", "2001:db8::1": "firewall"}
SECRETS = b"CLIENT_RANDOM " + b"ab" * 32 + b" " + b"cd" * 48 + b"\n"
NOTES = Notes(
    NAMES,
    "lan, between hmc, firewall; ways home: vpn",
    SECRETS,
    {1: ["OUT-20 pass: one"], 3: ["P-01 fail: two", "g5 pass: three"], 10**6: ["g1 pass: none"]},
)
CAPTURES = [
    ("vpn-nat", "lan"),
    ("dial.noise", "pstn"),
    ("dual-stack", "lan"),
    ("direct", "fw-inet"),
]


@pytest.fixture(params=CAPTURES, ids=lambda each: "-".join(each))
def capture(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name, segment = request.param
    return archive.unpack(name, tmp_path) / "wire" / f"{segment}.pcapng"


def packets(path: Path) -> list[tuple[int, float, bytes]]:
    return [(number, time, data) for number, time, data, _ in decode.read_packets(path, "it")]


def test_our_readers_read_the_same_packets(
    capture: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = packets(capture)

    assert annotated.annotate(capture, NOTES)

    assert packets(capture) == before
    if capture.stem == "pstn":
        assert [i.frame.number for i in calls.read(capture)] == [each[0] for each in before]
    else:
        assert [f.number for f in foreign.read(capture, "lan")] == [each[0] for each in before]
    assert not capsys.readouterr().err
    assert not caplog.records  # scapy complains of secrets that it does not read


def test_taking_the_notes_out_leaves_every_byte_as_it_was(capture: Path) -> None:
    before = capture.read_bytes()
    assert annotated.plain(before) == before

    assert annotated.annotate(capture, NOTES)

    assert capture.read_bytes() != before
    assert annotated.plain(capture.read_bytes()) == before


@needs_tshark
def test_tshark_reads_packets_names_secrets_and_comments(capture: Path) -> None:
    before = tshark(capture, ("frame.number", "frame.time_epoch", "frame.len", "frame.comment"))

    assert annotated.annotate(capture, NOTES)

    after = tshark(
        capture, ("frame.number", "frame.time_epoch", "frame.len", "frame.comment"), "-E", "occurrence=a",
        "-E", "aggregator=|",
    )  # fmt: skip
    assert [row[:3] for row in after] == [row[:3] for row in before]
    told = {int(row[0]): row[3] for row in after if row[3]}
    for number, comments in {1: "OUT-20 pass: one", 3: "P-01 fail: two|g5 pass: three"}.items():
        if number <= len(after):
            assert told[number].endswith(comments)
    others = {row[0]: row[3] for row in before if row[3]}
    assert len(told) == len({*others, *(str(n) for n in (1, 3) if n <= len(after))})
    about = run("capinfos", capture)
    assert "Number of resolved IPv4 addresses in file: 2" in about
    assert "Number of resolved IPv6 addresses in file: 1" in about
    assert "Number of decryption secrets in file: 1" in about
    assert f"Number of packets:   {len(before)}" in about
    assert "Description = lan, between hmc, firewall; ways home: vpn" in about


def run(program: str, capture: Path) -> str:
    done = subprocess.run([program, capture], check=True, capture_output=True, text=True)
    return done.stdout.replace("packets = ", "")


def test_a_second_time_nothing_is_added(capture: Path) -> None:
    assert annotated.annotate(capture, NOTES)
    before = capture.read_bytes()

    assert not annotated.annotate(capture, NOTES)

    assert capture.read_bytes() == before


def test_the_permissions_stay(capture: Path) -> None:
    capture.chmod(0o640)

    assert annotated.annotate(capture, NOTES)

    assert capture.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in capture.parent.iterdir() if path.suffix == ".part"] == []


@pytest.mark.parametrize("cut", [1, 3, 40, 200])
def test_what_is_cut_off_stays_what_it_is(cut: int, tmp_path: Path) -> None:
    capture = archive.unpack("vpn-nat", tmp_path) / "wire" / "lan.pcapng"
    short = capture.read_bytes()[:-cut]
    capture.write_bytes(short)

    assert not annotated.annotate(capture, NOTES)

    assert capture.read_bytes() == short
    assert not capture.with_suffix(".pcapng.part").exists()


@pytest.mark.parametrize(
    "content", [b"", b"no capture at all", struct.pack("!III", 0x0A0D0D0A, 28, 0x1A2B3C4D)]
)
def test_what_is_no_capture_of_ours_stays_what_it_is(content: bytes, tmp_path: Path) -> None:
    capture = tmp_path / "lan.pcapng"
    capture.write_bytes(content)

    assert not annotated.annotate(capture, NOTES)
    assert capture.read_bytes() == content


def test_without_room_the_capture_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = archive.unpack("vpn-nat", tmp_path) / "wire" / "lan.pcapng"
    before = capture.read_bytes()

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", refuse)
    with pytest.raises(OSError, match="No space"):
        annotated.annotate(capture, NOTES)

    assert capture.read_bytes() == before
    assert not capture.with_suffix(".pcapng.part").exists()


@given(data=st.data())
def test_whatever_the_bytes_are(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is annotated, or stays; what comes of it has as many packets, and is whole."""
    folder = tmp_path_factory.mktemp("any")
    capture = folder / "lan.pcapng"
    block = st.builds(
        lambda kind, body: (
            struct.pack("=II", kind, len(body) + 12) + body + struct.pack("=I", len(body) + 12)
        ),
        st.sampled_from((1, 4, 5, 6, 10, 77)),
        st.binary(max_size=10).map(lambda raw: raw * 4),
    )
    head = struct.pack("=IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    raw = head + b"".join(data.draw(st.lists(block, max_size=6))) + data.draw(st.binary(max_size=9))
    capture.write_bytes(raw)

    if annotated.annotate(capture, NOTES):
        found = list(annotated.blocks(capture.read_bytes()))
        assert sum(each.kind == 6 for each in found) == sum(
            each.kind == 6 for each in annotated.blocks(raw)
        )
    else:
        assert capture.read_bytes() == raw
    shutil.rmtree(folder)


def test_scapy_by_itself_reads_it(tmp_path: Path) -> None:
    capture = archive.unpack("direct", tmp_path) / "wire" / "lan.pcapng"
    with RawPcapNgReader(str(capture)) as reader:
        before = [data for data, _ in reader]
    annotated.annotate(capture, NOTES)
    with RawPcapNgReader(str(capture)) as reader:
        found = list(reader)
    assert [data for data, _ in found] == before
    about: Any = found[2][1]
    assert about.comments == [b"P-01 fail: two", b"g5 pass: three"]
