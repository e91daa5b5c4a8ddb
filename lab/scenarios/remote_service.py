"""The life of remote service: nobody gets in; one session is let in, works, and ends; nobody gets in again.

Then a second one is let in. Where no session is to be let in, the life ends after the first part.
"""

from __future__ import annotations

import contextlib
import importlib
from typing import Protocol

from lab.errors import UsageError
from lab.inside.running import RunningLab
from lab.linux import firewall
from lab.scenarios import service_log_in, service_scene
from lab.scenarios.service_scene import Scene
from lab.service.events import OFF, OVER, InboundRefused
from lab.service.wanted import told
from lab.topology.model import RemoteService
from lab.topology.service import Inbound

DENIED = 22
"""The customer's own rules deny a listed port; they do not apply to a session (I-11)."""
BEFORE = f"tcp dport {DENIED} drop"


class WayIn(Protocol):
    """What is particular to a way in: a module ``service_by_<way>``."""

    def before(self, scene: Scene) -> None:
        """What else IBM's side tries while nobody is let in."""

    def come_in(self, scene: Scene, service: RemoteService) -> None:
        """Let a session in, and begin it. Raises ProtocolError where it does not come up."""

    def work(self, scene: Scene, service: RemoteService) -> None:
        """All that a representative can try in a session."""

    def leave(self, scene: Scene, service: RemoteService) -> None:
        """End the session, as the representative does or as a fault wants; until everything is closed."""

    def again(self, scene: Scene) -> RemoteService:
        """What is let in the second time."""

    def work_again(self, scene: Scene, service: RemoteService) -> None:
        """What is tried in the second session."""


def live(lab: RunningLab, service: RemoteService) -> None:
    """All of it. Raises ProtocolError where a session that is let in does not come up."""
    with contextlib.ExitStack() as stack:
        scene = stack.enter_context(service_scene.set_up(lab, service))
        scene.scan_from_outside(OFF, control=True)
        _ask_for_others(scene)
        if not service.workplace:
            return
        if service.by:
            service_log_in.be_refused(scene)
        scene.knock_in_vain()
        if not service.by:
            return
        way = _way_in(service.by)
        way.before(scene)
        firewall.add_customer_rule(scene.console, BEFORE)
        stack.callback(firewall.hmc_allow_all, scene.console)
        scene.note_rules("before")
        if service.expired_token:
            scene.representative.let_token_expire()
        way.come_in(scene, service)
        service_log_in.use_tools(scene, service)
        way.work(scene, service)
        way.leave(scene, service)
        scene.note_rules("after")
        scene.scan_from_outside(OVER)
        service_log_in.try_again(scene)
        scene.knock_in_vain()
        second = way.again(scene)
        way.come_in(scene, second)
        way.work_again(scene, second)
        scene.leave()


def _ask_for_others(scene: Scene) -> None:
    """The panel refuses every way in that the console's generation does not have (G-03 to G-05)."""
    for by in Inbound:
        if by and by not in scene.service.ways_in:
            try:
                told(scene.service, {"by": by})
            except UsageError as refused:
                source, reason = scene.service.console, str(refused).splitlines()[0]
                scene.lab.story.tell(InboundRefused(source=source, by=by, reason=reason))


def _way_in(by: Inbound) -> WayIn:
    """Only the one that the topology needs is imported."""
    way: WayIn = importlib.import_module(f"lab.scenarios.service_by_{by}")
    return way
