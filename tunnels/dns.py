"""The name servers of a lab: IBM's, and the customer's resolver. AT&T's belongs to its gateway (``lig``)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lab.linux import matches
from lab.linux.firewall import TABLE, identifier
from lab.linux.nodes import Node
from lab.linux.process import Daemon
from lab.linux.resolver import told_set
from lab.topology.dns import Dns
from tunnels import _dnsmasq
from tunnels._dnsmasq import RECORDS, DnsmasqSettings, render_records

if TYPE_CHECKING:
    from lab.topology.model import Firewall
    from lab.ways.ground import Ground


VERSIONS = {"ip": 4, "ip6": 6}
"""As dnsmasq calls them where it is told of a set."""


class Dnsmasq:
    """One dnsmasq in its node."""

    def __init__(
        self, node: Node, settings: DnsmasqSettings, records: tuple[tuple[str, str], ...] = ()
    ) -> None:
        """``records`` are names of its own, (name, address); a server that asks another one has none."""
        self._node = node
        self._settings = settings
        self._records = records
        self._daemon: Daemon | None = None

    @property
    def alive(self) -> bool:
        return self._daemon is not None and self._daemon.alive

    def launch(self) -> None:
        """Write the files and start the program; do not wait for it."""
        if self._settings.table:
            self._node.write(RECORDS, render_records(self._records), 0o644)
        self._daemon = _dnsmasq.launch(self._node, self._settings)

    def ready(self) -> None:
        """Wait until it answers."""
        assert self._daemon is not None, "launched"
        _dnsmasq.ready(self._daemon, self._settings)

    def stop(self) -> None:
        """End it."""
        if self._daemon is not None:
            self._node.stop(self._daemon)
            self._daemon = None

    def change(self, records: tuple[tuple[str, str], ...]) -> None:
        """Tell other names from now on; returns when it does."""
        assert self._daemon is not None, "launched"
        self._records = records
        self._node.write(RECORDS, render_records(records), 0o644)
        _dnsmasq.read_again(self._daemon, self._settings)

    def check(self) -> None:
        """Its node looks after the daemon."""


@contextlib.contextmanager
def start(ground: Ground) -> Iterator[Dnsmasq]:
    """IBM's name server and the customer's resolver, ready to answer; yields the former.

    The lab has them (``Topology.dns`` is not None).
    """
    dns = ground.topology.dns
    assert dns is not None, "asked for"
    servers = _servers(dns, ground)
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
            server.launch()
        for server in servers:
            server.ready()
        yield servers[0]


def _noted(firewall: Firewall | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The names that the customer's firewall opens, and the nft sets that its rules look into."""
    rules = firewall.rules if firewall is not None else ()
    names = dict.fromkeys((r.destination, matches.ip(r.source)) for r in rules if r.is_by_name)
    sets: dict[str, list[str]] = {}
    for name, ip in names:
        where = f"{VERSIONS[ip]}#inet#{TABLE}#{identifier(told_set(name, ip))}"
        sets.setdefault(name, []).append(where)
    return tuple((name, tuple(own)) for name, own in sets.items())


def _servers(dns: Dns, ground: Ground) -> list[Dnsmasq]:
    own, resolver = dns.server, dns.resolver
    settings = DnsmasqSettings(
        addresses=(own.address,), table=RECORDS, ttl_s=own.ttl_s, bare=own.bare
    )
    servers = [Dnsmasq(ground.nodes[own.node], settings, own.records)]
    if resolver is not None:
        asking = DnsmasqSettings(
            addresses=resolver.addresses,
            upstream=own.address,
            source=resolver.source,
            noted=_noted(ground.topology.firewall),
        )
        servers.append(Dnsmasq(ground.nodes[resolver.node], asking))
    return servers
