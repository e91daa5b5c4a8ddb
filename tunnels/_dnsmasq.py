"""AT&T's utility service: a dnsmasq that answers from its node's hosts table, and asks nobody."""

from __future__ import annotations

from lab.linux.nodes import Node
from lab.linux.process import Daemon

PROGRAM = "/usr/sbin/dnsmasq"
CONFIGURATION = "/run/lig/dnsmasq.conf"

START_DEADLINE_S = 10.0


def render(address: str) -> str:
    """A configuration file (dnsmasq(8))."""
    return f"""\
listen-address={address}
bind-interfaces
# Names that the hosts table has not do not exist: nobody else is asked.
no-resolv
local=/#/
cache-size=0
log-queries
log-facility=-
user=root
pid-file=
"""


def launch(node: Node, address: str) -> Daemon:
    """Start it and do not wait for it."""
    node.write(CONFIGURATION, render(address))
    argv = [PROGRAM, "--keep-in-foreground", f"--conf-file={CONFIGURATION}"]
    return node.spawn(argv, name="dnsmasq")


def ready(daemon: Daemon) -> None:
    """Return when it answers."""
    # It opens its sockets before it says so, and reads the hosts table after it.
    daemon.expect_line(r"read /etc/hosts", START_DEADLINE_S)
