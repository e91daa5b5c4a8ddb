"""What `lab explain` tells, as text for a terminal of 100 columns. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from lab.explain.choices import LabChoice
from lab.explain.needs import FirewallNeed, Must, Scope, Where, needs, notes
from lab.explain.versions import Difference
from lab.topology.capability import Capability
from lab.topology.catalogue import Profile

WIDTH = 100
PLACES = {Where.inside: "inside the customer's network", Where.own: "on the console's own firewall"}
"""Where else than at the customer's firewall."""


def profiles(known: Iterable[Profile]) -> str:
    """A line for each profile."""
    every = list(known)
    width = max(len(profile.name) for profile in every)
    return "".join(f"{profile.name:{width}}  {profile.title}\n" for profile in every)


def explanation(
    scope: Scope, choices: Sequence[LabChoice], against: Sequence[Difference] | None, other: str
) -> str:
    """All of it, or the differences from another profile if these are asked for."""
    lines = [*_heading(scope.profile)]
    if against is not None:
        lines += ["", f"What has changed since {other}", *_differences(against)]
        return "".join(f"{line}\n" for line in lines)
    lines += ["", "What it can do", *_capabilities(scope.profile)]
    lines += ["", f"What a customer's firewall must allow ({_asked(scope)})", *_firewall(scope)]
    lines += ["", "What the papers leave open (source: lab choice)", *_choices(choices)]
    return "".join(f"{line}\n" for line in lines)


def _heading(profile: Profile) -> Iterator[str]:
    yield from _wrapped(f"{profile.name}  ", profile.title)
    yield from _wrapped("  source  ", "; ".join(profile.papers))


def _asked(scope: Scope) -> str:
    """``region all, variant ssl, without NAT``."""
    variant = f", variant {scope.variant}" if scope.variant else ""
    return f"region {scope.region}{variant}, {'behind NAT' if scope.nat else 'without NAT'}"


def _capabilities(profile: Profile) -> Iterator[str]:
    every = profile.can.every
    width = max(len(name) for _, name in every)
    before = ""
    for (group, name), said in every.items():
        shown = group if group != before else ""
        yield from _wrapped(f"  {shown:3}  {name:{width}}  {said.level:7}  ", _said(said))
        before = group


def _said(said: Capability) -> str:
    cited = f"({said.cited})" if said.cited else ""
    return f"{said.why} {cited}".strip() if said.why else cited.strip("()")


def _firewall(scope: Scope) -> Iterator[str]:
    found = needs(scope)
    for way in scope.ways:
        yield from _way(way, [need for need in found if need.way == way])
    for note in notes(scope):
        yield from _wrapped("  - ", note)


def _way(way: str, found: list[FirewallNeed]) -> Iterator[str]:
    """A block for each kind of traffic, in it each purpose, and a line for each destination of that."""
    blocks: dict[str, dict[tuple[str, ...], list[FirewallNeed]]] = {}
    for need in found:
        where = "" if need.where is Where.perimeter else f", {PLACES[need.where]}"
        block = blocks.setdefault(f"{way}: from the {need.sender}, {need.heading}{where}", {})
        block.setdefault((need.must, need.redundancy, need.purpose), []).append(need)
    for title, block in blocks.items():
        yield f"  {title}"
        for same in block.values():
            yield from _purpose(same)


def _purpose(same: list[FirewallNeed]) -> Iterator[str]:
    """What it is for and who asks for it; then ports, address, name and row of each destination."""
    need = same[0]
    must = "" if need.must is Must.required else f"; {need.must}"
    if need.must is Must.redundant:
        must = "; one is enough, and all of them are for redundancy"
    cited = dict.fromkeys(each for one in same for each in (*one.requirements, one.redundancy))
    yield from _wrapped("    ", f"{need.purpose}{must} ({', '.join(filter(None, cited))})")
    found: dict[tuple[str, str, str], list[FirewallNeed]] = {}
    for each in same:
        found.setdefault((each.destination, each.host, " ".join(each.rows)), []).append(each)
    lines = [(_ports(listed), *key) for key, listed in found.items()]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    for line in lines:
        cells = (f"{cell:{width}}" for cell, width in zip(line, widths, strict=True) if width)
        yield f"      {'  '.join(cells)}".rstrip()


def _ports(same: list[FirewallNeed]) -> str:
    """``tcp 80, 443``, ``udp 500 esp``."""
    by_protocol: dict[str, list[int]] = {}
    for need in same:
        by_protocol.setdefault(need.protocol, []).append(need.port)
    return " ".join(
        f"{protocol} {', '.join(map(str, sorted(ports)))}" if any(ports) else protocol
        for protocol, ports in by_protocol.items()
    )


def _choices(choices: Sequence[LabChoice]) -> Iterator[str]:
    for choice in choices:
        yield from _wrapped(f"  {choice.id}  ", f"{choice.topic}: {choice.value}")


def _differences(against: Sequence[Difference]) -> Iterator[str]:
    width = max((len(d.versions_text) for d in against), default=0)
    for difference in against:
        yield from _wrapped(f"  {difference.versions_text:{width}}  ", difference.text)
    if not against:
        yield "  nothing"


def _wrapped(start: str, text: str) -> Iterator[str]:
    """Text that begins after ``start``, and goes on below its own beginning."""
    indent = " " * min(len(start), WIDTH // 2)
    lines = textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=indent)
    yield from lines or [start.rstrip()]
