"""Captures of more than the ring holds: every frame once, in order, on each segment; by another's eyes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.linux import process
from lab.wire.ring import BLOCK_BYTES, BLOCKS
from tests.integration.labs import ROOT, Runs
from tests.oracle import tshark

pytestmark = pytest.mark.kernel

PINGS = 3000
SIZE = 1400
FLOOD = ("direct", "--", "sh", "-c", f"ping -q -f -c {PINGS} -s {SIZE} $LAB_PROBE")
SEGMENTS = ("lan", "fw-inet", "dmz")


def test_no_frame_is_lost_where_the_ring_is_used_again(runs: Runs) -> None:
    assert len(SEGMENTS) * 2 * PINGS * SIZE > BLOCKS * BLOCK_BYTES
    ran = runs.get(*FLOOD)
    assert ran.status == 0, ran.told
    assert f"{PINGS} packets transmitted, {PINGS} received" in ran.stdout
    assert ran.record.frames_lost == 0
    for segment in SEGMENTS:
        path = ran.run_dir / "wire" / f"{segment}.pcapng"
        for kind in (8, 0):
            rows = tshark(path, ("icmp.seq",), "-Y", f"icmp.type == {kind}")
            assert [int(row[0]) for row in rows] == [n % 65536 for n in range(1, PINGS + 1)]
        report = process.run(("capinfos", "-o", "-M", path), deadline_s=60)
        assert "Strict time order:   True" in report


def test_what_is_written_first_is_gone_in_the_end(runs: Runs) -> None:
    wire = runs.get(*FLOOD).run_dir / "wire"
    assert {path.suffix for path in wire.iterdir()} == {".pcapng"}


# The command, on a host that takes its time for every block of the ring. An hour has three times as many
# blocks as the ring: each is given away after a minute, however little is in it.
SLOW_HOST = """
import sys, threading
from lab.cli import main
from lab.wire.spool import Spooler
take = Spooler._take_block
Spooler._take_block = lambda *block: threading.Event().wait(0.05) or take(*block)
sys.exit(main(sys.argv[1:]))
"""


def test_in_virtual_time_the_guest_waits_for_a_slow_host(tmp_path: Path) -> None:
    words = ("run", "vpn-nat", "--quiet", "--out", tmp_path / "run", "--", "sleep", "3600")
    done = subprocess.run(
        [sys.executable, "-c", SLOW_HOST, *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "record.json").read_text())["frames_lost"] == 0
