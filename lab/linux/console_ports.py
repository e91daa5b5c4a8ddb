"""The ports of consoles in an HMC's own firewall (F-17): the customer's rules, as nft text and as effects.

The papers have UDP 9900 and TCP 9920 there; a customer may take each out, and no console is heard at it then
(M-04). What the console says to itself passes in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lab.topology.consoles import PORTS, Console, port_text
from lab.topology.model import Topology

REQUIREMENT = "F-17"
CHAIN = "consoles-in"

Declared = tuple[str, str, list[str]]
"""Name, hook and rules of a chain."""


def sets(topology: Topology, node: str) -> Iterator[str]:
    """The declarations of what is open at a console, one set a protocol; none elsewhere."""
    for console in _at(topology, node):
        for protocol, port in PORTS:
            opened = port_text(protocol, port) not in console.closed
            elements = f"\t\telements = {{ {port} }}\n" if opened else ""
            yield f"\tset {set_of(protocol)} {{\n\t\ttype inet_service\n{elements}\t}}\n"


def chains(topology: Topology, node: str, counter: Callable[[str, str], str]) -> Iterator[Declared]:
    """What comes to a console: at open ports it is accepted and counted, at closed ones dropped and counted.

    ``counter`` declares one with a comment, and gives the statement that counts.
    """
    for _ in _at(topology, node):
        rules = ['iifname "lo" accept']
        for protocol, port in PORTS:
            accepted = counter(accepted_counter(protocol, port), REQUIREMENT)
            rules.append(f"{protocol} dport @{set_of(protocol)} {accepted} accept")
        for protocol, port in PORTS:
            dropped = counter(dropped_counter(protocol, port), REQUIREMENT)
            rules.append(f"{protocol} dport {port} {dropped} drop")
        yield CHAIN, "type filter hook input priority filter - 3; policy accept;", rules


def set_of(protocol: str) -> str:
    """The name of the set that has the open ports of a protocol."""
    return f"consoles-{protocol}"


def accepted_counter(protocol: str, port: int) -> str:
    return f"allow-{REQUIREMENT}-{protocol}-{port}"


def dropped_counter(protocol: str, port: int) -> str:
    return f"closed-{protocol}-{port}"


def script(table: str, protocol: str, port: int, *, opened: bool) -> str:
    """The customer gives the rule of a port back, or takes it out."""
    verb = "add" if opened else "delete"
    return f"{verb} element inet {table} {set_of(protocol)} {{ {port} }}\n"


def _at(topology: Topology, node: str) -> Iterator[Console]:
    return (console for console in topology.consoles if console.node == node)
