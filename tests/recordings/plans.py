"""Which runs are recorded: a name, and what ``lab run`` is told."""

from __future__ import annotations

from lab.ways import faults
from tests.models import model

Plan = tuple[str, ...]

GOOD: dict[str, Plan] = {
    "direct": ("direct",),
    "direct-snat": ("direct-snat",),
    "direct-cgnat": ("direct-cgnat",),
    "direct-names": ("direct-names",),
    "esa-aix": ("esa-aix",),
    "direct-ipv6": ("direct-ipv6",),
    "dual-stack": ("dual-stack",),
    "direct-ranges": ("direct-ranges",),
    "direct-region": ("direct-region",),
    "ds8000": ("ds8000",),
    "dual-nic": ("dual-nic",),
    "consoles": ("consoles",),
    "consoles-ds8000": ("consoles-ds8000",),
    "consoles-failover": ("consoles-failover",),
    "events-manager": ("events-manager",),
    "simplified": ("simplified",),
    "traditional": ("traditional",),
    "i5-partition": ("i5-partition",),
    "ursf": ("ursf",),
    "esa-linux": ("esa-linux",),
    "esa-imm": ("esa-imm",),
    "vpn": ("vpn",),
    "vpn-nat": ("vpn-nat",),
    "vpn-two-hmcs": ("vpn-two-hmcs",),
    "vpn-rekeyed": ("vpn", "--", "sh", "-c", "ping -q -c 5 -i 600 $LAB_PROBE"),
    "pass-through-vpn": ("pass-through-vpn",),
    "pass-through-modem": ("pass-through-modem",),
    "dial": ("dial",),
    "dial-two-hmcs": ("dial-two-hmcs",),
    "vpn-dial": ("vpn-dial",),
    "proxy": ("proxy",),
    "proxy-auth": ("proxy-auth",),
    "proxy-failover": ("proxy-failover", "--fault", "proxy-silent"),
    "service-proxy": ("service-proxy",),
    "upload": ("upload",),
    "user-target": ("user-target",),
    "failover": ("failover", "--fault", "gateways-silent"),
    "service-off": ("service-off",),
    "service-modem": ("service-modem",),
    "service-vpn": ("service-vpn",),
    "service-ds8000": ("service-ds8000",),
    "service-ds8880": ("service-ds8880",),
    "service-ds8000-vpn": ("service-ds8000-vpn",),
    "service-esa": ("service-esa",),
    "service-aos": ("service-aos",),
    "service-internet": ("service-internet",),
}
"""In each of these, every finding that it is recorded for is put to the test, and holds."""

FAULTY_TOPOLOGIES = (
    "direct",
    "direct-region",
    "direct-ranges",
    "ds8000",
    "vpn-nat",
    "vpn",
    "dial",
    "service-modem",
    "service-ds8000",
    "service-aos",
    "proxy",
    "proxy-auth",
    "direct-names",
    "dual-stack",
    "traditional",
    "simplified",
    "ursf",
    "esa-linux",
    "pass-through-vpn",
    "vpn-dial",
    "pass-through-modem",
    "esa-imm",
    "consoles",
    "user-target",
    "events-manager",
    "consoles-failover",
)
"""A fault is recorded with the first of these that it applies to."""


ELSEWHERE = (
    ("direct-ipv6", "ipv6-broken"),
    ("direct-ipv6", "small-mtu"),
    ("direct-ipv6", "server-down"),
    ("proxy-failover", "proxy-down"),
    ("proxy", "dns-silent"),
    ("proxy", "dns-wrong-answer"),
    ("vpn", "wrong-psk"),
    ("vpn", "drop-udp-500"),
    ("vpn", "small-mtu"),
    ("dial", "small-mtu"),
    ("vpn-two-hmcs", "wrong-chap-secret"),
    ("pass-through-vpn", "wrong-psk"),
    ("pass-through-vpn", "vpn1-silent"),
    ("pass-through-modem", "no-dialtone"),
    ("pass-through-modem", "no-answer"),
    ("pass-through-modem", "modem-dead"),
    ("pass-through-modem", "wrong-pap-password"),
    ("pass-through-modem", "i5-silent"),
    ("pass-through-modem", "i5-dies"),
    ("dial-two-hmcs", "busy"),
    ("dial-two-hmcs", "wrong-pap-password"),
    ("service-vpn", "inbound-not-enabled"),
    ("service-vpn", "late-lockdown"),
    ("service-vpn", "stale-session"),
    ("service-ds8000", "inbound-not-enabled"),
    ("service-ds8000", "third-wrong-try"),
    ("service-ds8000", "stale-session"),
    ("service-ds8000-vpn", "third-wrong-try"),
    ("service-vpn", "expired-token"),
    ("service-aos", "inbound-not-enabled"),
    ("service-aos", "expired-token"),
    ("service-aos", "stale-session"),
)
"""Faults that look otherwise there, and are recorded once more."""


def faulty() -> dict[str, Plan]:
    """Every fault of the lab's own, each with one topology or more; the name is that of both."""
    models = {name: model(name, b"plans") for name in FAULTY_TOPOLOGIES}
    found: dict[str, Plan] = {}
    for fault in faults.known():
        name = next(name for name in FAULTY_TOPOLOGIES if fault.applies(models[name]))
        found[f"{name}.{fault.name}"] = (name, "--fault", fault.name)
    return found | {f"{name}.{fault}": (name, "--fault", fault) for name, fault in ELSEWHERE}


def everything() -> dict[str, Plan]:
    return GOOD | faulty()
