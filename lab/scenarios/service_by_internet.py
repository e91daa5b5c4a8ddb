"""A session of remote service by Internet: let in by a code, put to the test, and let in once more."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from lab.errors import ProtocolError
from lab.relay.events import TYPED
from lab.scenarios.service_scene import Scene
from lab.service.at_relay import RelayedRepresentative
from lab.service.events import SESSION
from lab.service.representative import first_line
from lab.topology.model import RemoteService, Role

UNLISTED = 1
"""A port that no list has."""
PERMITTED_AGAIN = 2
"""To so many of the listed ports the second session may be led."""


def before(scene: Scene) -> None:
    """IBM's side has nobody to call: a representative has waited in vain already."""


def leave(scene: Scene, service: RemoteService) -> None:
    """The representative leaves, or both ends find that the Internet is cut; until everything is closed."""
    scene.leave_or_be_cut_off()


def come_in(scene: Scene, service: RemoteService) -> None:
    """By the relay's code; the customer enters it in time, unless a fault wants otherwise."""
    guest, representative = _guest(scene), scene.representative
    if not representative.knock():
        raise ProtocolError(f"{service.relay} gives no code: {representative.said}")
    if service.late_code:
        guest.authenticate(service)
    if not service.never_enabled:
        scene.panel.enable(replace(service, code=guest.code))
    if not representative.authenticate(service):
        raise ProtocolError(f"no session with {service.console} came up: {guest.said}")


def work(scene: Scene, service: RemoteService) -> None:
    """All that a representative can try in a session; meanwhile others try to get in."""
    guest = _guest(scene)
    for port in service.ports:
        _talk(scene, service, port)
    guest.ask(UNLISTED)
    guest.ask_ports(asked_ports(service.ports))
    for role in (Role.internet, Role.relay):
        scene.attack(scene.lab.with_role(role), SESSION)


def again(scene: Scene) -> RemoteService:
    """The code of the first session is refused; the second one may be led to fewer ports."""
    guest, service = _guest(scene), scene.service
    with contextlib.suppress(ProtocolError):
        scene.panel.enable(replace(service, code=guest.used_code))
    scene.panel.disable()
    scene.representative.leave()
    return replace(service, forwards=service.ports[:PERMITTED_AGAIN])


def work_again(scene: Scene, service: RemoteService) -> None:
    """Ports that are permitted, one that is not, and a partition, which cannot be named."""
    guest = _guest(scene)
    for port in service.forwards:
        _talk(scene, service, port)
    guest.ask(service.ports[PERMITTED_AGAIN])
    names = [partition.name for partition in service.partitions]
    guest.name_a_host(service.ports[0], names[0] if names else "lpar-1")


def asked_ports(listed: tuple[int, ...]) -> set[int]:
    """The listed ports, their neighbours, both ends of all, and every 1,024th."""
    around = {port + step for port in listed for step in (-1, 0, 1)}
    return {1, 65_535, *around, *range(1_024, 65_536, 1_024)}


def _guest(scene: Scene) -> RelayedRepresentative:
    guest = scene.representative.way_in
    assert isinstance(guest, RelayedRepresentative), "it is the one by Internet"
    return guest


def _talk(scene: Scene, service: RemoteService, port: int) -> None:
    """Say something to a port of the console, and note with what it answers."""
    address, local = _guest(scene).forwards[port]
    answer = first_line(scene.representative.place, address, local, TYPED + b"\r\n")
    scene.note_tried(scene.workplace.name, service.console, address, port, answer)
