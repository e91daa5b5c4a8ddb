"""Remote service of a lab that stands: the console's panel, IBM's representative, and the desks of both."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

from lab.errors import ProtocolError, UsageError
from lab.names import all_of, check_known
from lab.service import desk, dial_out, ends, inbound
from lab.service.panel import Panel, PanelState
from lab.service.representative import Representative
from lab.topology.model import RemoteService, Way
from lab.topology.service import BY_TELEPHONE, PPP_ADDRESS, Inbound
from lab.ways.ground import Ground, WayDriver


def told(service: RemoteService, options: Mapping[str, Any]) -> RemoteService:
    """The service as somebody wants it: ``by``, ``ppp_address``, ``access``; what is left out is as in the
    topology.

    Raises UsageError for what makes no sense.
    """
    by = chosen(service, str(options.get("by") or ""))
    if by is Inbound.terminal:
        return _told_terminal(service, options)
    address = str(options.get("ppp_address") or service.ppp_address or PPP_ADDRESS)
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
        by=by,
        ppp_address=str(first),
        caller_address=str(first + 1),
        console_allowed=service.console in access,
        partitions=tuple(
            replace(partition, alias=str(first + 2 + n), allowed=partition.name in access)
            for n, partition in enumerate(service.partitions)
        ),
    )


def _told_terminal(service: RemoteService, options: Mapping[str, Any]) -> RemoteService:
    """A session by terminal is one with the console alone, without an address (I-22, I-24)."""
    if options.get("ppp_address"):
        raise UsageError("a session by terminal has no PPP address", hint="leave it out")
    for name in options.get("access") or ():
        if name != service.console:
            raise UsageError(
                f"a session by terminal reaches {service.console} only, and not {name} (I-22)",
                hint=f"--access {service.console}, or leave it out",
            )
    none_allowed = tuple(replace(partition, allowed=False) for partition in service.partitions)
    return replace(service, by=Inbound.terminal, console_allowed=True, partitions=none_allowed)


def chosen(service: RemoteService, wanted: str) -> Inbound:
    """By what a session is to come in: what is wanted, or else what the topology says.

    Raises UsageError for what a console of this generation does not have (G-03 to G-05).
    """
    by = wanted or service.by
    if by and by not in service.ways_in:
        ways = ", ".join(service.ways_in)
        raise UsageError(
            f"{service.console} is of a generation that has no remote service by {by}",
            hint=f"it has {ways} (G-03 to G-05)" if ways else "it has none (G-03 to G-05)",
        )
    if by:
        return Inbound(by)
    usual = Inbound.modem if service.dialer else Inbound.vpn
    of_telephone = [by for by in service.ways_in if (by in BY_TELEPHONE) == (usual in BY_TELEPHONE)]
    if not of_telephone:
        return chosen(service, usual)
    return Inbound(of_telephone[0])


@dataclass(frozen=True, slots=True)
class Remote:
    """What is at work; ``check`` is for the lab's ground."""

    panel: Panel
    representative: Representative
    """The one of the way in that the topology is about."""
    desks: tuple[desk.Desk, ...]

    def check(self) -> None:
        """Raise LabError if a part of it broke."""
        self.panel.check()
        for each in self.desks:
            each.check()


@contextlib.contextmanager
def start(
    ground: Ground, service: RemoteService, driver: Callable[[Way], WayDriver]
) -> Iterator[Remote]:
    """The panel and the representative, at rest, and their desks; all is off at the end.

    ``driver`` finds what brings up a way home, for a session that uses one.
    """
    by = chosen(service, "")
    entrance, representative = ends.of(ground, service, by, driver)
    console, workplace = ground.nodes[service.console], ground.nodes[service.workplace]
    panel = Panel(service.console, {by: entrance}, ground.story.tell)
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
        call_desk = undo.enter_context(
            desk.start(workplace, dial_out.DESK, _verbs(representative, service, by))
        )
        yield Remote(panel, representative, (panel_desk, call_desk))


def _verbs(
    representative: Representative, service: RemoteService, by: Inbound
) -> dict[str, desk.Verb]:
    """What ``lab-service`` can ask for."""
    calls = _CallVerbs(representative, service)
    verbs: dict[str, desk.Verb] = {
        "connect": calls.connect, "status": calls.status, "hang-up": calls.hang_up,
    }  # fmt: skip
    if by is Inbound.terminal:
        from lab.service.terminal_caller import TerminalCaller, TerminalVerbs

        assert isinstance(representative, TerminalCaller), "it is made for this way"
        terminal = TerminalVerbs(representative, service)
        verbs |= {"connect": terminal.connect, "type": terminal.type}
    return verbs


class _Timers:
    """At most one, which is forgotten when another begins or all ends."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def __enter__(self) -> _Timers:
        return self

    def __exit__(self, *_: object) -> None:
        self.forget()

    def begin(self, minutes: float, panel: Panel) -> None:
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

    def __init__(self, panel: Panel, service: RemoteService, timers: _Timers) -> None:
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
        whom += [partition.name for partition in settings.allowed]
        words = "a session stands" if state is PanelState.session else "one session is let in"
        address = f"PPP address {settings.ppp_address}, " if settings.ppp_address else ""
        return f"{words} by {settings.by}: {address}to {all_of(whom) or 'nobody'}"

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
        if not self._representative.knock():
            raise ProtocolError(f"{console} lets nobody in: {self._representative.said}")
        if not self._representative.authenticate(wanted):
            self._representative.leave()
            raise ProtocolError(f"{console} does not take the credentials of {wanted.ppp_address}")
        partitions = [f"{p.name} by {p.alias}" for p in wanted.partitions]
        others = f"; perhaps {all_of(partitions)}" if partitions else ""
        return f"connected: {console} is {wanted.ppp_address}{others}"

    def status(self, options: Mapping[str, Any]) -> str:
        return "connected" if self._representative.connected else "not connected"

    def hang_up(self, options: Mapping[str, Any]) -> str:
        self._representative.leave()
        return self.status(options)
