"""Remote service of a lab that stands: the console's panel, and the server to which IBM's people log in."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

from lab.errors import ProtocolError, UsageError
from lab.linux.process import Popen
from lab.names import all_of, check_known
from lab.service import desk, inbound
from lab.service.panel import Entrance, Panel, PanelState
from lab.service.representative import Representative
from lab.service.server import login, separation
from lab.service.server.authorized import Authorized
from lab.service.server.client import Client
from lab.service.server.login import LogInServer
from lab.service.server.separation import Separation
from lab.service.server.workplace import start_as
from lab.topology.model import RemoteService, Role, Way
from lab.topology.service import BY_TELEPHONE, Inbound
from lab.ways.ground import Ground, WayDriver


def told(service: RemoteService, options: Mapping[str, Any]) -> RemoteService:
    """The service as somebody wants it: ``by``, ``ppp_address``, ``access``; what is left out is as in the
    topology.

    Raises UsageError for what makes no sense.
    """
    by = chosen(service, str(options.get("by") or ""))
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
class ServerSide:
    """The Service Server's network."""

    separation: Separation
    hops: Mapping[str, str]
    """The gateways of IBM's, by name, and the address of each as the server sees it."""


@dataclass(frozen=True, slots=True)
class Remote:
    """What is at work; ``check`` is for the lab's ground."""

    panel: Panel
    representative: Authorized
    """The one of the way in that the topology is about, who logs in first."""
    panel_desk: desk.Desk
    log_in: LogInServer
    apart: ServerSide | None = None
    """Of the Service Server; none where the workplace is a server that dials."""

    def check(self) -> None:
        """Raise LabError if a part of it broke."""
        self.panel.check()
        self.panel_desk.check()
        self.log_in.check()


@contextlib.contextmanager
def start(
    ground: Ground, service: RemoteService, driver: Callable[[Way], WayDriver]
) -> Iterator[Remote]:
    """The panel and the representative, at rest, and their desks; all is off at the end.

    ``driver`` finds what brings up a way home, for a session that uses one.
    """
    by = chosen(service, "")
    console, workplace = ground.nodes[service.console], ground.nodes[service.workplace]
    tell = ground.story.tell
    with contextlib.ExitStack() as undo:
        apart = undo.enter_context(_kept_apart(ground, service)) if service.server else None
        entrance, representative = _ends(ground, service, by, driver, apart)
        panel = Panel(service.console, {by: entrance}, tell)
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
        pc = ground.nodes[service.intranet]
        way_in = _WayIn(representative, service, panel)
        log_in = undo.enter_context(
            login.start(workplace, service.log_in_address, [pc], [service.console], way_in, tell)
        )
        client = Client(pc, workplace, tell)
        authorized = Authorized(representative, log_in.office, client)
        yield Remote(panel, authorized, panel_desk, log_in, apart)


@contextlib.contextmanager
def _kept_apart(ground: Ground, service: RemoteService) -> Iterator[ServerSide]:
    """The Service Server's firewall, and whom it reaches sessions by."""
    plan = ground.topology.node(service.server)
    own = {interface.segment for interface in plan.interfaces}
    hops = {
        gateway.name: interface.ip
        for gateway in ground.topology.with_role(Role.vpn_gateway)
        for interface in gateway.interfaces
        if interface.segment in own
    }
    with separation.start(ground.nodes[service.server]) as made:
        yield ServerSide(made, hops)


def _ends(
    ground: Ground,
    service: RemoteService,
    by: Inbound,
    driver: Callable[[Way], WayDriver],
    apart: ServerSide | None,
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
        assert apart is not None, "a session by VPN has a server"
        server = ground.nodes[service.server]
        user: Representative = ServerUser(
            server, service, gateways, apart.hops, apart.separation, tell
        )
        return VpnEntrance(console, service, vpn, way, tell), user
    raise UsageError(f"remote service by {by} is not in the lab")


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
        return f"{words} by {settings.by}: PPP address {settings.ppp_address}, to {all_of(whom) or 'nobody'}"

    def disable(self, options: Mapping[str, Any]) -> str:
        self._timers.forget()
        self._panel.disable()
        return self.status(options)


class _WayIn:
    """How the office at the server reaches the console (``office.ConsoleAccess``)."""

    def __init__(
        self, representative: Representative, service: RemoteService, panel: Panel
    ) -> None:
        self._representative = representative
        self._service = service
        self._panel = panel

    @property
    def connected(self) -> bool:
        return self._representative.connected

    def knock(self, options: Mapping[str, Any]) -> None:
        self._wanted(options)
        if not self._representative.knock():
            raise ProtocolError(
                f"{self._service.console} lets nobody in: {self._representative.said}"
            )

    def authenticate(self, options: Mapping[str, Any]) -> str:
        wanted = self._wanted(options)
        console, address = wanted.console, wanted.ppp_address
        if not self._representative.authenticate(wanted):
            problem = f"does not take the credentials of {address}"
            if wanted.workplace == wanted.server:
                problem = f"has no session in which it is {address}"
            raise ProtocolError(f"{console} {problem}")
        partitions = [f"{p.name} by {p.alias}" for p in wanted.partitions if p.alias]
        others = f"; perhaps {all_of(partitions)}" if partitions else ""
        return f"connected: {console} is {address}{others}"

    def _wanted(self, options: Mapping[str, Any]) -> RemoteService:
        """What the representative knows of the console's side. Raises UsageError for what makes no sense."""
        wanted = told(self._service, {"ppp_address": options.get("ppp_address")})
        agreed = self._panel.settings
        if wanted.by in BY_TELEPHONE or agreed is None:
            return wanted
        # The session's addresses are not the representative's to choose: the customer tells them.
        return replace(agreed, ppp_address=options.get("ppp_address") or agreed.ppp_address)

    def leave(self) -> None:
        self._representative.leave()

    def run(self, argv: Sequence[str], uid: int, streams: Sequence[int]) -> Popen[bytes]:
        return start_as(self._representative.place, argv, uid, streams)
