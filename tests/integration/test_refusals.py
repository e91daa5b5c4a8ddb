"""What a gateway must not agree to, whoever asks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lab.run.run import Run
from lab.ways.vpn.plan import Encapsulation
from tests.unit.verify.changes import change_connections

pytestmark = pytest.mark.kernel


def test_a_gateway_in_tunnel_mode_refuses_transport_mode(tmp_path: Path) -> None:
    """P-02: the HMC alone proposes transport mode; IKE comes up, and no ESP SA."""
    run = Run.prepare("vpn", out=tmp_path / "run")
    run.topology = change_connections(
        run.topology,
        lambda each: replace(
            each, client_side=replace(each.client_side, encapsulation=Encapsulation.transport)
        ),
    )
    run.carry_out(quiet=True)
    outcome = run.judge()

    assert outcome.exit_status == 1
    (mode,) = (finding for finding in outcome.findings if finding.requirement == "P-02")
    assert mode.verdict == "fail"
    assert "no ESP SA was ever installed" in mode.seen
    assert "protects UDP 1701 between the two addresses, in tunnel mode" in outcome.diagnosis
