"""What keeps L2TP in clear away from both ends of a VPN (P-07), as nft chains; pure.

Pass-through is in clear by its nature (OUT-27): an HMC and the partition that it borrows from may speak so to
each other, and to nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.topology.model import Topology
from lab.ways.pass_through import plan as pass_through
from lab.ways.vpn import plan as vpn

L2TP_PORT = 1701
IN_CLEAR_IN = "l2tp-in-clear-in"
IN_CLEAR_OUT = "l2tp-in-clear-out"
REQUIREMENT = "P-07"

GuardChain = tuple[str, str, list[str]]
"""Name, hook and rules."""


def chains(
    topology: Topology, node: str, counter: Callable[[str, str], str]
) -> Iterator[GuardChain]:
    """The guard of a node, if it is an end of a VPN: what would go or come in clear is refused and counted.

    ``counter`` declares one with a comment, and gives the statement that counts.
    """
    if node not in _vpn_ends(topology):
        return
    # RFC 2661 8.1: a responder may answer from another port.
    ports = (f"udp dport {L2TP_PORT}", f"udp sport {L2TP_PORT}")
    coming = f"meta ipsec missing {counter(IN_CLEAR_IN, REQUIREMENT)} drop"
    going = f"rt ipsec missing {counter(IN_CLEAR_OUT, REQUIREMENT)} drop"
    peers = [*_peers_in_clear(topology, node)]
    for name, hook, refused in (("l2tp-in", "input", coming), ("l2tp-out", "output", going)):
        yield (
            name,
            f"type filter hook {hook} priority filter - 5; policy accept;",
            [
                *(
                    f"{'ip saddr' if hook == 'input' else 'ip daddr'} {peer} {port} accept"
                    for peer in peers
                    for port in ports
                ),
                *(f"{port} {refused}" for port in ports),
            ],
        )


def _vpn_ends(topology: Topology) -> set[str]:
    ends = {client.client for client in vpn.clients(topology)}
    ends |= {connection.client for connection in vpn.connections(topology)}
    return ends | {server.gateway for server in vpn.servers(topology)}


def _peers_in_clear(topology: Topology, node: str) -> Iterator[str]:
    """The addresses of those with whom a node speaks L2TP in clear: by ways of pass-through."""
    for way in pass_through.plans(topology):
        for borrower in way.borrowers:
            if borrower.client == node:
                yield borrower.partition_address
            elif way.partition == node:
                yield borrower.address
