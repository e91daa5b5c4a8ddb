"""A VPN gateway of the user's own: what it is set up with, in files of the node's and by its environment."""

from __future__ import annotations

from lab.topology.model import Topology
from lab.ways.vpn.own_client import PSK_FILE
from lab.ways.vpn.plan import IpsecConnection, connections, servers

CHAP_SECRETS_FILE = "/run/lab-vpn/chap-secrets"


def files(topology: Topology, node: str) -> dict[str, str]:
    """The secrets that a gateway knows, by the file's path; none where no way leads to the gateway."""
    own = [c for c in connections(topology) if c.gateway == node]
    accounts = [a for s in servers(topology) if s.gateway == node for a in s.ppp.accounts]
    if not own:
        return {}
    lines = [f'"{each.user}" * "{each.secret.reveal()}" *\n' for each in accounts]
    return {
        PSK_FILE: f"{own[0].gateway_side.psk.reveal()}\n",
        CHAP_SECRETS_FILE: "".join(dict.fromkeys(lines)),
    }


def environment(topology: Topology, node: str) -> dict[str, str]:
    """What a gateway is told; nothing where no way leads to it."""
    own = [c for c in connections(topology) if c.gateway == node]
    if not own:
        return {}
    side = own[0].gateway_side
    server = next(s for s in servers(topology) if s.gateway == node)
    pool = server.ppp.pool
    return {
        "LAB_IDENTITY": side.identity,
        "LAB_HOSTNAME": server.hostname,
        "LAB_CLIENTS": ",".join(
            dict.fromkeys(
                f"{c.gateway_side.expects}={address}" for c in own for address in _of(topology, c)
            )
        ),
        "LAB_PSK_FILE": PSK_FILE,
        "LAB_IKE_VERSION": str(own[0].version),
        "LAB_IKE_PROPOSAL": side.ike_proposal,
        "LAB_ESP_PROPOSAL": side.esp_proposal,
        "LAB_IPSEC_MODE": str(side.encapsulation),
        "LAB_CHAP_SECRETS_FILE": CHAP_SECRETS_FILE,
        "LAB_PPP_ADDRESS": server.ppp.local_ip,
        "LAB_PPP_POOL": f"{pool[0]}-{pool[-1]}" if pool else "",
        "LAB_PPP_MTU": str(server.mtu),
    }


def _of(topology: Topology, connection: IpsecConnection) -> tuple[str, ...]:
    """The addresses that a client may have: by telephone, any of AT&T's pool."""
    if connection.client_address or topology.lig is None:
        return (connection.client_address,)
    return topology.lig.ppp.pool
