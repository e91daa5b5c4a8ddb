"""Which servers stand in a lab, and what TLS they speak: by the address tables and ``data/tls.yaml``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from importlib import resources
from typing import Any

import yaml

from lab.topology import catalogue
from lab.topology.catalogue import Profile, Row
from lab.topology.dns import AddressMove
from lab.topology.family import V4_ONLY, Family
from lab.topology.roles import Role
from lab.topology.servers import FTPS_PORT, BackEnd, KeyKind, ListedServer, Speaks, TlsPlan
from lab.topology.site import Site

TODAY = "today"

_BY_PORT = {80: Speaks.http, FTPS_PORT: Speaks.ftps}
"""All others speak HTTPS, also URSF's 19285 and 11111, of which the paper does not say it (Q-15)."""


def servers(profile: Profile, families: Collection[Family] = V4_ONLY) -> tuple[ListedServer, ...]:
    """Every listed server, of all regions and variants (F-15), and what is listed as optional, too.

    One address and port is one server, however many rows list it; it is called as the first of them says.
    """
    names: dict[tuple[str, int], str] = {}
    rows: dict[tuple[str, int], list[Row]] = {}
    for listed in profile.callable():
        for service in (*listed.row.services, *listed.row.optional):
            if listed.family in families and service.protocol == "tcp":
                place = listed.address, service.port
                names.setdefault(place, listed.host)
                rows.setdefault(place, []).append(listed.row)

    return tuple(
        ListedServer(
            name=names[place],
            address=place[0],
            port=place[1],
            rows=tuple(row.id for row in listing),
            speaks=(speaks := _BY_PORT.get(place[1], Speaks.https)),
            tls="" if speaks is Speaks.http else plan_name(profile.name, listing[0].id),
            serves=tuple(dict.fromkeys(kind for row in listing for kind in row.serves)),
            variants=tuple(dict.fromkeys(str(row.variant) for row in listing if row.variant)),
            regions=tuple(dict.fromkeys(str(row.region) for row in listing)),
        )
        for place, listing in rows.items()
    )


def moved(own: Profile, profile: str, moves: tuple[AddressMove, ...]) -> tuple[ListedServer, ...]:
    """The servers that stand where names lead later: as the profile that they move to lists them."""
    places = {(move.name, address) for move in moves for address in move.new}
    if not places:
        return ()
    standing = {(each.address, each.port) for each in servers(own)}
    later = servers(catalogue.profile(profile))
    return tuple(
        each
        for each in later
        if (each.name, each.address) in places and (each.address, each.port) not in standing
    )


def back_ends(site: Site) -> tuple[BackEnd, ...]:
    """The servers behind the front end, each on a wire with it (OUT-37)."""
    (front,) = site.network.with_role(Role.sdc)
    found = []
    for node in site.network.with_role(Role.back_end):
        wire = next(link for link in site.spec.links_of(node) if link in site.spec.links_of(front))
        found.append(
            BackEnd(
                node=node,
                segment=wire,
                address=site.ip(wire, node),
                serves=tuple(str(kind) for kind in site.spec.nodes[node].serves),
            )
        )
    return tuple(found)


def plan_name(profile: str, row: str) -> str:
    """Of the plan that a row's servers have; a profile of the user's own has today's."""
    data = _data()
    name: str = data["rows"].get(row) or data["profiles"].get(profile, TODAY)
    return name


def plans(listed: tuple[ListedServer, ...], *, literal: bool) -> tuple[TlsPlan, ...]:
    """The plans that servers need; each has what today's clients want, too, unless it is ``literal``."""
    wanted = dict.fromkeys(server.tls for server in listed if server.tls)
    return tuple(plan(name, literal=literal) for name in wanted)


def plan(name: str, *, literal: bool) -> TlsPlan:
    """A plan of the table."""
    own, today = _read(name), _read(TODAY)
    if literal or name == TODAY:
        return TlsPlan(**own)

    return TlsPlan(
        name=name,
        requirement=own["requirement"],
        minimum=min(own["minimum"], today["minimum"]),
        maximum=max(own["maximum"], today["maximum"]),
        suites=tuple(dict.fromkeys((*today["suites"], *own["suites"]))),
        keys=tuple(dict.fromkeys((*today["keys"], *own["keys"]))),
        of_then=own["suites"] if KeyKind.rsa_1024 in own["keys"] else (),
    )


def _read(name: str) -> dict[str, Any]:
    entry = _data()["plans"][name]
    minimum, maximum = entry["versions"]
    return {
        "name": name,
        "requirement": entry["requirement"],
        "minimum": minimum,
        "maximum": maximum,
        "suites": tuple(entry["suites"]),
        "keys": tuple(KeyKind(key) for key in entry["keys"]),
    }


def note(name: str) -> str:
    """What the lab chose where the paper is silent."""
    text: str = _data()["plans"][name]["note"]
    return text


@cache
def _data() -> Mapping[str, Any]:
    text = resources.files("lab").joinpath("data", "tls.yaml").read_text(encoding="utf-8")
    data: Mapping[str, Any] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return data
