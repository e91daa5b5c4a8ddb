"""A session of remote service at a DS8000's terminal: denied, let in, put to the test, let in again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lab.errors import ProtocolError
from lab.scenarios.service_scene import Scene
from lab.service.events import SESSION
from lab.service.shell import OWN_NETWORK
from lab.service.terminal_caller import TerminalCaller, wrong_response
from lab.topology.model import RemoteService, Role
from lab.topology.service import MOST_TRIES
from lab.topology.terminal import TerminalAccount

OWN_WORK = ("id -un", "uname -n", OWN_NETWORK)
"""What a representative types: who it is, where it is, and by what network interfaces it could go on."""
GOES_ON = "nohup sleep 86400 >/dev/null 2>&1 &"
"""A program that does not hear of the hang-up, and must end with the session all the same."""


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
    earlier = typist.response
    if not scene.representative.knock():
        raise ProtocolError(f"no session with {service.console}: {scene.representative.said}")
    account = service.terminal_account
    assert account is not None, "this generation has terminals"
    if service.wrong_tries:
        tries = list(_wrong(account))[: service.wrong_tries]
    else:
        tries = [(account, earlier or wrong_response())]
    if earlier and service.replays:
        tries = [(account, earlier)] * MOST_TRIES
    for wrong, response in tries:
        if typist.log_in(wrong, response):
            raise ProtocolError(f"{service.console} has let somebody in by a wrong response")
    if not scene.representative.authenticate(service):
        _try_after_lock_out(scene)
        raise ProtocolError(f"{service.console} took a call, and let nobody in")


def _try_after_lock_out(scene: Scene) -> None:
    """The telephone rings, and no modem answers."""
    scene.leave()
    scene.representative.knock()
    scene.representative.leave()


def _wrong(account: TerminalAccount) -> Iterator[tuple[TerminalAccount, str]]:
    """A wrong try of each kind."""
    yield replace(account, user=f"{account.user}x"), ""
    yield replace(account, password=account.password.altered()), ""
    yield account, wrong_response()


def work(scene: Scene, service: RemoteService) -> None:
    """What a representative can try in a session: to look around, and to get on to partitions."""
    typist = _typist(scene)
    for command in OWN_WORK:
        typist.type(command)
    for partition in service.partitions:
        typist.type(f"bash -c 'exec 3<>/dev/tcp/{partition.address}/22 && head -n 1 <&3'")
    typist.type(GOES_ON)
    scene.note_rules("during")
    scene.attack(scene.lab.with_role(Role.internet), SESSION)


def work_again(scene: Scene, service: RemoteService) -> None:
    """A second session is like the first."""
    _typist(scene).type(OWN_WORK[0])


def _typist(scene: Scene) -> TerminalCaller:
    typist = scene.representative.way_in
    assert isinstance(typist, TerminalCaller), "it is made for this way"
    return typist
