"""Faults are data: what they change, where they apply, what is said when they do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab import codec
from lab.errors import UsageError
from lab.topology.model import Topology
from lab.ways import faults
from lab.ways.dial.plan import dialers
from lab.ways.vpn.plan import clients, connections, servers
from tests.unit.verify.changes import change_dialers
from tests.unit.verify.stage import topology

NAMES = {
    "wrong-psk", "wrong-identity", "no-common-proposal", "drop-udp-500", "drop-udp-4500",
    "drop-esp", "vpn1-silent", "gateway-dies", "wrong-chap-secret", "pap-only-peer", "pool-empty",
    "tampered-esp", "replayed-esp", "small-mtu", "gateways-silent", "fence-without-vpn",
    "no-dialtone", "busy", "no-answer", "unobtainable", "voice", "training-fails", "slow-training",
    "line-drops", "noise", "lines-taken", "wrong-pap-password", "pap-refused", "chap-only-peer",
    "dns-silent", "lcp-echo-lost", "modem-dead", "modem-unplugged", "modem-garbage",
    "inbound-not-enabled", "wrong-ppp-address", "third-wrong-try", "late-lockdown", "lockdown-forgets-udp",
    "stale-session", "expired-token", "replayed-response", "relay-silent", "expired-code",
    "server-down", "address-moved", "dns-wrong-answer", "addresses-pinned",
    "ipv6-broken", "dns-no-aaaa", "old-tls-only", "proxy-inspects",
    "primary-down", "address-blocked", "eccgw-blocked", "config-server-blocked", "network-down",
    "back-end-down", "blocked-443", "ursf-blocked",
    "expired-certificate", "unknown-authority", "tls-inspection",
    "server-resets", "server-503", "slow-server",
    "i5-silent", "udp-1701-one-way", "i5-vpn-refused", "i5-line-busy", "i5-dies",
    "broadcast-blocked", "port-9920-blocked", "server-dies-mid-request", "two-answers", "wrong-level",
    "split-subnet", "user-target-shut", "events-blocked",
    "proxy-down", "proxy-silent", "proxy-busy", "proxy-refuses-connect", "proxy-wrong-password",
    "imm-https-off", "imm-silent", "imm-notice-lost",
}  # fmt: skip


FAULTS = {fault.name: fault for fault in reversed(faults.known())}


def test_the_list_is_the_one_that_was_asked_for() -> None:
    assert {fault.name for fault in faults.known()} == NAMES
    survivors = {name for name, fault in FAULTS.items() if fault.survives}
    assert survivors == {
        "vpn1-silent", "gateway-dies", "tampered-esp", "replayed-esp",
        "busy", "training-fails", "slow-training", "line-drops", "noise",
        "wrong-ppp-address", "stale-session", "server-down",
        "primary-down", "address-blocked", "eccgw-blocked", "config-server-blocked", "network-down",
        "imm-https-off", "server-dies-mid-request", "two-answers", "wrong-level",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_fault_changes_its_topology_and_says_so(name: str) -> None:
    names = ("direct", "vpn-nat", "vpn", "dial", "service-modem", "service-ds8000", "service-aos",
             "proxy-auth", "proxy", "direct-names", "dual-stack", "ds8000",
             "direct-ranges", "traditional", "simplified", "ursf",
             "esa-linux", "pass-through-vpn", "vpn-dial", "pass-through-modem", "esa-imm",
             "consoles", "consoles-failover", "user-target", "events-manager")  # fmt: skip
    models = map(topology, names)
    model = next(model for model in models if FAULTS[name].applies(model))

    changed = faults.apply(name, model)

    assert changed.fault == name
    assert model.fault == ""
    assert changed != replace(model, fault=name)
    assert codec.load(Topology, codec.dump(changed, reveal=True)) == changed


@pytest.mark.parametrize(
    ("fault", "name", "needs"),
    [
        ("drop-udp-4500", "vpn", "behind NAT"),
        ("drop-esp", "vpn-nat", "without NAT"),
        ("wrong-psk", "direct", "a VPN path"),
        ("gateway-dies", "direct", "two gateways"),
        ("busy", "vpn", "a path by modem"),
        ("wrong-psk", "dial", "a VPN path"),
        ("pool-empty", "direct", "a VPN path, or a path by modem"),
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

    assert clients(changed)[0].account.secret != clients(model)[0].account.secret
    assert servers(changed) == servers(model)
    assert (
        connections(faults.apply("wrong-psk", model))[0].gateway_side
        == connections(model)[0].gateway_side
    )


def test_the_black_hole_lets_the_tunnel_come_up() -> None:
    (rule,) = faults.apply("small-mtu", topology("vpn-nat")).drops

    assert (rule.node, rule.protocol, rule.port) == ("internet", "any", 0)
    assert 576 < rule.above_bytes < 1100


def test_what_befalls_calls_leaves_other_clients_and_numbers_alone() -> None:
    model = topology("dial-two-hmcs")

    changed = faults.apply("busy", model)

    assert changed.telephone is not None
    assert [(rule.caller, rule.number, rule.times) for rule in changed.telephone.rules] == [
        ("hmc", "18005550100", 1),
        ("hmc-b", "18005550100", 1),
    ]


def test_a_client_without_a_modem_has_no_faults_of_modems() -> None:
    """OUT-24: there is nothing that they could befall."""
    model = topology("dial")
    without = change_dialers(model, lambda dialer: replace(dialer, devices=()))

    assert [fault.name for fault in faults.applicable(without)] == ["small-mtu", "old-tls-only"]


def test_both_ends_keep_a_password_each() -> None:
    model = topology("dial")

    changed = faults.apply("wrong-pap-password", model)

    assert dialers(changed)[0].account.secret != dialers(model)[0].account.secret
    assert dialers(changed)[0].account.user == dialers(model)[0].account.user
    assert changed.lig == model.lig
