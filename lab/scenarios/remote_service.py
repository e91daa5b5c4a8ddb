"""The life of remote service: nobody gets in; one session is let in, works, and ends; nobody gets in again.

A second session that is let in may not reach the console itself. Where no session is to be let in, it ends
after the first part.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from ipaddress import IPv4Address

from lab.errors import ProtocolError
from lab.inside.running import RunningLab
from lab.linux import firewall, nft
from lab.linux.nodes import Node
from lab.service import injection, marks, scan
from lab.service.console import Console, PanelState
from lab.service.events import (
    CLOSED,
    OFF,
    OVER,
    SESSION,
    Counts,
    CustomerRules,
    HostScanned,
    ServiceTried,
    spans,
)
from lab.service.marks import Purpose
from lab.service.remote import told
from lab.service.representative import INTERFACE, Representative, first_line
from lab.topology.model import RemoteService, Role
from lab.topology.service import credentials
from lab.wait import wait_until

ATTACKERS = (Role.internet, Role.sdc)
"""Anybody out there, and IBM's own side."""
DENIED, ADMITTED = 22, 9999
"""The customer's own rules deny a listed port and admit another; neither holds in a session (I-11)."""
BEFORE, MEANWHILE = f"tcp dport {DENIED} drop", f"tcp dport {ADMITTED} accept"
UNLISTED = 1
"""A port that no list has: it is tried as soon as IPCP is open (I-18)."""
OWN_PORT = 4000
"""Of the representative's machine, to which the console itself opens a connection in a session (I-32)."""
LOOKED_AT = (1, 22, 65_535)
"""Ports of a partition, which all are open."""
STAYS_S = 600.0


def live(lab: RunningLab, service: RemoteService) -> None:
    """All of it. Raises ProtocolError where a session that is let in does not come up."""
    with contextlib.ExitStack() as stack:
        counters = stack.enter_context(_counting(lab, service))
        console = lab.node(service.console)
        _scan_from_outside(lab, counters, service, OFF, control=True)
        if not service.dialer:
            return
        remote = lab.remote_service
        panel, representative = remote.panel, remote.representative
        representative.call()
        if not service.by:
            return
        firewall.add_customer_rule(console, BEFORE)
        stack.callback(firewall.hmc_allow_all, console)
        _note_rules(lab, console, "before")
        _come_in(panel, representative, service)
        _work(lab, counters, service, representative)
        _leave(panel, representative, stays_on=service.stays_on)
        _note_rules(lab, console, "after")
        _scan_from_outside(lab, counters, service, OVER)
        representative.call()
        partitions = [partition.name for partition in service.partitions if partition.allowed]
        closed = told(service, {"access": partitions})
        _come_in(panel, representative, closed)
        _work_past_the_console(lab, counters, closed, representative)
        _leave(panel, representative)


def _come_in(panel: Console, representative: Representative, service: RemoteService) -> None:
    """By the credentials, after as many wrong ones as a fault wants; then at once to a closed port."""
    if not service.never_enabled:
        panel.enable(service)
    if not representative.call():
        raise ProtocolError(f"{service.console}'s modem takes no call")
    wrong = (str(IPv4Address(service.ppp_address) + 100 + n) for n in range(service.wrong_tries))
    typed = [*wrong, service.ppp_address]
    if not any(representative.authenticate(credentials(address), service) for address in typed):
        raise ProtocolError(f"{service.console} took a call, and no session came up")
    representative.look_at(service.console, service.ppp_address, UNLISTED)


def _work(
    lab: RunningLab, counters: _Counters, service: RemoteService, representative: Representative
) -> None:
    """All that a representative can try in a session."""
    node, console = lab.node(service.dialer), lab.node(service.console)
    firewall.add_customer_rule(console, MEANWHILE)
    _note_rules(lab, console, "during")
    for port in service.ports[:3]:
        representative.look_at(service.console, service.ppp_address, port)
    answer = first_line(console, service.caller_address, OWN_PORT)
    lab.story.tell(
        ServiceTried(
            source=console.name,
            address=service.caller_address,
            host=service.dialer,
            port=OWN_PORT,
            answer=answer,
        )
    )
    targets = [service.ppp_address]
    for partition in service.partitions:
        for port in LOOKED_AT:
            representative.look_at(partition.name, partition.alias, port)
        if not partition.allowed:
            targets += [partition.alias, partition.address]
    with injection.onto(console, INTERFACE) as send:
        for target in targets:
            own = service.caller_address
            _scan(lab, counters, node, (own, target), SESSION, Purpose.attack, send)
    internet = lab.with_role(Role.internet)
    _attack(lab, counters, internet, service, SESSION)


def _work_past_the_console(
    lab: RunningLab, counters: _Counters, service: RemoteService, representative: Representative
) -> None:
    """A session that may reach partitions, and not the console itself (I-09)."""
    node, console = lab.node(service.dialer), lab.node(service.console)
    for partition in service.partitions:
        if partition.allowed:
            representative.look_at(partition.name, partition.alias, LOOKED_AT[0])
    ends = (service.caller_address, service.ppp_address)
    with injection.onto(console, INTERFACE) as send:
        _scan(lab, counters, node, ends, CLOSED, Purpose.attack, send)


def _leave(panel: Console, representative: Representative, *, stays_on: bool = False) -> None:
    """Hang up, or wait for the line to drop, as a fault wants; until everything is closed."""
    if not stays_on:
        representative.hang_up()
    over = PanelState.off
    wait_until("remote service is off again", lambda: panel.state is over, STAYS_S)
    panel.check()
    representative.hang_up()


def _note_rules(lab: RunningLab, console: Node, moment: str) -> None:
    rules = firewall.customer_rules(console)
    lab.story.tell(CustomerRules(source=console.name, moment=moment, rules=rules))


# Scans.


class _Counters:
    """Of what arrives of scans, at the customer's firewall and at the console."""

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
def _counting(lab: RunningLab, service: RemoteService) -> Iterator[_Counters]:
    wall = lab.topology.firewall
    counters = _Counters(lab.node(wall.node) if wall else None, lab.node(service.console))
    with contextlib.ExitStack() as undo:
        for node in counters.nodes:
            node.call(nft.run, marks.counters())
            undo.callback(node.call, nft.run, f"delete table ip {marks.TABLE}\n")
        yield counters


def _scan_from_outside(
    lab: RunningLab,
    counters: _Counters,
    service: RemoteService,
    state: str,
    *,
    control: bool = False,
) -> None:
    """From where the customer's firewall is in the way; before, as a ``control``, from where it is not."""
    if control:
        neighbour = lab.node(service.neighbour)
        _attack(lab, counters, neighbour, service, state, Purpose.control)
    for role in ATTACKERS:
        _attack(lab, counters, lab.with_role(role), service, state)


def _attack(
    lab: RunningLab,
    counters: _Counters,
    node: Node,
    service: RemoteService,
    state: str,
    purpose: Purpose = Purpose.attack,
) -> None:
    target = lab.topology.node(service.console).uplink.ip
    with scan.sending(node, target) as (own, send):
        _scan(lab, counters, node, (own, target), state, purpose, send)


def _scan(
    lab: RunningLab,
    counters: _Counters,
    node: Node,
    ends: tuple[str, str],
    state: str,
    purpose: Purpose,
    send: scan.Send,
) -> None:
    counters.reset()
    started = time.time()
    answers = scan.run(node, *ends, purpose, send)
    lab.story.tell(
        HostScanned(
            source=node.name,
            started=started,
            address=ends[0],
            target=ends[1],
            purpose=purpose.name,
            state=state,
            sent=(len(scan.PORTS), len(scan.PORTS), len(scan.PROTOCOLS)),
            at_firewall=counters.read(counters.wall),
            at_host=counters.read(counters.console),
            tcp=spans(answers.tcp),
            refused=spans(answers.refused),
            udp=spans(answers.udp),
            protocols=tuple(sorted(answers.protocols)),
            errors=answers.errors,
        )
    )
