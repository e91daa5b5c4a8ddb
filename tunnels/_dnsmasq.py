"""dnsmasq: a name server that has names of its own, or asks one other server, and nobody else."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass

from lab.errors import DaemonError, DeadlineExceeded
from lab.linux import configuration
from lab.linux.nodes import Node
from lab.linux.process import Daemon
from lab.wait import wait_until

PROGRAM = "/usr/sbin/dnsmasq"
FOLDER = "/run/dns"
CONFIGURATION = f"{FOLDER}/dnsmasq.conf"
RECORDS = f"{FOLDER}/records"
HOSTS = "/etc/hosts"

KEPT_NAMES = 150
"""How many answers a server keeps that asks another one: dnsmasq's own number."""
START_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsmasqSettings:
    """What one dnsmasq is told."""

    addresses: tuple[str, ...]
    """Where it is asked."""
    table: str = ""
    """The file with its names, in the form of hosts(5); empty: it asks ``upstream``."""
    ttl_s: int = 0
    """Of its own names."""
    bare: tuple[str, ...] = ()
    """Names that exist, and have no address."""
    upstream: str = ""
    """Whom it asks."""
    source: str = ""
    """The address from which it asks."""
    noted: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(name, nft sets): the addresses of a name go into the sets before anybody is told them."""


def render(settings: DnsmasqSettings) -> str:
    """A configuration file (dnsmasq(8))."""
    lines = [
        *(f"listen-address={address}" for address in settings.addresses),
        "bind-interfaces",
        "no-resolv",
        "no-hosts",
        # Addresses are told in the order of the table: who asks first is decided there.
        "no-round-robin",
    ]
    if settings.table:
        # Names that the table has not do not exist: nobody else is asked.
        lines += ["local=/#/", f"addn-hosts={settings.table}", f"local-ttl={settings.ttl_s}"]
    else:
        lines.append(f"server={settings.upstream}@{settings.source}")
    lines += [f"txt-record={name},no address" for name in settings.bare]
    lines += [f"nftset=/{name}/{','.join(sets)}" for name, sets in settings.noted]
    lines += [
        f"cache-size={KEPT_NAMES if settings.upstream else 0}",
        "log-queries",
        "log-facility=-",
        "user=root",
        "pid-file=",
    ]
    return "".join(f"{line}\n" for line in lines)


def render_records(records: Iterable[tuple[str, str]]) -> str:
    """A table of (name, address), in the form of hosts(5)."""
    return "".join(f"{address}\t{name}\n" for name, address in records)


def launch(node: Node, settings: DnsmasqSettings) -> Daemon:
    """Start it and do not wait for it."""
    configuration.write(node, CONFIGURATION, render(settings))
    argv = [PROGRAM, "--keep-in-foreground", f"--conf-file={CONFIGURATION}"]
    return node.spawn(argv, name="dnsmasq", timed=True)


def ready(daemon: Daemon, settings: DnsmasqSettings) -> None:
    """Return when it answers."""
    # It opens its sockets before it says so, and reads a table after it.
    daemon.expect_line(_ready_line(settings), START_DEADLINE_S)


def _ready_line(settings: DnsmasqSettings) -> str:
    table, upstream = re.escape(settings.table), re.escape(settings.upstream)
    return f"read {table}" if table else f"using nameserver {upstream}"


def read_again(daemon: Daemon, settings: DnsmasqSettings) -> None:
    """Have it read its table again, and forget what it kept; return when it has."""
    line = re.compile(_ready_line(settings))
    before = len(line.findall(daemon.log.text()))
    daemon.signal(signal.SIGHUP)
    try:
        wait_until(
            f"{daemon.name} has read {settings.table} again",
            lambda: len(line.findall(daemon.log.text())) > before,
            START_DEADLINE_S,
        )
    except DeadlineExceeded as late:
        raise DaemonError(daemon.name, str(late), log_tail=daemon.log.tail()) from late
