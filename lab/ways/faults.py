"""The faults that a topology can be run with: each a function from one model to another.

Those of one kind of way are with the way (``lab.ways.<kind>.faults``), those of remote service in
``service_faults``, of names in ``name_faults``, of management modules in ``module_faults``, of consoles in
``console_faults``, of targets that users enter in ``target_faults``, of events that wait in
``event_faults``; here are those of the Internet and of IBM's servers.
What they do to a run is for ``verify.diagnosis`` to find out without being told.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from lab import ways
from lab.errors import UsageError
from lab.names import check_known
from lab.topology.model import DropRule, Role, Topology
from lab.topology.own_program import OwnProgram
from lab.topology.servers import KeyKind
from lab.ways import (
    console_faults,
    event_faults,
    module_faults,
    name_faults,
    service_faults,
    target_faults,
)
from lab.ways.fault import Fault, Need, drop

BLACK_HOLE_ABOVE_BYTES = 900
"""Below a server's certificate, above IKE, L2TP, PPP and a ClientHello inside the VPN."""


def apply(name: str, topology: Topology) -> Topology:
    """The topology with the fault in it.

    Raises UsageError if there is no such fault, or no place for it here.
    """
    check_known("fault", name, dict.fromkeys(fault.name for fault in known()))
    named = [fault for fault in known() if fault.name == name]
    for fault in named:
        if fault.applies(topology):
            changed = fault.change(topology)
            if own := _left_out_by(topology, changed):
                raise UsageError(
                    f"the fault {name} is put in by the lab's own program on {own.node}, and there "
                    f"{own.name} runs in its place",
                    hint=f"have {own.name} do what is to go wrong, or take run out of {own.node}",
                )
            return replace(changed, fault=name)
    needs = ", or ".join(fault.need.text for fault in named)
    raise UsageError(
        f"the fault {name} does not apply to {topology.name}: it needs {needs}",
        hint=f"lab faults {topology.name} lists those that do",
    )


def applicable(topology: Topology) -> tuple[Fault, ...]:
    """The faults that a topology can be run with: of each name the one that ``apply`` takes."""
    fitting = [fault for fault in known() if fault.applies(topology)]
    if topology.own_programs:
        fitting = [f for f in fitting if not _left_out_by(topology, f.change(topology))]
    return tuple({fault.name: fault for fault in reversed(fitting)}.values())[::-1]


def _left_out_by(topology: Topology, changed: Topology) -> OwnProgram | None:
    """The program of the user's own that would have to do what a fault changes; None if there is none."""
    for own in topology.own_programs:
        if _set_up(topology, own.node) != _set_up(changed, own.node):
            return own
    return None


def _set_up(topology: Topology, node: str) -> list[object]:
    """What the lab's own program on a node is made to do."""
    from lab.ways.vpn import plan as vpn

    ends = [c.gateway_side for c in vpn.connections(topology) if c.gateway == node]
    servers = [server for server in vpn.servers(topology) if server.gateway == node]
    proxies = [proxy for proxy in topology.proxies if proxy.node == node]
    of_sdc = topology.node(node).role is Role.sdc
    return [ends, servers, proxies, *((topology.tls, topology.stubs) if of_sdc else ())]


@cache
def known() -> tuple[Fault, ...]:
    """Every fault, those of no kind of way last. Two kinds of way may have faults of one name."""
    return (
        *(fault for kind in ways.kinds() for fault in ways.stage(kind, "faults").FAULTS),
        *service_faults.FAULTS,
        *name_faults.FAULTS,
        *module_faults.FAULTS,
        *console_faults.FAULTS,
        *target_faults.FAULTS,
        *event_faults.FAULTS,
        SMALL_MTU,
        OLD_TLS_ONLY,
    )


def _small_mtu(topology: Topology) -> Topology:
    (internet,) = topology.with_role(Role.internet)
    above = BLACK_HOLE_ABOVE_BYTES
    return drop(topology, DropRule(name="small-mtu", node=internet.name, above_bytes=above))


SMALL_MTU = Fault(
    "small-mtu",
    f"packets above {BLACK_HOLE_ABOVE_BYTES} bytes vanish in the Internet",
    Need("a path over the Internet", lambda topology: bool(topology.with_role(Role.internet))),
    _small_mtu,
)


def _speak_old_tls(topology: Topology) -> Topology:
    """What the papers of 2007 and of Electronic Service Agent 7.1.5 know, whatever the profile (P-15)."""
    plans = (
        replace(
            plan,
            minimum="TLSv1",
            maximum="TLSv1",
            suites=("AES256-SHA", "AES128-SHA"),
            keys=(KeyKind.rsa_1024,),
        )
        for plan in topology.tls
    )
    return replace(topology, tls=tuple(plans))


OLD_TLS_ONLY = Fault(
    "old-tls-only",
    "IBM's servers speak TLS 1.0 with RSA-1024 and nothing later",
    Need("servers that speak TLS", lambda topology: bool(topology.tls)),
    _speak_old_tls,
)
