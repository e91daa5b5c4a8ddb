"""What a partition lends, and to whom: read from the topology. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lab.topology.model import Topology
from lab.topology.telephone import ModemFault
from lab.ways.dial.plan import dialers
from lab.ways.pass_through.plan import plans
from lab.ways.vpn.plan import IpsecConnection, lent_by

HELLO_S = 60.0
"""RFC 2661 6.5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionPlan:
    """One partition's."""

    node: str
    hostname: str
    clients: Mapping[str, str]
    """The HMCs that borrow from it, by address."""
    addresses: Mapping[str, str]
    """Its own address, by the peer's: of each HMC and each gateway."""
    hello_s: float
    gateways: tuple[str, ...]
    """In the order in which they are tried; none if it lends no VPN."""
    borrowers: tuple[str, ...]
    """Of its VPN."""
    connections: Mapping[str, IpsecConnection]
    """By gateway."""
    devices: tuple[str, ...]
    """Its serial ports, in order; none if nobody borrows its modem."""
    held: frozenset[str]
    """Those of them that another program of the partition's has, and keeps."""
    init: str
    """What its modems are told first."""


def plan_of(topology: Topology, node: str) -> PartitionPlan:
    """What the partition at a node lends by all of the topology's ways."""
    ways = [way for way in plans(topology) if way.partition == node]
    borrowers = [borrower for way in ways for borrower in way.borrowers]
    lent = lent_by(topology, node)
    connections = {c.gateway: c for c in lent.connections} if lent is not None else {}
    modem = next((dialer for dialer in dialers(topology) if dialer.partition == node), None)
    return PartitionPlan(
        node=node,
        hostname=ways[0].hostname if ways else node,
        clients={borrower.address: borrower.client for borrower in borrowers},
        addresses={
            **{borrower.address: borrower.partition_address for borrower in borrowers},
            **{c.gateway_address: c.client_address for c in connections.values()},
        },
        hello_s=min((way.hello_s for way in ways), default=HELLO_S),
        gateways=lent.gateways if lent is not None else (),
        borrowers=lent.agents if lent is not None else (),
        connections=connections,
        devices=modem.devices if modem is not None else (),
        held=_held(topology, node),
        init=modem.init if modem is not None else "",
    )


def _held(topology: Topology, node: str) -> frozenset[str]:
    broken = dict(topology.telephone.broken) if topology.telephone is not None else {}
    lines = topology.lines_of(node)
    return frozenset(x.device for x in lines if broken.get(x.name) is ModemFault.in_use)
