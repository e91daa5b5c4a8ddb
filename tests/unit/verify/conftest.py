"""What all tests of judging share."""

from __future__ import annotations

import pytest

from tests.recordings.true_run import Recordings


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    """Copies of recordings by their names."""
    return Recordings(tmp_path_factory.mktemp("recordings"))
