"""What opens a call home by telephone where an agent has ways with and without a VPN in the call (OUT-23)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.topology.model import Topology
from lab.verify import Verdict
from tests.recordings.true_run import Recordings, TrueRun
from tests.unit.verify.vpn_dial_mutations import without_ike


def with_both(run: TrueRun, *order: str) -> Topology:
    """The run's topology, whose HMC may also go by its modem alone, or by a VPN in its calls."""
    (agent,) = run.topology.callers
    return replace(run.topology, callers=(replace(agent, ways=order),))


@pytest.mark.parametrize("order", [("modem", "vpn"), ("vpn", "modem")])
def test_a_call_is_opened_by_what_its_own_way_sends(
    order: tuple[str, ...], recordings: Recordings
) -> None:
    """The VPN came up in the call: IKE, wherever the plain modem stands in the list."""
    run = recordings("vpn-dial")
    found = run.judge(with_both(run, *order))["OUT-23"]

    assert found.verdict is Verdict.held, found.seen
    assert "first IKE at" in found.seen
    assert "first TCP SYN or IKE" in found.expected

    without_ike(run)
    found = run.judge(with_both(run, *order))["OUT-23"]
    assert found.verdict is Verdict.failed
    assert "no IKE was opened in a call of hmc" in found.seen


def test_a_call_of_the_modem_alone_needs_no_ike(recordings: Recordings) -> None:
    run, vpn = recordings("dial.line-drops"), recordings("vpn-dial").topology.way("vpn")
    (modem,) = run.topology.ways
    ways = (modem, replace(vpn, over=modem.name))
    topology = replace(with_both(run, modem.name, "vpn"), ways=ways)
    found = run.judge(topology)["OUT-23"]

    assert found.verdict is Verdict.held, found.seen
    assert "first SYN at" in found.seen
    assert "IKE" not in found.seen
