"""What all ways in to a console have in common for the lab's own scenario: who scans whom, and when."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.inside.running import RunningLab
from lab.linux import firewall
from lab.linux.nodes import Node
from lab.service import injection, marks, scan
from lab.service.events import SESSION, Counts, CustomerRules, HostScanned, ServiceTried, spans
from lab.service.marks import Purpose
from lab.service.panel import Panel, PanelState
from lab.service.representative import first_line
from lab.service.server.authorized import Authorized
from lab.service.server.office import Office
from lab.topology.model import RemoteService, Role
from lab.wait import wait_until

ATTACKERS = (Role.internet, Role.sdc)
"""Anybody out there, and IBM's own side."""
STAYS_S = 600.0
CUT_TABLE = "cut"
CUT = f"""\
table ip {CUT_TABLE} {{
\tchain forward {{
\t\ttype filter hook forward priority raw; policy drop;
\t}}
}}
"""
"""Of the Internet: nothing gets through any more."""
ADMITTED = 9999
"""The customer's own rules admit a port that is not listed; they do not apply to a session (I-11)."""
MEANWHILE = f"tcp dport {ADMITTED} accept"
UNLISTED = 1
"""A port that no list has: it is tried as soon as IPCP is open (I-18)."""
OWN_PORT = 4000
"""Of the representative's machine, to which the console itself opens a connection in a session (I-32)."""
LOOKED_AT = (1, 22, 65_535)
"""Ports of a partition, which all are open."""


class Counters:
    """Of what arrives of scans, at the customer's firewall and at the console."""

    def __init__(self, wall: Node | None, console: Node) -> None:
        self.wall = wall
        self.console = console

    @property
    def nodes(self) -> list[Node]:
        return [node for node in (self.wall, self.console) if node is not None]

    def reset(self) -> None:
        for node in self.nodes:
            reset(node)

    def read(self, node: Node | None) -> Counts:
        if node is None:
            return 0, 0, 0
        counts = firewall.counters({node.name: node})[node.name]
        tcp, udp, other = (counts[name] for name in marks.COUNTERS)
        return tcp, udp, other


@dataclass(frozen=True, slots=True)
class Scene:
    """Everybody in a life of remote service."""

    lab: RunningLab
    service: RemoteService
    counters: Counters

    @property
    def console(self) -> Node:
        return self.lab.node(self.service.console)

    @property
    def workplace(self) -> Node:
        """IBM's server, to which the representative has logged in."""
        return self.lab.node(self.service.workplace)

    @property
    def panel(self) -> Panel:
        return self.lab.remote_service.panel

    @property
    def representative(self) -> Authorized:
        return self.lab.remote_service.representative

    @property
    def office(self) -> Office:
        """Of the server to which the representative logs in."""
        return self.lab.remote_service.log_in.office

    def look_at(self, host: str, address: str, port: int) -> None:
        """The representative tries a port, as a program would."""
        place, source = self.representative.place, self.service.workplace
        self.note_tried(source, host, address, port, first_line(place, address, port))

    def look_back(self, service: RemoteService) -> None:
        """The console itself opens a connection to the representative's machine (I-32)."""
        address, console = service.caller_address, self.console
        answer = first_line(console, address, OWN_PORT)
        self.note_tried(console.name, service.workplace, address, OWN_PORT, answer)

    def note_tried(self, source: str, host: str, address: str, port: int, answer: str) -> None:
        tried = ServiceTried(source=source, address=address, host=host, port=port, answer=answer)
        self.lab.story.tell(tried)

    def knock_in_vain(self) -> None:
        """The representative tries to come in, where nobody is let in."""
        if self.representative.knock():
            self.representative.authenticate(self.service)
            self.representative.leave()

    def leave(self, *, stays_on: bool = False) -> None:
        """Hang up, or wait for the line to drop, as a fault wants; until everything is closed."""
        if not stays_on:
            self.representative.leave()
        wait_until(
            "remote service is off again", lambda: self.panel.state is PanelState.off, STAYS_S
        )
        self.panel.check()
        self.representative.leave()

    def leave_or_be_cut_off(self) -> None:
        """End the session, or let both ends find that the Internet is cut; until everything is closed."""
        if not self.service.stays_on:
            self.leave()
            return
        with firewall.standing(self.lab.with_role(Role.internet), f"ip {CUT_TABLE}", CUT):
            self.leave(stays_on=True)

    def note_rules(self, moment: str) -> None:
        """The customer's own rules, ``before``, ``during`` or ``after`` a session (I-11)."""
        rules = firewall.customer_rules(self.console)
        self.lab.story.tell(CustomerRules(source=self.console.name, moment=moment, rules=rules))

    # Scans.

    def scan_from_outside(self, state: str, *, control: bool = False) -> None:
        """From where the customer's firewall is in the way; as a ``control``, first from where it is not."""
        if control:
            self.attack(self.lab.node(self.service.neighbour), state, Purpose.control)
        for role in ATTACKERS:
            self.attack(self.lab.with_role(role), state)

    def scan_between_partitions(self) -> None:
        """A partition that is not allowed tries to get, through the console, to one that is (I-08)."""
        allowed = self.service.allowed
        for partition in self.service.partitions if allowed else ():
            if not partition.allowed:
                ends = (partition.address, allowed[0].address)
                with injection.onto(self.console, partition.segment) as send:
                    node = self.lab.node(partition.name)
                    self.scan(node, ends, SESSION, Purpose.attack, send)

    def scan_by(
        self,
        interface: str,
        service: RemoteService,
        targets: Iterable[str],
        state: str,
        by: str = "",
    ) -> None:
        """The representative scans addresses by an interface of the console's (``injection``)."""
        with injection.onto(self.console, interface) as send:
            for target in targets:
                ends = (service.caller_address, target)
                self.scan(self.workplace, ends, state, Purpose.attack, send, by)

    def attack(self, node: Node, state: str, purpose: Purpose = Purpose.attack) -> None:
        """A node scans the console's own address, the usual way; behind SNAT, the customer's only one."""
        topology = self.lab.topology
        target = topology.node(self.service.console).uplink.ip
        if topology.seen_address and purpose is Purpose.attack:
            target = topology.seen_address
        with scan.sending(node, target) as (own, send):
            self.scan(node, (own, target), state, purpose, send)

    def scan(
        self,
        node: Node,
        ends: tuple[str, str],
        state: str,
        purpose: Purpose,
        send: scan.Send,
        by: str = "",
    ) -> None:
        """Scan from one address to another; what answers comes back to a node."""
        self.counters.reset()
        started = time.time()
        answers = scan.run(node, *ends, purpose, send)
        self.lab.story.tell(
            HostScanned(
                source=node.name,
                started=started,
                address=ends[0],
                target=ends[1],
                purpose=purpose.name,
                state=state,
                sent=(len(scan.PORTS), len(scan.PORTS), len(scan.PROTOCOLS)),
                at_firewall=self.counters.read(self.counters.wall),
                at_host=self.counters.read(self.counters.console),
                tcp=spans(answers.tcp),
                refused=spans(answers.refused),
                udp=spans(answers.udp),
                protocols=tuple(sorted(answers.protocols)),
                errors=answers.errors,
                by=by,
            )
        )


def reset(node: Node) -> None:
    """Count what arrives of scans at a node from 0 on."""
    firewall.run(node, "reset the counters of", f"reset counters table ip {marks.TABLE}\n")


def counting(node: Node) -> contextlib.AbstractContextManager[None]:
    """Count what arrives of scans at a node inside of the context."""
    return firewall.standing(node, f"ip {marks.TABLE}", marks.counters())


@contextlib.contextmanager
def set_up(lab: RunningLab, service: RemoteService) -> Iterator[Scene]:
    """The scene, with counters for what arrives of scans."""
    wall = lab.topology.firewall
    counters = Counters(lab.node(wall.node) if wall else None, lab.node(service.console))
    with contextlib.ExitStack() as undo:
        for node in counters.nodes:
            undo.enter_context(counting(node))
        yield Scene(lab, service, counters)
