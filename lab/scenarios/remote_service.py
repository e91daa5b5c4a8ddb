"""Remote service, tried from all sides: the console is scanned, and called by telephone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from lab.inside.running import RunningLab
from lab.linux import firewall, nft
from lab.linux.nodes import Node
from lab.service import marks, scan
from lab.service.events import CalledIn, Counts, HostScanned, spans
from lab.service.marks import Purpose
from lab.topology.model import RemoteService, Role
from tunnels.calling import CallingModem, ModemFailed

RESET = "ATZ"
ATTACKERS = (Role.internet, Role.sdc)
"""Anybody out there, and IBM's own side."""


def try_to_get_in(lab: RunningLab, service: RemoteService) -> None:
    """Scan the console from its own wire, to see that something is behind every port, and from outside."""
    target = lab.topology.node(service.console).uplink.ip
    with _counting(lab, service) as counting:
        _scan(lab, counting, service.neighbour, target, Purpose.control)
        for role in ATTACKERS:
            _scan(lab, counting, lab.with_role(role).name, target, Purpose.attack)
    if service.dialer:
        _call_in(lab, service)


class _Counting:
    """Counts what arrives of scans at the customer's firewall and at the console."""

    def __init__(self, wall: Node | None, console: Node) -> None:
        self.wall = wall
        self.console = console

    @property
    def nodes(self) -> list[Node]:
        return [node for node in (self.wall, self.console) if node is not None]

    def reset(self) -> None:
        for node in self.nodes:
            node.call(nft.run, f"reset counters table ip {marks.TABLE}\n")

    def read(self, node: Node | None) -> Counts:
        if node is None:
            return 0, 0, 0
        counts = firewall.counters({node.name: node})[node.name]
        tcp, udp, other = (counts[name] for name in marks.COUNTERS)
        return tcp, udp, other


@contextlib.contextmanager
def _counting(lab: RunningLab, service: RemoteService) -> Iterator[_Counting]:
    wall = lab.topology.firewall
    counting = _Counting(lab.node(wall.node) if wall else None, lab.node(service.console))
    with contextlib.ExitStack() as undo:
        for node in counting.nodes:
            node.call(nft.run, marks.counters())
            undo.callback(node.call, nft.run, f"delete table ip {marks.TABLE}\n")
        yield counting


def _scan(lab: RunningLab, counting: _Counting, source: str, target: str, purpose: Purpose) -> None:
    counting.reset()
    started = time.time()
    address, answers = scan.run(lab.node(source), target, purpose)
    lab.story.tell(
        HostScanned(
            source=source,
            started=started,
            address=address,
            target=target,
            purpose=purpose.name,
            sent=(len(scan.PORTS), len(scan.PORTS), len(scan.PROTOCOLS)),
            at_firewall=counting.read(counting.wall),
            at_host=counting.read(counting.console),
            tcp=spans(answers.tcp),
            refused=spans(answers.refused),
            udp=spans(answers.udp),
            protocols=tuple(sorted(answers.protocols)),
            errors=answers.errors,
        )
    )


def _call_in(lab: RunningLab, service: RemoteService) -> None:
    started = time.time()
    (line, *_) = lab.topology.lines_of(service.dialer)
    modem = CallingModem(lab.node(service.dialer), line.device)
    try:
        result = modem.call(service.number, RESET).said
    except ModemFailed as error:
        result = str(error)
    finally:
        modem.close()
    lab.story.tell(
        CalledIn(source=service.dialer, started=started, number=service.number, result=result)
    )
