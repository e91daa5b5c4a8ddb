"""Captures of more than the ring holds: every frame once, in order, on each segment; by another's eyes."""

from __future__ import annotations

import pytest

from lab import process
from lab.wire.ring import BLOCK_BYTES, BLOCKS
from tests.integration.labs import Runs
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
