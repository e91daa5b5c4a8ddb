"""Targets that users enter, from spec to model, and what the firewall opens for them. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.filtering import AllowRule
from lab.topology.site import Site
from lab.topology.user_targets import REQUIREMENT, UserTarget


def targets(site: Site) -> tuple[UserTarget, ...]:
    """In the order of the file."""
    return tuple(
        UserTarget(
            name=name,
            agent=its.from_,
            source=site.uplink_ip(its.from_),
            node=its.to,
            address=site.ip(site.network.uplinks(its.to)[0], its.to),
            port=its.port,
        )
        for name, its in site.spec.user_targets.items()
    )


def rules(site: Site) -> Iterator[AllowRule]:
    """One for each: from that agent to that address and port."""
    for target in targets(site):
        yield AllowRule(
            requirement=REQUIREMENT,
            source=target.source,
            destination=target.address,
            protocol="tcp",
            port=target.port,
            both_ways=False,
        )
