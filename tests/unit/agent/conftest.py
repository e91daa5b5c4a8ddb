"""An agent's surroundings for the tests of its life."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.agent.lives import AgentLife, life


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[AgentLife]:
    with life(tmp_path) as made:
        yield made
