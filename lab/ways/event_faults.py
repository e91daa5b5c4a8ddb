"""Faults of events that wait for approval."""

from __future__ import annotations

from lab.topology.held_events import EVENTS_PORT
from lab.topology.model import DropRule, Topology
from lab.ways.fault import Fault, Need, drop


def _block_events(topology: Topology) -> Topology:
    """The manager's packets alone: the console's own calls to IBM are answered from TCP port 443, too."""
    assert topology.events is not None, "the fault's need"
    deaf = topology.events.registered[0]
    for address in topology.events.addresses:
        lost = DropRule(
            name="events-blocked",
            node=deaf.node,
            protocol="tcp",
            port=EVENTS_PORT,
            source=address,
            own=True,
        )
        topology = drop(topology, lost)
    return topology


FAULTS = (
    Fault(
        "events-blocked",
        "the firewall of a console lets nothing of the Events Manager in at TCP 443",
        Need("an Events Manager", lambda topology: topology.events is not None),
        _block_events,
    ),
)
