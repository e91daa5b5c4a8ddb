"""What ``dialled`` writes is read back: whose it was, when it came, what it carries."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.wire import calls, ppp
from lab.wire.dialled import FrameFault
from tests.unit.wire.test_dialled import FRAMES, PAP, call_in


def test_every_frame_is_read_back_with_its_call_and_direction(tmp_path: Path) -> None:
    call_in(tmp_path / "pstn.pcapng")

    found = calls.read(tmp_path / "pstn.pcapng")

    assert [carried.frame.number for carried in found] == list(range(1, 10))
    assert [carried.call for carried in found] == [1] * 7 + [2] * 2
    assert {carried.ends for carried in found} == {"hmc-lig-1", "hmc-lig-2"}
    assert tuple(carried.frame.data for carried in found[1:6]) == FRAMES
    assert [carried.outgoing for carried in found[1:6]] == [True, True, False, True, True]
    assert found[2].frame.time == pytest.approx(1.500000001)
    assert found[2].ppp == ppp.parse(PAP)
    assert [carried.data is not None for carried in found[1:6]] == [
        False,
        False,
        False,
        False,
        True,
    ]


def test_what_is_no_frame_says_why(tmp_path: Path) -> None:
    call_in(tmp_path / "pstn.pcapng")

    found = [carried for carried in calls.read(tmp_path / "pstn.pcapng") if carried.fault]

    assert [(carried.fault, carried.outgoing) for carried in found] == [
        (FrameFault.outside, True),
        (FrameFault.checksum, False),
        (FrameFault.outside, True),
    ]
    assert not any(carried.ppp or carried.data for carried in found)


def test_a_capture_that_is_missing_or_cut_off_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pstn.pcapng"
    with pytest.raises(LabError, match="missing"):
        calls.read(path)
    path.write_bytes(b"no capture")
    with pytest.raises(LabError, match="not a pcapng file"):
        calls.read(path)
