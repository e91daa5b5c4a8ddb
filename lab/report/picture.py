"""The section of the topology: who stands where, what was alive, silent and broken, by shape and word.

Drawn from the same route map as ``lab show``, by rows from the agent to IBM; graphviz would take longer than
all of the report, and knows no dark page.
"""

from __future__ import annotations

from lab.markup import Markup, fill, join
from lab.report.grid import HEIGHT, WIDTH, DrawnLine, NodeGrid
from lab.report.material import Material
from lab.report.parts import fold, section, table
from lab.report.vitals import Pulse, Vitals
from lab.topology import fleet
from lab.topology.model import NodePlan, Topology
from lab.topology.roles import TRAITS

_NOTHING = Vitals(Pulse.idle, "◌ nothing came", 0, 0)
_TITLE = 29
"""Characters of a role's title in a box."""


def make(material: Material) -> Markup:
    """Empty where the model cannot be read."""
    if material.topology is None:
        return Markup("")
    shown = fleet.folded(material.topology)
    states = _way_states(material, shown)
    grid = NodeGrid(shown, states)
    told = ", ".join(f"{name} {_STATES[state]}" for name, state in states.items())
    drawing = fill(
        '<div class="scroll" tabindex="0" role="region" aria-label="Picture of the topology">'
        '<svg class="picture" role="img" aria-labelledby="picture-name picture-words" '
        'width="{w}" height="{h}" viewBox="0 0 {w} {h}"><title id="picture-name">The topology {name}</title>'
        '<desc id="picture-words">From the agent at the top to IBM at the bottom. Ways home: {told}. '
        "The table below says the same of each node.</desc>{zones}{lines}{boxes}</svg></div>",
        w=str(grid.width),
        h=str(grid.height),
        name=shown.name,
        told=told or "none was tried",
        zones=join(_zone(y, name) for y, name in grid.zones),
        lines=join(
            [
                *(_line(line) for line in grid.lines),
                *(_label(material, line) for line in grid.lines if line.name),
            ]
        ),
        boxes=join(
            _box(shown, node, *grid.places[node.name], _vitals(material, shown, node.name))
            for node in shown.nodes
        ),
    )
    key = (
        "✓ sent packets; ○ silent: packets came, and none was sent; ✕ stopped, or kept or changed "
        "packets of a call home; ◌ nothing came. Thick lines are the way home, broken ones a way that did "
        "not come up."
    )
    rows = [_row(shown, node, _vitals(material, shown, node.name)) for node in shown.nodes]
    columns = ("Node", "What it is", "What it did", "#Sent", "#Received", "Addresses")
    return section(
        "picture",
        "The topology",
        fill(
            '<p>Ways home: {told}.</p>{drawing}<p class="left-out">{key}</p>{table}',
            told=told or "none was tried",
            drawing=drawing,
            key=key,
            table=fold(
                "Every node as a table", table("picture-table", "What each node did", columns, rows)
            ),
        ),
    )


def _vitals(material: Material, topology: Topology, name: str) -> Vitals:
    """What a node did; of one that stands for a fleet, what all of the fleet did."""
    members = next((f.members for f in topology.fleets if f.members[0] == name), (name,))
    every = [material.vitals.get(member, _NOTHING) for member in members]
    if len(every) == 1:
        return every[0]
    sent, received = sum(v.sent for v in every), sum(v.received for v in every)
    for pulse in (Pulse.broken, Pulse.silent, Pulse.idle):
        if own := [vitals for vitals in every if vitals.pulse is pulse]:
            return Vitals(
                pulse, f"{own[0].word[:1]} {len(own)} of {len(every)} {pulse}", sent, received
            )
    return Vitals(Pulse.ok, f"✓ sent {sent} packets", sent, received)


_STATES = {"way": "was up", "down": "did not come up", "": "was not tried"}


def _way_states(material: Material, topology: Topology) -> dict[str, str]:
    """Way to the style of its lines."""
    tries = material.case.record.tries if material.case is not None else []
    found = {}
    for way in topology.own_ways:
        own = [trial for trial in tries if trial.way == way.name]
        found[way.name] = "way" if any(t.up for t in own) else "down" if own else ""
    return found


def _row(topology: Topology, node: NodePlan, vitals: Vitals) -> tuple[str, ...]:
    addresses = [f"{ip} ({i.segment})" for i in node.interfaces for ip in i.ips]
    addresses += node.service_addresses[:4]
    if len(node.service_addresses) > 4:
        addresses.append(f"and {len(node.service_addresses) - 4} more")
    name = fleet.title(topology, node.name)
    title = TRAITS[node.role].title
    return name, title, vitals.word, str(vitals.sent), str(vitals.received), ", ".join(addresses)


def _zone(y: float, name: str) -> Markup:
    return fill('<text class="zone-name" x="8" y="{y}">{name}</text>', y=f"{y + 18:.0f}", name=name)


def _line(line: DrawnLine) -> Markup:
    return Markup(f'<path class="wire {line.style}" d="{line.path}"/>')


def _label(material: Material, line: DrawnLine) -> Markup:
    """What stands beside a wire; drawn after all wires, so that none is drawn through it."""
    frames = 0
    if material.case is not None:
        frames = len(material.case.wire.get(line.name, ()))
    return fill(
        '<text class="small" x="{x}" y="{y}">{told}</text>',
        x=f"{line.label_x:.0f}",
        y=f"{line.label_y:.0f}",
        told=f"{line.name}: {frames or 'no'} frame{'' if frames == 1 else 's'}",
    )


def _box(topology: Topology, node: NodePlan, x: float, y: float, vitals: Vitals) -> Markup:
    title = TRAITS[node.role].title
    title = title if len(title) <= _TITLE else title[: _TITLE - 1].rsplit(" ", 1)[0] + " …"
    middle = f"{x + WIDTH / 2:.0f}"
    return fill(
        '<g><title>{name}: {full}; {word}</title><rect class="box {pulse}" x="{x}" y="{y}" width="{w}" '
        'height="{h}" rx="8"/><text class="name" x="{m}" y="{y1}" text-anchor="middle">{name}</text>'
        '<text class="small" x="{m}" y="{y2}" text-anchor="middle">{title}</text>'
        '<text class="small {pulse}-word" x="{m}" y="{y3}" text-anchor="middle">{word}</text></g>',
        name=fleet.title(topology, node.name),
        full=TRAITS[node.role].title,
        title=title,
        word=vitals.word,
        pulse=vitals.pulse,
        x=f"{x:.0f}",
        y=f"{y:.0f}",
        w=str(WIDTH),
        h=str(HEIGHT),
        m=middle,
        y1=f"{y + 19:.0f}",
        y2=f"{y + 36:.0f}",
        y3=f"{y + 53:.0f}",
    )
