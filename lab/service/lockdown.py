"""The lock-down of a console during a session of remote service, as nftables text (S4 2.2.1, 2.2.2). Pure.

It stands before the first packet of a session can come, and before every other rule of the console's. By the
session's interface packets go to an allowed partition's alias, or to a listed port of the console if the
console is allowed. All else is dropped, ICMP, too: the papers say "all traffic".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
IKE_PORT, L2TP_PORT = 500, 1701
PRIORITY = "mangle - 10"
"""Before the listeners of all ports."""


def port_counter(protocol: str, port: int) -> str:
    """The name of the counter of what a listed port got."""
    return identifier(f"{protocol}-{port}")


def alias_counter(partition: str) -> str:
    """The name of the counter of what went to a partition's alias."""
    return identifier(f"alias-{partition}")


@dataclass(frozen=True, slots=True)
class Door:
    """Where a session may go by one interface: to an address that stands for the console or a partition."""

    interface: str
    address: str
    partition: Partition | None = None
    """Whose alias the address is; None: it is the console's own, and leads to the listed ports."""


@dataclass(frozen=True, slots=True)
class CarryingLine:
    """The call in which a VPN and its sessions come.

    By it comes only what carries the VPN, and what the console has asked for.
    """

    interface: str
    gateways: tuple[str, ...]
    """Their addresses."""


def doors(service: RemoteService, interface: str) -> list[Door]:
    """Those of a session that has one interface for all."""
    own = [Door(interface, service.ppp_address)] if service.console_allowed else []
    return own + [Door(interface, each.alias, each) for each in service.allowed]


def render(
    service: RemoteService,
    interfaces: Sequence[str],
    doors: Sequence[Door],
    line: CarryingLine | None = None,
) -> str:
    """The table of one session, whose interfaces these are; each may be a pattern such as ``ppp*``.

    ``line`` is one of them that is no session's.
    """
    counters = {DROPPED: "came by the session, and is allowed to go nowhere"}
    counters[NOT_OF_SESSION] = "to the representative, of whom it was not asked"
    if service.stateful:
        counters[RETURNS] = "answers to what the console itself has opened"
    counters |= door_counters(service, doors)
    arriving = chain("arriving", _arriving(service, doors))
    dispatch = chain("dispatch", _dispatch(interfaces, line))
    through = chain("through", _through(interfaces))
    to_partitions = chain("to-partitions", _to_partitions(doors))
    body = "\n".join([declared(counters), arriving, dispatch, through, to_partitions])
    return f"table ip {TABLE} {{\n{body}}}\n"


def render_off(interfaces: Sequence[str], line: CarryingLine | None = None) -> str:
    """The table while no session stands: by these interfaces comes only what the console has asked for."""
    counters = {DROPPED: "came by PPP, and nobody had asked for it"}
    body = "\n".join([declared(counters), chain("arriving", _asked_for(interfaces, line))])
    return f"table ip {TABLE} {{\n{body}}}\n"


def _asked_for(interfaces: Sequence[str], line: CarryingLine | None) -> Iterator[str]:
    yield f"type filter hook prerouting priority {PRIORITY}; policy accept;"
    yield from _of_line(line)
    for interface in interfaces:
        yield f'iifname "{interface}" ct state established,related accept'
        yield f'iifname "{interface}" counter name "{DROPPED}" drop'


def _of_line(line: CarryingLine | None) -> Iterator[str]:
    """A gateway may speak of its own accord: it asks for signs of life (RFC 3706), and passes packets on."""
    if line is None:
        return
    of_vpn = f'iifname "{line.interface}" ip saddr {{ {", ".join(line.gateways)} }}'
    yield f"{of_vpn} udp sport {IKE_PORT} udp dport {IKE_PORT} accept"
    yield f"{of_vpn} ip protocol esp accept"
    yield f"{of_vpn} udp dport {L2TP_PORT} meta ipsec exists accept"
    yield f'iifname "{line.interface}" ct state established,related accept'
    yield f'iifname "{line.interface}" counter name "{DROPPED}" drop'


def door_counters(service: RemoteService, doors: Sequence[Door]) -> dict[str, str]:
    """The counters of what goes through doors, each with a comment."""
    counters: dict[str, str] = {}
    for door in doors:
        if door.partition is not None:
            counters[alias_counter(door.partition.name)] = f"to {door.partition.name}"
        else:
            counters |= {port_counter(*each): "to the console" for each in _ports(service)}
    return counters


def _ports(service: RemoteService) -> list[tuple[str, int]]:
    return [(protocol, port) for protocol in ("tcp", "udp") for port in service.ports]


def _dispatch(interfaces: Sequence[str], line: CarryingLine | None) -> Iterator[str]:
    yield f"type filter hook prerouting priority {PRIORITY}; policy accept;"
    yield from _of_line(line)
    for interface in interfaces:
        yield f'iifname "{interface}" goto arriving'


def _arriving(service: RemoteService, doors: Sequence[Door]) -> Iterator[str]:
    for door in doors:
        where = f'iifname "{door.interface}" ip daddr {door.address}'
        if door.partition is not None:
            counted = f'counter name "{alias_counter(door.partition.name)}" accept'
            yield f"{where} meta mark set {LEFT_ALONE} {counted}"
            continue
        for protocol, port in _ports(service):
            yield f'{where} {protocol} dport {port} counter name "{port_counter(protocol, port)}" accept'
    if service.stateful:
        # After the aliases, whose every packet has to be marked.
        yield f'ct state established,related counter name "{RETURNS}" accept'
    if service.lockdown_forgets_udp:
        yield "meta l4proto udp accept"
    yield f'counter name "{DROPPED}" drop'


def _through(interfaces: Sequence[str]) -> Iterator[str]:
    """The console passes on what goes to an allowed partition, and the answers, and nothing else."""
    yield "type filter hook forward priority filter - 20; policy drop;"
    for interface in interfaces:
        yield f'iifname "{interface}" ct status dnat accept'
        yield f'oifname "{interface}" ct state established ct status dnat accept'
        yield f'oifname "{interface}" counter name "{NOT_OF_SESSION}" drop'


def _to_partitions(doors: Sequence[Door]) -> Iterator[str]:
    yield "type nat hook prerouting priority dstnat; policy accept;"
    for door in doors:
        if door.partition is not None:
            where = f'iifname "{door.interface}" ip daddr {door.address}'
            yield f"{where} dnat to {door.partition.address}"
