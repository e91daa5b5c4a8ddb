"""Where the tools of one session run: a network namespace from which only the session is reached (I-19).

A veth pair leads to the server's node. Only what comes by it is routed to the session's addresses, and only
the session's rules in the server's firewall let it through (``separation``).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Network

from lab.linux import links
from lab.linux.nodes import Node
from lab.linux.process import Popen
from lab.linux.worker import readable
from lab.service.server.separation import Separation, ToolPassage

NET = IPv4Network("192.168.255.0/24")
"""For tools: four addresses a session. No packet with one leaves the server."""
MOST = NET.num_addresses // 4
OUTSIDE = "service"
"""The interface of a tools' namespace."""
FIRST_ROUTES = 1000
"""The routing table of session 0 on the server."""
END_S = 10.0


def start_as(node: Node, argv: Sequence[str], uid: int, streams: Sequence[int]) -> Popen[bytes]:
    """Start a program in a node as a user without any privilege."""
    stdin, stdout, stderr = streams
    drop = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs", "--"]
    return node.start([*drop, *argv], stdin=stdin, stdout=stdout, stderr=stderr)


def end_strays(node: Node) -> None:
    """End every process in a node's network."""
    for pid in node.strays():
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                readable(descriptor).poll(END_S * 1000)
            finally:
                os.close(descriptor)


@contextlib.contextmanager
def opened(
    separation: Separation, number: int, address: str, hops: Mapping[str, str]
) -> Iterator[Node]:
    """A workplace for a session, whose tools run in the node.

    ``number`` is the session's, below ``MOST``; no two sessions of a server may have the same at once.
    ``address`` is the tools' own, which whoever is beyond the server routes to the server. ``hops`` has for
    each address (or prefix) of the session the next hop, all by one interface of the server.
    """
    server = separation.server
    (beyond,) = {_interface_to(server, hop) for hop in hops.values()}
    outer = f"tools-{number}"
    routes = str(FIRST_ROUTES + number)
    _, near, far, _ = map(str, list(NET.subnets(new_prefix=30))[number % MOST])
    with contextlib.ExitStack() as undo:
        node = undo.enter_context(
            Node.create_bare(f"{server.name}-{outer}", server.run_dir, server.hosts)
        )
        links.join(server, outer, node, OUTSIDE)
        undo.callback(server.run, ["ip", "link", "delete", outer])
        for there, name, own in ((server, outer, near), (node, OUTSIDE, far)):
            there.run(["ip", "address", "add", f"{own}/30", "dev", name])
            there.run(["ip", "link", "set", name, "up"])
        node.run(["ip", "address", "add", f"{address}/32", "dev", OUTSIDE])
        server.run(["ip", "route", "add", f"{address}/32", "via", far])
        server.run(["ip", "rule", "add", "iif", outer, "lookup", routes])
        undo.callback(server.run, ["ip", "rule", "delete", "iif", outer, "lookup", routes])
        server.run(["ip", "route", "add", "unreachable", "default", "table", routes])
        undo.callback(server.run, ["ip", "route", "flush", "table", routes])
        for place, hop in hops.items():
            server.run(["ip", "route", "add", place, "via", hop, "dev", beyond, "table", routes])
            node.run(["ip", "route", "add", place, "via", near, "src", address])
        undo.callback(_stop_forwarding, separation, beyond)
        for name in (outer, beyond):
            links.forward(server, name, on=True)
        passage = ToolPassage(
            number=number, tools=outer, address=address, beyond=beyond, addresses=tuple(hops)
        )
        undo.enter_context(separation.letting(passage))
        undo.callback(end_strays, node)
        yield node


@contextlib.contextmanager
def alone(server: Node) -> Iterator[Node]:
    """A namespace for tools that has a loopback, and no way out."""
    with Node.create_bare(f"{server.name}-tools", server.run_dir, server.hosts) as node:
        node.run(["ip", "link", "set", "lo", "up"])
        try:
            yield node
        finally:
            end_strays(node)


def _stop_forwarding(separation: Separation, interface: str) -> None:
    """Unless another session is reached by the same interface."""
    if interface not in separation.interfaces:
        links.forward(separation.server, interface, on=False)


def _interface_to(server: Node, address: str) -> str:
    """The interface by which a server reaches an address."""
    found = json.loads(server.run(["ip", "-json", "route", "get", address]))
    return str(found[0]["dev"])
