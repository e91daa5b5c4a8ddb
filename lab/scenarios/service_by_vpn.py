"""A session of remote service by VPN: brought up by the console, put to the test, and let in once more."""

from __future__ import annotations

from lab.errors import ProtocolError
from lab.linux import firewall
from lab.scenarios.service_scene import LOOKED_AT, MEANWHILE, UNLISTED, Scene
from lab.service import injection
from lab.service.events import CLOSED, SESSION
from lab.service.marks import Purpose
from lab.service.remote import told
from lab.topology.model import RemoteService, Role


def again(scene: Scene) -> RemoteService:
    """What is enabled the second time: a session that may not reach the console itself (I-09)."""
    return told(scene.service, {"access": [p.name for p in scene.service.allowed]})


def come_in(scene: Scene, service: RemoteService) -> None:
    """The console brings the session up; the representative uses it, and at once tries a closed port."""
    representative = scene.representative
    if not service.never_enabled:
        scene.panel.enable(service)
    if not representative.knock():
        raise ProtocolError(f"{service.workplace} knows no session of {service.console}")
    agreed = _agreed(scene)
    if not representative.authenticate(agreed):
        raise ProtocolError(f"the session of {service.console} is not where the customer says")
    scene.look_at(service.console, agreed.ppp_address, UNLISTED)


def work(scene: Scene, service: RemoteService) -> None:
    """All that a representative can try in a session."""
    agreed, node = _agreed(scene), scene.workplace
    firewall.add_customer_rule(scene.console, MEANWHILE)
    scene.note_rules("during")
    for port in agreed.ports[:3]:
        scene.look_at(agreed.console, agreed.ppp_address, port)
    scene.look_back(agreed)
    for partition in agreed.partitions:
        for port in LOOKED_AT:
            scene.look_at(partition.name, partition.alias or partition.address, port)
    interfaces = scene.panel.interfaces
    own = interfaces[0]
    closed = [p.address for p in agreed.partitions if not p.allowed]
    others = [p.alias for p in agreed.allowed]
    for interface, target in [
        (own, agreed.ppp_address),
        *((own, each) for each in closed + others),
    ]:
        with injection.onto(scene.console, interface) as send:
            ends = (agreed.caller_address, target)
            scene.scan(node, ends, SESSION, Purpose.attack, send)
    scene.attack(scene.lab.with_role(Role.internet), SESSION)


def work_again(scene: Scene, service: RemoteService) -> None:
    """A session that may reach partitions, and not the console itself (I-09)."""
    agreed = _agreed(scene)
    for partition in agreed.allowed:
        scene.look_at(partition.name, partition.alias, LOOKED_AT[0])
    ends = (agreed.caller_address, agreed.ppp_address)
    with injection.onto(scene.console, scene.panel.interfaces[0]) as send:
        scene.scan(scene.workplace, ends, CLOSED, Purpose.attack, send)


def _agreed(scene: Scene) -> RemoteService:
    """The service with the addresses that the gateway has given, as the customer tells them."""
    settings = scene.panel.settings
    assert settings is not None, "a session stands"
    return settings
