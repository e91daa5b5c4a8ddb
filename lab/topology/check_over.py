"""What makes no sense about ways that run over other ways: a spec in, complaints out."""

from __future__ import annotations

from collections.abc import Iterator

from lab import ways
from lab.names import did_you_mean
from lab.topology.check import Complaint, unknown
from lab.topology.spec import TopologySpec
from lab.topology.strict_yaml import Place


def complaints(spec: TopologySpec) -> Iterator[Complaint]:
    for name in spec.ways:
        yield from _below(spec, name)
        yield from _leading_nowhere(spec, name)


def _below(spec: TopologySpec, name: str) -> Iterator[Complaint]:
    """Whether a way can run over the one that it names."""
    way, place = spec.ways[name], ("ways", name, "over")
    if not way.runs_over:
        return
    below = spec.way_below(way)
    if below is None:
        fitting = [other for other, its in spec.ways.items() if its.kind in way.over_kinds]
        yield unknown(place, "way", way.runs_over, fitting, (("ways", way.runs_over),))
        return
    if below.kind not in way.over_kinds:
        kinds = " or ".join(way.over_kinds)
        problem = f"{way.runs_over} is of kind {below.kind}, and a way of kind {way.kind} runs over {kinds}"
        fitting = [other for other, its in spec.ways.items() if its.kind in way.over_kinds]
        fix = did_you_mean(way.runs_over, fitting) or "take over out"
        yield Complaint(place, problem, fix, (("ways", way.runs_over, "kind"),))
    elif below.runs_over:
        problem = (
            f"{way.runs_over} runs over {below.runs_over} itself, and no paper has three such ways"
        )
        fix = f"take over out of one of the two, {name} or {way.runs_over}"
        yield Complaint(place, problem, fix)


def _leading_nowhere(spec: TopologySpec, name: str) -> Iterator[Complaint]:
    """A way that only carries others is no agent's, and carries one."""
    way = spec.ways[name]
    if way.leads_home:
        return
    for agent, own in spec.agents.items():
        if name in own:
            place: Place = ("agents", agent, own.index(name))
            over = [other for other in spec.ways_over(name) if other not in own]
            fix = f"name {over[0]} in its place" if over else "name a way that runs over it"
            yield Complaint(place, f"{name} alone leads nobody home", fix, (("ways", name),))
    if not spec.ways_over(name):
        kinds = [k for k in ways.kinds() if way.kind in ways.stage(k, "spec").Spec.over_kinds]
        problem = f"no way runs over {name}, and {name} alone leads nobody home"
        fix = f"add over: {name} to a way of kind {' or '.join(kinds)}"
        yield Complaint(("ways", name), problem, fix, (("ways",),))
