"""Which node has which address, on wires and inside PPP."""

from __future__ import annotations

from lab.record.record import Record
from lab.topology.model import Topology


def names_of(topology: Topology, record: Record | None = None) -> dict[str, str]:
    """Each address to the node that has it: IP and MAC addresses, and what PPP gave out in a run."""
    found: dict[str, str] = {}
    for node in topology.nodes:
        for plug in node.interfaces:
            found[plug.mac] = node.name
            for address in plug.ips:
                found[address] = node.name
        for address in (*node.service_addresses, *node.unlisted_addresses):
            found[address.partition("/")[0]] = node.name
    for address, holders in _of_ppp(record).items() if record is not None else ():
        # Of an address that two nodes had in turn, no name says whose it is.
        if len(holders) == 1:
            found.setdefault(address, *holders)
    return found


def _of_ppp(record: Record) -> dict[str, set[str]]:
    holders: dict[str, set[str]] = {}
    for session in record.ppp:
        for address, node in (
            (session.local_ip, session.client),
            (session.peer_ip, session.gateway),
        ):
            if address:
                holders.setdefault(address, set()).add(node)
    return holders
