"""Which node has which address, on wires and inside PPP."""

from __future__ import annotations

from collections.abc import Mapping

from lab.record.record import Record
from lab.topology.model import Topology


def names_of(topology: Topology, record: Record | None = None) -> dict[str, str]:
    """Each address to the node that has it: of IP and Ethernet, of PPP as a run gave it out; and each line.

    A telephone line is there as ``line NAME``.
    """
    found: dict[str, str] = {}
    for node in topology.nodes:
        for plug in node.interfaces:
            found[plug.mac] = node.name
            for address in plug.ips:
                found[address] = node.name
        for address in (*node.service_addresses, *node.unlisted_addresses):
            found[address.partition("/")[0]] = node.name
    for line in topology.telephone.lines if topology.telephone is not None else ():
        found[line_key(line.name)] = line.node
    for address, holders in _of_ppp(record).items() if record is not None else ():
        # Of an address that two nodes had in turn, no name says whose it is.
        if len(holders) == 1:
            found.setdefault(address, *holders)
    return found


def line_key(name: str) -> str:
    """Where a telephone line stands among addresses."""
    return f"line {name}"


def ends_of(call: str, names: Mapping[str, str]) -> tuple[str, str]:
    """The nodes of a call's two lines, the caller's first: of ``hmc-1-lig-2`` hmc and lig.

    ``caller`` and ``called`` where the lines are not known.
    """
    parts = call.split("-")
    for cut in range(1, len(parts)):
        near, far = (line_key("-".join(some)) for some in (parts[:cut], parts[cut:]))
        if near in names and far in names:
            return names[near], names[far]
    return "caller", "called"


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
