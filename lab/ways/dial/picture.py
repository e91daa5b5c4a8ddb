"""How a way home by telephone is drawn."""

from __future__ import annotations

from collections.abc import Iterator

from lab.names import all_of, count
from lab.topology import units
from lab.topology.model import Role, Topology
from lab.topology.modem_family import find
from lab.topology.route_map import TELEPHONE
from lab.topology.routing import Hop, Network
from lab.topology.telephone import Lig, Telephone
from lab.topology.units import WIDTH, wrapped
from lab.ways.dial.plan import Dialer, DialPlan


def hops(
    topology: Topology, network: Network, way: DialPlan, agent: str
) -> Iterator[tuple[Hop, ...]]:
    """An agent's hops to the servers: to the modem, over the exchange, then from AT&T's gateway."""
    telephone, lig = _equipment(topology)
    (sdc,) = network.with_role(Role.sdc)
    partition = way.dialer(agent).partition
    to_modem = network.ways(agent)[partition] if partition else ()
    call = Hop(TELEPHONE, telephone.node), Hop(TELEPHONE, lig.node)
    yield to_modem + call + network.ways(lig.node)[sdc]


def _equipment(topology: Topology) -> tuple[Telephone, Lig]:
    assert topology.telephone is not None, "check has seen it"
    assert topology.lig is not None, "check has seen it"
    return topology.telephone, topology.lig


def blocks(topology: Topology, way: DialPlan) -> Iterator[list[str]]:
    """The calls, and whom the callers may talk to."""
    telephone, lig = _equipment(topology)
    yield list(_calls(topology, way, telephone, lig))
    yield list(_fence(lig))


def _calls(topology: Topology, way: DialPlan, telephone: Telephone, lig: Lig) -> Iterator[str]:
    one = way.dialers[0]
    owners = {line.number: line.node for line in telephone.lines}
    numbers = [f"{number} ({owners.get(number, 'nobody')})" for number in one.numbers]
    rounds = count(one.rounds, "round")
    yield "The calls"
    yield from wrapped("  numbers   ", numbers, WIDTH - 12)
    yield f"            {rounds}, {units.show_delay(one.redial_pause_s)} between two calls"
    yield from _modems(topology, way)
    yield f"  PPP       {lig.ppp.auth.upper()}, MTU {one.mtu}"
    for dialer in way.dialers:
        yield f"            {dialer.client} is {dialer.account.user}{_region(topology, dialer)}"
    pool = lig.ppp.pool
    yield f"            {lig.node} gives {f'{pool[0]} to {pool[-1]}' if pool else 'no addresses'}"


def _modems(topology: Topology, way: DialPlan) -> Iterator[str]:
    """What modems are told first, and whose result codes they give; one line for all that are alike."""
    telephone, _ = _equipment(topology)
    told: dict[str, list[str]] = {}
    for dialer in way.dialers:
        family = find(topology.modem_families, dialer.modem_node)
        codes = f"those of {family.name}" if family else str(telephone.result_table)
        modems = told.setdefault(f"{dialer.init}, numeric result codes: {codes}", [])
        if dialer.modem_node not in modems:
            modems.append(dialer.modem_node)
    borrowed = any(dialer.partition for dialer in way.dialers)
    for at, (text, nodes) in enumerate(told.items()):
        whose = f"  ({all_of(nodes)})" if borrowed or len(told) > 1 else ""
        yield f"  {'' if at else 'modems':<10}{text}{whose}"


def _region(topology: Topology, dialer: Dialer) -> str:
    return f", a customer in {dialer.region}" if dialer.region != topology.region else ""


def _fence(lig: Lig) -> Iterator[str]:
    yield f"Whom the callers of {lig.node} may talk to; all else is dropped"
    for one in lig.lists:
        yield from wrapped(f"  {one.user:<16}", one.addresses, 64)
    replies = ", whose answers are dropped" if lig.literal_replies else ""
    yield f"  {'name server':<16}{lig.utility}{replies}"
    services = [
        f"{protocol.upper()} {port}" if port else protocol.upper() for protocol, port in lig.ports
    ]
    yield from wrapped(f"  {'ports':<16}", services or ["any"], 64)
