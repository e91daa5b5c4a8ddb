"""A receiver over a folder of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.ibm.receiver.asking import Desk, Machine


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.receiver.close()


@pytest.fixture
def machine(desk: Desk) -> Machine:
    return desk.enrolled()
