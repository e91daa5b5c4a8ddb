"""What can be wrong with a way home over the Internet: with the server that is asked first."""

from __future__ import annotations

from lab.topology.model import DropRule, Role, Topology
from lab.ways.direct.plan import DirectPlan
from lab.ways.fault import Fault, Need, drop


def _plans(topology: Topology) -> list[DirectPlan]:
    return [way for way in topology.ways if isinstance(way, DirectPlan)]


def _has_others(topology: Topology) -> bool:
    plans = _plans(topology)
    return bool(plans) and all(len({e.address for e in way.endpoints}) > 1 for way in plans)


def _first_is_down(topology: Topology) -> Topology:
    (sdc,) = topology.with_role(Role.sdc)
    first = f"{_plans(topology)[0].endpoints[0].address}/32"
    return drop(topology, DropRule(name="server-down", node=sdc.name, destination=first, own=True))


FAULTS = (
    Fault(
        "server-down",
        "the listed server that is asked first does not answer",
        Need("a direct path to several servers", _has_others, "direct"),
        _first_is_down,
        survives=True,
    ),
)
