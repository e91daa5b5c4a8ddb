"""Consoles that look for each other, or whose events wait for approval, from spec to model. Pure."""

from __future__ import annotations

from ipaddress import IPv4Network

from lab.topology.consoles import Console, ConsoleCard, SystemPort
from lab.topology.held_events import EVENTS_USER, HeldEvents, HoldingConsole
from lab.topology.site import Site

ANONYMOUS = frozenset({"hmc-2007"})
"""The profiles whose consoles have no certificates for each other."""


def consoles(site: Site) -> tuple[Console, ...]:
    """In the order of the file."""
    return tuple(_console(site, name) for name in site.spec.consoles)


def address_for(site: Site, asking: str, console: str) -> tuple[str, str]:
    """By which address a console is called by another, and the link that has it.

    The link is one that both are on, or the console's first one: managed systems tell that one's address.
    """
    theirs = site.spec.links_of(console)
    link = next((link for link in site.spec.links_of(asking) if link in theirs), theirs[0])
    return site.ip(link, console), link


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
        serves=spec.consoles[name].call_home_server,
        level=spec.consoles[name].level,
        anonymous=spec.profile in ANONYMOUS,
    )


def _port(site: Site, own: tuple[str, ...], system: str) -> SystemPort:
    """The system's address on the first link that console and system have in common."""
    link = next(link for link in own if link in site.spec.links_of(system))
    return SystemPort(name=system, address=site.ip(link, system), card=link)


def events(site: Site) -> HeldEvents | None:
    """None where nobody approves anything. Secrets come from the seed alone."""
    spec = site.spec.events
    if spec is None:
        return None
    return HeldEvents(
        manager=spec.manager,
        addresses=_addresses(site, spec.manager),
        user=EVENTS_USER,
        password=site.secret("events", spec.manager),
        consoles=tuple(
            HoldingConsole(
                node=name,
                address=address_for(site, spec.manager, name)[0],
                addresses=_addresses(site, name),
                registered=name in spec.registers,
                token=site.secret("events", name),
            )
            for name in spec.holds
        ),
        waits_s=spec.waits,
    )


def _addresses(site: Site, node: str) -> tuple[str, ...]:
    return tuple(site.ip(link, node) for link in site.spec.links_of(node))
