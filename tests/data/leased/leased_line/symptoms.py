"""How a failure is told, and at which step of the way each cause stops it."""

from __future__ import annotations

from lab.names import count
from lab.verify.step import Step
from lab.verify.symptom import Diagnosis, Trail
from lab.ways.direct import symptoms as direct
from lab.ways.direct.symptoms import survived

__all__ = ["STOPS", "failure", "survived"]

STOPS = {**direct.STOPS, "line-cut": Step.syn}
"""What lacks this step or a later one then only follows from the cause: docs/cause-first.md."""


def failure(case, agent):
    """Why the way did not lead home: without the line nothing else is to blame."""
    return _find_cut_line(Trail(case, agent, None)) or direct.failure(case, agent)


def _find_cut_line(trail):
    asked = [packet for packet in trail.sockets if packet.is_bare_syn]
    if not asked or any(packet.is_bare_syn for _, packet in trail.case.leaving):
        return None
    (line,) = (way for way in trail.case.topology.ways if way.kind == "leased")
    firewall = trail.case.topology.firewall
    return Diagnosis(
        "line-cut",
        f"the line of {line.carrier} is cut: {count(len(asked), 'SYN')} of {trail.client} came to "
        f"{firewall.node}, and none is on {firewall.outside}",
        f"call {line.carrier}",
    )
