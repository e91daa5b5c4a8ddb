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
from lab.service import desk, dial_out, inbound
from lab.service.events import spans
from lab.service.panel import Entrance, Panel, PanelState
from lab.service.representative import Representative
from lab.topology.model import RemoteService, Way
from lab.topology.service import BY_TELEPHONE, CODE_DIGITS, Inbound
from lab.ways.ground import Ground, WayDriver


def told(service: RemoteService, options: Mapping[str, Any]) -> RemoteService:
    """The service as somebody wants it: ``by``, ``ppp_address``, ``access``; what is left out is as in the
    topology.

    Raises UsageError for what makes no sense.
    """
    by = chosen(service, str(options.get("by") or ""))
    if by is Inbound.internet:
        return _by_internet(service, options)
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
        by=by,
        ppp_address=str(first),
        caller_address=str(first + 1),
        console_allowed=service.console in access,
        partitions=tuple(
            replace(partition, alias=str(first + 2 + n), allowed=partition.name in access)
            for n, partition in enumerate(service.partitions)
        ),
    )


def _by_internet(service: RemoteService, options: Mapping[str, Any]) -> RemoteService:
    """``code``, ``ports``, ``access``: a session is led to ports of the console itself."""
    code = str(options.get("code") or "")
    if code and (len(code) != CODE_DIGITS or not (code.isascii() and code.isdigit())):
        raise UsageError(f"{code} is no code", hint=f"a code has {CODE_DIGITS} digits")
    if options.get("ppp_address"):
        raise UsageError("a session by Internet has no PPP address", hint="leave it out")
    forwards = tuple(options.get("ports") or ())
    for port in forwards:
        if port not in service.ports:
            known = ", ".join(map(str, service.ports))
            raise UsageError(f"{port} is not a port of remote service", hint=f"these are: {known}")
    access = options.get("access")
    for name in access or ():
        if name != service.console:
            raise UsageError(
                f"{name} cannot be reached by Internet",
                hint=f"a session is led to ports of {service.console} itself",
            )
    allowed = service.console_allowed if access is None else service.console in access
    return replace(
        service, by=Inbound.internet, code=code, forwards=forwards, console_allowed=allowed
    )


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
    if service.relay and not service.dialer and not service.vpn_way:
        usual = Inbound.internet
    if usual in service.ways_in:
        return usual
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
    entrance, representative = _ends(ground, service, by, driver)
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
        verbs_there = _verbs_of(representative, service, by)
        call_desk = undo.enter_context(desk.start(workplace, dial_out.DESK, verbs_there))
        yield Remote(panel, representative, (panel_desk, call_desk))


def _ends(
    ground: Ground, service: RemoteService, by: Inbound, driver: Callable[[Way], WayDriver]
) -> tuple[Entrance, Representative]:
    """Both ends of a way in, at rest. Only what the topology needs is imported."""
    console, tell = ground.nodes[service.console], ground.story.tell
    if by is Inbound.modem:
        from lab.service.by_modem import ModemEntrance
        from lab.service.caller import TelephoneCaller

        (line, *_), (own_line, *_) = (
            ground.topology.lines_of(node) for node in (service.dialer, service.console)
        )
        caller = TelephoneCaller(ground.nodes[service.dialer], service, line, tell)
        return ModemEntrance(console, own_line, tell), caller
    if by is Inbound.vpn:
        from lab.service.by_vpn import VpnEntrance
        from lab.service.server_user import ServerUser
        from lab.ways.vpn.bring_up import Vpn
        from lab.ways.vpn.plan import VpnPlan

        way = ground.topology.way(service.vpn_way)
        assert isinstance(way, VpnPlan), "check has seen it"
        vpn = driver(way)
        assert isinstance(vpn, Vpn)
        gateways = {name: ground.nodes[name] for name in way.gateways}
        server = ground.nodes[service.server]
        hops = {
            name: next(i.ip for i in ground.topology.node(name).interfaces if i.name == "core")
            for name in way.gateways
        }
        user = ServerUser(server, service, gateways, hops, tell)
        return VpnEntrance(console, service, vpn, way, tell), user
    if by is Inbound.internet and service.relay:
        from lab.service.at_relay import RelayedRepresentative
        from lab.service.by_internet import InternetEntrance

        authority = ground.run_dir / "keys" / "ca.pem"
        server = ground.nodes[service.server]
        guest = RelayedRepresentative(server, service, authority, tell)
        return InternetEntrance(console, authority, tell), guest
    raise UsageError(f"remote service by {by} is not in the lab")


def _verbs_of(
    representative: Representative, service: RemoteService, by: Inbound
) -> Mapping[str, desk.Verb]:
    """What can be asked of a representative."""
    if by is Inbound.internet:
        from lab.service.at_relay import RelayedRepresentative
        from lab.service.relay_desk import RelayVerbs

        assert isinstance(representative, RelayedRepresentative)
        return RelayVerbs(representative, service).verbs
    calls = _CallVerbs(representative, service)
    return {"connect": calls.connect, "status": calls.status, "hang-up": calls.hang_up}


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
        if settings.by is Inbound.internet:
            where = (
                f"TCP {spans(settings.led_to)} of {settings.console}"
                if settings.led_to
                else "nowhere"
            )
            return f"{words} by {settings.by}, to {where}"
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
