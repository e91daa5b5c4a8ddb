"""A server on loopback addresses: real sockets, real TLS, no namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.ibm.server import Server
from tests.unit.ibm.sites import Site, lab_threads


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def server(site: Site) -> Iterator[Server]:
    with site.server() as server:
        yield server
    assert lab_threads() == []
