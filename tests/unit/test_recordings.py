"""Recordings are complete, small, of this version, and tell nobody who made them, or where."""

from __future__ import annotations

import getpass
import io
import json
import lzma
import socket
import tarfile
from pathlib import Path

import pytest

from lab.record.record import Record
from lab.secret import Secret, find
from lab.wire.decode import TCP
from tests.recordings import archive, plans, veiled
from tests.recordings.true_run import Recordings

MOST_BYTES = 5_000_000
every = pytest.mark.parametrize("name", archive.names())


def test_there_is_one_of_each_plan() -> None:
    assert archive.names() == sorted(plans.everything()), "make recordings"


def test_nothing_else_lies_there() -> None:
    """What is unpacked there by hand is in no check of these."""
    others = {p.name for p in archive.FOLDER.iterdir()} - {
        archive.path_of(n).name for n in archive.names()
    }

    assert not others


def test_all_together_are_small() -> None:
    sizes = {name: archive.path_of(name).stat().st_size for name in archive.names()}

    assert sum(sizes.values()) < MOST_BYTES, sizes


@every
def test_nothing_of_any_machine_is_in_it(name: str) -> None:
    packed = lzma.decompress(archive.path_of(name).read_bytes())
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert {(i.mtime, i.uid, i.gid, i.uname, i.gname) for i in tar} == {(0, 0, 0, "", "")}
    for member, content in archive.members(name).items():
        assert archive.traces(content) == [], member


@pytest.mark.parametrize("name", ["service-modem", "service-vpn"])
def test_what_ssh_carried_is_left_out(name: str, tmp_path: Path) -> None:
    """Its frames are there, and all else of the same wire is whole."""
    run = Recordings(tmp_path)(name)
    frames = [f.ip for f in run.wire["intranet"] if f.ip and f.ip.protocol == TCP]
    ssh = [p for p in frames if veiled.SSH in (p.source_port, p.destination_port)]
    assert len(ssh) > 100
    carried = [packet.payload for packet in ssh]
    assert any(carried)
    assert not any(byte for part in carried for byte in part)
    again = veiled.veil(archive.members(name))
    assert again == archive.members(name)


@pytest.mark.parametrize("name", ["esa-imm", "simplified"])
def test_what_tls_carried_is_left_out_where_that_is_much(name: str, tmp_path: Path) -> None:
    """Handshakes and alerts are there, and checksums are right."""
    run = Recordings(tmp_path)(name)
    packets = [f.ip for frames in run.wire.values() for f in frames if f.ip]
    assert all(packet.is_intact for packet in packets)
    https = [
        p for p in packets if veiled.HTTPS in (p.source_port, p.destination_port) and p.payload
    ]
    begun = [p for p in https if p.payload[0] == 0x16]
    assert any(len({*p.payload}) > 100 for p in begun)
    carried = b"".join(p.payload[5:] for p in https if p.payload[0] not in (0x15, 0x16))
    assert len(carried) > 10_000
    assert sum(map(bool, carried)) < len(carried) / 50, "the heads of records alone"
    again = veiled.veil(archive.members(name))
    assert again == archive.members(name)


def test_the_wire_of_a_module_is_whole(tmp_path: Path) -> None:
    run = Recordings(tmp_path)("esa-imm")
    module = [f.ip.payload for f in run.wire["module"] if f.ip]
    assert any(p[:1] == b"\x17" and any(p[5:]) for p in module)


def test_secrets_are_new_in_each(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path)
    found: dict[str, str] = {}
    for name in plans.GOOD:
        for _, hidden in find(recordings(name).topology, Secret):
            assert found.setdefault(hidden.reveal(), name) == name
    assert set(found.values()) == set(plans.GOOD) - {
        "direct",
        "direct-snat",
        "direct-cgnat",
        "direct-names",
        "direct-ranges",
        "direct-region",
        "ds8000",
        "dual-nic",
        "esa-aix",
        "direct-ipv6",
        "dual-stack",
        "consoles",
        "consoles-ds8000",
        "user-target",
        "consoles-failover",
        "upload",
        "simplified",
        "traditional",
        "i5-partition",
        "ursf",
        "esa-linux",
        "proxy",
        "proxy-failover",
        "service-proxy",
        "service-off",
        "service-modem",
        "service-ds8880",
        "service-esa",
        "service-aos",
        "service-internet",
    }  # which have none


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where recordings are, for a test that makes some."""
    monkeypatch.setattr(archive, "FOLDER", tmp_path / "recordings")
    return tmp_path / "recordings"


def made(run_dir: Path, text: str, events: str = "quiet") -> Path:
    for member, content in {"record.json": text, "events.jsonl": events}.items():
        (run_dir / member).parent.mkdir(parents=True, exist_ok=True)
        (run_dir / member).write_text(content)
    return run_dir


@pytest.mark.parametrize(
    "trace",
    [
        "/home/somebody/x",
        f"on {socket.gethostname()}",
        f"{archive.ROOT}/lab",
        *([f"by {getpass.getuser()}"] if getpass.getuser() != "root" else []),
    ],
)
def test_what_has_a_trace_of_this_machine_is_not_written(
    trace: str, folder: Path, tmp_path: Path
) -> None:
    run_dir = made(tmp_path / "run", "{}", events=trace)

    with pytest.raises(archive.TracesError, match=r"events\.jsonl"):
        archive.pack("one", run_dir, ("vpn",))

    assert not folder.exists()


def test_what_was_packed_comes_out(folder: Path, tmp_path: Path) -> None:
    run_dir = made(tmp_path / "run", "{}")
    (run_dir / "keys").mkdir()
    (run_dir / "keys" / "ca.pem").write_text("of no use to a judge")
    archive.pack("one", run_dir, ("vpn",))

    out = archive.unpack("one", tmp_path / "out")

    files = {p.relative_to(out).as_posix(): p.read_text() for p in out.rglob("*") if p.is_file()}
    assert files == {"record.json": "{}", "events.jsonl": "quiet"}


def test_another_version_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.pack("one", made(tmp_path / "run", "{}"), ("vpn",))
    monkeypatch.setattr(archive, "VERSION", archive.VERSION + 1)

    with pytest.raises(archive.OutdatedError, match="make recordings"):
        archive.members("one")


def test_what_this_version_cannot_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody changed the record, and not the version."""
    members = archive.members("direct")
    record = json.loads(members["record.json"]) | {"weather": "fair"}
    changed = members | {"record.json": json.dumps(record).encode()}
    monkeypatch.setattr(archive, "members", lambda name: changed)

    with pytest.raises(archive.OutdatedError, match=r"does not fit .*make recordings"):
        Recordings(tmp_path)("direct")


def test_one_that_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(
        archive.OutdatedError, match="recording nothing is missing; make recordings"
    ):
        archive.members("nothing")


def test_a_copy_may_be_changed_and_the_next_is_as_before(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path)
    before = recordings("dial")
    before.record.calls[0].succeeded = False
    before.record.fence_trials.clear()
    before.wire["dmz"].clear()
    before.carried.clear()
    before.events.clear()

    after = recordings("dial")

    assert after.record.calls[0].succeeded
    assert isinstance(after.record, Record)
    assert all([after.record.fence_trials, after.wire["dmz"], after.carried, after.events])
