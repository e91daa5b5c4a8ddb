"""Faults are data: what they change, where they apply, what is said when they do not."""

from __future__ import annotations

import pytest

from lab import codec, faults
from lab.errors import UsageError
from lab.topology.model import Topology
from tests.unit.verify.stage import topology

NAMES = {
    "wrong-psk", "wrong-identity", "no-common-proposal", "drop-udp-500", "drop-udp-4500",
    "drop-esp", "vpn1-silent", "gateway-dies", "wrong-chap-secret", "pap-only-peer", "pool-empty",
    "tampered-esp", "replayed-esp", "small-mtu",
}  # fmt: skip


def test_the_list_is_the_one_that_was_asked_for() -> None:
    assert set(faults.FAULTS) == NAMES
    survivors = {name for name, fault in faults.FAULTS.items() if fault.survives}
    assert survivors == {"vpn1-silent", "gateway-dies", "tampered-esp", "replayed-esp"}


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_fault_changes_its_topology_and_says_so(name: str) -> None:
    model = topology("vpn" if name == "drop-esp" else "vpn-nat")

    changed = faults.apply(name, model)

    assert changed.fault == name
    assert model.fault == ""
    assert codec.dump(changed).replace(name, "") != codec.dump(model).replace(name, "")
    assert codec.load(Topology, codec.dump(changed)) == changed


@pytest.mark.parametrize(
    ("fault", "name", "needs"),
    [
        ("drop-udp-4500", "vpn", "behind NAT"),
        ("drop-esp", "vpn-nat", "without NAT"),
        ("wrong-psk", "direct", "a VPN path"),
        ("gateway-dies", "direct", "two gateways"),
    ],
)
def test_a_fault_without_a_place_is_refused(fault: str, name: str, needs: str) -> None:
    with pytest.raises(UsageError, match=needs):
        faults.apply(fault, topology(name))
    assert fault not in {f.name for f in faults.applicable(topology(name))}


def test_a_slip_of_the_pen_gets_a_suggestion() -> None:
    with pytest.raises(UsageError) as caught:
        faults.apply("wrong-pks", topology("vpn"))
    assert "wrong-psk" in caught.value.hint


def test_both_ends_keep_a_secret_each() -> None:
    model = topology("vpn-nat")

    changed = faults.apply("wrong-chap-secret", model)

    assert changed.l2tp_clients[0].account.secret != model.l2tp_clients[0].account.secret
    assert changed.l2tp_servers == model.l2tp_servers
    assert faults.apply("wrong-psk", model).ipsec[0].gateway_side == model.ipsec[0].gateway_side


def test_the_black_hole_lets_the_tunnel_come_up() -> None:
    (rule,) = faults.apply("small-mtu", topology("vpn-nat")).drops

    assert (rule.node, rule.protocol, rule.port) == ("internet", "any", 0)
    assert 576 < rule.above_bytes < 1100
