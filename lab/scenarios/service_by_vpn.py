"""A session of remote service by VPN: brought up by the console, put to the test, and let in once more."""

from __future__ import annotations

from lab.errors import ProtocolError
from lab.linux import firewall
from lab.scenarios.service_scene import LOOKED_AT, MEANWHILE, UNLISTED, Scene
from lab.service import injection
from lab.service.events import CLOSED, OFF, SESSION
from lab.service.flood import flooding
from lab.service.marks import Purpose
from lab.service.remote import told
from lab.topology.model import RemoteService, Role
from lab.ways.vpn.plan import VpnPlan


def before(scene: Scene) -> None:
    """IBM's side tries to get in by the tunnel for calling home, if it stands."""
    service, record = scene.service, scene.lab.record
    stands = [s for s in record.ppp if s.client == service.console and s.opened and not s.closed]
    for session in stands:
        with injection.onto(scene.console, session.interface) as send:
            ends = (service.caller_address, session.local_ip)
            scene.scan(scene.workplace, ends, OFF, Purpose.attack, send)


def again(scene: Scene) -> RemoteService:
    """What is enabled the second time: a session that may not reach the console itself (I-09)."""
    return told(scene.service, {"access": [p.name for p in scene.service.allowed]})


def come_in(scene: Scene, service: RemoteService) -> None:
    """The console brings the session up; the representative uses it, and at once tries a closed port."""
    representative = scene.representative
    if not service.never_enabled:
        with flooding(
            scene.workplace, service.caller_address, _pool(scene), UNLISTED, scene.lab.story.tell
        ):
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
    owners = [(agreed.console, agreed.ppp_address), *((p.name, p.alias) for p in agreed.allowed)]
    lanes = dict(zip((name for name, _ in owners), scene.panel.interfaces, strict=True))
    tried = [(agreed.console, agreed.ppp_address)]
    tried += [(agreed.console, p.address) for p in agreed.partitions if not p.allowed]
    # Each session towards the address of the next one: nothing may get across (I-17).
    after = owners[1:] + owners[:1]
    tried += [
        (by, other) for (by, _), (_, other) in zip(owners, after, strict=True) if len(owners) > 1
    ]
    for by, target in tried:
        with injection.onto(scene.console, lanes[by]) as send:
            ends = (agreed.caller_address, target)
            scene.scan(node, ends, SESSION, Purpose.attack, send, by)
    scene.attack(scene.lab.with_role(Role.internet), SESSION)


def leave(scene: Scene, service: RemoteService) -> None:
    """End the sessions at the gateway, or wait until the console finds that the access line is cut."""
    if not service.stays_on:
        scene.leave()
        return
    with scene.cut_off():
        scene.leave(stays_on=True)


def work_again(scene: Scene, service: RemoteService) -> None:
    """A session that may reach partitions, and not the console itself (I-09)."""
    agreed = _agreed(scene)
    for partition in agreed.allowed:
        scene.look_at(partition.name, partition.alias, LOOKED_AT[0])
    ends = (agreed.caller_address, agreed.ppp_address)
    with injection.onto(scene.console, scene.panel.interfaces[0]) as send:
        scene.scan(scene.workplace, ends, CLOSED, Purpose.attack, send, agreed.console)


def _pool(scene: Scene) -> list[str]:
    """The first addresses that each gateway has to give: those of a session are among them."""
    service = scene.service
    way = scene.lab.topology.way(service.vpn_way)
    assert isinstance(way, VpnPlan), "check has seen it"
    return [a for server in way.servers for a in server.ppp.pool[: 2 + len(service.allowed)]]


def _agreed(scene: Scene) -> RemoteService:
    """The service with the addresses that the gateway has given, as the customer tells them."""
    settings = scene.panel.settings
    assert settings is not None, "a session stands"
    return settings
