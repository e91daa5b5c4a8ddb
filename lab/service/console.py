"""A console's remote service: the panel *Customize Inbound Connectivity*, the modem, the session.

Off by default (I-01); each enabling serves one session (I-02). A thread attends the modem from the enabling
to the end of the session. Before the session's interface comes up the lock-down stands (``lockdown``), and
every alias leads to its partition (I-06, I-07).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import count

from lab.errors import KernelError, ProtocolError, ThreadBroke, UsageError
from lab.linux import firewall, links, nft
from lab.linux.nodes import Node
from lab.linux.process import Daemon
from lab.linux.worker import start_worker
from lab.record.event import Tell
from lab.service import lockdown
from lab.service.events import (
    InboundDisabled,
    InboundEnabled,
    LockedDown,
    SessionDown,
    SessionUp,
    WrongTry,
)
from lab.topology.model import PppAuth, RemoteService
from lab.topology.service import MOST_TRIES, credentials
from lab.topology.telephone import ModemLine
from lab.wait import let_pass, wait_until
from tunnels import ppp
from tunnels._serial import open_port
from tunnels.answering import AnsweringModem, HungUpOn, ToldToEnd
from tunnels.notices import NUMBER, Notice, Notices, install_scripts, start_notices

PPPD = "/usr/sbin/pppd"
OPTIONS = "/etc/ppp/options.service"
MTU = 1500
"""RFC 1661 6.1; the papers name none (Q-18)."""
RINGS = 1
"""The modem answers the first ring (S0=1)."""
READY_S = 30.0
OPEN_TRIES = 20
PORT_AWAY_S = 0.5
"""After a lost carrier the port is away for a moment."""
LATE_S = 2.0
"""With the fault late-lockdown: packets come meanwhile."""
HANG_UP_S = 10.0
"""pppd asks twice, three seconds each, for the peer's leave to end (RFC 1661 4.6)."""


class PanelState(StrEnum):
    """Of the panel."""

    off = "off"
    enabled = "enabled"
    session = "session"


class Console:
    """The panel of one HMC; ``stop`` ends whatever it has set in motion."""

    def __init__(self, node: Node, line: ModemLine, tell: Tell) -> None:
        self.state = PanelState.off
        self.settings: RemoteService | None = None
        """What was enabled last."""
        self._node = node
        self._line = line
        self._tell = tell
        self._numbers = count(1)
        self._attending = contextlib.ExitStack()
        self._failure: BaseException | None = None
        self._silent = False
        """Whether the modem did not do what it was told."""

    # The panel.

    def enable(self, settings: RemoteService) -> None:
        """Let one session in; returns when the modem would answer.

        Raises UsageError if one is let in already.
        """
        if self.state is not PanelState.off:
            raise UsageError(f"remote service of {self._node.name} is enabled already")
        self._attending.close()
        self.settings, self._silent = settings, False
        install_scripts(self._node)
        ppp.write_secrets(self._node, [credentials(settings.ppp_address)])
        self._attending.enter_context(start_worker(self._attend, "remote service"))
        wait_until(
            f"{self._node.name}'s modem takes calls",
            lambda: self.state is not PanelState.off or self._silent or self._failure,
            READY_S,
        )
        self.check()
        if self._silent:
            raise ProtocolError(f"{self._node.name}'s modem does not do what it is told")

    def disable(self) -> None:
        """Let nobody in any more; a session that stands ends. Does nothing if it is off."""
        self._attending.close()
        self.check()

    def disable_unused(self) -> None:
        """The same, if no session stands: its time is up."""
        if self.state is PanelState.enabled:
            self._attending.close()

    stop = disable

    @property
    def _service(self) -> RemoteService:
        assert self.settings is not None, "it was enabled"
        return self.settings

    def check(self) -> None:
        """Raise, once, what ended the thread before its time."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise ThreadBroke(f"remote service of {self._node.name}", failure) from failure

    # The thread.

    def _attend(self, told: int) -> None:
        """From the enabling to the end of the session."""
        reason = "disabled"
        try:
            reason = self._serve(told)
        except ToldToEnd:
            pass
        # It belongs to who asks in ``check``.
        except BaseException as error:  # noqa: BLE001
            self._failure = error
        finally:
            if not self._silent:
                self._silence_modem()
            was, self.state = self.state, PanelState.off
            if self._silent:
                reason = "no-modem"
            if was is not PanelState.off or self._silent:
                self._tell(InboundDisabled(source=self._node.name, reason=reason))

    def _serve(self, told: int) -> str:
        """Answer calls until one has become a session, or has proved to be nobody's; why it ended."""
        while True:
            with self._opened(told) as port, contextlib.suppress(HungUpOn):
                modem = AnsweringModem(port, told)
                if not modem.set_up(RINGS):
                    self._silent = True
                    raise ToldToEnd
                self._note_enabled()
                modem.wait_for_call()
                if reason := self._take_call(told):
                    return reason

    def _note_enabled(self) -> None:
        if self.state is PanelState.enabled:
            return
        self.state = PanelState.enabled
        names = tuple(partition.name for partition in lockdown.allowed(self._service))
        self._tell(
            InboundEnabled(
                source=self._node.name,
                by=self._service.by,
                console_allowed=self._service.console_allowed,
                partitions=names,
            )
        )

    def _take_call(self, told: int) -> str:
        """A call that is connected; why nobody is let in any more, or nothing if it came to nothing."""
        self.state = PanelState.session
        for number in range(1, MOST_TRIES + 1):
            opened, status = self._run_pppd(told)
            if opened:
                return "used"
            if status != _PEER_NOT_GENUINE:
                break
            self._tell(WrongTry(source=self._node.name, number=number, exit_status=status))
        else:
            return "wrong-tries"
        self.state = PanelState.enabled
        return ""

    @contextlib.contextmanager
    def _opened(self, told: int) -> Iterator[int]:
        for number in count(1):
            try:
                port = self._node.call(open_port, self._line.device)
                break
            except OSError:
                if number == OPEN_TRIES:
                    self._silent = True
                    raise ToldToEnd from None
                _pause(told, PORT_AWAY_S)
        try:
            yield port
        finally:
            os.close(port)

    def _silence_modem(self) -> None:
        """S0=0, as it is where nobody is let in (I-03)."""
        with contextlib.suppress(OSError, HungUpOn, ToldToEnd):
            never = os.eventfd(0, os.EFD_CLOEXEC)
            try:
                with self._opened(never) as port:
                    AnsweringModem(port, never).set_up()
            finally:
                os.close(never)

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
            demand=PppAuth.chap,
            addresses=(service.ppp_address, service.caller_address),
            environment=((NUMBER, str(number)),),
        )
        ppp.write_options(self._node, OPTIONS, options)
        argv = [PPPD, self._line.device, "file", OPTIONS]
        with start_notices(self._node, number) as notices, contextlib.ExitStack() as session:
            pppd = self._node.spawn(argv, name=log.stem, may_end_with=ppp.MAY_END_WITH)
            dropped: list[int] = []
            try:
                opened = self._follow(pppd, notices, told, session, dropped)
            finally:
                status = self._node.stop(pppd)
                session.close()
        if opened:
            ended = SessionDown(source=self._node.name, exit_status=status, dropped=sum(dropped))
            self._tell(ended)
        return opened, status

    def _follow(
        self,
        pppd: Daemon,
        notices: Notices,
        told: int,
        session: contextlib.ExitStack,
        dropped: list[int],
    ) -> bool:
        """Until the pppd has ended; whether IPCP opened."""
        ended = os.pidfd_open(pppd.pid)
        poller = select.poll()
        for source in (ended, told, notices):
            poller.register(source, select.POLLIN)
        patience_ms, opened = None, False
        try:
            while True:
                ready = [descriptor for descriptor, _ in poller.poll(patience_ms)]
                for notice in notices.read():
                    late = self._service.late_lockdown
                    if late and not notice.asks:
                        let_pass(LATE_S)
                    if notice.asks != late:
                        session.enter_context(self._locked_down(notice, dropped.append))
                    if notice.asks:
                        notices.answer()
                    else:
                        opened = True
                        self._note_up(notice)
                if ended in ready or not ready:
                    return opened
                if told in ready:
                    poller.unregister(told)
                    patience_ms = HANG_UP_S * 1000
                    pppd.signal(signal.SIGTERM)
        finally:
            os.close(ended)

    @contextlib.contextmanager
    def _locked_down(self, notice: Notice, note_dropped: Callable[[int], None]) -> Iterator[None]:
        """The lock-down, the aliases, and the way to the partitions; all as before afterwards."""
        node, interface = self._node, notice.interface
        partitions = lockdown.allowed(self._service)
        with contextlib.ExitStack() as undo:
            self._nft("lock down", lockdown.render(self._service, interface))
            undo.callback(self._nft, "unlock", f"delete table ip {lockdown.TABLE}\n")
            undo.callback(lambda: note_dropped(self._dropped()))
            firewall.override_customer_rules(node, interface)
            undo.callback(firewall.override_customer_rules, node, interface, again=True)
            for partition in partitions:
                node.run(["ip", "address", "add", f"{partition.alias}/32", "dev", interface])
                links.forward(node, partition.segment, on=True)
                undo.callback(links.forward, node, partition.segment, on=False)
            if partitions:
                links.forward(node, interface, on=True)
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

    def _dropped(self) -> int:
        counts = firewall.counters({self._node.name: self._node})[self._node.name]
        return counts[lockdown.DROPPED]

    def _nft(self, operation: str, script: str) -> None:
        try:
            self._node.call(nft.run, script)
        except nft.Refused as refused:
            raise KernelError(operation, self._node.name, str(refused).strip()) from refused


_PEER_NOT_GENUINE = 11
"""pppd(8) EXIT STATUS: the peer failed to authenticate itself."""


def _pause(told: int, seconds: float) -> None:
    poller = select.poll()
    poller.register(told, select.POLLIN)
    if poller.poll(seconds * 1000):
        raise ToldToEnd
