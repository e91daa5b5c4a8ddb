"""Which of a name's addresses programs try first: the resolver's table of precedences (gai.conf(5))."""

from __future__ import annotations

from lab.errors import KernelError
from lab.linux import syscalls
from lab.linux.nodes import Node

TABLE = "/etc/gai.conf"
_PRIVATE = "/run/lab-gai.conf"
_IPV4_FIRST = "precedence ::ffff:0:0/96 100\n"
"""IPv4 before all else; without it IPv6 goes first (RFC 6724 2.1)."""


def prefer_ipv4(node: Node) -> None:
    """Have getaddrinfo(3) give IPv4 addresses first, until the node ends; raises KernelError."""
    node.write(_PRIVATE, _IPV4_FIRST, 0o644)
    try:
        node.call(syscalls.mount, _PRIVATE, TABLE, "", syscalls.MS_BIND)
    except OSError as error:
        reason = error.strerror or str(error)
        hint = f"make an empty {TABLE} on this machine, or put ipv6 first in families"
        raise KernelError("prefer IPv4 on", node.name, reason, hint=hint) from error
