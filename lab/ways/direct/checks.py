"""What makes no sense about a way home over the Internet."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology import capability, check, check_ipv6
from lab.topology.catalogue import Variant
from lab.topology.check import Complaint
from lab.topology.errand_kinds import ErrandKind
from lab.topology.family import V4_ONLY, Family
from lab.topology.routing import Network
from lab.topology.spec import TopologySpec
from lab.ways.direct.spec import DirectSpec


def complaints(spec: TopologySpec, name: str, way: DirectSpec) -> Iterator[Complaint]:
    """What the profile does not have, and what is there twice."""
    yield from _families(spec, name, way)
    yield from _errands(spec, name, way)


def _families(spec: TopologySpec, name: str, way: DirectSpec) -> Iterator[Complaint]:
    """Whether the generation has the versions of IP, and each is there once."""
    place = ("ways", name, "families")
    yield from check.repeated(place, way.ip_families)
    profile = spec.known_profile
    if profile is None:
        return
    for number, family in enumerate(way.ip_families):
        said = profile.can.every["has", family.value]
        # A profile of the user's own need not say that it has IPv4.
        if said.lacks and (family is Family.ipv6 or said is not capability.UNSAID):
            cited = f" ({said.cited})" if said.cited else ""
            problem = f"{profile.name} has no {family}: {said.lacks}{cited}"
            others = [each for each in way.ip_families if each is not family] or [*V4_ONLY]
            fix = f"write families: [{', '.join(each.value for each in others)}]"
            yield Complaint((*place, number), problem, fix, (("profile",),))


def _errands(spec: TopologySpec, name: str, way: DirectSpec) -> Iterator[Complaint]:
    """A variant or an errand that the profile does not have, and an errand that is there twice."""
    profile = spec.known_profile
    if profile is None:
        return
    needs = (("profile",),)
    if way.variant and not any(row.variant == way.variant for row in profile.rows):
        problem = f"{profile.name} has one set of addresses, and no variant {way.variant}"
        yield Complaint(("ways", name, "variant"), problem, "take it out", needs)
        return
    listed = profile.servers(spec.region, Variant(way.address_set))
    known = dict.fromkeys(
        kind
        for kind in ErrandKind
        for a in listed
        if a.family in way.families and kind in a.row.serves
    )
    place = ("ways", name, "errands")
    yield from _variants(spec, name, way)
    yield from check.repeated(place, way.errands)
    for index, kind in enumerate(way.errands):
        if kind not in known:
            which = f" {way.address_set}" if way.variant else ""
            problem = f"{profile.name}{which} lists no server for {kind}"
            fix = f"it has {', '.join(known)}" if known else "take errands out"
            yield Complaint((*place, index), problem, fix, needs)


def _variants(spec: TopologySpec, name: str, way: DirectSpec) -> Iterator[Complaint]:
    """Findings on errands are about one set of addresses: two of them are two topologies."""
    for other_name, other in spec.ways.items():
        if not isinstance(other, DirectSpec) or other.address_set == way.address_set:
            continue
        if other_name < name and (way.errands or other.errands):
            problem = (
                f"{name} has the variant {way.address_set}, and {other_name} {other.address_set}"
            )
            fix = "write one topology file for each variant"
            yield Complaint(("ways", name, "variant"), problem, fix, (("ways", other_name),))


def routes(spec: TopologySpec, net: Network, name: str, way: DirectSpec) -> Iterator[Complaint]:
    """Whether the way can exist at all, in a spec that has no other complaint."""
    yield from check.wired(spec, net, name)
    yield from check.reaches_servers(spec, net, name)
    for agent in spec.agents_of(name) if Family.ipv6 in way.ip_families else ():
        yield from check_ipv6.reaches(spec, net, agent, name)


def machine() -> None:
    """Every machine that can run a lab can run this way."""
