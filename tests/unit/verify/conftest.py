"""What all tests of judging share."""

from __future__ import annotations

import pytest

from tests.unit.verify.fence_play import DialScript


@pytest.fixture(autouse=True)
def few_random_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is played has fewer random packets than a run has, and all else of it."""
    monkeypatch.setattr("lab.ways.dial.fence.FEWEST_RANDOM", DialScript().random_packets)
