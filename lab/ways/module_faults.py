"""What can be wrong with the management module beside an agent's host."""

from __future__ import annotations

from dataclasses import replace

from lab.topology.management import NOTICES_PORT, ModulePlan
from lab.topology.model import DropRule, Topology
from lab.ways.fault import Fault, Need, drop

MODULE = Need("a management module", lambda topology: bool(topology.modules))


def _without_https(topology: Topology) -> Topology:
    modules = tuple(replace(module, has_https=False) for module in topology.modules)
    return replace(topology, modules=modules)


def _silence(topology: Topology) -> Topology:
    for module in topology.modules:
        topology = drop(topology, DropRule(name="imm-silent", node=module.node, own=True))
    return topology


def _lose_notices(topology: Topology) -> Topology:
    """The agent's own host drops whatever connections the module opens: its SYNs are answered by nobody."""
    for module in topology.modules:
        topology = drop(topology, _lost_at(module))
    return topology


def _lost_at(module: ModulePlan) -> DropRule:
    return DropRule(
        name="imm-notice-lost",
        node=module.agent,
        protocol="tcp",
        port=NOTICES_PORT,
        source=f"{module.address}/32",
        own=True,
    )


FAULTS = (
    Fault(
        "imm-https-off",
        "the management module has no HTTPS, and answers by HTTP alone",
        MODULE,
        _without_https,
        survives=True,
    ),
    Fault("imm-silent", "the management module answers nothing", MODULE, _silence),
    Fault(
        "imm-notice-lost",
        "the agent's host drops the notices of the management module",
        MODULE,
        _lose_notices,
    ),
)
