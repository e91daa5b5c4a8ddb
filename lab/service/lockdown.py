"""The lock-down of a console during a session of remote service, as nftables text (S4 2.2.1, 2.2.2). Pure.

It stands before the first packet of a session can come, and before every other rule of the console's. By the
session's interface packets go to an allowed partition's alias, or to a listed port of the console if the
console is allowed. All else is dropped, ICMP, too: the papers say "all traffic".
"""

from __future__ import annotations

from collections.abc import Iterator

from lab.linux.firewall import chain, declared, identifier
from lab.service.listeners import LEFT_ALONE
from lab.topology.service import Partition, RemoteService

TABLE = "lockdown"
DROPPED = "dropped"
"""The counter of what came by the session and went nowhere."""
RETURNS = "returns"
"""The counter of what answered the console's own sockets, where that may pass (I-32)."""
NOT_OF_SESSION = "not-of-session"
"""The counter of what a partition sent to the representative unasked."""
PRIORITY = "mangle - 10"
"""Before the listeners of all ports."""


def port_counter(protocol: str, port: int) -> str:
    """The name of the counter of what a listed port got."""
    return identifier(f"{protocol}-{port}")


def alias_counter(partition: str) -> str:
    """The name of the counter of what went to a partition's alias."""
    return identifier(f"alias-{partition}")


def allowed(service: RemoteService) -> tuple[Partition, ...]:
    """The partitions that a session may reach."""
    return tuple(partition for partition in service.partitions if partition.allowed)


def render(service: RemoteService, interface: str) -> str:
    """The table of one session."""
    counters = {DROPPED: "came by the session, and is allowed to go nowhere"}
    counters[NOT_OF_SESSION] = "to the representative, of whom it was not asked"
    if service.stateful:
        counters[RETURNS] = "answers to what the console itself has opened"
    counters |= {alias_counter(p.name): f"to {p.name}" for p in allowed(service)}
    ports = [(protocol, port) for protocol in ("tcp", "udp") for port in service.ports]
    if service.console_allowed:
        counters |= {port_counter(*each): "to the console" for each in ports}
    arriving = chain("arriving", _arriving(service, interface, ports))
    through = chain("through", _through(interface))
    to_partitions = chain("to-partitions", _to_partitions(service, interface))
    body = "\n".join([declared(counters), arriving, through, to_partitions])
    return f"table ip {TABLE} {{\n{body}}}\n"


def _arriving(
    service: RemoteService, interface: str, ports: list[tuple[str, int]]
) -> Iterator[str]:
    yield f"type filter hook prerouting priority {PRIORITY}; policy accept;"
    yield f'iifname != "{interface}" accept'
    for partition in allowed(service):
        counted = f'counter name "{alias_counter(partition.name)}" accept'
        yield f"ip daddr {partition.alias} meta mark set {LEFT_ALONE} {counted}"
    for protocol, port in ports if service.console_allowed else ():
        counted = f'counter name "{port_counter(protocol, port)}" accept'
        yield f"ip daddr {service.ppp_address} {protocol} dport {port} {counted}"
    if service.stateful:
        # After the aliases, whose every packet has to be marked.
        yield f'ct state established,related counter name "{RETURNS}" accept'
    if service.lockdown_forgets_udp:
        yield "meta l4proto udp accept"
    yield f'counter name "{DROPPED}" drop'


def _through(interface: str) -> Iterator[str]:
    """The console passes on what goes to an allowed partition, and the answers, and nothing else."""
    yield "type filter hook forward priority filter - 20; policy drop;"
    yield f'iifname "{interface}" ct status dnat accept'
    yield f'oifname "{interface}" ct state established ct status dnat accept'
    yield f'oifname "{interface}" counter name "{NOT_OF_SESSION}" drop'


def _to_partitions(service: RemoteService, interface: str) -> Iterator[str]:
    yield "type nat hook prerouting priority dstnat; policy accept;"
    for partition in allowed(service):
        yield f'iifname "{interface}" ip daddr {partition.alias} dnat to {partition.address}'
