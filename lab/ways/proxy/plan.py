"""The model of a way home through proxies, and what an agent's host is told about them."""

from __future__ import annotations

from dataclasses import dataclass

from lab.secret import Secret
from lab.topology.model import Topology, Way
from lab.topology.proxy import HttpProxy


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyPlan(Way):
    """A way home by CONNECT (RFC 9110 9.3.6)."""

    proxies: tuple[str, ...]
    """The proxies' nodes, in the order of trying; an empty one is a slot that is not configured (OUT-14)."""
    wrong_password: Secret | None = None
    """What the agents take for the password, where it is wrong (a fault)."""

    def stops(self, topology: Topology) -> tuple[HttpProxy, ...]:
        """The proxies that are configured, in the order of trying."""
        standing = {proxy.node: proxy for proxy in topology.proxies}
        return tuple(standing[node] for node in self.proxies if node)

    def environment(self, topology: Topology, agent: str) -> dict[str, str]:
        """``LAB_PROXIES`` has every proxy in the order of trying, and ``https_proxy`` the first of them."""
        urls = [_url(proxy, self.wrong_password) for proxy in self.stops(topology)]
        proxies = dict.fromkeys(("https_proxy", "HTTPS_PROXY"), urls[0])
        # What the user's own environment leaves out of the user's own proxies is not meant here.
        everything = dict.fromkeys(("no_proxy", "NO_PROXY"), "")
        return {"LAB_PROXIES": ",".join(urls), **proxies, **everything}


def _url(proxy: HttpProxy, password: Secret | None) -> str:
    login = ""
    if proxy.account is not None:
        login = f"{proxy.account.user}:{(password or proxy.account.password).reveal()}@"
    return f"http://{login}{proxy.name}:{proxy.port}"


def stops_of(topology: Topology, agent: str) -> tuple[HttpProxy, ...]:
    """An agent's proxies, of all of its ways, in the order of trying."""
    ways = [way for way in topology.ways_of(agent) if isinstance(way, ProxyPlan)]
    return tuple(dict.fromkeys(stop for way in ways for stop in way.stops(topology)))


def plans(topology: Topology) -> tuple[ProxyPlan, ...]:
    """The ways home through proxies."""
    return tuple(way for way in topology.ways if isinstance(way, ProxyPlan))


Plan = ProxyPlan
