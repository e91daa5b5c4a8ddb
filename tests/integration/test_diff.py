"""Two runs of the same thing in virtual time differ in nothing but what is random by protocol."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from lab import cli
from lab.compare import differences, traits
from lab.report.kept import KeptRun
from tests.integration.labs import Runs

pytestmark = pytest.mark.kernel

TIMES = 3


@pytest.mark.parametrize("topology", ["direct", "vpn-nat", "dial"])
def test_runs_of_one_topology_differ_in_nothing(
    runs: Runs, topology: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = [runs.get(topology).run_dir]
    for number in range(1, TIMES):
        done.append(tmp_path / str(number))
        assert cli.main(["run", topology, "--quiet", "--out", str(done[-1])]) == 0
    kept = [KeptRun.read(path) for path in done]
    shown = [traits.of(run) for run in kept]
    assert all(
        each.told and each.wires.connections and each.durations and not each.lacking
        for each in shown
    )
    assert [differences.find(*pair) for pair in pairwise(shown)] == [()] * (TIMES - 1)
    # They are several runs, and what is drawn by lot is another each time.
    secrets = {(path / "keys" / "tls.keylog").read_text() for path in done}
    assert len(secrets) == TIMES
    capsys.readouterr()
    assert cli.main(["diff", str(done[0]), str(done[-1])]) == 0


def test_a_fault_is_a_difference(runs: Runs) -> None:
    first, second = runs.get("vpn-nat"), runs.get("vpn-nat", "--fault", "wrong-psk")
    assert cli.main(["diff", str(first.run_dir), str(second.run_dir)]) == 1
