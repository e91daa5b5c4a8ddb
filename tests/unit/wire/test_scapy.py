"""What the lab makes of scapy's tables."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from scapy.data import ManufDA, _CacheUnpickler

from lab.wire import _scapy


@pytest.fixture
def cached(tmp_path: Path) -> Path:
    """A table of manufacturers, as scapy keeps it."""
    table = ManufDA(_name="manufacturers")
    for number in range(100):
        table[f"00:00:{number:02X}"] = "short", "long"
    path = tmp_path / "manufdb.pickle"
    path.write_bytes(pickle.dumps({"id": "of its source", "content": table}))
    return path


def test_the_manufacturers_are_forgotten_and_scapy_still_takes_the_table(cached: Path) -> None:
    _scapy.forget_manufacturers(cached)

    with cached.open("rb") as file:
        table = _CacheUnpickler(file).load()
    assert table["id"] == "of its source"
    assert isinstance(table["content"], ManufDA)
    assert len(table["content"]) == 0
    assert list(cached.parent.iterdir()) == [cached]

    # There is nothing more to forget.
    written = cached.stat().st_mtime_ns
    _scapy.forget_manufacturers(cached)
    assert cached.stat().st_mtime_ns == written


def test_a_table_that_is_not_whole_or_not_there_is_left_to_scapy(cached: Path) -> None:
    half = cached.read_bytes()[:-9]
    cached.write_bytes(half)
    _scapy.forget_manufacturers(cached)
    assert cached.read_bytes() == half

    cached.unlink()
    _scapy.forget_manufacturers(cached)
    assert not cached.exists()
