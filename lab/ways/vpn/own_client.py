"""A VPN client of the user's own: what it is told, as by telephone, and what its gateways know of it.

An agent's host has the secrets in files of its own file system; the environment of commands there
names the files, and says the rest (``environment``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from lab.i5.events import PassThroughJoined
from lab.record import story
from lab.record.record import WayTry
from lab.topology.model import Topology
from lab.ways.pass_through.plan import lent_to
from lab.ways.vpn.plan import IpsecConnection, VpnPlan, clients, connections, plans

if TYPE_CHECKING:
    from lab.ways.ground import Ground
    from tunnels.ipsec import Charon
    from tunnels.l2tp import Lns

PSK_FILE = "/run/lab-vpn/psk"
CHAP_SECRET_FILE = "/run/lab-vpn/chap-secret"
READABLE = 0o644
"""Also for a client that is not root; nobody else sees the host's ``/run``."""


def hand_out(ground: Ground) -> None:
    """Write the secrets of each agent with a way by VPN: what its own client would be configured with."""
    for connection in connections(ground.topology):
        node = ground.nodes[connection.client]
        node.write(PSK_FILE, f"{connection.client_side.psk.reveal()}\n", READABLE)
    for client in clients(ground.topology):
        node = ground.nodes[client.client]
        node.write(CHAP_SECRET_FILE, f"{client.account.secret.reveal()}\n", READABLE)


def environment(topology: Topology, node: str) -> dict[str, str]:
    """What a client on an agent's host is told; nothing on a host without a way by VPN.

    Where a partition lends the VPN, that is whom to call by L2TP, and PPP's account.
    """
    own = [c for c in connections(topology) if c.client == node]
    client = next((c for c in clients(topology) if c.client == node), None)
    if client is None:
        return {}
    ppp = {
        "LAB_CHAP_USER": client.account.user,
        "LAB_CHAP_SECRET_FILE": CHAP_SECRET_FILE,
        "LAB_PPP_MTU": str(client.mtu),
    }
    if not own:
        # The VPN is a partition's, which is asked by L2TP.
        lender = lent_to(topology, node)
        assert lender is not None, "each client has connections, or a partition's"
        return {"LAB_PARTITION": lender.borrower(node).partition_address, **ppp}
    side = own[0].client_side
    return {
        "LAB_GATEWAYS": ",".join(dict.fromkeys(c.gateway_address for c in own)),
        "LAB_IDENTITY": side.identity,
        "LAB_PSK_FILE": PSK_FILE,
        "LAB_IKE_VERSION": str(own[0].version),
        "LAB_IKE_PROPOSAL": side.ike_proposal,
        "LAB_ESP_PROPOSAL": side.esp_proposal,
        **ppp,
    }


def tell(
    ground: Ground,
    own: Iterable[IpsecConnection],
    charons: Mapping[str, Charon],
    lnss: Mapping[str, Lns],
) -> None:
    """Note what came of connections that were left to the user's own clients, as the gateways know it.

    A way counts as up once its gateway has had a call by L2TP: a client that came so far is judged.
    """
    record = ground.record
    for connection in own:
        agreed = charons[connection.gateway].agreed(connection)
        for event in agreed:
            record.ike.append(event)
            ground.story.tell(event)
        callers = _callers(ground, connection)
        if not agreed or not lnss[connection.gateway].called_by(callers):
            continue
        (way,) = (plan for plan in plans(ground.topology) if connection in plan.connections)
        up, client = agreed[0].time, connection.client
        record.tries.append(
            # The user may have begun at any time.
            WayTry(agent=client, way=way.name, started=record.started, ended=up, up=True, own=True)
        )
        record.path_up = record.path_up or up
        record.gateway_in_use[client] = connection.gateway


def tell_lent(ground: Ground, ways: Iterable[VpnPlan]) -> None:
    """Note which clients of the user's own have had a call that a partition passed on.

    Such a way counts as up once the partition has joined the two calls: what comes then is PPP.
    """
    record = ground.record
    told = story.read(ground.run_dir, PassThroughJoined)
    joined = [each for each in told if isinstance(each, PassThroughJoined)]
    for way in ways:
        for client in way.agents:
            first = next(
                (e for e in joined if (e.source, e.client) == (way.partition, client)), None
            )
            if first is None or any(each.agent == client for each in record.tries):
                continue
            up = first.time
            record.tries.append(
                WayTry(
                    agent=client, way=way.name, started=record.started, ended=up, up=True, own=True
                )
            )
            record.path_up = record.path_up or up
            record.gateway_in_use[client] = first.far


def _callers(ground: Ground, connection: IpsecConnection) -> set[str]:
    """From which addresses a client's L2TP may come to its gateway: in transport mode, from a SNAT's.

    By telephone, from what AT&T's gateway gave.
    """
    if not connection.client_address:
        account = ground.topology.ppp_account(connection.client)
        user = account.user if account is not None else ""
        return {call.address for call in ground.record.lig if call.user == user}
    return {connection.client_address, *filter(None, (ground.topology.seen_address,))}
