"""What can be wrong with a way home through proxies: with the one that is asked first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lab.secret import Secret
from lab.topology.model import DropRule, Topology
from lab.topology.proxy import HttpProxy, ProxyRefusal
from lab.ways.fault import Fault, Need, change_ways, drop
from lab.ways.proxy.plan import ProxyPlan, plans, stops_of


def _first(topology: Topology) -> HttpProxy:
    return plans(topology)[0].stops(topology)[0]


def _has_backup(topology: Topology) -> bool:
    """Whether each agent that asks the first proxy has another one to ask (OUT-14)."""
    own = [stops_of(topology, agent) for agent in topology.agents]
    return all(len(stops) > 1 for stops in own if _first(topology) in stops)


def _has_open_one(topology: Topology) -> bool:
    """Whether each agent has a proxy that asks for no log-in."""
    own = [stops_of(topology, agent) for agent in topology.agents]
    return all(any(stop.account is None for stop in stops) for stops in own if stops)


def _asks(topology: Topology) -> bool:
    return any(proxy.account is not None for proxy in topology.proxies if plans(topology))


def _opens_to_all(topology: Topology) -> bool:
    return bool(plans(topology)) and _first(topology).account is None


PROXY = Need("a way through proxies", lambda topology: bool(plans(topology)), "proxy")
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


FAULTS = (
    Fault(
        "proxy-down",
        "nothing listens on the first proxy's port",
        PROXY,
        _change_first(lambda proxy: replace(proxy, down=True)),
        backed_up=_has_backup,
    ),
    Fault(
        "proxy-silent",
        "what is sent to the first proxy is lost",
        PROXY,
        _silence,
        backed_up=_has_backup,
    ),
    Fault(
        "proxy-busy",
        "the first proxy has no room for another connection, and says so with 503",
        PROXY,
        _change_first(lambda proxy: replace(proxy, refusal=ProxyRefusal.busy)),
        backed_up=_has_backup,
    ),
    Fault(
        "proxy-refuses-connect",
        "the first proxy refuses the method CONNECT",
        PROXY,
        _change_first(lambda proxy: replace(proxy, refusal=ProxyRefusal.connect)),
        backed_up=_has_backup,
    ),
    Fault(
        "proxy-inspects",
        "the first proxy breaks TLS open, with a certificate of the customer's own authority",
        Need("a way through a proxy that asks for no log-in", _opens_to_all, "proxy"),
        _change_first(lambda proxy: replace(proxy, inspects=True)),
        backed_up=_has_backup,
    ),
    Fault(
        "proxy-wrong-password",
        "the agent has another password than the proxy's user",
        LOG_IN,
        _mistake_password,
        backed_up=_has_open_one,
    ),
)
