"""Remote service of a lab that stands: the console's panel, IBM's representative, and the desks of both."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

from lab.errors import ProtocolError, UsageError
from lab.names import all_of, check_known
from lab.service import desk, dial_out, inbound, lockdown
from lab.service.console import Console, PanelState
from lab.service.representative import Representative
from lab.topology.model import RemoteService
from lab.topology.service import Inbound, credentials
from lab.ways.ground import Ground


def told(service: RemoteService, options: Mapping[str, Any]) -> RemoteService:
    """The service as somebody wants it: ``ppp_address``, ``access``; what is left out is as in the topology.

    Raises UsageError for what makes no sense.
    """
    if Inbound.modem not in service.ways_in:
        raise UsageError(
            f"{service.console} is of a generation that has no remote service by modem",
            hint="hmc-2007 has (G-03, G-04)",
        )
    address = str(options.get("ppp_address") or service.ppp_address)
    try:
        first = IPv4Address(address)
    except ValueError as error:
        raise UsageError(f"{address} is no IPv4 address", hint="such as 10.253.0.1") from error
    known = [service.console, *(partition.name for partition in service.partitions)]
    access = options.get("access")
    if access is None:
        access = [p.name for p in service.partitions if p.allowed]
        access += [service.console] if service.console_allowed else []
    for name in access:
        check_known("partition", name, known)
    return replace(
        service,
        by=Inbound.modem,
        ppp_address=str(first),
        caller_address=str(first + 1),
        console_allowed=service.console in access,
        partitions=tuple(
            replace(partition, alias=str(first + 2 + n), allowed=partition.name in access)
            for n, partition in enumerate(service.partitions)
        ),
    )


@dataclass(frozen=True, slots=True)
class Remote:
    """Both ends; either may be driven by hand, too."""

    panel: Console
    representative: Representative
    desks: tuple[desk.Desk, ...]

    def check(self) -> None:
        """Raise LabError if a part of it broke."""
        self.panel.check()
        for each in self.desks:
            each.check()


@contextlib.contextmanager
def start(ground: Ground, service: RemoteService) -> Iterator[Remote]:
    """The panel and the representative, at rest, and their desks; all is off at the end."""
    (line, *_), (own_line, *_) = (
        ground.topology.lines_of(node) for node in (service.dialer, service.console)
    )
    console, dialer, tell = (
        ground.nodes[service.console], ground.nodes[service.dialer], ground.story.tell,
    )  # fmt: skip
    panel = Console(console, own_line, tell)
    representative = Representative(dialer, service, line, tell)
    with contextlib.ExitStack() as undo:
        undo.callback(panel.stop)
        undo.callback(representative.stop)
        timers = undo.enter_context(_Timers())
        verbs = _PanelVerbs(panel, service, timers)
        panel_desk = undo.enter_context(
            desk.start(
                console, inbound.DESK,
                {"enable": verbs.enable, "status": verbs.status, "disable": verbs.disable},
            )
        )  # fmt: skip
        calls = _CallVerbs(representative, service)
        call_desk = undo.enter_context(
            desk.start(
                dialer, dial_out.DESK,
                {"connect": calls.connect, "status": calls.status, "hang-up": calls.hang_up},
            )
        )  # fmt: skip
        yield Remote(panel, representative, (panel_desk, call_desk))


class _Timers:
    """At most one, which is forgotten when another begins or all ends."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def __enter__(self) -> _Timers:
        return self

    def __exit__(self, *_: object) -> None:
        self.forget()

    def begin(self, minutes: float, panel: Console) -> None:
        self.forget()
        self._timer = threading.Timer(60 * minutes, panel.disable_unused)
        self._timer.start()

    def forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
            self._timer = None


class _PanelVerbs:
    """What ``lab-inbound`` can ask for."""

    def __init__(self, panel: Console, service: RemoteService, timers: _Timers) -> None:
        self._panel = panel
        self._service = service
        self._timers = timers

    def enable(self, options: Mapping[str, Any]) -> str:
        wanted = told(self._service, options)
        minutes = options.get("minutes")
        if minutes is not None and not minutes > 0:
            raise UsageError(f"{minutes:g} minutes are no time")
        self._timers.forget()
        self._panel.enable(wanted)
        if minutes is not None:
            self._timers.begin(float(minutes), self._panel)
        return self.status(options)

    def status(self, options: Mapping[str, Any]) -> str:
        state, settings = self._panel.state, self._panel.settings
        if state is PanelState.off or settings is None:
            return "off: nobody is let in"
        whom = [settings.console] if settings.console_allowed else []
        whom += [partition.name for partition in lockdown.allowed(settings)]
        words = "a session stands" if state is PanelState.session else "one session is let in"
        return f"{words} by {settings.by}: PPP address {settings.ppp_address}, to {all_of(whom) or 'nobody'}"

    def disable(self, options: Mapping[str, Any]) -> str:
        self._timers.forget()
        self._panel.disable()
        return self.status(options)


class _CallVerbs:
    """What ``lab-service`` can ask for."""

    def __init__(self, representative: Representative, service: RemoteService) -> None:
        self._representative = representative
        self._service = service

    def connect(self, options: Mapping[str, Any]) -> str:
        wanted = told(self._service, {"ppp_address": options.get("ppp_address")})
        console = wanted.console
        if self._representative.connected:
            raise UsageError("a session stands already", hint="lab-service hang-up")
        if not self._representative.call():
            raise ProtocolError(f"{console}'s modem takes no call: {self._representative.said}")
        if not self._representative.authenticate(credentials(wanted.ppp_address), wanted):
            self._representative.hang_up()
            raise ProtocolError(f"{console} does not take the credentials of {wanted.ppp_address}")
        partitions = [f"{p.name} by {p.alias}" for p in wanted.partitions]
        others = f"; perhaps {all_of(partitions)}" if partitions else ""
        return f"connected: {console} is {wanted.ppp_address}{others}"

    def status(self, options: Mapping[str, Any]) -> str:
        return "connected" if self._representative.connected else "not connected"

    def hang_up(self, options: Mapping[str, Any]) -> str:
        self._representative.hang_up()
        return self.status(options)
