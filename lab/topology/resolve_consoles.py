"""Consoles that look for each other, from spec to model. Pure."""

from __future__ import annotations

from ipaddress import IPv4Network

from lab.topology.consoles import Console, ConsoleCard, SystemPort
from lab.topology.site import Site


def consoles(site: Site) -> tuple[Console, ...]:
    """In the order of the file."""
    return tuple(_console(site, name) for name in site.spec.consoles)


def _console(site: Site, name: str) -> Console:
    spec = site.spec
    own = spec.links_of(name)
    return Console(
        node=name,
        cards=tuple(
            ConsoleCard(
                segment=link,
                address=site.ip(link, name),
                broadcast=str(IPv4Network(spec.links[link].subnet).broadcast_address),
            )
            for link in own
        ),
        systems=tuple(_port(site, own, system) for system in spec.consoles[name].manages),
        box=spec.consoles[name].box or "",
    )


def _port(site: Site, own: tuple[str, ...], system: str) -> SystemPort:
    """The system's address on the first link that console and system have in common."""
    link = next(link for link in own if link in site.spec.links_of(system))
    return SystemPort(name=system, address=site.ip(link, system), card=link)
