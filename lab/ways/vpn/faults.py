"""What can be wrong with a way home by VPN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lab.topology.model import DropRule, EspMeddling, PppAuth, Role, Topology
from lab.ways.fault import Fault, Need, change_ways, drop
from lab.ways.vpn.plan import IkeSide, IpsecConnection, L2tpServer, VpnPlan, connections, plans

_STRANGE_IKE = ("aes256-sha256-modp2048", "3des-md5-modp1024")
_STRANGE_ESP = ("aes256-sha256", "3des-md5")
"""The second one where the topology asks for the cipher of the first."""
_STRANGE_IDENTITY = "nobody.callhome-lab.invalid"


def _need(text: str, also: Callable[[Topology], bool] = lambda topology: True) -> Need:
    return Need(text, lambda topology: bool(plans(topology)) and also(topology), "vpn")


VPN = _need("a VPN path")
FIREWALL = _need("a VPN path through a firewall", lambda t: _through_firewall(t))
NAT = _need("a VPN path behind NAT", lambda t: _through_firewall(t) and bool(t.seen_address))
NO_NAT = _need("a VPN path without NAT", lambda t: _through_firewall(t) and not t.seen_address)
BY_TELEPHONE = _need("a VPN path by telephone", lambda t: any(way.dials for way in plans(t)))
INTERNET = _need("a VPN path over the Internet", lambda t: bool(t.with_role(Role.internet)))
TWO_GATEWAYS = _need(
    "a VPN path with two gateways",
    lambda t: INTERNET.met_by(t) and any(len(plan.gateways) > 1 for plan in plans(t)),
)


def _through_firewall(topology: Topology) -> bool:
    """Whether a VPN goes through the customer's firewall: one by telephone does not (F-18)."""
    return topology.firewall is not None and any(not way.dials for way in plans(topology))


def _change_sides(
    topology: Topology,
    client: Callable[[IkeSide], IkeSide] = lambda side: side,
    gateway: Callable[[IkeSide], IkeSide] = lambda side: side,
) -> Topology:
    def changed(connection: IpsecConnection) -> IpsecConnection:
        return replace(
            connection,
            client_side=client(connection.client_side),
            gateway_side=gateway(connection.gateway_side),
        )

    return change_ways(
        topology,
        VpnPlan,
        lambda way: replace(way, connections=tuple(map(changed, way.connections))),
    )


def _change_servers(topology: Topology, change: Callable[[L2tpServer], L2tpServer]) -> Topology:
    return change_ways(
        topology, VpnPlan, lambda way: replace(way, servers=tuple(map(change, way.servers)))
    )


def _drop_at_firewall(topology: Topology, name: str, protocol: str, port: int) -> Topology:
    assert topology.firewall is not None, "applies() has looked"
    node = topology.firewall.node
    return drop(topology, DropRule(name=name, node=node, protocol=protocol, port=port))


def _wrong_psk(topology: Topology) -> Topology:
    return _change_sides(topology, client=lambda side: replace(side, psk=side.psk.altered()))


def _wrong_identity(topology: Topology) -> Topology:
    return _change_sides(topology, client=lambda side: replace(side, identity=_STRANGE_IDENTITY))


def _no_common_proposal(topology: Topology) -> Topology:
    return _change_sides(
        topology,
        gateway=lambda side: replace(
            side,
            ike_proposal=_other_than(side.ike_proposal, _STRANGE_IKE),
            esp_proposal=_other_than(side.esp_proposal, _STRANGE_ESP),
        ),
    )


def _other_than(proposal: str, strange: tuple[str, str]) -> str:
    return strange[proposal.split("-")[0] == strange[0].split("-")[0]]


def _first_gateway(topology: Topology) -> str:
    return plans(topology)[0].gateways[0]


def _silence(topology: Topology, name: str, *gateways: str) -> Topology:
    """All that is sent to these gateways is lost in the Internet."""
    (internet,) = topology.with_role(Role.internet)
    known = {c.gateway: c.gateway_address for c in connections(topology)}
    for gateway in gateways:
        far = f"{known[gateway]}/32"
        topology = drop(topology, DropRule(name=name, node=internet.name, destination=far))
    return topology


def _gateways_silent(topology: Topology) -> Topology:
    every = dict.fromkeys(g for plan in plans(topology) for g in plan.gateways)
    return _silence(topology, "gateways-silent", *every)


def _gateway_dies(topology: Topology) -> Topology:
    return replace(topology, deaths=(*topology.deaths, _first_gateway(topology)))


def _wrong_chap_secret(topology: Topology) -> Topology:
    return change_ways(
        topology,
        VpnPlan,
        lambda way: replace(
            way,
            clients=tuple(
                replace(c, account=replace(c.account, secret=c.account.secret.altered()))
                for c in way.clients
            ),
        ),
    )


def _pap_only_peer(topology: Topology) -> Topology:
    return _change_servers(topology, lambda s: replace(s, ppp=replace(s.ppp, auth=PppAuth.pap)))


def _pool_empty(topology: Topology) -> Topology:
    return _change_servers(topology, lambda s: replace(s, ppp=replace(s.ppp, pool=())))


def _forget_gateways(topology: Topology) -> Topology:
    lig = topology.lig
    assert lig is not None, "a call is answered there"
    gateways = {c.gateway_address for c in connections(topology)}
    lists = (
        replace(one, addresses=tuple(a for a in one.addresses if a not in gateways))
        for one in lig.lists
    )
    return replace(topology, lig=replace(lig, lists=tuple(lists)))


def _meddle(action: str) -> Callable[[Topology], Topology]:
    def change(topology: Topology) -> Topology:
        (internet,) = topology.with_role(Role.internet)
        meddling = EspMeddling(node=internet.name, action=action, packets=1)
        return replace(topology, meddling=(*topology.meddling, meddling))

    return change


FAULTS: tuple[Fault, ...] = (
    Fault(
        "wrong-psk",
        "the customer's end has another pre-shared key than the gateways",
        VPN,
        _wrong_psk,
    ),
    Fault(
        "wrong-identity",
        "the customer's end calls itself by a name that no gateway knows",
        VPN,
        _wrong_identity,
    ),
    Fault(
        "no-common-proposal",
        "the gateways take other algorithms only, such as AES",
        VPN,
        _no_common_proposal,
    ),
    Fault(
        "drop-udp-500",
        "the customer's firewall loses UDP 500",
        FIREWALL,
        lambda t: _drop_at_firewall(t, "drop-udp-500", "udp", 500),
    ),
    Fault(
        "drop-udp-4500",
        "the customer's firewall loses UDP 4500",
        NAT,
        lambda t: _drop_at_firewall(t, "drop-udp-4500", "udp", 4500),
    ),
    Fault(
        "drop-esp",
        "the customer's firewall loses ESP, protocol 50",
        NO_NAT,
        lambda t: _drop_at_firewall(t, "drop-esp", "esp", 0),
    ),
    Fault(
        "vpn1-silent",
        "all that is sent to the first VPN server is lost in the Internet",
        TWO_GATEWAYS,
        lambda t: _silence(t, "vpn1-silent", _first_gateway(t)),
        survives=True,
    ),
    Fault(
        "gateways-silent",
        "all that is sent to the VPN servers is lost in the Internet",
        INTERNET,
        _gateways_silent,
    ),
    Fault(
        "gateway-dies",
        "the gateway in use dies in mid-session",
        TWO_GATEWAYS,
        _gateway_dies,
        survives=True,
    ),
    Fault("wrong-chap-secret", "the HMC has a wrong CHAP secret", VPN, _wrong_chap_secret),
    Fault("pap-only-peer", "the gateways' PPP takes PAP only", VPN, _pap_only_peer),
    Fault("pool-empty", "the gateways have no address left to give", VPN, _pool_empty),
    Fault(
        "fence-without-vpn",
        "the lists of AT&T's fence lack the VPN servers",
        BY_TELEPHONE,
        _forget_gateways,
    ),
    Fault(
        "tampered-esp",
        "an ESP packet is altered on the way",
        INTERNET,
        _meddle("tamper"),
        survives=True,
    ),
    Fault(
        "replayed-esp",
        "an ESP packet is sent a second time on the way",
        INTERNET,
        _meddle("replay"),
        survives=True,
    ),
)
