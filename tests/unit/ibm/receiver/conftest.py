"""A receiver over a folder of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.ibm.receiver.asking import Desk, Machine


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every receiver of a test is closed at the end, also one of a desk that the test has made itself."""
    opened = []
    begin = Desk.open

    def noted(desk: Desk) -> None:
        begin(desk)
        opened.append(desk.receiver)

    monkeypatch.setattr(Desk, "open", noted)
    yield
    for receiver in opened:
        receiver.close()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def machine(desk: Desk) -> Machine:
    return desk.enrolled()
