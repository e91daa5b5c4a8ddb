"""Run directories of recordings, as the tests of reports have them."""

from __future__ import annotations

from tests.unit.report.conftest import run_dir as run_dir
from tests.unit.report.conftest import unpacked as unpacked
