"""Trials of the servers' TLS from IBM's side: hand-made ClientHellos, and what each server answers.

A client of today would not send most of these offers. Each trial ends after the server's first answer, which
is in clear: no trial has a key, and none ends a handshake.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from lab.ibm.events import TlsTried
from lab.names import place
from lab.topology.model import NodePlan, Role, Topology
from lab.topology.servers import ListedServer, Speaks
from lab.wire import hello
from lab.wire.suites import NUMBERS, name_of

if TYPE_CHECKING:
    from lab.linux.nodes import Node
    from lab.record.story import Story

TRY_S = 10.0
_READ_BYTES = 16 * 1024
TLS_1_0, TLS_1_1, TLS_1_2 = 0x0301, 0x0302, 0x0303
_ANY_OLD = (
    "AES256-SHA",
    "AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
)

OFFERS: dict[str, tuple[int, tuple[str, ...]]] = {
    "TLS 1.0": (TLS_1_0, _ANY_OLD),
    "TLS 1.1": (TLS_1_1, _ANY_OLD),
    "RC4": (TLS_1_2, ("RC4-SHA", "ECDHE-RSA-RC4-SHA", "ECDHE-ECDSA-RC4-SHA")),
    "3DES": (
        TLS_1_2,
        ("DES-CBC3-SHA", "DHE-RSA-DES-CBC3-SHA", "ECDHE-RSA-DES-CBC3-SHA", "ECDHE-ECDSA-DES-CBC3-SHA"),
    ),
    "MD5": (TLS_1_2, ("RC4-MD5", "NULL-MD5")),
    "AES-128 with RSA": (TLS_1_2, ("AES128-SHA", "AES128-SHA256", "AES128-GCM-SHA256")),
    "RSA": (
        TLS_1_2,
        (
            "AES128-SHA",
            "AES256-SHA",
            "AES128-SHA256",
            "AES256-SHA256",
            "AES128-GCM-SHA256",
            "AES256-GCM-SHA384",
            "ECDHE-RSA-AES128-GCM-SHA256",
            "ECDHE-RSA-AES256-GCM-SHA384",
        ),
    ),
    "today": (
        TLS_1_2,
        ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ),
}  # fmt: skip
"""What is offered, by name: the highest version, and the suites. The worst suite comes first: what a server
that has a better one then takes is the server's choice (P-14)."""


def run(topology: Topology, nodes: Mapping[str, Node], story: Story) -> None:
    """Try every server that speaks HTTPS with every offer."""
    node = tester(topology)
    (sdc,) = topology.with_role(Role.sdc)
    shared = next(i.segment for i in node.interfaces if i.segment in _segments(sdc))
    address = node.interface(shared).ip
    servers = [server for server in topology.servers if server.speaks is Speaks.https]
    for event in nodes[node.name].call(_try_all, node.name, address, servers):
        story.tell(event)


def tester(topology: Topology) -> NodePlan:
    """The node that tries: the first that shares a wire with the servers."""
    (sdc,) = topology.with_role(Role.sdc)
    wires = _segments(sdc)
    return next(n for n in topology.nodes if n != sdc and wires & _segments(n))


def _segments(node: NodePlan) -> set[str]:
    return {interface.segment for interface in node.interfaces}


def _try_all(source: str, address: str, servers: Iterable[ListedServer]) -> list[TlsTried]:
    found = []
    for server in servers:
        started = time.time()
        first, *others = OFFERS.values()
        where = (server.address, server.port)
        tried = [offer(where, server.name, *first)]
        # A server that takes no TCP is not waited for again.
        tried += [offer(where, server.name, *each) if tried[0][1] else tried[0] for each in others]
        found.append(
            TlsTried(
                source=source,
                started=started,
                address=tried[0][0] or address,
                destination=server.address,
                port=server.port,
                offers=tuple(OFFERS),
                ports=tuple(port for _, port, _ in tried),
                answers=tuple(answer for _, _, answer in tried),
            )
        )
    return alike(found)


def alike(tried: list[TlsTried]) -> list[TlsTried]:
    """The same, each with the first that answers alike, so that the story need not tell all of them."""
    groups: dict[tuple[str, ...], list[TlsTried]] = {}
    for event in tried:
        groups.setdefault(event.answers, []).append(event)
    told = []
    for event in tried:
        first, *others = groups[event.answers]
        like = "" if event is first else place(first.destination, first.port)
        told.append(replace(event, like=like, others=0 if like else len(others)))
    return told


def offer(
    where: tuple[str, int], name: str, version: int, suites: Iterable[str]
) -> tuple[str, int, str]:
    """Make one offer to a server at an address and port; the own address and port, and the answer.

    The answer is the suite that the server chose, or its alert; empty if it says nothing.
    """
    offered = hello.client_hello(version, (NUMBERS[suite] for suite in suites), name)
    own, port, received = "", 0, b""
    # What has come until the server or the deadline ends it is the answer.
    with (
        contextlib.suppress(OSError),
        socket.create_connection(where, TRY_S) as connection,
    ):
        own, port = connection.getsockname()[:2]
        connection.sendall(offered)
        while not hello.read_choice(received).whole and (part := connection.recv(_READ_BYTES)):
            received += part
    choice = hello.read_choice(received)
    if choice.alert:
        return own, port, hello.alert_name(choice.alert)
    return own, port, name_of(choice.suite) if choice.suite else ""
