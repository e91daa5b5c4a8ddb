"""A console's entrance by modem: the modem answers, PPP authenticates the caller, the lock-down stands.

Before the session's interface comes up the lock-down stands (``lockdown``), and every alias leads to its
partition (I-06, I-07).
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from itertools import count

from lab.linux.nodes import Node
from lab.record.event import Tell
from lab.service import lockdown
from lab.service.answered_line import AnsweredLine
from lab.service.events import LockedDown, SessionDown, SessionUp, WrongTry
from lab.service.locking import Lock
from lab.service.panel import Entrance, Panel
from lab.topology.model import PppAuth, RemoteService
from lab.topology.service import MOST_TRIES, credentials
from lab.topology.telephone import ModemLine
from lab.wait import let_pass
from tunnels import ppp
from tunnels.notices import NUMBER, Notice, install_scripts, start_notices

PPPD = "/usr/sbin/pppd"
OPTIONS = "/etc/ppp/options.service"
MTU = 1500
"""RFC 1661 6.1; the papers name none (Q-18)."""
DEMAND = PppAuth.chap
"""What the representative authenticates by; the papers do not say (Q-06)."""
LATE_S = 2.0
"""With the fault late-lockdown: packets come meanwhile."""


class ModemEntrance(Entrance):
    """The entrance of one HMC by modem and PPP."""

    def __init__(self, node: Node, line: ModemLine, tell: Tell) -> None:
        self._node = node
        self._modem = AnsweredLine(node, line)
        self._tell = tell
        self._numbers = count(1)
        self._settings: RemoteService | None = None
        self._wrong_tries = 0

    @property
    def _service(self) -> RemoteService:
        assert self._settings is not None, "it was prepared"
        return self._settings

    def prepare(self, settings: RemoteService) -> None:
        self._settings, self._wrong_tries = settings, 0
        install_scripts(self._node)
        ppp.write_secrets(self._node, [credentials(settings.ppp_address)])

    def shut(self) -> None:
        self._modem.silence()

    def serve(self, panel: Panel, settings: RemoteService, told: int) -> str:
        return self._modem.take_calls(
            told, panel.note_enabled, lambda _: self._take_call(panel, told)
        )

    def _take_call(self, panel: Panel, told: int) -> str:
        """A call that is connected; why nobody is let in any more, or nothing if it came to nothing."""
        panel.note_session()
        while self._wrong_tries < MOST_TRIES:
            opened, status = self._run_pppd(told)
            if opened:
                return "used"
            if status != _PEER_NOT_GENUINE:
                panel.note_enabled()
                return ""
            # Over all calls of an enabling: who hangs up in between has no more of them.
            self._wrong_tries += 1
            number = self._wrong_tries
            self._tell(WrongTry(source=self._node.name, number=number, exit_status=status))
        return "wrong-tries"

    # The session.

    def _run_pppd(self, told: int) -> tuple[bool, int]:
        """One pppd on the line: whether IPCP opened, and the exit status."""
        number = next(self._numbers)
        service = self._service
        log = self._node.log_dir / "pppd-service.log"
        options = ppp.Options(
            name=self._node.name,
            log=log,
            mtu=MTU,
            demand=DEMAND,
            addresses=(service.ppp_address, service.caller_address),
            environment=((NUMBER, str(number)),),
        )
        ppp.write_options(self._node, OPTIONS, options)
        argv = [PPPD, self._modem.device, "file", OPTIONS]
        with start_notices(self._node, number) as notices, contextlib.ExitStack() as session:
            pppd = self._node.spawn(argv, name=log.stem, may_end_with=ppp.MAY_END_WITH)
            lock, opened = Lock(self._node, service), False
            try:
                for notice in notices.until_end_of(pppd, told):
                    self._take(notice, session, lock)
                    if notice.asks:
                        notices.answer()
                    else:
                        opened = True
            finally:
                status = self._node.stop(pppd)
                session.close()
        if opened:
            ended = SessionDown(source=self._node.name, exit_status=status, dropped=lock.dropped)
            self._tell(ended)
        return opened, status

    def _take(self, notice: Notice, session: contextlib.ExitStack, lock: Lock) -> None:
        """The pppd is about to put its interface up, or has done so."""
        late = self._service.late_lockdown
        if late and not notice.asks:
            let_pass(LATE_S)
        if notice.asks != late:
            session.enter_context(self._locked_down(notice, lock))
        if not notice.asks:
            self._note_up(notice)

    @contextlib.contextmanager
    def _locked_down(self, notice: Notice, lock: Lock) -> Iterator[None]:
        """The lock-down, the aliases, and the way to the partitions; all as before afterwards."""
        node, interface = self._node, notice.interface
        doors = lockdown.doors(self._service, interface)
        with lock.on([interface], doors), lock.overriding([interface]), lock.forwarding(doors):
            for door in doors:
                if door.partition is not None:
                    node.run(["ip", "address", "add", f"{door.address}/32", "dev", interface])
            self._tell(LockedDown(source=node.name, interface=interface, user=notice.user))
            yield

    def _note_up(self, notice: Notice) -> None:
        found = json.loads(
            self._node.run(["ip", "-json", "-4", "address", "show", "dev", notice.interface])
        )
        addresses = [entry["local"] for each in found for entry in each["addr_info"]]
        own = self._service.ppp_address
        self._tell(
            SessionUp(
                source=self._node.name,
                time=time.time(),
                interface=notice.interface,
                address=own if own in addresses else "",
                caller=notice.address,
                aliases=tuple(address for address in addresses if address != own),
            )
        )


_PEER_NOT_GENUINE = 11
"""pppd(8) EXIT STATUS: the peer failed to authenticate itself."""
