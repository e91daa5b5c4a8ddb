"""Which cause a diagnosis must name in a run with a fault. The judge has no way to it: it is above the judge.

A fault that is not in the table, as of a package of somebody's own, is told by a cause of the fault's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.topology.model import Topology

CAUSES: dict[str, str] = {
    "inbound-not-enabled": "inbound-not-enabled",
    "expired-token": "not-authorized",
    "wrong-ppp-address": "wrong-credentials",
    "third-wrong-try": "wrong-tries",
    "late-lockdown": "late-lockdown",
    "lockdown-forgets-udp": "lockdown-hole",
    "stale-session": "session-cut-off",
    "replayed-response": "replayed-response",
    "relay-silent": "relay-silent",
    "expired-code": "expired-code",
    "wrong-psk": "wrong-psk",
    "wrong-identity": "wrong-identity",
    "no-common-proposal": "no-common-proposal",
    "drop-udp-500": "udp-500-lost",
    "drop-udp-4500": "udp-4500-lost",
    "drop-esp": "esp-lost",
    "vpn1-silent": "gateway-silent",
    "gateway-dies": "gateway-died",
    "wrong-chap-secret": "wrong-chap-secret",
    "pap-only-peer": "pap-only-peer",
    "pool-empty": "pool-empty",
    "fence-without-vpn": "vpn-fenced",
    "tampered-esp": "tampered-esp",
    "replayed-esp": "replayed-esp",
    "i5-silent": "i5-silent",
    "udp-1701-one-way": "udp-1701-one-way",
    "i5-vpn-refused": "i5-vpn-refused",
    "i5-line-busy": "i5-line-busy",
    "i5-dies": "i5-died",
    "small-mtu": "mtu-black-hole",
    "server-down": "server-silent",
    "ipv6-broken": "ipv6-lost",
    "address-moved": "address-not-opened",
    "dns-wrong-answer": "dns-wrong-answer",
    "addresses-pinned": "address-moved",
    "dns-no-aaaa": "name-without-aaaa",
    "old-tls-only": "old-tls",
    "primary-down": "primary-down",
    "address-blocked": "address-blocked",
    "eccgw-blocked": "eccgw-blocked",
    "config-server-blocked": "config-server-blocked",
    "network-down": "network-down",
    "back-end-down": "back-end-silent",
    "blocked-443": "port-blocked",
    "expired-certificate": "certificate-expired",
    "unknown-authority": "authority-unknown",
    "tls-inspection": "tls-inspected",
    "server-resets": "server-resets",
    "server-503": "server-unavailable",
    "slow-server": "server-slow",
    "ursf-blocked": "errand-blocked",
    "broadcast-blocked": "udp-9900-blocked",
    "user-target-shut": "user-target-shut",
    "events-blocked": "events-blocked",
    "port-9920-blocked": "port-9920-blocked",
    "server-dies-mid-request": "server-lost",
    "two-answers": "late-answer",
    "wrong-level": "levels-differ",
    "split-subnet": "wrong-netmask",
    "proxy-down": "proxy-refuses",
    "proxy-silent": "proxy-silent",
    "proxy-busy": "proxy-busy",
    "proxy-refuses-connect": "proxy-refuses-connect",
    "proxy-inspects": "proxy-inspects",
    "proxy-wrong-password": "proxy-log-in",
    "no-dialtone": "no-dialtone",
    "busy": "busy",
    "no-answer": "no-answer",
    "unobtainable": "unobtainable",
    "voice": "voice",
    "training-fails": "training-fails",
    "slow-training": "slow-line",
    "line-drops": "line-dropped",
    "noise": "noise",
    "lines-taken": "lines-taken",
    "wrong-pap-password": "wrong-pap-password",
    "pap-refused": "pap-refused",
    "chap-only-peer": "chap-only-peer",
    "dns-silent": "dns-silent",
    "lcp-echo-lost": "lcp-echo-lost",
    "modem-dead": "modem-dead",
    "modem-unplugged": "modem-gone",
    "modem-garbage": "modem-garbage",
    "gateways-silent": "gateways-silent",
    "imm-https-off": "imm-https-off",
    "imm-silent": "imm-silent",
    "imm-notice-lost": "imm-notice-lost",
}
"""Fault to the cause that the run must get: ``lab.verify.symptom.Diagnosis.cause``."""
CAUSES_IN: dict[str, str] = {"direct-ipv6.ipv6-broken": "lookups-lost"}
"""What is seen of a fault in one topology alone: where nothing goes by IPv4, no name is told."""


def expected(topology: str, fault: str) -> str:
    """The cause by which a run with a fault is told."""
    return CAUSES_IN.get(f"{topology}.{fault}", CAUSES.get(fault, fault))


def broken_invariants(topology: Topology, fault: str) -> tuple[str, ...]:
    """The lab's own invariants that a fault must break in a topology: else all hold, whatever befalls a path.

    A firewall that opens names opens a wrong address, too, if its resolver was told that one: so the agent's
    packets leave for a host that no paper lists.
    """
    firewall = topology.firewall
    if fault != "dns-wrong-answer" or firewall is None:
        return ()
    return ("g1", "g4") if any(rule.is_by_name for rule in firewall.rules) else ()
