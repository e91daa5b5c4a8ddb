"""What can be wrong with IBM's servers when the way to them is right: certificates, and how they answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lab.topology.model import Topology
from lab.topology.own_rules import find
from lab.topology.servers import Certified, Failure, Stub
from lab.ways.fault import Fault, Need

SLOW_S = 600.0
"""Ten times what the lab's own agent waits."""


def _all_direct(topology: Topology) -> bool:
    return bool(topology.ways) and all(way.kind == "direct" for way in topology.ways)


DIRECT_ONLY = Need("direct paths and no others", _all_direct)


def _certified(certified: Certified) -> Callable[[Topology], Topology]:
    def change(topology: Topology) -> Topology:
        plans = tuple(replace(plan, certified=certified) for plan in topology.tls)
        return replace(topology, tls=plans)

    return change


def _passes_firewall(topology: Topology) -> bool:
    firewall = topology.firewall
    if firewall is None or find(topology.own_rules, firewall.node) is not None:
        return False
    return _all_direct(topology)


def _inspect(topology: Topology) -> Topology:
    assert topology.firewall is not None, "it applies only there"
    return replace(topology, firewall=replace(topology.firewall, inspects=True))


def _answering(
    name: str,
    *,
    status: int = 200,
    reason: str = "OK",
    delay_s: float = 0.0,
    failure: Failure = Failure.none,
) -> Callable[[Topology], Topology]:
    """All servers answer every request alike."""
    stub = Stub(
        name=name,
        host="",
        method="",
        path=".*",
        status=status,
        reason=reason,
        headers=(),
        body_base64="",
        delay_s=delay_s,
        failure=failure,
    )
    return lambda topology: replace(topology, stubs=(stub, *topology.stubs))


FAULTS = (
    Fault(
        "expired-certificate",
        "the certificates of IBM's servers have expired",
        DIRECT_ONLY,
        _certified(Certified.expired),
    ),
    Fault(
        "unknown-authority",
        "the certificates of IBM's servers are of an authority that no client trusts",
        DIRECT_ONLY,
        _certified(Certified.elsewhere),
    ),
    Fault(
        "tls-inspection",
        "the customer's firewall breaks TLS open, with a certificate of the customer's own authority",
        Need(
            "direct paths and no others, through a firewall with the lab's rules", _passes_firewall
        ),
        _inspect,
    ),
    Fault(
        "server-resets",
        "IBM's servers reset each connection when they have read a request",
        DIRECT_ONLY,
        _answering("server-resets", failure=Failure.reset),
    ),
    Fault(
        "server-503",
        "IBM's servers answer every request with 503 Service Unavailable",
        DIRECT_ONLY,
        _answering("server-503", status=503, reason="Service Unavailable"),
    ),
    Fault(
        "slow-server",
        "IBM's servers take ten minutes for each answer",
        DIRECT_ONLY,
        _answering("slow-server", delay_s=SLOW_S),
    ),
)
