"""The picture of a topology in graphviz's language. Pure text; ``draw`` runs the program."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from html import escape

from lab import ways
from lab.names import count
from lab.topology import fleet, modem_family, route_map, shown, units
from lab.topology.model import NodePlan, Segment, Topology
from lab.topology.roles import TRAITS, Role, Zone
from lab.topology.route_map import TELEPHONE, RouteMap

FONT = "DejaVu Sans, Helvetica, Arial, sans-serif"
INK = "#1f2933"
FAINT = "#7b8794"
PATH = "#0f62fe"
TUNNEL = "#8a3ffc"
LINE = "#b6bfc9"
SMALL = 11
"""Points of the smallest letters: a picture is shown at its own size where a page is 900 wide."""

TITLE_WIDTH, CROWDED_WIDTH, ROW = 22, 10, 3
"""Characters of a line of what a node is, and where more of one role than that are in a row."""
SERVES_WIDTH = 22
"""Characters of a line of what a server behind the front end serves."""

ZONES = {
    Zone.customer: ("The customer", "#fff8e6", "#e8c877"),
    Zone.telephone: ("The telephone network", "#f3faf3", "#b5d6b8"),
    Zone.carrier: ("AT&amp;T", "#fdf1f5", "#efc2d3"),
    Zone.internet: ("The Internet", "#f4f6f8", "#cbd2d9"),
    Zone.ibm: ("IBM", "#eaf2ff", "#a6c8ff"),
}

HEAD = f"""digraph topology {{
  graph [rankdir=TB, compound=true, fontname="{FONT}", fontsize=14,
    fontcolor="{INK}", labelloc=t, labeljust=l, nodesep=0.2, ranksep=0.25, pad=0.2,
    bgcolor="white", splines=true];
  node [shape=box, style="rounded,filled", fillcolor="white", color="{LINE}", penwidth=1.2,
    fontname="{FONT}", fontsize=13, fontcolor="{INK}",
    margin="0.14,0.09"];
  edge [dir=none, color="{LINE}", penwidth=1.6, fontcolor="{FAINT}", fontsize={SMALL},
    fontname="{FONT}"];"""


def render(topology: Topology) -> str:
    """The whole picture: nodes by zone, segments with their facts, the path in colour."""
    topology = fleet.folded(topology)
    route = route_map.trace(topology, topology.own_ways)
    title = f'<b>{escape(topology.name)}</b><br align="left"/>{escape(topology.summary)}'
    lines = [
        HEAD,
        f'  label=<{title}<br align="left"/>{_legend(topology)}<br align="left"/><br/>>;',
        *_clusters(topology, route),
        *_edges(topology, route),
        *_lines(topology, route),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _clusters(topology: Topology, route: RouteMap) -> Iterator[str]:
    for zone, (title, fill, border) in ZONES.items():
        nodes = [node for node in topology.nodes if route.zones[node.name] is zone]
        hubs = [s for s in topology.segments if _hub_zone(topology, route, s) is zone]
        if not nodes:
            continue

        yield f'  subgraph "cluster-{zone}" {{'
        yield f'    label="{title}"; style="rounded,filled"; fillcolor="{fill}"; color="{border}";'
        yield f'    fontsize=12; fontcolor="{FAINT}"; margin=20;'
        yield from (f"    {_node(topology, route, node)}" for node in nodes)
        yield from (f"    {_hub(route, segment)}" for segment in hubs)
        yield from (f"    {row}" for segment in hubs for row in _rows(topology, segment))
        yield "  }"


def _hub_zone(topology: Topology, route: RouteMap, segment: Segment) -> Zone | None:
    """Where to draw a segment of three nodes or more; one of two is just a line."""
    members = topology.members(segment.name)
    if len(members) < 3:
        return None

    return next(z for z in (route.zones[m.name] for m in members) if z is not Zone.internet)


# -- nodes -----------------------------------------------------------------------------------------


def _node(topology: Topology, route: RouteMap, node: NodePlan) -> str:
    crowded = len(topology.with_role(node.role)) > ROW and not fleet.span(topology, node.name)
    width = CROWDED_WIDTH if crowded else TITLE_WIDTH
    what = "<br/>".join(textwrap.wrap(TRAITS[node.role].title, width, break_long_words=False))
    if topology.firewall is not None and topology.firewall.node == node.name:
        what = what.replace("default deny", escape(shown.policy(topology, topology.firewall)))
        by_ipv6 = any(interface.address6 for interface in node.interfaces)
        what += f", SNAT{' of IPv4' if by_ipv6 else ''}" if topology.firewall.snat else ""
        what += f"<br/>{opened}" if (opened := shown.opens(topology.firewall)) else ""
    if (router := shown.router(topology, node)) is not None and router.snat:
        what += ", SNAT"
    if node.name in topology.agents:
        what += f"<br/>{'run' if fleet.span(topology, node.name) else 'runs'} the agent"
    if runs := shown.runs(topology, node):
        what += f"<br/>{escape(runs)}"

    if span := fleet.span(topology, node.name):
        what += f"<br/>{span}"

    rows = [f"<b>{escape(fleet.title(topology, node.name))}</b>", _small(what, FAINT)]
    rows += [_small(text) for text in _services(topology, node)]
    if lines := topology.lines_of(node.name):
        rows.append(_small(count(len(lines), "modem")))
    rows += [_small(f"{i.segment} {ip}", FAINT) for i in node.interfaces for ip in i.ips]
    label = "<br/>".join(rows)
    if subscribers := list(_subscribers(topology, node)):
        label = _table([f'<td colspan="3">{label}</td>', *subscribers], padding=2)
    style = f'color="{PATH}", penwidth=2' if route.on_path(node.name) else ""
    return f'"{node.name}" [label=<{label}>, {style}];'


def _small(text: str, colour: str = INK) -> str:
    return f'<font point-size="{SMALL}" color="{colour}">{text}</font>'


def _services(topology: Topology, node: NodePlan) -> Iterator[str]:
    """The addresses of a server that are called, how many more it has, and what it gets later or serves."""
    later = shown.later(topology, node)
    first = [each for each in shown.called(topology, node) if each not in later][:4]
    yield from first
    if others := len(node.service_addresses) - len(first) - len(later):
        yield f"and {others} more"
    yield from (f"later {address}" for address in later)
    for back_end in topology.back_ends:
        if back_end.node == node.name:
            yield from units.wrapped("serves ", back_end.serves, SERVES_WIDTH)


def _subscribers(topology: Topology, node: NodePlan) -> Iterator[str]:
    """What the exchange has for each subscriber: the number, the lines, and what they can do."""
    if topology.telephone is None or topology.telephone.node != node.name:
        return

    for name, line in {line.node: line for line in topology.telephone.lines}.items():
        several = count(len(topology.lines_of(name)), "line")
        speed = f"{several}, {units.show_wire(line.rate_bit_s, line.delay_s)}"
        if (family := modem_family.find(topology.modem_families, name)) is not None:
            speed += f", {escape(family.name)}"
        cells = (f"<b>{line.number}</b>", name, speed)
        yield "".join(f'<td align="left">{_small(cell)}</td>' for cell in cells)


def _table(rows: list[str], *, padding: int) -> str:
    """Cells in rows: what needs space between them, as spaces at an end are not drawn."""
    cells = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<table border="0" cellspacing="0" cellpadding="{padding}">{cells}</table>'


def _hub(route: RouteMap, segment: Segment) -> str:
    on_path = route.segment_on_path(segment.name)
    border = f'color="{PATH}"' if on_path else f'color="{LINE}"'
    return (
        f'"segment {segment.name}" [label=<{_segment_label(segment)}>, shape=box, '
        f'style="rounded,filled,dashed", fillcolor="#ffffffcc", margin="0.08,0.04", fontsize={SMALL}, '
        f'fontcolor="{FAINT}", {border}];'
    )


def _rows(topology: Topology, hub: Segment) -> Iterator[str]:
    """Partitions on wires of their own, in a row beside the wire that their HMC shares: some
    versions of graphviz, among them 14, make three of them wider than a page without it."""
    partitions = []
    for hmc in topology.members(hub.name):
        for wire in (topology.members(interface.segment) for interface in hmc.interfaces):
            if len(wire) == 2:
                partitions += [node.name for node in wire if node.role is Role.logical_partition]

    if partitions:
        row = " -> ".join(f'"{name}"' for name in (f"segment {hub.name}", *partitions))
        yield f"{{ rank=same; {row} [style=invis]; }}"


def _segment_label(segment: Segment) -> str:
    mtu = f"<br/>MTU {segment.mtu}" if segment.mtu != 1500 else ""
    speed = f"{shown.wire(segment)}{mtu}"
    subnets = "<br/>".join(filter(None, (segment.subnet, segment.subnet6)))
    return f'<font color="{INK}"><b>{segment.name}</b></font><br/>{subnets}<br/>{speed}'


# -- lines -----------------------------------------------------------------------------------------


def _edges(topology: Topology, route: RouteMap) -> Iterator[str]:
    """A line for a segment of two nodes, and one for each plug of a larger one."""
    for segment in topology.segments:
        members = sorted(topology.members(segment.name), key=lambda node: _rank(route, node))
        if len(members) == 2:
            ends = f'"{members[0].name}" -> "{members[1].name}"'
            look = _look(topology, route, segment, members)
            yield f"  {ends} [label=<{_beside(_segment_label(segment))}>, {look}];"
            continue

        hub = f'"segment {segment.name}"'
        for node in members:
            name = f'"{node.name}"'
            # The nearest node to the agents is drawn before its segment.
            first = _rank(route, node) == _rank(route, members[0])
            ends = f"{name} -> {hub}" if first else f"{hub} -> {name}"
            yield f"  {ends} [{_look(topology, route, segment, [node])}];"


def _lines(topology: Topology, route: RouteMap) -> Iterator[str]:
    """A dashed line from each subscriber to the exchange; several lines of one are drawn as one."""
    if topology.telephone is None:
        return

    exchange = topology.telephone.node
    for name in dict.fromkeys(line.node for line in topology.telephone.lines):
        node = topology.node(name)
        ends = (exchange, name) if TRAITS[node.role].answers_calls else (name, exchange)
        on_path = (TELEPHONE, name) in route.plugs
        look = f'color="{PATH}", penwidth=3, weight=20' if on_path else f'color="{LINE}"'
        if (TELEPHONE, name) in _tunnelled(topology):
            look = f'color="{TUNNEL}:{PATH}:{TUNNEL}", penwidth=2.4, weight=20'
        yield f'  "{ends[0]}" -> "{ends[1]}" [style=dashed, {look}];'


def _beside(label: str) -> str:
    """A label with some space between it and its line, which is on its left."""
    left = label.replace("<br/>", '<br align="left"/>')
    cells = f'<td width="8"></td><td align="left" balign="left">{left}</td>'
    return _table([cells], padding=1)


def _rank(route: RouteMap, node: NodePlan) -> int:
    for number, stop in enumerate(route.stops):
        if node in stop.nodes:
            return number

    return -1 if route.zones[node.name] is Zone.customer else len(route.stops)


def _look(topology: Topology, route: RouteMap, segment: Segment, ends: list[NodePlan]) -> str:
    """Thin off the path; on it thick, cased where the VPN hides it, dashed if in reserve."""
    if any((segment.name, node.name) not in route.plugs for node in ends):
        return f'color="{LINE}"'

    reserve = {end for way in topology.ways for end in way.tunnel_ends[1:]}
    # The weight keeps the way that is tried first in one line.
    dashed = ", style=dashed" if reserve & {node.name for node in ends} else ", weight=20"
    if {(segment.name, node.name) for node in ends} <= _tunnelled(topology):
        return f'color="{TUNNEL}:{PATH}:{TUNNEL}", penwidth=2.4{dashed}'

    return f'color="{PATH}", penwidth=3{dashed}'


def _tunnelled(topology: Topology) -> set[tuple[str, str]]:
    """The plugs (segment, node) between the two ends of tunnels."""
    found: set[tuple[str, str]] = set()
    for way in topology.own_ways:
        route = route_map.trace(topology, [way])
        start, end = route.tunnel_start(way), route.tunnel_end(way)
        segments = {segment.name for stop in route.stops[start:end] for segment in stop.onward}
        segments |= {TELEPHONE for stop in route.stops[start:end] if stop.lines}
        outside = {node.name for stop in route.stops[:start] for node in stop.nodes}
        plugs = (plug for plug in route.plugs if plug[1] not in outside)
        found |= {plug for plug in plugs if plug[0] in segments}
    return found


def _legend(topology: Topology) -> str:
    text = f'<font color="{PATH}">━━</font> the path'
    for way in topology.ways:
        if way.tunnel_ends:
            hidden = ways.stage(way.kind, "picture").hidden_in(topology)
            text += (
                f'    <font color="{TUNNEL}">═══</font> inside {hidden}'
                f'    <font color="{PATH}">┅┅</font> in reserve'
            )

    if topology.telephone is not None:
        colour = PATH if any(way.dials for way in topology.ways) else LINE
        text += f'    <font color="{colour}">┅┅</font> telephone lines'

    return f'<font point-size="{SMALL}" color="{FAINT}">{text}</font>'
