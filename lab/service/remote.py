"""Remote service of a lab that stands: the console's panel, and the server to which IBM's people log in."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.errors import UsageError
from lab.linux.worker import Broke
from lab.names import all_of
from lab.service import access, desk, ends, inbound
from lab.service.ends import Driver, ServerSide
from lab.service.events import spans
from lab.service.panel import Panel, PanelState
from lab.service.server import login
from lab.service.server.authorized import Authorized
from lab.service.server.client import Client
from lab.service.server.login import LogInServer
from lab.service.wanted import chosen, told
from lab.topology.model import RemoteService
from lab.topology.service import Inbound
from lab.ways.ground import Ground


@dataclass(frozen=True, slots=True)
class Remote:
    """What is at work; ``check`` is for the lab's ground."""

    panel: Panel
    representative: Authorized
    """The one of the way in that the topology is about, who logs in first."""
    panel_desk: Broke
    log_in: LogInServer
    apart: ServerSide | None = None
    """Of the Service Server; none where the workplace is a server that dials."""

    def check(self) -> None:
        """Raise LabError if a part of it broke."""
        self.panel.check()
        self.panel_desk.check()
        self.log_in.check()


@contextlib.contextmanager
def start(ground: Ground, service: RemoteService, driver: Driver) -> Iterator[Remote]:
    """The panel and the representative, at rest, and their desks; all is off at the end.

    ``driver`` finds what brings up a way home, for a session that uses one.
    """
    by = chosen(service, "")
    console, workplace = ground.nodes[service.console], ground.nodes[service.workplace]
    tell = ground.story.tell
    with contextlib.ExitStack() as undo:
        apart = undo.enter_context(ends.kept_apart(ground, service)) if service.server else None
        entrance, representative = ends.of(ground, service, by, driver, apart)
        panel = Panel(service.console, {by: entrance}, tell)
        undo.callback(panel.stop)
        undo.callback(representative.stop)
        verbs = _PanelVerbs(panel, service)
        undo.callback(verbs.forget_time)
        panel_desk = undo.enter_context(
            desk.start(
                console, inbound.DESK,
                {"enable": verbs.enable, "status": verbs.status, "disable": verbs.disable},
            )
        )  # fmt: skip
        pc = ground.nodes[service.intranet]
        way_in = access.of(representative, service, panel)
        log_in = undo.enter_context(
            login.start(workplace, service.log_in_address, [pc], [service.console], way_in, tell)
        )
        client = Client(pc, workplace, tell)
        authorized = Authorized(representative, log_in.office, client)
        yield Remote(panel, authorized, panel_desk, log_in, apart)


class _PanelVerbs:
    """What ``lab-inbound`` can ask for."""

    def __init__(self, panel: Panel, service: RemoteService) -> None:
        self._panel = panel
        self._service = service
        self._timer: threading.Timer | None = None

    def enable(self, options: Mapping[str, Any]) -> str:
        wanted = told(self._service, options)
        minutes = options.get("minutes")
        if minutes is not None and not minutes > 0:
            raise UsageError(f"{minutes:g} minutes are no time")
        self.forget_time()
        self._panel.enable(wanted)
        if minutes is not None:
            self._timer = threading.Timer(60 * float(minutes), self._panel.disable_unused)
            self._timer.start()
        return self.status(options)

    def forget_time(self) -> None:
        """Let no time end what was enabled."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
            self._timer = None

    def status(self, options: Mapping[str, Any]) -> str:
        state, settings = self._panel.state, self._panel.settings
        if state is PanelState.off or settings is None:
            return "off: nobody is let in"
        whom = [settings.console] if settings.console_allowed else []
        whom += [partition.name for partition in settings.allowed]
        words = "a session stands" if state is PanelState.session else "one session is let in"
        if settings.by is Inbound.internet:
            ports = f"TCP {spans(settings.led_to)} of {settings.console}"
            return f"{words} by {settings.by}, to {ports if settings.led_to else 'nowhere'}"
        address = f"PPP address {settings.ppp_address}, " if settings.ppp_address else ""
        return f"{words} by {settings.by}: {address}to {all_of(whom) or 'nobody'}"

    def disable(self, options: Mapping[str, Any]) -> str:
        self.forget_time()
        self._panel.disable()
        return self.status(options)
