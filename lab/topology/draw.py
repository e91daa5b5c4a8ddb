"""A topology for people, as text for the terminal. Shows no secrets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from lab import ways
from lab.names import all_of, count
from lab.topology import fleet, modem_family, route_map, shown, units
from lab.topology.model import AllowRule, Firewall, NodePlan, Role, Segment, Topology, Way
from lab.topology.own_rules import find
from lab.topology.route_map import TELEPHONE, RouteMap
from lab.topology.telephone import CallRule, ModemLine
from lab.topology.units import WIDTH, wrapped


def text(topology: Topology) -> str:
    """The network, the path through it, the firewall's rules, and what is judged."""
    schedule = list(_schedule(topology))
    topology = fleet.folded(topology)
    route = route_map.trace(topology, topology.own_ways)
    drawn = [list(_ladder(topology, way)) for way in topology.own_ways]
    pictures = [ways.stage(way.kind, "picture").blocks(topology, way) for way in topology.ways]
    blocks = [
        [*_heading(topology), *schedule],
        *drawn,
        list(_beside(topology, route)),
        *dict.fromkeys(tuple(block) for blocks in pictures for block in blocks),
        list(_befalling(topology)),
        list(_remote_service(topology)),
        list(_consoles(topology)),
        list(_user_targets(topology)),
        list(_events(topology)),
        list(_rules(topology)),
        list(_moves(topology)),
        list(_expectations(topology)),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _heading(topology: Topology) -> Iterator[str]:
    yield f"{topology.name}: {topology.summary}"
    yield f"profile {topology.profile}, region {topology.region}, from {topology.source}"
    if len(topology.ways) > 1:
        for agent in topology.callers:
            yield f"{fleet.title(topology, agent.name)} calls home by {', then by '.join(agent.ways)}"
    for way in topology.ways:
        if way.over:
            yield f"{way.name} runs over {way.over}"


def _schedule(topology: Topology) -> Iterator[str]:
    """When agents call home, if not all at once."""
    times = [agent.calls_at_s for agent in topology.callers]
    if any(times):
        span = f"from {_clock(min(times))} to {_clock(max(times))}"
        yield f"agents call home {span} after the ways are up, each at a time of its own"


def _clock(seconds: float) -> str:
    """``23:41:05``."""
    minutes, left = divmod(int(seconds), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{left:02d}"


# -- the path, top to bottom -----------------------------------------------------------------------


def _ladder(topology: Topology, way: Way) -> Iterator[str]:
    route = route_map.trace(topology, [way])
    start, end = route.tunnel_start(way), route.tunnel_end(way)
    labels = iter(ways.stage(way.kind, "picture").tunnel_labels(topology, way) if end else ())
    zone = ""
    if len(topology.own_ways) > 1:
        yield f"By {way.name}"
    for number, stop in enumerate(route.stops):
        its = str(route.zones[stop.nodes[0].name])
        head = its if its != zone else ""
        zone = its
        for node in stop.nodes:
            first = node is stop.nodes[0]
            # Of several gateways the first is taken; of several agents' hosts all call home.
            used = first or node.name in way.agents
            name = f"{fleet.title(topology, node.name):<9}"
            row = f"  {head:<10}{'●' if used else '◌'} {name} {_about(topology, node)}"
            edge = _edge(start, end, number, first, node is stop.nodes[-1])
            yield _with_edge(row, edge, "")
            head = ""

        for segment in stop.onward:
            row = f"  {'':<10}┃   {segment.name:<7} {_wire(segment)}"
            hidden = start <= number < end
            yield _with_edge(row, "│", next(labels, "")) if hidden else row
            if segment.subnet6:
                row = f"  {'':<10}┃   {'':<7} {segment.subnet6}"
                yield _with_edge(row, "│", "") if hidden else row
        for lines in _by_number(stop.lines):
            row = f"  {'':<10}┇   {count(len(lines), 'line'):<7} {_line(topology, lines[0])}"
            yield _with_edge(row, "│", next(labels, "")) if number < end else row


def _with_edge(row: str, edge: str, label: str) -> str:
    return f"{row:<66}{edge} {label}".rstrip()


def _edge(start: int, end: int, number: int, first: bool, last: bool) -> str:
    """What the tunnel looks like beside a node; it runs from stop ``start`` to stop ``end``."""
    if not end or not start <= number <= end:
        return ""
    if number == start and first:
        return "┐"
    if number == end and last:
        return "┘"

    return "│"


def _about(topology: Topology, node: NodePlan) -> str:
    """A node's address and what it is there for."""
    if topology.firewall is not None and node.name == topology.firewall.node:
        outside = ", ".join(node.interface(topology.firewall.outside).ips)
        of_ipv4 = " of IPv4" if node.interface(topology.firewall.outside).address6 else ""
        nat = f"SNAT{of_ipv4}" if topology.firewall.snat else ""
        policy = shown.policy(topology, topology.firewall)
        does = filter(None, (policy, nat, shown.opens(topology.firewall)))
        return f"{outside}  {', '.join(does)}"

    if (router := shown.router(topology, node)) is not None:
        return f"{node.interface(router.outside).ip}  router{', SNAT' if router.snat else ''}"

    lines = len(topology.lines_of(node.name))
    if node.name in topology.agents:
        modems = count(lines, "modem") if lines else "no modems"
        dials = any(way.dials for way in topology.ways_of(node.name))
        own = ", ".join(node.uplink.ips)
        what = "agents" if fleet.span(topology, node.name) else "agent"
        return f"{own}  {what}{f', {modems}' if dials else ''}"
    if lines:
        return f"{node.uplink.ip}  {count(lines, 'modem')}"

    if node.role is Role.i5:
        return f"{', '.join(node.uplink.ips)}  i5/OS"
    runs = shown.runs(topology, node)
    if not node.service_addresses:
        return runs
    others = len(node.service_addresses) - 1
    at = shown.called(topology, node)[0] + (f" and {others} more" if others else "")
    return f"{at}, {runs}" if runs else at


def _wire(segment: Segment) -> str:
    mtu = f", MTU {segment.mtu}" if segment.mtu != 1500 else ""
    return f"{segment.subnet:<18}{shown.wire(segment)}{mtu}"


# -- the telephone ---------------------------------------------------------------------------------


def _by_number(lines: Iterable[ModemLine]) -> list[list[ModemLine]]:
    return [list(same) for _, same in groupby(lines, lambda line: line.number)]


def _line(topology: Topology, line: ModemLine) -> str:
    family = modem_family.find(topology.modem_families, line.node)
    whose = f", {family.name}" if family is not None else ""
    return f"{line.number:<18}{units.show_wire(line.rate_bit_s, line.delay_s)}{whose}"


def _befalling(topology: Topology) -> Iterator[str]:
    """The rules for calls, in their order; one line for those that differ in their callers only."""
    telephone = topology.telephone
    if telephone is None or not telephone.rules:
        return

    yield "What befalls calls; of those that fit one, the first that is not used up"
    for rule, same in groupby(telephone.rules, lambda rule: replace(rule, caller="")):
        callers = _callers({each.caller for each in same}, telephone.lines)
        ends = f"{callers} to {rule.number}" if rule.number else callers
        parts = [f"from {ends}", *_limits(rule)]
        yield from wrapped(f"  {rule.outcome:<16}", parts, WIDTH - 18)


def _callers(names: set[str], lines: Sequence[ModemLine]) -> str:
    """Lines, a node where all of its are meant, or any."""
    if names in ({""}, {line.name for line in lines}):
        return "any line"

    nodes: dict[str, set[str]] = {}
    for line in lines:
        nodes.setdefault(line.node, set()).add(line.name)
    whole = [node for node, its in nodes.items() if its <= names]
    rest = [line.name for line in lines if line.name in names and line.node not in whole]
    return " and ".join([*whole, *rest])


def _limits(rule: CallRule) -> Iterator[str]:
    if rule.rate_bit_s:
        yield f"{rule.rate_bit_s} bit/s at most"
    if rule.after_s:
        yield f"after {units.show_delay(rule.after_s)}"
    if rule.after_bytes:
        yield f"after {units.show_size(rule.after_bytes)}"
    if rule.bit_error_rate:
        yield f"{rule.bit_error_rate:g} of the bits"
    if rule.times:
        yield f"{count(rule.times, 'call')} of each line"


def _remote_service(topology: Topology) -> Iterator[str]:
    service = topology.service
    if service is None:
        return
    console = service.console
    yield f"Who tries to get in to {console}, where remote service is off at first"
    yield "  from outside: the Internet, and IBM's servers"
    if service.dialer:
        yield f"  by telephone: {service.dialer}, which dials {service.number}"
    if service.server and service.relay:
        yield f"  by Internet: {service.server}, at {service.relay}, to which {console} connects"
    elif service.server:
        yield f"  by VPN: {service.server}, if {console} has called a gateway"
    if service.intranet:
        yield f"  IBM's people log in to {service.workplace} from {service.intranet}"
    yield f"  {service.neighbour} sees that all ports are open, but for the firewall"
    if service.by:
        reached = [console] if service.console_allowed else []
        reached += [partition.name for partition in service.allowed]
        yield f"  {console} lets a session in by {service.by}, to {all_of(reached) or 'nobody'}"


def _consoles(topology: Topology) -> Iterator[str]:
    if topology.consoles:
        yield "Which consoles look for others, by UDP 9900 (M-01, M-02)"
    for console in topology.consoles:
        systems = all_of([system.name for system in console.systems])
        told = [
            f"{console.node} on {all_of([card.segment for card in console.cards])}",
            f"manages {systems}" if systems else "",
            f"in {console.box}" if console.box else "",
        ]
        yield f"  {', '.join(filter(None, told))}"


def _user_targets(topology: Topology) -> Iterator[str]:
    if topology.user_targets:
        yield "What users have entered at agents, beside every list (OUT-44)"
    for target in topology.user_targets:
        yield f"  {target.agent} connects to {target.where}, which is {target.node}"


def _events(topology: Topology) -> Iterator[str]:
    if topology.events is None:
        return
    yield "Whose events wait for approval, asked at TCP 443 (M-10 to M-14)"
    for console in topology.events.consoles:
        where = topology.events.manager if console.registered else "no Events Manager"
        yield f"  {console.node}, registered at {where}"


# -- what is not on the path -----------------------------------------------------------------------


def _beside(topology: Topology, route: RouteMap) -> Iterator[str]:
    for segment in topology.segments:
        others = [
            node
            for node in topology.members(segment.name)
            if (segment.name, node.name) not in route.plugs
        ]
        if others:
            plugs = (
                f"{fleet.title(topology, n.name)} {' and '.join(n.interface(segment.name).ips)}"
                for n in others
            )
            yield f"  beside the path: {segment.name:<7} {_wire(segment)}"
            yield from wrapped(" " * 27, plugs, WIDTH - 27)

    if topology.telephone is not None:
        exchange = topology.telephone.node
        silent = [n for n in topology.nodes if (TELEPHONE, n.name) not in route.plugs]
        lines = _by_number(line for node in silent for line in topology.lines_of(node.name))
        if lines or not route.on_path(exchange):
            yield f"  beside the path: {exchange:<7} the telephone"
        for same in lines:
            yield f"  {'':<17}{'':<8}{same[0].node}: {count(len(same), 'line')}, {_line(topology, same[0])}"


# -- rules and expectations ------------------------------------------------------------------------


def _rules(topology: Topology) -> Iterator[str]:
    if topology.firewall is None:
        return

    name = topology.firewall.node
    if (own := find(topology.own_rules, name)) is not None:
        yield f"What {name} lets through is for {own.name} to say ({own.format})"
        yield "What the papers ask for, besides answers"
        yield from _asked(topology.firewall)
        return
    yield f"What {name} lets through, besides answers; all else is dropped"
    yield from _asked(topology.firewall)


def _asked(firewall: Firewall) -> Iterator[str]:
    """What the papers ask a customer to open."""
    wall = firewall.rules
    width = max((len(rule.source) + 1 for rule in wall), default=0)
    broad = max((len(_service(rule)) for rule in wall), default=0)
    if not wall:
        yield "  nothing"
    for (requirement, source), rules in groupby(wall, lambda rule: (rule.requirement, rule.source)):
        for (service, both_ways), same in groupby(
            rules, lambda rule: (_service(rule), rule.both_ways)
        ):
            arrow = "<->" if both_ways else "->"
            head = f"  {requirement:<10}{source:<{max(16, width)}}{service:<{max(9, broad)}} {arrow:<4}"
            yield from wrapped(head, map(_destination, same), 48)
            requirement = source = ""


def _destination(rule: AllowRule) -> str:
    return f"{rule.destination}, by name (F-05)" if rule.is_by_name else rule.destination


def _moves(topology: Topology) -> Iterator[str]:
    """Which names lead elsewhere after the first calls home (R-10)."""
    if topology.dns is None or not topology.dns.moves:
        return
    yield "What changes after the first calls home"
    for move in topology.dns.moves:
        yield f"  {move.name} moves to {all_of(move.new)} ({move.profile})"


def _service(rule: AllowRule) -> str:
    if rule.protocol == "icmp-echo":
        return "ping"

    if rule.port_to:
        return f"{rule.protocol.upper()} {rule.port}-{rule.port_to}"
    return f"{rule.protocol.upper()} {rule.port}" if rule.port else rule.protocol.upper()


def _expectations(topology: Topology) -> Iterator[str]:
    if topology.expect:
        yield "What a run is judged by"
        yield from wrapped("  ", topology.expect, WIDTH - 2)
