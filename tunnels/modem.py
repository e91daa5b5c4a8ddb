"""The way home by telephone, from the client's side: find the modem, dial, hand the line to pppd.

What the modem is told is ``calling``'s, and what PPP is told and has become is ``ppp``'s.
"""

from __future__ import annotations

import time

from lab.errors import DeadlineExceeded, ProtocolError
from lab.linux.daemon_log import Log
from lab.linux.nodes import Node
from lab.linux.process import Daemon
from lab.record.dial_event import Dialled
from lab.record.event import PppDown, Tell
from lab.record.record import PppSession, Record
from lab.wait import wait_until
from lab.ways.dial.plan import INTERFACE, Dialer
from lab.wire.dialled import enframe
from tunnels import ppp
from tunnels.calling import (
    LINK_S,
    OTHER_NUMBER_MAY_DO,
    CallingModem,
    FinalResult,
    ModemFailed,
    probe_modem,
)
from tunnels.redialling import Redialling

PPPD = "/usr/sbin/pppd"
OPTIONS = "/etc/ppp/options.lab"
"""No port is called ``lab``: pppd reads ``options.modem`` for whoever gives it /dev/modem."""
END_S = 15.0
IP_HEADER = b"\xff\x03\x00\x21"
"""RFC 1662 3.1 and RFC 1332 3.1: address and control, and the number of IP."""


class Dialler(Redialling):
    """A client's modem and its pppd: ``find_modem`` at boot, ``dial`` for a call, ``stop`` at the end."""

    may_do_later = OTHER_NUMBER_MAY_DO

    def __init__(
        self,
        node: Node,
        plan: Dialer,
        gateway: str,
        record: Record,
        tell: Tell,
    ) -> None:
        """``gateway`` is the name that the record gives to the other end."""
        super().__init__(node, plan, gateway, record, tell, node.log_dir / "pppd.log")
        self.device = ""
        """The port with the modem; empty if none was found."""
        self._modem = CallingModem(node, "")
        self._pppd: Daemon | None = None
        self._log = Log(self._pppd_log)
        self._log_begins = 0
        """Where the log of the present session does."""

    # At boot.

    def share_modem(self, other: Dialler) -> None:
        """Dial by the modem that another way of the same client has found, if it has."""
        self._use(other.device)

    def find_modem(self) -> str:
        """The first port at which a modem answers (OUT-24); empty if there is none."""
        for device in self._plan.devices:
            probe = probe_modem(self._node, device)
            self._record.modems.append(probe)
            self._tell(probe)
            if probe.found:
                self._use(device)
                break
        return self.device

    def _use(self, device: str) -> None:
        self.device = device
        self._modem = CallingModem(self._node, device)

    # A call.

    def dial(self, early: bytes = b"") -> PppSession:
        """As any ``Redialling`` does; without a modem nothing is called."""
        if not self.device:
            raise ProtocolError(f"{self._plan.client} has no modem, so no way home by telephone")
        return super().dial(early)

    def hang_up(self) -> None:
        """End PPP by LCP, and with it the call; returns when the port is closed."""
        try:
            if self._pppd is not None:
                self._node.stop(self._pppd, grace_s=END_S)
                self._note_end()
                self._pppd = None
                self._give_name_server_back()
        finally:
            self._modem.close()

    @property
    def alive(self) -> bool:
        return self._pppd is not None and self._pppd.alive

    stop = hang_up

    # Dialling.

    def _call(self, number: str, early: bytes) -> Dialled:
        started = time.time()
        self._session = None
        try:
            answer = self._place(number, early)
        except ModemFailed as error:
            answer = FinalResult("", error.cause, 0, error.command, error.detail)
        attempt = Dialled.of(
            answer,
            source=self._plan.client,
            started=started,
            device=self.device,
            number=number,
            result=answer.said,
        )
        if attempt.cause is not None:
            self._modem.close()
        return attempt

    def _place(self, number: str, early: bytes) -> FinalResult:
        answer = self._modem.call(number, self._plan.init)
        if early and answer.cause is None:
            self._modem.send_when_ppp_begins(enframe(IP_HEADER + early))
        return answer

    # PPP.

    def _start_ppp(self, number: str) -> bool:
        """Let pppd have the line; whether IPCP opened. If not, the session says why."""
        plan = self._plan
        ppp.write_secrets(self._node, [plan.account])
        ppp.write_options(self._node, OPTIONS, self._options())
        session = self._begin_session(INTERFACE)
        self._log_begins = self._log.size
        # "modem": when the carrier goes, so does the port, and pppd with it.
        # "lock": so that a terminal program is refused the port (Filesystem Hierarchy Standard 5.9).
        argv = [
            PPPD,
            self.device,
            "modem",
            "nocrtscts",
            "lock",
            "unit",
            INTERFACE.removeprefix("ppp"),
            "file",
            OPTIONS,
        ]
        self._pppd = self._node.spawn(argv, name="pppd-console", may_end_with=ppp.MAY_END_WITH)
        try:
            link = wait_until(f"IPCP open on {plan.client}'s call to {number}", self._link, LINK_S)
        except (DeadlineExceeded, ProtocolError):
            self._node.check()
            self.hang_up()
            return False

        session.local_ip, session.peer_ip = link.local_ip, link.peer_ip
        session.mtu, session.interface = link.mtu, link.interface
        session.opened = time.time()
        # The line is pppd's alone from here on: when that closes it, the modem hangs up.
        self._modem.close()
        self._take_name_server()
        return True

    def _link(self) -> ppp.Link | None:
        if not self.alive:
            raise ProtocolError("pppd has ended")
        return ppp.find_link(self._node, INTERFACE)

    def _note_end(self) -> None:
        if self._session is None or self._session.closed or self._pppd is None:
            return
        status = self._pppd.exit_status
        if status is not None:
            session = self._session
            session.closed, session.exit_status = time.time(), status
            text = self._log.text(self._log_begins)
            session.cause, session.detail = ppp.find_cause(text, status)
            self._tell(PppDown.of(session, source=session.client, time=session.closed))
