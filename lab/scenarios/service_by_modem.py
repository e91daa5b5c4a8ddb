"""A session of remote service by modem and PPP: let in, put to the test, and let in once more."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from lab.errors import ProtocolError
from lab.linux import firewall
from lab.scenarios import service_work
from lab.scenarios.service_scene import LOOKED_AT, MEANWHILE, UNLISTED, Scene
from lab.service.caller import INTERFACE
from lab.service.events import CLOSED, SESSION
from lab.service.wanted import told
from lab.topology.model import RemoteService, Role


def before(scene: Scene) -> None:
    """Nothing is there to be tried but the telephone."""


def again(scene: Scene) -> RemoteService:
    """What is enabled the second time: a session that may not reach the console itself (I-09)."""
    partitions = [p.name for p in scene.service.partitions if p.allowed]
    return told(scene.service, {"access": partitions})


def come_in(scene: Scene, service: RemoteService) -> None:
    """By the credentials, after as many wrong ones as a fault wants; then at once to a closed port."""
    representative = scene.representative
    if not service.never_enabled:
        scene.panel.enable(service)
    if not representative.knock():
        raise ProtocolError(f"no session with {service.console}: {representative.said}")
    wrong = (str(IPv4Address(service.ppp_address) + 100 + n) for n in range(service.wrong_tries))
    typed = [*wrong, service.ppp_address]
    if not any(representative.authenticate(replace(service, ppp_address=each)) for each in typed):
        raise ProtocolError(f"{service.console} took a call, and no session came up")
    scene.look_at(service.console, service.ppp_address, UNLISTED)


def work(scene: Scene, service: RemoteService) -> None:
    """All that a representative can try in a session."""
    firewall.add_customer_rule(scene.console, MEANWHILE)
    scene.note_rules("during")
    for port in service.ports[:3]:
        scene.look_at(service.console, service.ppp_address, port)
    service_work.use(scene, service)
    scene.look_back(service)
    targets = [service.ppp_address]
    for partition in service.partitions:
        for port in LOOKED_AT:
            scene.look_at(partition.name, partition.alias, port)
        if not partition.allowed:
            targets += [partition.alias, partition.address]
    scene.scan_by(INTERFACE, service, targets, SESSION)
    scene.scan_between_partitions()
    scene.attack(scene.lab.with_role(Role.internet), SESSION)


def leave(scene: Scene, service: RemoteService) -> None:
    """Hang up, or wait for the line to drop."""
    scene.leave(stays_on=service.stays_on)


def work_again(scene: Scene, service: RemoteService) -> None:
    """A session that may reach partitions, and not the console itself (I-09)."""
    for partition in service.partitions:
        if partition.allowed:
            scene.look_at(partition.name, partition.alias, LOOKED_AT[0])
    scene.scan_by(INTERFACE, service, [service.ppp_address], CLOSED)
