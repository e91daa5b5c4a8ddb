"""A session of remote service by VPN: brought up by the console, put to the test, and let in once more."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lab.errors import ProtocolError
from lab.linux import firewall
from lab.record import story
from lab.record.record import PppSession
from lab.scenarios import service_apart, service_at_terminal, service_work
from lab.scenarios.service_scene import LOOKED_AT, MEANWHILE, UNLISTED, Scene
from lab.service.events import CLOSED, OFF, SESSION
from lab.service.flood import EVERY_MS, flooding
from lab.service.panel import PanelState
from lab.service.server import workplace
from lab.service.server_typist import ServerTypist
from lab.service.server_user import COMES_S
from lab.service.wanted import told
from lab.telephony.events import CallConnected
from lab.topology.model import RemoteService, Role
from lab.topology.terminal import TERMINAL_PORT
from lab.wait import wait_until
from lab.ways.dial.plan import INTERFACE
from lab.ways.vpn.plan import VpnPlan

SYN_IN_CALL_BYTES = 130
"""40 in PPP, L2TP, ESP in tunnel mode, and the call's PPP."""
FLOOD = 0
"""The number of the workplace from which a session is flooded; those of sessions begin at 1."""


def before(scene: Scene) -> None:
    """IBM's side tries to get in by the tunnel for calling home, if it stands."""
    service, record = scene.service, scene.lab.record
    stands = [s for s in record.ppp if s.client == service.console and s.opened and not s.closed]
    for session in stands:
        scene.scan_by(session.interface, service, [session.local_ip], OFF)


def again(scene: Scene) -> RemoteService:
    """What is enabled the second time: a session that may not reach the console itself (I-09).

    A session that reaches nothing else is the same again.
    """
    if scene.service.console_only:
        return scene.service
    return told(scene.service, {"access": [p.name for p in scene.service.allowed]})


def come_in(scene: Scene, service: RemoteService) -> None:
    """The console brings the session up; the representative uses it, and at once tries a closed port."""
    representative = scene.representative
    with _flooding(scene):
        if not service.never_enabled:
            scene.panel.enable(service)
        if not representative.knock():
            raise ProtocolError(f"no session with {service.console}: {representative.said}")
        opened = PanelState.session
        wait_until("the doors are open", lambda: scene.panel.state is opened, COMES_S)
    agreed = _agreed(scene)
    if (typist := _typist(scene)) is not None:
        _log_in(scene, typist, agreed)
        return
    if not representative.authenticate(agreed):
        raise ProtocolError(f"the session of {service.console} is not where the customer says")
    scene.look_at(service.console, agreed.ppp_address, UNLISTED)


def _log_in(scene: Scene, typist: ServerTypist, agreed: RemoteService) -> None:
    """At the terminal, after a closed port was tried, and tries that must be denied."""
    earlier, console = typist.at.response, agreed.console
    if not typist.enter(agreed):
        raise ProtocolError(f"the session of {console} is not where the customer says")
    scene.look_at(console, agreed.ppp_address, UNLISTED)
    service_at_terminal.try_in_vain(agreed, typist.log_in, earlier)
    if scene.representative.authenticate(agreed):
        return
    said = typist.said or "what was typed is wrong"
    if typist.at.locked_out:
        # The console ends the session by itself, and has no other.
        scene.leave()
        scene.representative.knock()
    scene.representative.leave()
    scene.panel.disable()
    raise ProtocolError(f"{console} lets nobody in at its terminal: {said}")


def _typist(scene: Scene) -> ServerTypist | None:
    """The representative, where the console has a terminal."""
    found = scene.representative.way_in
    return found if isinstance(found, ServerTypist) else None


def work(scene: Scene, service: RemoteService) -> None:
    """All that a representative can try in a session."""
    agreed = _agreed(scene)
    firewall.add_customer_rule(scene.console, MEANWHILE)
    scene.note_rules("during")
    if (typist := _typist(scene)) is not None:
        service_at_terminal.look_around(agreed, typist.at.type)
    plain = [p for p in agreed.ports if p != TERMINAL_PORT or agreed.terminal_account is None]
    for port in plain[:3]:
        scene.look_at(agreed.console, agreed.ppp_address, port)
    service_work.use(scene, agreed)
    scene.look_back(agreed)
    for partition in agreed.partitions:
        for port in LOOKED_AT:
            scene.look_at(partition.name, partition.alias or partition.address, port)
    owners = [(agreed.console, agreed.ppp_address), *((p.name, p.alias) for p in agreed.allowed)]
    lanes = dict(zip((name for name, _ in owners), scene.panel.interfaces, strict=True))
    tried = [(agreed.console, agreed.ppp_address)]
    tried += [(agreed.console, p.address) for p in agreed.partitions if not p.allowed]
    # Each session towards the address of the next one: nothing may get across (I-17).
    after = owners[1:] + owners[:1]
    tried += [
        (by, other) for (by, _), (_, other) in zip(owners, after, strict=True) if len(owners) > 1
    ]
    for by, target in tried:
        scene.scan_by(lanes[by], agreed, [target], SESSION, by)
    for call in _carrying_calls(scene) if scene.lab.topology.way(service.vpn_way).dials else ():
        scene.scan_by(call.interface, agreed, [call.local_ip], SESSION)
    scene.scan_between_partitions()
    scene.attack(scene.lab.with_role(Role.internet), SESSION)
    service_apart.try_apart(scene, agreed)


def leave(scene: Scene, service: RemoteService) -> None:
    """End the sessions at the gateway, or wait until the console finds that the access line is cut."""
    scene.leave_or_be_cut_off()


def work_again(scene: Scene, service: RemoteService) -> None:
    """A session that may reach partitions, and not the console itself (I-09); or the first one again."""
    agreed = _agreed(scene)
    if agreed.console_allowed:
        if (typist := _typist(scene)) is not None:
            typist.at.type(service_at_terminal.WHO)
        return
    for partition in agreed.allowed:
        scene.look_at(partition.name, partition.alias, LOOKED_AT[0])
    own = scene.panel.interfaces[0]
    scene.scan_by(own, agreed, [agreed.ppp_address], CLOSED, agreed.console)


@contextlib.contextmanager
def _flooding(scene: Scene) -> Iterator[None]:
    """The first addresses that each gateway has to give are flooded: those of a session are among them.

    It comes from a workplace, as a tool's that is too quick: nothing else at the server gets to a session.
    """
    service, apart = scene.service, scene.lab.remote_service.apart
    way = scene.lab.topology.way(service.vpn_way)
    assert isinstance(way, VpnPlan), "check has seen it"
    assert apart is not None, "a session by VPN has a server"
    hops = {
        address: apart.hops[server.gateway]
        for server in way.servers
        for address in server.ppp.pool[: 2 + len(service.allowed)]
    }
    own, tell = service.caller_address, scene.lab.story.tell
    with (
        workplace.opened(apart.separation, FLOOD, own, hops) as place,
        flooding(
            place,
            own,
            list(hops),
            UNLISTED,
            tell,
            service.workplace,
            every_ms=_flood_every_ms(scene, way),
        ),
    ):
        yield


def _carrying_calls(scene: Scene) -> list[PppSession]:
    """The telephone call in which the VPN runs: it stays while sessions come and go."""
    own = [s for s in scene.lab.record.ppp if s.client == scene.service.console]
    return [s for s in own if s.interface == INTERFACE and s.opened and not s.closed]


def _flood_every_ms(scene: Scene, way: VpnPlan) -> float:
    """A SYN for each PPP session may take half of a telephone line, so that the VPN still comes up by it."""
    if not way.dials:
        return EVERY_MS
    own = {line.name for line in scene.lab.topology.lines_of(scene.service.console)}
    told_of = story.read(scene.lab.run_dir, CallConnected)
    connected = [e for e in told_of if isinstance(e, CallConnected) and e.line in own]
    # Training may have ended with less than the modems can do.
    rate = connected[-1].rate_bit_s
    bits = (1 + len(scene.service.allowed)) * SYN_IN_CALL_BYTES * 8
    return max(EVERY_MS, 1000 * bits / (rate / 2))


def _agreed(scene: Scene) -> RemoteService:
    """The service with the addresses that the gateway has given, as the customer tells them."""
    settings = scene.panel.settings
    assert settings is not None, "a session stands"
    return settings
