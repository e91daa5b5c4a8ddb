"""A session by Internet, as other programs see its wires: tshark, without the TLS keys and with them."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from lab.relay.events import TYPED
from lab.relay.frames import MAGIC
from lab.wire import decode, tls
from tests.integration.labs import ROOT, Ran, Runs, lab
from tests.oracle import as_captured, tshark

pytestmark = pytest.mark.kernel

RELAY = "192.0.2.50"
AS_TLS = ("-d", "tcp.port==8200,tls")


@pytest.fixture(scope="module")
def ran(runs: Runs) -> Ran:
    return runs.get("service-aos")


def followed(ran: Ran, wire: Path, stream: str) -> str:
    """What tshark makes of a stream, with the run's own keys."""
    keys = f"tls.keylog_file:{ran.run_dir / 'keys' / 'tls.keylog'}"
    argv = [
        "tshark",
        "-r",
        f"{wire}",
        "-o",
        keys,
        *AS_TLS,
        "-q",
        "-z",
        f"follow,tls,ascii,{stream}",
    ]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.parametrize("segment", ["lan", "fw-inet", "dmz"])
def test_tshark_finds_nothing_but_tls(ran: Ran, segment: str) -> None:
    wire = as_captured(ran.run_dir / "wire" / f"{segment}.pcapng")
    said = f"tcp.len > 0 && ip.addr == {RELAY}"
    assert tshark(wire, ("frame.number",), "-Y", said, *AS_TLS)
    strange = f"{said} && !tls && !tcp.reassembled_in"
    assert tshark(wire, ("frame.number",), "-Y", strange, *AS_TLS) == []


@pytest.mark.parametrize("segment", ["lan", "core"])
def test_our_reader_counts_the_same_records(ran: Ran, segment: str) -> None:
    wire = as_captured(ran.run_dir / "wire" / f"{segment}.pcapng")
    argv = ["tshark", "-r", f"{wire}", *AS_TLS, "-Y", "tcp.port == 8200 && tls", "-T", "fields",
            "-e", "tls.record.content_type", "-e", "tls.record.opaque_type"]  # fmt: skip
    told = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=120).stdout
    theirs = Counter(int(kind) for kind in told.replace(",", " ").split())
    ours: Counter[int] = Counter()
    for each in tls.connections(decode.read(wire)):
        if each.port == 8200:
            for stream in (each.out, each.back):
                ours.update(record.kind for record in tls.records(stream))
    assert ours == theirs


def test_what_the_representative_does_is_inside(ran: Ran) -> None:
    """On the customer's own wire, with the keys that the relay noted."""
    wire = ran.run_dir / "wire" / "lan.pcapng"
    syn = f"tcp.flags.syn == 1 && tcp.flags.ack == 0 && ip.dst == {RELAY}"
    rows = tshark(wire, ("tcp.stream", "ip.src"), "-Y", syn)
    assert [source for _, source in rows] == ["192.168.10.10"] * 3
    inside = [followed(ran, wire, stream) for stream, _ in rows]
    assert all(MAGIC.decode() in text for text in inside)
    assert [text.count(TYPED.decode()) for text in inside] == [19, 0, 2]
    for port in ran.topology.service.ports if ran.topology.service else ():
        assert f"This is port tcp/{port} of hmc" in inside[0]
    assert "This is port" not in inside[1]
    assert inside[2].count("This is port") == 2


def test_no_code_is_told_or_kept(ran: Ran) -> None:
    """Neither in the events nor in the record: whoever has one may come in."""
    wire = ran.run_dir / "wire" / "lan.pcapng"
    rows = tshark(wire, ("tcp.stream",), "-Y", f"tcp.flags.syn == 1 && ip.dst == {RELAY}")
    codes = [_code(followed(ran, wire, stream)) for (stream,) in rows]
    assert codes[0] == codes[1] != codes[2]
    for name in ("events.jsonl", "record.json", "verdict.json"):
        text = (ran.run_dir / name).read_text()
        assert not [code for code in codes if code in text]


def _code(inside: str) -> str:
    """The seven digits with which the console's end begins, behind a head of seven bytes."""
    return next(line[7:] for line in inside.splitlines() if len(line) == 14 and line[7:].isdigit())


def test_one_port_of_the_relay_is_enough(tmp_path: Path) -> None:
    """The customer's firewall lets the HMC out to TCP 443 only, and loses what goes to 8200."""
    text = (ROOT / "topologies" / "service-aos.yaml").read_text()
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        text.replace("    relay: relay\n", "    relay: relay\n    relay_ports: [443]\n")
    )
    done = lab("run", f"{mine}", "--out", f"{tmp_path}/run")
    assert done.returncode == 0, done.stdout
    assert "hmc to 192.0.2.50:8200: no answer in 20 s" in done.stderr
    assert "hmc to 192.0.2.50:443: hello" in done.stderr
    findings = json.loads((tmp_path / "run" / "verdict.json").read_text())["findings"]
    (session,) = (finding for finding in findings if finding["requirement"] == "I-26")
    assert session["verdict"] == "pass"
