"""What can be wrong with a way home by VPN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lab.topology.model import DropRule, EspMeddling, PppAuth, Role, Topology
from lab.ways.fault import Fault, change_ways, drop
from lab.ways.vpn.plan import IkeSide, IpsecConnection, L2tpServer, VpnPlan, connections, plans

_STRANGE_IKE = "aes256-sha256-modp2048"
_STRANGE_ESP = "aes256-sha256"
_STRANGE_IDENTITY = "nobody.callhome-lab.invalid"


def _is_vpn(topology: Topology) -> bool:
    return bool(plans(topology))


def _has_firewall(topology: Topology) -> bool:
    return _is_vpn(topology) and topology.firewall is not None


def _is_natted_vpn(topology: Topology) -> bool:
    return _is_vpn(topology) and topology.firewall is not None and topology.firewall.snat


def _is_plain_vpn(topology: Topology) -> bool:
    return _is_vpn(topology) and topology.firewall is not None and not topology.firewall.snat


def _has_internet(topology: Topology) -> bool:
    return _is_vpn(topology) and bool(topology.with_role(Role.internet))


def _has_two_gateways(topology: Topology) -> bool:
    return _has_internet(topology) and any(len(plan.gateways) > 1 for plan in plans(topology))


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
        gateway=lambda side: replace(side, ike_proposal=_STRANGE_IKE, esp_proposal=_STRANGE_ESP),
    )


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


def _meddle(action: str) -> Callable[[Topology], Topology]:
    def change(topology: Topology) -> Topology:
        (internet,) = topology.with_role(Role.internet)
        meddling = EspMeddling(node=internet.name, action=action, packets=1)
        return replace(topology, meddling=(*topology.meddling, meddling))

    return change


def _fault(
    name: str,
    summary: str,
    change: Callable[[Topology], Topology],
    *,
    needs: str = "a VPN path",
    applies: Callable[[Topology], bool] = _is_vpn,
    survives: bool = False,
) -> Fault:
    return Fault(
        name=name,
        summary=summary,
        needs=needs,
        applies=applies,
        survives=survives,
        kind="vpn",
        change=change,
    )


FAULTS: tuple[Fault, ...] = (
    _fault("wrong-psk", "the HMC has another pre-shared key than the gateways", _wrong_psk),
    _fault(
        "wrong-identity",
        "the HMC calls itself by a name that no gateway knows",
        _wrong_identity,
    ),
    _fault("no-common-proposal", "the gateways take AES and SHA-256 only", _no_common_proposal),
    _fault(
        "drop-udp-500",
        "the customer's firewall loses UDP 500",
        lambda t: _drop_at_firewall(t, "drop-udp-500", "udp", 500),
        needs="a VPN path through a firewall",
        applies=_has_firewall,
    ),
    _fault(
        "drop-udp-4500",
        "the customer's firewall loses UDP 4500",
        lambda t: _drop_at_firewall(t, "drop-udp-4500", "udp", 4500),
        needs="a VPN path behind NAT",
        applies=_is_natted_vpn,
    ),
    _fault(
        "drop-esp",
        "the customer's firewall loses ESP, protocol 50",
        lambda t: _drop_at_firewall(t, "drop-esp", "esp", 0),
        needs="a VPN path without NAT",
        applies=_is_plain_vpn,
    ),
    _fault(
        "vpn1-silent",
        "all that is sent to the first VPN server is lost in the Internet",
        lambda t: _silence(t, "vpn1-silent", _first_gateway(t)),
        needs="a VPN path with two gateways",
        applies=_has_two_gateways,
        survives=True,
    ),
    _fault(
        "gateways-silent",
        "all that is sent to the VPN servers is lost in the Internet",
        _gateways_silent,
        needs="a VPN path over the Internet",
        applies=_has_internet,
    ),
    _fault(
        "gateway-dies",
        "the gateway in use dies in mid-session",
        _gateway_dies,
        needs="a VPN path with two gateways",
        applies=_has_two_gateways,
        survives=True,
    ),
    _fault("wrong-chap-secret", "the HMC has a wrong CHAP secret", _wrong_chap_secret),
    _fault("pap-only-peer", "the gateways' PPP takes PAP only", _pap_only_peer),
    _fault("pool-empty", "the gateways have no address left to give", _pool_empty),
    _fault(
        "tampered-esp",
        "an ESP packet is altered on the way",
        _meddle("tamper"),
        needs="a VPN path over the Internet",
        applies=_has_internet,
        survives=True,
    ),
    _fault(
        "replayed-esp",
        "an ESP packet is sent a second time on the way",
        _meddle("replay"),
        needs="a VPN path over the Internet",
        applies=_has_internet,
        survives=True,
    ),
)
