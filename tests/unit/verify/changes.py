"""Changes of models and records that several tests need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lab.record.record import Record, WayTry
from lab.topology.family import Family
from lab.topology.model import Topology
from lab.ways.dial.plan import Dialer, DialPlan
from lab.ways.direct.plan import DirectPlan
from lab.ways.fault import change_ways
from lab.ways.vpn.plan import IpsecConnection, L2tpClient, VpnPlan


def change_connections(
    model: Topology, change: Callable[[IpsecConnection], IpsecConnection]
) -> Topology:
    return change_ways(
        model, VpnPlan, lambda way: replace(way, connections=tuple(map(change, way.connections)))
    )


def change_clients(model: Topology, change: Callable[[L2tpClient], L2tpClient]) -> Topology:
    return change_ways(
        model, VpnPlan, lambda way: replace(way, clients=tuple(map(change, way.clients)))
    )


def change_dialers(model: Topology, change: Callable[[Dialer], Dialer]) -> Topology:
    return change_ways(
        model, DialPlan, lambda way: replace(way, dialers=tuple(map(change, way.dialers)))
    )


def change_families(model: Topology, *families: str) -> Topology:
    """The ways over the Internet go by these versions of IP."""
    known = tuple(Family(each) for each in families)
    return change_ways(model, DirectPlan, lambda way: replace(way, families=known))


def note_tries(model: Topology, record: Record) -> None:
    """Every agent tried its first way, when the path came up or did not."""
    for agent in model.callers:
        record.tries.append(
            WayTry(
                agent=agent.name,
                way=agent.ways[0],
                started=record.started,
                ended=record.path_up or record.started,
                up=record.path_up > 0,
            )
        )
