"""From a way home by other consoles to its plan, and to what the firewall opens for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.catalogue import Variant
from lab.topology.model import AllowRule
from lab.topology.resolve_consoles import address_for
from lab.topology.site import Site
from lab.ways.consoles.plan import PORT, ConsolesPlan
from lab.ways.consoles.spec import ConsolesSpec


def plan(site: Site, name: str, way: ConsolesSpec) -> ConsolesPlan:
    agents = site.spec.agents_of(name)
    first = next(iter(_servers(site, agents[0])))
    return ConsolesPlan(
        name=name,
        kind=way.kind,
        over="",
        agents=agents,
        # They are not the agents' own: a call-home server calls them.
        endpoints=site.endpoints(Variant.ssl),
        # Nothing beyond a console answers ping: a server is as far as an agent's own packets come.
        probe=address_for(site, agents[0], first)[0],
    )


def rules(site: Site, way: ConsolesSpec, agent: str) -> Iterator[AllowRule]:
    """F-17: to the call-home servers in other networks of the customer's, and to nobody outside."""
    for server in _servers(site, agent):
        address, link = address_for(site, agent, server)
        if link not in site.spec.links_of(agent):
            yield AllowRule(
                requirement="F-17",
                source=site.uplink_ip(agent),
                destination=address,
                protocol="tcp",
                port=PORT,
                both_ways=False,
                towards=link,
            )


def _servers(site: Site, agent: str) -> Iterator[str]:
    box = site.spec.consoles[agent].box
    for name, console in site.spec.consoles.items():
        if console.call_home_server and name != agent and console.box == box:
            yield name
