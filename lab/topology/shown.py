"""What ``lab show`` says of a node, whether as text or as a picture: the addresses that matter first."""

from __future__ import annotations

from itertools import groupby

from lab.names import all_of
from lab.topology import own_program, units
from lab.topology.model import EdgeRouter, Firewall, NodePlan, Segment, Topology
from lab.topology.own_rules import find
from lab.topology.servers import Speaks


def called(topology: Topology, node: NodePlan) -> tuple[str, ...]:
    """A node's addresses that agents call, one of each port first; all that it has if they call none."""
    ends = [(each.address, each.port) for each in topology.endpoints]
    if "OUT-43" in topology.expect:  # Then the lab's own agent uploads a file.
        ends += [(s.address, s.port) for s in topology.servers if s.speaks is Speaks.ftps]
    first = {port: address for address, port in reversed(ends)}
    ports = dict.fromkeys(port for _, port in ends)
    wanted = [*(first[port] for port in ports), *(address for address, _ in ends)]
    own = {*node.service_addresses}
    return tuple(each for each in dict.fromkeys(wanted) if each in own) or node.service_addresses


def later(topology: Topology, node: NodePlan) -> tuple[str, ...]:
    """A node's addresses that answer only after the first calls home (R-10)."""
    moves = topology.dns.moves if topology.dns is not None else ()
    before = {address for move in moves for address in move.old}
    after = dict.fromkeys(address for move in moves for address in move.new)
    return tuple(each for each in after if each in node.service_addresses and each not in before)


def router(topology: Topology, node: NodePlan) -> EdgeRouter | None:
    """A node as a router between the firewall and the Internet, if it is one."""
    return next((each for each in topology.routers if each.node == node.name), None)


def policy(topology: Topology, firewall: Firewall) -> str:
    """What the firewall does with the rest: ``default deny``, or what a file of the user's has it do."""
    own = find(topology.own_rules, firewall.node)
    return "default deny" if own is None else f"rules of {own.name}"


def runs(topology: Topology, node: NodePlan) -> str:
    """The program of the user's own that a node runs, in the place of the lab's; empty without one."""
    own = own_program.find(topology.own_programs, node.name)
    return f"runs {own.words}" if own is not None else ""


def opens(firewall: Firewall) -> str:
    """``opens names`` (F-05) or ``opens ranges`` (F-11); empty where it opens single addresses."""
    if any(rule.is_by_name for rule in firewall.rules):
        return "opens names"
    ranges = any("/" in rule.destination for rule in firewall.rules if rule.protocol == "tcp")
    return "opens ranges" if ranges else ""


def wire(segment: Segment) -> str:
    """``100 Mbit/s, 20 ms ±5 ms, 2% lost``: what a wire is like, and what chance does there.

    Of a node with a rate of its own: ``16 Mbit/s (firewall 1 Mbit/s), 20 ms``.
    """
    by_rate = groupby(segment.rates_bit_s.items(), lambda item: item[1])
    own = (f"{all_of([n for n, _ in same])} {units.show_rate(rate)}" for rate, same in by_rate)
    told = units.show_rate(segment.rate_bit_s) + (f" ({told})" if (told := ", ".join(own)) else "")
    told += f", {units.show_delay(segment.delay_s)}" if segment.delay_s else ""
    vlan = [f"VLAN {segment.vlan}"] if segment.vlan else []
    bad = segment.impairment
    if bad is None:
        return ", ".join([told, *vlan])
    jitter = f" ±{units.show_delay(bad.jitter_s)}" if bad.jitter_s else ""
    chances = (
        (bad.loss, "lost"),
        (bad.duplicate, "twice"),
        (bad.corrupt, "corrupt"),
        (bad.reorder, "reordered"),
    )
    shares = (f"{units.show_percent(share)} {what}" for share, what in chances if share)
    return ", ".join([told + jitter, *shares, *vlan])
