"""A console's entrance by VPN: it calls IBM, with a PPP session for itself and one for each partition.

The console begins (I-14): IPsec as for calling home, then the L2TP sessions (I-16). From before the first of
them no packet gets in; when all stand, each has its door: the console's own the listed ports, every other one
its partition (I-17, I-18). Meanwhile the console's tunnel for calling home is down.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Iterator
from dataclasses import replace

from lab.errors import ProtocolError
from lab.linux import routes
from lab.linux.nodes import Node
from lab.linux.pid_file import open_process
from lab.linux.worker import readable
from lab.record.event import Tell
from lab.record.record import PppSession
from lab.service import terminal_port
from lab.service.answered_line import AnsweredLine
from lab.service.console_terminal import ConsoleTerminal
from lab.service.events import LockedDown, SessionDown, SessionUp, VpnBorrowed
from lab.service.lockdown import CarryingLine, Door
from lab.service.locking import Lock
from lab.service.panel import CannotLetIn, Panel, PanelState
from lab.service.terminal import LogInState
from lab.service.terminal_port import TerminalPort
from lab.topology.model import RemoteService
from lab.wait import let_pass
from lab.ways.dial.plan import INTERFACE as CALL
from lab.ways.vpn.bring_up import Vpn
from lab.ways.vpn.plan import SessionLayout, VpnPlan
from tunnels.answering import ToldToEnd

INTERFACES = "ppp*"
"""All of a session: the console's tunnel for calling home is down meanwhile."""
FIRST_TABLE = 100
"""The routing table of the first partition's session; each further one has the next."""
LATE_S = 0.5
"""With the fault late-lockdown: packets come meanwhile, and a scan's do not yet."""


class VpnEntrance:
    """The entrance of one HMC by VPN."""

    def __init__(
        self,
        node: Node,
        service: RemoteService,
        vpn: Vpn,
        way: VpnPlan,
        tell: Tell,
        modem: AnsweredLine | None = None,
    ) -> None:
        """``modem``: the one whose call has the console begin, where that is wanted (X-05)."""
        self._modem = modem
        account = service.terminal_account
        self._terminal = ConsoleTerminal(node, account, tell) if account is not None else None
        """Where the generation has one, it is also what a session by VPN is for (I-23)."""
        self._node = node
        self._vpn = vpn
        self._way = way
        self._tell = tell
        self._lock: Lock | None = None
        self._opened: tuple[PppSession, ...] = ()
        self._hangs_up = False
        """Whether the console ends the session by itself, as a terminal's is over."""
        gateways = tuple(dict.fromkeys(c.gateway_address for c in way.connections))
        self._line = CarryingLine(CALL, gateways) if way.dials else None
        """The call in which the VPN runs, if it does: the call stays while sessions come and go."""
        self._off = Lock(node, service, self._line).off([INTERFACES])
        """Also the tunnel for calling home lets nobody in (OUT-02)."""

    def prepare(self, settings: RemoteService) -> None:
        """The VPN's daemons are those for calling home."""
        if self._terminal is not None:
            self._terminal.forget()

    def serve(self, panel: Panel, settings: RemoteService, told: int) -> str:
        if self._modem is not None:
            # The call is over as soon as it is answered: it carries nothing.
            self._modem.take_calls(told, panel.note_enabled, lambda _: "called")
            self._modem.silence()
        with self._vpn.borrowed(self._way, self._node.name):
            self._tell(VpnBorrowed(source=self._node.name))
            panel.note_enabled(ready=False)
            lock = self._lock = Lock(self._node, settings, self._line)
            self._hangs_up = False
            try:
                return self._hold(panel, settings, lock, told)
            finally:
                if panel.state is PanelState.session:
                    own = self._opened[0]
                    self._tell(
                        SessionDown(
                            source=self._node.name,
                            exit_status=own.exit_status,
                            dropped=lock.dropped,
                            ended="" if self._hangs_up else own.cause or "",
                        )
                    )

    def _hold(self, panel: Panel, settings: RemoteService, lock: Lock, told: int) -> str:
        """A session, from the console's call to the end of it; why nobody is let in any more."""
        node, late = self._node, settings.late_lockdown
        with contextlib.ExitStack() as session:
            if late:
                session.enter_context(lock.unlocked(self._off))
            else:
                session.enter_context(self._locked(lock, self._off))
            gateway, opened = session.enter_context(self._called(settings))
            self._opened = opened
            interfaces = tuple(each.interface for each in opened)
            agreed, doors = assign(settings, opened)
            panel.settings = agreed
            routes.add(node, [f"{settings.caller_address}/32"], interfaces[0])
            session.enter_context(self._routed(doors, settings.caller_address))
            session.enter_context(lock.overriding(interfaces))
            session.enter_context(lock.forwarding(doors))
            self._tell_up(agreed, gateway, interfaces)
            port = session.enter_context(self._terminal_at(agreed))
            if late:
                panel.note_session(interfaces)
                let_pass(LATE_S)
                session.enter_context(self._locked(lock, ""))
            lock.open([INTERFACES], doors)
            panel.note_session(interfaces)
            self._wait(interfaces, told, port)
            if port is None or port.state not in terminal_port.LAST:
                return "used"
            self._hangs_up = True
            # Before anything else stands behind the port again.
            lock.open([INTERFACES], [])
            return "wrong-tries" if port.state is LogInState.locked_out else "used"

    def shut(self) -> None:
        """``serve`` has taken all else back."""
        if self._modem is not None:
            self._modem.silence()

    def unused(self) -> bool:
        """Whether nobody has logged in at the terminal; where there is none, not one packet has gone in."""
        if self._terminal is not None:
            return not self._terminal.let_in
        if self._lock is None:
            return False
        return not self._lock.passed()

    @contextlib.contextmanager
    def _called(self, settings: RemoteService) -> Iterator[tuple[str, tuple[PppSession, ...]]]:
        assert settings.vpn_account is not None, "a topology with a server has one"
        plan = replace(
            self._way.client(self._node.name),
            account=settings.vpn_account,
            sessions=1 + len(settings.allowed),
            layout=SessionLayout(settings.layout),
        )
        with contextlib.ExitStack() as call:
            try:
                found = call.enter_context(self._vpn.session(self._way, plan))
            except ProtocolError as error:
                raise CannotLetIn("no-vpn", error.message) from error
            yield found

    @contextlib.contextmanager
    def _terminal_at(self, agreed: RemoteService) -> Iterator[TerminalPort | None]:
        """The console's terminal in this session, if the generation has one and the session may reach it."""
        if self._terminal is None or not agreed.console_allowed:
            yield None
            return
        with terminal_port.start(self._node, agreed.ppp_address, self._terminal) as port:
            yield port

    @contextlib.contextmanager
    def _locked(self, lock: Lock, before: str) -> Iterator[None]:
        with lock.on([INTERFACES], [], before):
            self._tell(LockedDown(source=self._node.name, interface=INTERFACES, user=""))
            yield

    @contextlib.contextmanager
    def _routed(self, doors: list[Door], caller: str) -> Iterator[None]:
        """What a partition sends to the representative goes by its own session (I-17)."""
        with contextlib.ExitStack() as undo:
            for table, door in enumerate(doors, FIRST_TABLE):
                if door.partition is None:
                    continue
                rule = ["iif", door.partition.segment, "to", caller, "lookup", str(table)]
                path = [caller, "dev", door.interface, "table", str(table)]
                self._node.run(["ip", "route", "add", *path])
                self._node.run(["ip", "rule", "add", *rule])
                undo.callback(self._node.run, ["ip", "rule", "delete", *rule])
            yield

    def _tell_up(self, agreed: RemoteService, gateway: str, interfaces: tuple[str, ...]) -> None:
        """Before the doors open: what comes before has come too early."""
        self._tell(
            SessionUp(
                source=self._node.name,
                time=time.time(),
                interface=" ".join(interfaces),
                address=agreed.ppp_address,
                caller=agreed.caller_address,
                aliases=tuple(partition.alias for partition in agreed.allowed),
                gateway=gateway,
            )
        )

    def _wait(self, interfaces: tuple[str, ...], told: int, terminal: TerminalPort | None) -> None:
        """Until the console's own session has ended, or all others have, or its terminal takes no call.

        Raises ToldToEnd.
        """
        with contextlib.ExitStack() as undo:
            poller = readable(told)
            left: dict[int, bool] = {}
            over = terminal.over if terminal is not None else None
            if over is not None:
                poller.register(over, select.POLLIN)
            for number, interface in enumerate(interfaces):
                ended = open_process(self._node, f"/run/{interface}.pid")
                if ended is None:
                    if number == 0:
                        return
                    continue
                undo.callback(os.close, ended)
                poller.register(ended, select.POLLIN)
                left[ended] = number == 0
            while left:
                for descriptor, _ in poller.poll():
                    if descriptor == told:
                        raise ToldToEnd
                    if descriptor == over:
                        return
                    poller.unregister(descriptor)
                    if left.pop(descriptor):
                        return


def assign(
    settings: RemoteService, opened: tuple[PppSession, ...]
) -> tuple[RemoteService, list[Door]]:
    """Who has which session: the console the first, each allowed partition one of the others (I-16).

    The settings with the addresses that the gateway has given, and the doors.
    """
    first, *others = opened
    given = {p.name: s for p, s in zip(settings.allowed, others, strict=True)}
    agreed = replace(
        settings,
        ppp_address=first.local_ip,
        partitions=tuple(
            replace(p, alias=given[p.name].local_ip if p.name in given else "")
            for p in settings.partitions
        ),
    )
    doors = [Door(first.interface, first.local_ip)] if settings.console_allowed else []
    doors += [Door(given[p.name].interface, p.alias, p) for p in agreed.allowed]
    return agreed, doors
