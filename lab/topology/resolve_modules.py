"""Management modules in the model: each watches the agent's host with which it is on a link."""

from __future__ import annotations

from lab.topology.check_modules import watched
from lab.topology.management import MODULE_USER, ModulePlan
from lab.topology.roles import Role
from lab.topology.site import Site


def modules(site: Site) -> tuple[ModulePlan, ...]:
    """The modules of a site. Secrets come from the seed alone."""
    return tuple(_module(site, node) for node in site.network.with_role(Role.imm))


def _module(site: Site, node: str) -> ModulePlan:
    link, agent = watched(site.spec, node)[0]  # ``check_modules`` has seen that there is one.
    return ModulePlan(
        node=node,
        address=site.ip(link, node),
        link=link,
        agent=agent,
        agent_address=site.ip(link, agent),
        user=MODULE_USER,
        password=site.secret("imm", node),
    )
