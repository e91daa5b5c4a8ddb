"""The faults that a topology can be run with: each a function from one model to another.

What they do to a run is for ``verify.diagnosis`` to find out without being told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lab import dial_faults
from lab.errors import UsageError
from lab.fault import Fault
from lab.names import check_known
from lab.topology.model import (
    DropRule,
    EspMeddling,
    Happening,
    IkeSide,
    IpsecConnection,
    L2tpServer,
    PathKind,
    PppAuth,
    Topology,
)

BLACK_HOLE_ABOVE_BYTES = 900
"""Below a server's certificate, above IKE, L2TP, PPP and a ClientHello inside the VPN."""

_STRANGE_IKE = "aes256-sha256-modp2048"
_STRANGE_ESP = "aes256-sha256"
_STRANGE_IDENTITY = "nobody.callhome-lab.invalid"


def apply(name: str, topology: Topology) -> Topology:
    """The topology with the fault in it.

    Raises UsageError if there is no such fault, or no place for it here.
    """
    check_known("fault", name, FAULTS)
    fault = FAULTS[name]
    if not fault.applies(topology):
        raise UsageError(
            f"the fault {name} does not apply to {topology.name}: it needs {fault.needs}",
            hint=f"lab faults {topology.name} lists those that do",
        )
    return replace(fault.change(topology), fault=name)


def applicable(topology: Topology) -> tuple[Fault, ...]:
    """The faults that a topology can be run with."""
    return tuple(fault for fault in FAULTS.values() if fault.applies(topology))


def _is_vpn(topology: Topology) -> bool:
    return topology.path is PathKind.vpn


def _has_firewall(topology: Topology) -> bool:
    return _is_vpn(topology) and topology.firewall is not None


def _is_natted_vpn(topology: Topology) -> bool:
    return _is_vpn(topology) and topology.firewall is not None and topology.firewall.snat


def _is_plain_vpn(topology: Topology) -> bool:
    return _is_vpn(topology) and topology.firewall is not None and not topology.firewall.snat


def _has_internet(topology: Topology) -> bool:
    return any(node.name == "internet" for node in topology.nodes)


def _has_two_gateways(topology: Topology) -> bool:
    return _has_internet(topology) and any(len(path.gateways) > 1 for path in topology.vpn_paths)


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

    return replace(topology, ipsec=tuple(changed(c) for c in topology.ipsec))


def _change_servers(topology: Topology, change: Callable[[L2tpServer], L2tpServer]) -> Topology:
    return replace(topology, l2tp_servers=tuple(change(s) for s in topology.l2tp_servers))


def _drop(topology: Topology, rule: DropRule) -> Topology:
    return replace(topology, drops=(*topology.drops, rule))


def _drop_at_firewall(topology: Topology, name: str, protocol: str, port: int) -> Topology:
    assert topology.firewall is not None
    return _drop(
        topology,
        DropRule(
            name=name,
            node=topology.firewall.node,
            protocol=protocol,
            port=port,
            above_bytes=0,
            source="0.0.0.0/0",
            destination="0.0.0.0/0",
        ),
    )


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
    return topology.vpn_paths[0].gateways[0]


def _vpn1_silent(topology: Topology) -> Topology:
    first = _first_gateway(topology)
    address = next(c.gateway_address for c in topology.ipsec if c.gateway == first)
    return _drop(
        topology,
        DropRule(
            name="vpn1-silent",
            node="internet",
            protocol="any",
            port=0,
            above_bytes=0,
            source="0.0.0.0/0",
            destination=f"{address}/32",
        ),
    )


def _gateway_dies(topology: Topology) -> Topology:
    death = Happening(at="during-call-home", action="kill-daemons", node=_first_gateway(topology))
    return replace(topology, happenings=(*topology.happenings, death))


def _wrong_chap_secret(topology: Topology) -> Topology:
    return replace(
        topology,
        l2tp_clients=tuple(
            replace(c, account=replace(c.account, secret=c.account.secret.altered()))
            for c in topology.l2tp_clients
        ),
    )


def _pap_only_peer(topology: Topology) -> Topology:
    return _change_servers(topology, lambda s: replace(s, ppp=replace(s.ppp, auth=PppAuth.pap)))


def _pool_empty(topology: Topology) -> Topology:
    if not _is_vpn(topology):
        return dial_faults.empty_pool(topology)
    return _change_servers(topology, lambda s: replace(s, ppp=replace(s.ppp, pool=())))


def _meddle(action: str) -> Callable[[Topology], Topology]:
    def change(topology: Topology) -> Topology:
        meddling = EspMeddling(node="internet", action=action, packets=1)
        return replace(topology, meddling=(*topology.meddling, meddling))

    return change


def _small_mtu(topology: Topology) -> Topology:
    return _drop(
        topology,
        DropRule(
            name="small-mtu",
            node="internet",
            protocol="any",
            port=0,
            above_bytes=BLACK_HOLE_ABOVE_BYTES,
            source="0.0.0.0/0",
            destination="0.0.0.0/0",
        ),
    )


def _fault(
    name: str,
    summary: str,
    change: Callable[[Topology], Topology],
    *,
    needs: str = "a VPN path",
    applies: Callable[[Topology], bool] = _is_vpn,
    survives: bool = False,
    ways: tuple[PathKind, ...] = (),
) -> Fault:
    return Fault(
        name=name,
        summary=summary,
        needs=needs,
        applies=applies,
        survives=survives,
        ways=ways,
        change=change,
    )


FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
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
            _vpn1_silent,
            needs="a VPN path with two gateways",
            applies=_has_two_gateways,
            survives=True,
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
        _fault(
            "pool-empty",
            "the gateways have no address left to give",
            _pool_empty,
            needs="a path by VPN or modem, or a modem and AT&T's gateway beside it",
            applies=lambda t: _is_vpn(t) or dial_faults.has_lig(t),
            ways=(PathKind.vpn, PathKind.dial),
        ),
        _fault(
            "tampered-esp",
            "an ESP packet is altered on the way",
            _meddle("tamper"),
            needs="a VPN path over the Internet",
            applies=lambda t: _is_vpn(t) and _has_internet(t),
            survives=True,
        ),
        _fault(
            "replayed-esp",
            "an ESP packet is sent a second time on the way",
            _meddle("replay"),
            needs="a VPN path over the Internet",
            applies=lambda t: _is_vpn(t) and _has_internet(t),
            survives=True,
        ),
        _fault(
            "small-mtu",
            f"packets above {BLACK_HOLE_ABOVE_BYTES} bytes vanish in the Internet",
            _small_mtu,
            needs="a path over the Internet",
            applies=_has_internet,
        ),
        *dial_faults.FAULTS,
    )
}
