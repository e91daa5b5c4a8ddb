"""How a way home by VPN is drawn."""

from __future__ import annotations

from collections.abc import Iterator

from lab.names import count
from lab.topology.model import Role, Topology
from lab.topology.route_map import TELEPHONE
from lab.topology.routing import Hop, Network
from lab.ways.vpn.plan import Encapsulation, VpnPlan, in_udp, plans


def hops(
    topology: Topology, network: Network, way: VpnPlan, agent: str
) -> Iterator[tuple[Hop, ...]]:
    """An agent's hops to the servers by each gateway, the one that is tried first before the others."""
    (sdc,) = network.with_role(Role.sdc)
    # To a partition that lends the VPN first, and back over the same wire; or to AT&T's gateway.
    near, start = tuple[Hop, ...](), way.partition or agent
    telephone, lig = topology.telephone, topology.lig
    if way.partition:
        near = network.ways(agent)[way.partition]
    elif way.dials and telephone is not None and lig is not None:
        near, start = (Hop(TELEPHONE, telephone.node), Hop(TELEPHONE, lig.node)), lig.node
    for gateway in way.gateways:
        onward = network.ways(gateway, closed=network.internet)[sdc]
        yield near + network.ways(start)[gateway] + onward


def tunnel_labels(topology: Topology, way: VpnPlan) -> tuple[str, ...]:
    """What the tunnel is made of, from outside to inside."""
    mode = way.connections[0].client_side.encapsulation
    return f"IPsec, {mode}, on {outer(topology, way)}", "L2TP, PPP", f"MTU {way.clients[0].mtu}"


def outer(topology: Topology, way: VpnPlan) -> str:
    """In what IPsec crosses the Internet."""
    return "UDP 4500" if in_udp(topology, way) else "ESP"


def hidden_in(topology: Topology) -> str:
    """What the legend says about the tunnel."""
    found = dict.fromkeys(outer(topology, way) for way in plans(topology))
    return f"IPsec ({' or '.join(found)}), L2TP and PPP"


def blocks(topology: Topology, way: VpnPlan) -> Iterator[list[str]]:
    """What is agreed upon with the gateways."""
    yield list(_block(way))


def _block(way: VpnPlan) -> Iterator[str]:
    one, client = way.connections[0], way.clients[0]
    sessions = count(client.sessions, "PPP session")
    layout = "a tunnel each" if client.layout == "tunnels" else "in one tunnel"
    mode = one.client_side.encapsulation
    papers = "" if mode is Encapsulation.tunnel else " (the papers say tunnel)"
    yield "The VPN"
    yield f"  gateways  {', then '.join(way.gateways)}"
    if way.partition:
        yield f"  lent by   {way.partition}, whose IPsec it is"
    yield f"  IKE       v1 main mode, pre-shared key, {one.client_side.ike_proposal}"
    yield f"  ESP       {one.client_side.esp_proposal}, {mode} mode{papers}"
    yield f"            new keys every {one.rekey_min_s // 60} to {one.rekey_max_s // 60} minutes"
    yield f"  L2TP      {sessions} {layout}"
    yield f"  PPP       {way.servers[0].ppp.auth.upper()}, MTU {client.mtu}"
    for server in way.servers:
        pool = server.ppp.pool
        shown = f"{pool[0]} to {pool[-1]}" if pool else "no addresses"
        yield f"            {server.gateway} gives {shown}"
