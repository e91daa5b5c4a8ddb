"""What all tests of judging share."""

from __future__ import annotations

import pytest

from tests.recordings.true_run import Recordings
from tests.unit.verify.fence_play import DialScript


@pytest.fixture(autouse=True)
def few_random_packets(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is played has fewer random packets than a run has, and all else of it."""
    if "recordings" not in request.fixturenames:
        monkeypatch.setattr("lab.ways.dial.fence.FEWEST_RANDOM", DialScript().random_packets)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    """Copies of recordings by their names."""
    return Recordings(tmp_path_factory.mktemp("recordings"))
