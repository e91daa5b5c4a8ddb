"""A session of remote service at a DS8000's terminal: denied, let in, put to the test, let in again."""

from __future__ import annotations

from lab.errors import ProtocolError
from lab.scenarios import service_at_terminal
from lab.scenarios.service_scene import Scene
from lab.service.events import SESSION
from lab.service.terminal_caller import TerminalCaller
from lab.topology.model import RemoteService, Role


def before(scene: Scene) -> None:
    """Nothing is there to be tried but the telephone."""


def leave(scene: Scene, service: RemoteService) -> None:
    """Log out and hang up, or wait for the line to drop."""
    scene.leave(stays_on=service.stays_on)


def again(scene: Scene) -> RemoteService:
    """What is enabled the second time: the same."""
    return scene.service


def come_in(scene: Scene, service: RemoteService) -> None:
    """By user ID, password and response, after a wrong response, or the first session's in the second one."""
    typist = _typist(scene)
    if not service.never_enabled:
        scene.panel.enable(service)
    earlier = typist.at.response
    if not scene.representative.knock():
        raise ProtocolError(f"no session with {service.console}: {scene.representative.said}")
    service_at_terminal.try_in_vain(service, typist.log_in, earlier)
    if not scene.representative.authenticate(service):
        _try_after_lock_out(scene)
        raise ProtocolError(f"{service.console} took a call, and let nobody in")


def _try_after_lock_out(scene: Scene) -> None:
    """The telephone rings, and no modem answers."""
    scene.leave()
    scene.representative.knock()
    scene.representative.leave()


def work(scene: Scene, service: RemoteService) -> None:
    """What a representative can try in a session: to look around, and to get on to partitions."""
    service_at_terminal.look_around(service, _typist(scene).at.type)
    scene.note_rules("during")
    scene.attack(scene.lab.with_role(Role.internet), SESSION)


def work_again(scene: Scene, service: RemoteService) -> None:
    """A second session is like the first."""
    _typist(scene).at.type(service_at_terminal.WHO)


def _typist(scene: Scene) -> TerminalCaller:
    typist = scene.representative.way_in
    assert isinstance(typist, TerminalCaller), "it is made for this way"
    return typist
