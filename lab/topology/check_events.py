"""What makes no sense about an Events Manager and its consoles: a spec in, complaints out. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.topology.check import Complaint, named, named_once
from lab.topology.roles import Role
from lab.topology.spec import TopologySpec
from lab.topology.strict_yaml import Place

SEEN_KINDS = "direct", "proxy"
"""The kinds of way on which packets show which console calls home, and when."""


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether manager and consoles are HMCs, and the consoles call home by ways that can be judged."""
    events = spec.events
    if events is None:
        return
    yield from named(spec, ("events", "manager"), events.manager, Role.hmc)
    for key in ("registers", "holds"):
        yield from named_once(spec, ("events", key), getattr(events, key), Role.hmc)
    for number, name in enumerate(events.registers):
        if name in spec.nodes and name not in (*events.holds, events.manager):
            problem = f"{name} is registered, and its events do not wait for approval"
            yield Complaint(("events", "registers", number), problem, f"add {name} to holds")
    for key in ("registers", "holds"):
        if events.manager in getattr(events, key):
            place = ("events", key, getattr(events, key).index(events.manager))
            problem = f"{events.manager} is the manager, which asks other consoles"
            yield Complaint(place, problem, f"take {events.manager} out of {key}")
    for name in dict.fromkeys(events.holds):
        if name in spec.nodes and spec.nodes[name].role is Role.hmc:
            yield from _of_home(spec, ("events", "holds", events.holds.index(name)), name)


def _of_home(spec: TopologySpec, place: Place, name: str) -> Iterator[Complaint]:
    """Whether a console that holds events can call home."""
    if name not in spec.agents:
        problem = f"{name} is to call home what is approved, and has no way home"
        yield Complaint(place, problem, f"give {name} a way under agents", (("agents",),))
    for way in spec.agents.get(name, ()):
        if way in spec.ways and spec.ways[way].kind not in SEEN_KINDS:
            problem = (
                f"{name} holds events, and has the way {way} of the kind {spec.ways[way].kind}"
            )
            fix = f"give {name} ways of the kinds {' and '.join(SEEN_KINDS)} alone"
            yield Complaint(place, problem, fix, (("agents",), ("ways",)))


def routes(spec: TopologySpec) -> Iterator[Complaint]:
    """Whether the manager reaches its consoles, in a spec that has no other complaint."""
    if spec.events is None:
        return
    own = {*spec.links_of(spec.events.manager)}
    for number, name in enumerate(spec.events.registers):
        if not own & {*spec.links_of(name)}:
            problem = f"{name} is on no link with {spec.events.manager}, which asks it"
            yield Complaint(("events", "registers", number), problem, "put both on one link")
