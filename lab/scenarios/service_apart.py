"""IBM's service server between a session and the intranet: what gets past it without the session's tools."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from lab.linux.nodes import Node
from lab.scenarios.service_scene import Scene, counting, reset
from lab.service import injection, scan
from lab.service.marks import Purpose
from lab.service.representative import first_line
from lab.service.server.events import ApartScanned, ApartTried
from lab.topology.model import RemoteService


def try_apart(scene: Scene, agreed: RemoteService) -> None:
    """In a session: the server's own programs, and the intranet; then from the session to the intranet.

    ``agreed`` has the session's addresses.
    """
    apart = scene.lab.remote_service.apart
    assert apart is not None, "a session by VPN has a server"
    server, pc, console = scene.workplace, scene.lab.node(agreed.intranet), scene.console
    target = agreed.ppp_address
    (beyond,) = apart.separation.interfaces
    with counting(server), counting(pc), _routed(pc, target, agreed.log_in_address):
        for node in (server, pc):
            _try(scene, node, agreed)
        with scan.sending(pc, target) as (own, send):
            _scan(scene, (pc, own), (console, target), send)
        with injection.onto(server, beyond) as send:
            _scan(scene, (console, target), (pc, own), send)


def _try(scene: Scene, node: Node, agreed: RemoteService) -> None:
    port = agreed.ports[0]
    answer = first_line(node, agreed.ppp_address, port)
    scene.lab.story.tell(
        ApartTried(
            source=node.name,
            address=agreed.ppp_address,
            host=agreed.console,
            port=port,
            answer=answer,
        )
    )


def _scan(scene: Scene, one: tuple[Node, str], other: tuple[Node, str], send: scan.Send) -> None:
    """From one node and its address to another; what was counted at the server, and there."""
    (source, own), (there, target) = one, other
    counters, server = scene.counters, scene.workplace
    for node in (server, there):
        reset(node)
    started = time.time()
    answers = scan.run(source, own, target, Purpose.attack, send)
    scene.lab.story.tell(
        ApartScanned(
            source=source.name,
            started=started,
            address=own,
            target=target,
            sent=(len(scan.PORTS), len(scan.PORTS), len(scan.PROTOCOLS)),
            at_server=counters.read(server),
            at_target=counters.read(there),
            answered=bool(answers.tcp or answers.refused or answers.udp or answers.protocols),
        )
    )


@contextlib.contextmanager
def _routed(node: Node, address: str, hop: str) -> Iterator[None]:
    """The intranet knows no way to a session; here it tries by the server."""
    route = [f"{address}/32", "via", hop]
    node.run(["ip", "route", "replace", *route])
    try:
        yield
    finally:
        node.run(["ip", "route", "delete", *route])
