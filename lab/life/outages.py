"""What of a topology can be out of service, and the packet rules that make it so; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lab.errors import UsageError
from lab.names import did_you_mean
from lab.topology.management import HTTPS_PORT
from lab.topology.model import Topology
from lab.topology.own_program import find
from lab.topology.roles import Role
from lab.ways.direct.plan import DirectPlan

TABLE = "life"
REFUSES, SILENT, BUSY = HOW = ("refuses", "silent", "busy")
"""A proxy's outage: connections are reset, nothing comes back, or CONNECT is answered with 503."""
HOOKS: Mapping[str, str] = {
    # Before connection tracking: what is lost must not be known to it.
    "prerouting": "type filter hook prerouting priority raw; policy accept;",
    "input": "type filter hook input priority filter - 10; policy accept;",
    "forward": "type filter hook forward priority filter - 10; policy accept;",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """A rule at a node."""

    node: str
    hook: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutagePlan:
    """What is out of service, and how."""

    subject: str
    kind: str
    """``server``, ``link``, ``proxy``, ``way``, ``port`` or ``module``."""
    closures: tuple[Closure, ...]
    addresses: tuple[str, ...] = ()
    """Of IBM's servers, if it is about some of them alone."""
    busy: str = ""
    """The proxy that says that it is busy; then there are no rules."""

    @property
    def node(self) -> str:
        """To which it happens."""
        return self.busy or self.closures[0].node


def plan(topology: Topology, of: str, how: str = "") -> OutagePlan:
    """How something is put out of service; UsageError for what the topology does not have.

    ``how``: of a proxy, one of ``HOW``; empty for all else.
    """
    if how and of not in {proxy.node for proxy in topology.proxies}:
        raise UsageError(f"{of} is no proxy, and has one outage alone", hint="take `how` away")
    if how == SILENT:
        return _silent_proxy(topology, of)
    if how == BUSY:
        if find(topology.own_programs, of) is not None:
            raise UsageError(
                f"{of} is a program of your own, and not told to be busy", hint="how: refuses"
            )
        return OutagePlan(subject=of, kind="proxy", closures=(), busy=of)
    for planned in (_server, _link, _proxy, _way, _port, _module):
        if (found := planned(topology, of)) is not None:
            return found
    known = [
        *dict.fromkeys(server.name for server in topology.servers),
        *(segment.name for segment in topology.segments),
        *(proxy.node for proxy in topology.proxies),
        *(way.name for way in topology.own_ways if isinstance(way, DirectPlan)),
        "tcp/443",
        *(f"{module.node}/{HTTPS_PORT}" for module in topology.modules),
    ]
    hint = did_you_mean(of, known) or f"known: {', '.join(known)}"
    raise UsageError(f"{topology.name} has nothing {of!r} that can be out of service", hint=hint)


def away(topology: Topology, addresses: Iterable[str]) -> OutagePlan:
    """IBM's servers at these addresses do not answer any more."""
    (sdc,) = topology.with_role(Role.sdc)
    own = tuple(addresses)
    rules = (f"{_family(each)} daddr {each} drop" for each in own)
    closures = tuple(Closure(node=sdc.name, hook="prerouting", rule=rule) for rule in rules)
    return OutagePlan(subject=", ".join(own), kind="server", closures=closures, addresses=own)


def render(closures: Iterable[Closure], node: str) -> str:
    """What nft is told at a node, in the place of what it was told before."""
    own = [each for each in closures if each.node == node]
    chains = ""
    for hook, head in HOOKS.items():
        rules = "".join(
            f"    {rule}\n" for rule in dict.fromkeys(c.rule for c in own if c.hook == hook)
        )
        if rules:
            chains += f"  chain {hook} {{\n    {head}\n{rules}  }}\n"
    table = f"table inet {TABLE} {{\n{chains}}}\n" if chains else ""
    return f"table inet {TABLE}\ndelete table inet {TABLE}\n{table}"


def _server(topology: Topology, of: str) -> OutagePlan | None:
    addresses = dict.fromkeys(
        each.address for each in topology.servers if of in (each.name, each.address)
    )
    return away(topology, addresses) if addresses else None


def _link(topology: Topology, of: str) -> OutagePlan | None:
    if of not in {segment.name for segment in topology.segments}:
        return None
    closures = tuple(
        Closure(node=m.name, hook="prerouting", rule=f'iifname "{m.interface(of).name}" drop')
        for m in topology.members(of)
    )
    return OutagePlan(subject=of, kind="link", closures=closures)


def _proxy(topology: Topology, of: str) -> OutagePlan | None:
    for proxy in topology.proxies:
        if proxy.node == of:
            rule = f"tcp dport {proxy.port} reject with tcp reset"
            closure = Closure(node=of, hook="input", rule=rule)
            return OutagePlan(subject=of, kind="proxy", closures=(closure,))
    return None


def _silent_proxy(topology: Topology, of: str) -> OutagePlan:
    (proxy,) = (each for each in topology.proxies if each.node == of)
    # Before connection tracking, as with servers: squid's own tunnels to servers go on.
    closure = Closure(node=of, hook="prerouting", rule=f"tcp dport {proxy.port} drop")
    return OutagePlan(subject=of, kind="proxy", closures=(closure,))


def _way(topology: Topology, of: str) -> OutagePlan | None:
    ways = [way for way in topology.own_ways if way.name == of and isinstance(way, DirectPlan)]
    if not ways or topology.firewall is None:
        return None
    own = (topology.node(agent).uplink.ips for agent in ways[0].agents)
    rules = (f"{_family(ip)} saddr {ip} drop" for ips in own for ip in ips)
    wall = topology.firewall.node
    closures = tuple(Closure(node=wall, hook="forward", rule=rule) for rule in rules)
    return OutagePlan(subject=of, kind="way", closures=closures)


def _port(topology: Topology, of: str) -> OutagePlan | None:
    protocol, _, port = of.partition("/")
    if protocol != "tcp" or not port.isdecimal() or topology.firewall is None:
        return None
    closure = Closure(
        node=topology.firewall.node, hook="forward", rule=f"tcp dport {int(port)} drop"
    )
    return OutagePlan(subject=of, kind="port", closures=(closure,))


def _module(topology: Topology, of: str) -> OutagePlan | None:
    """The module refuses connections to a port, as a module does whose HTTPS is off."""
    for module in topology.modules:
        for port in module.ports:
            if of == f"{module.node}/{port}":
                rule = f"tcp dport {port} reject with tcp reset"
                closure = Closure(node=module.node, hook="input", rule=rule)
                return OutagePlan(subject=of, kind="module", closures=(closure,))
    return None


def _family(address: str) -> str:
    return "ip6" if ":" in address else "ip"
