"""Both ends of a way in: the console's entrance, IBM's representative. Only what is needed is imported."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from lab.errors import UsageError
from lab.service.panel import Entrance
from lab.service.representative import Representative
from lab.service.server import separation
from lab.service.server.separation import Separation
from lab.topology.model import RemoteService, Role, Way
from lab.topology.service import Inbound
from lab.topology.telephone import ModemLine
from lab.ways.ground import Ground, WayDriver

Driver = Callable[[Way], WayDriver]
"""Finds what brings up a way home, for a session that uses one."""
Ends = tuple[Entrance, Representative]


@dataclass(frozen=True, slots=True)
class ServerSide:
    """The Service Server's network."""

    separation: Separation
    hops: Mapping[str, str]
    """The gateways of IBM's, by name, and the address of each as the server sees it."""


@contextlib.contextmanager
def kept_apart(ground: Ground, service: RemoteService) -> Iterator[ServerSide]:
    """The Service Server's firewall, and whom it reaches sessions by."""
    from lab.ways.vpn.plan import servers

    plan = ground.topology.node(service.server)
    own = {interface.segment for interface in plan.interfaces}
    hops = {
        gateway.name: interface.ip
        for gateway in ground.topology.with_role(Role.vpn_gateway)
        for interface in gateway.interfaces
        if interface.segment in own
    }
    # A session stands from when the console has called, and is nobody's until a representative connects.
    pools = dict.fromkeys(
        f"{server.ppp.pool[0]}-{server.ppp.pool[-1]}"
        for server in servers(ground.topology)
        if server.ppp.pool
    )
    with separation.start(ground.nodes[service.server], list(pools)) as made:
        yield ServerSide(made, hops)


def of(
    ground: Ground,
    service: RemoteService,
    by: Inbound,
    driver: Driver,
    apart: ServerSide | None,
) -> Ends:
    """The ends of a way in, at rest. Raises UsageError for one that the lab does not have."""
    if by is Inbound.modem:
        return _by_modem(ground, service)
    if by is Inbound.terminal:
        return _by_terminal(ground, service)
    if by is Inbound.internet and service.relay:
        return _by_internet(ground, service)
    if by is Inbound.vpn:
        assert apart is not None, "a session by VPN has a server"
        return _by_vpn(ground, service, driver, apart)
    raise UsageError(f"remote service by {by} is not in the lab")


def _lines(ground: Ground, service: RemoteService) -> tuple[ModemLine, ModemLine]:
    """Of IBM's server that dials, and of the console."""
    (line, *_), (own_line, *_) = (
        ground.topology.lines_of(node) for node in (service.dialer, service.console)
    )
    return line, own_line


def _by_modem(ground: Ground, service: RemoteService) -> Ends:
    from lab.service.by_modem import ModemEntrance
    from lab.service.caller import TelephoneCaller

    line, own_line = _lines(ground, service)
    tell = ground.story.tell
    caller = TelephoneCaller(ground.nodes[service.dialer], service, line, tell)
    return ModemEntrance(ground.nodes[service.console], own_line, tell), caller


def _by_terminal(ground: Ground, service: RemoteService) -> Ends:
    from lab.service.by_terminal import TerminalEntrance
    from lab.service.terminal_caller import TerminalCaller

    line, own_line = _lines(ground, service)
    tell = ground.story.tell
    assert service.terminal_account is not None, "this generation has terminals"
    typist = TerminalCaller(ground.nodes[service.dialer], service, line, tell)
    console = ground.nodes[service.console]
    return TerminalEntrance(console, own_line, service.terminal_account, tell), typist


def _by_internet(ground: Ground, service: RemoteService) -> Ends:
    from lab.service.at_relay import RelayedRepresentative
    from lab.service.by_internet import InternetEntrance
    from lab.service.server import workplace

    authority, tell = ground.run_dir / "keys" / "ca.pem", ground.story.tell
    server = ground.nodes[service.server]
    tools = partial(workplace.alone, server)
    guest = RelayedRepresentative(server, service, authority, tell, tools)
    return InternetEntrance(ground.nodes[service.console], authority, tell), guest


def _by_vpn(ground: Ground, service: RemoteService, driver: Driver, apart: ServerSide) -> Ends:
    from lab.service.answered_line import AnsweredLine
    from lab.service.by_vpn import VpnEntrance
    from lab.service.caller import TelephoneCaller
    from lab.service.server_typist import ServerTypist
    from lab.service.server_user import ServerUser
    from lab.ways.vpn.bring_up import Vpn
    from lab.ways.vpn.plan import VpnPlan

    console, tell = ground.nodes[service.console], ground.story.tell
    way = ground.topology.way(service.vpn_way)
    assert isinstance(way, VpnPlan), "check has seen it"
    vpn = driver(way)
    assert isinstance(vpn, Vpn), "this kind has this driver"
    gateways = {name: ground.nodes[name] for name in way.gateways}
    server = ground.nodes[service.server]
    caller, answered = None, None
    if service.by_call:
        line, own_line = _lines(ground, service)
        caller = TelephoneCaller(ground.nodes[service.dialer], service, line, tell)
        answered = AnsweredLine(console, own_line)
    user = ServerUser(server, service, gateways, apart.hops, apart.separation, tell, caller)
    entrance = VpnEntrance(console, service, vpn, way, tell, answered)
    if service.terminal_account is None:
        return entrance, user
    return entrance, ServerTypist(user, service.console)
