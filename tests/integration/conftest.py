"""One set of runs for all tests that ask for the same one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.labs import Runs


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with Runs(tmp_path_factory.mktemp("runs")) as made:
        yield made
