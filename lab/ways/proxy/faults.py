"""What can be wrong with a way home through proxies: with the one that is asked first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lab.secret import Secret
from lab.topology.model import DropRule, Topology
from lab.topology.proxy import HttpProxy, Refusal
from lab.ways.fault import Fault, Need, change_ways, drop
from lab.ways.proxy.plan import ProxyPlan, plans


def _first(topology: Topology) -> HttpProxy:
    return plans(topology)[0].stops(topology)[0]


def _has_backup(topology: Topology) -> bool:
    return bool(plans(topology)) and all(len(way.stops(topology)) > 1 for way in plans(topology))


def _has_none(topology: Topology) -> bool:
    return bool(plans(topology)) and not _has_backup(topology)


def _asks(topology: Topology) -> bool:
    return bool(plans(topology)) and _first(topology).account is not None


ONE = Need("a way through one proxy", _has_none, "proxy")
SEVERAL = Need("a way through several proxies", _has_backup, "proxy")
LOG_IN = Need("a way through a proxy that asks for a log-in", _asks, "proxy")


def _change_first(change: Callable[[HttpProxy], HttpProxy]) -> Callable[[Topology], Topology]:
    def changed(topology: Topology) -> Topology:
        first = _first(topology)
        proxies = (change(each) if each == first else each for each in topology.proxies)
        return replace(topology, proxies=tuple(proxies))

    return changed


def _silence(topology: Topology) -> Topology:
    first = _first(topology)
    rule = DropRule(name="proxy-silent", node=first.node, protocol="tcp", port=first.port, own=True)
    return drop(topology, rule)


def _mistake_password(topology: Topology) -> Topology:
    wrong = Secret("not-the-proxys-password")
    return change_ways(topology, ProxyPlan, lambda way: replace(way, wrong_password=wrong))


_OF_FIRST = {
    "proxy-down": (
        "nothing listens on the first proxy's port",
        _change_first(lambda proxy: replace(proxy, down=True)),
    ),
    "proxy-silent": ("what is sent to the first proxy is lost", _silence),
    "proxy-busy": (
        "the first proxy has no room for another connection, and says so with 503",
        _change_first(lambda proxy: replace(proxy, refusal=Refusal.busy)),
    ),
    "proxy-refuses-connect": (
        "the first proxy refuses the method CONNECT",
        _change_first(lambda proxy: replace(proxy, refusal=Refusal.connect)),
    ),
}

FAULTS = (
    *(Fault(name, summary, ONE, change) for name, (summary, change) in _OF_FIRST.items()),
    *(
        Fault(name, summary, SEVERAL, change, survives=True)
        for name, (summary, change) in _OF_FIRST.items()
    ),
    Fault(
        "proxy-wrong-password",
        "the agent has another password than the proxy's user",
        LOG_IN,
        _mistake_password,
    ),
)
