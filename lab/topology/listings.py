"""What all generations of IBM's papers say of an address or a name: for hints, as no finding may ask it.

A run is judged by its own model.
"""

from __future__ import annotations

import ipaddress
from functools import cache

from lab.names import all_of
from lab.topology import catalogue
from lab.topology.catalogue import RowKind

_KINDS = {
    RowKind.server: ("lists it", "list it"),
    RowKind.disabled: ("lists it as disabled", "list it as disabled"),
    RowKind.vpn_gateway: ("lists it as a VPN gateway", "list it as a VPN gateway"),
    RowKind.range: ("has it in a range for firewalls", "have it in a range for firewalls"),
}
"""What a profile does with an address, and what several do; what says most comes first."""


def of_address(address: str, own: str) -> str:
    """In which profiles an address is, in words that follow ``is not in the list of`` the profile ``own``."""
    mine = [(kind, row) for profile, kind, row in _listings(address) if profile == own]
    if mine:
        kind, row = mine[0]
        return f" for this way, though {own} {_KINDS[kind][0]} ({row})"
    others: dict[tuple[RowKind, str], list[str]] = {}
    for profile, kind, row in _listings(address):
        others.setdefault((kind, row), []).append(profile)
    if not others:
        return ", nor in that of another profile"
    (kind, row), profiles = min(others.items(), key=lambda item: [*_KINDS].index(item[0][0]))
    verb = _KINDS[kind][0 if len(profiles) == 1 else 1]
    return f" ({all_of(list(dict.fromkeys(profiles)))} {verb}: {row})"


def of_name(name: str, own: str) -> str:
    """Which profiles but ``own`` list a name, as the end of a sentence; nothing if none does."""
    rows = {
        other: [row.id for row in catalogue.profile(other).rows if name in row.hosts]
        for other in catalogue.names()
        if other != own
    }
    found = [f"{other} ({all_of(ids)})" for other, ids in rows.items() if ids]
    verb = "lists" if len(found) == 1 else "list"
    return f"; {all_of(found)} {verb} it, and {own} does not" if found else ""


@cache
def _listings(address: str) -> tuple[tuple[str, RowKind, str], ...]:
    """Profile, kind and row of each listing of an address."""
    one = ipaddress.ip_address(address)
    return tuple(
        (name, row.kind, row.id)
        for name in catalogue.names()
        for row in catalogue.profile(name).rows
        if row.kind in _KINDS
        for listed in row.addresses
        if one in ipaddress.ip_network(listed.address)
    )
