"""IBM's representative at the server that dials: calls a console, and authenticates by PPP (S4 2.2.1)."""

from __future__ import annotations

import time

from lab.errors import DeadlineExceeded, ProtocolError
from lab.linux import routes
from lab.linux.nodes import Node
from lab.linux.process import Daemon
from lab.record.event import Tell
from lab.service.events import CalledIn
from lab.topology.model import PppAuth, RemoteService
from lab.topology.service import credentials
from lab.topology.telephone import ModemLine
from lab.wait import wait_until
from tunnels import ppp
from tunnels.calling import LINK_S, CallingModem, ModemFailed

PPPD = "/usr/sbin/pppd"
OPTIONS = "/etc/ppp/options.representative"
INTERFACE = "ppp0"
RESET = "ATZ"
MTU = 1500
END_S = 15.0


class TelephoneCaller:
    """A representative that calls: one call at a time."""

    def __init__(self, node: Node, service: RemoteService, line: ModemLine, tell: Tell) -> None:
        self._node = node
        self._service = service
        self._line = line
        self._tell = tell
        self._modem = CallingModem(node, line.device)
        self._pppd: Daemon | None = None
        self.said = ""

    @property
    def connected(self) -> bool:
        return self._pppd is not None and self._pppd.alive

    @property
    def place(self) -> Node:
        """The server itself, which has the session's interface."""
        return self._node

    def knock(self) -> bool:
        """Dial the console; whether a modem answered."""
        started = time.time()
        connected = False
        try:
            found = self._modem.call(self._service.number, RESET)
            result, connected = found.said, found.cause is None
        except ModemFailed as error:
            result = str(error)
        self.said = "" if connected else f"the modem takes no call: {result}"
        self._tell(
            CalledIn(
                source=self._node.name,
                started=started,
                number=self._service.number,
                result=result,
            )
        )
        if not connected:
            self._modem.close()
        return connected

    def authenticate(self, service: RemoteService) -> bool:
        """Begin PPP on the line; whether IPCP opened. After wrong credentials the line stays.

        ``service`` has the PPP address and the aliases of partitions, as the representative knows them.
        """
        node, account = self._node, credentials(service.ppp_address)
        ppp.write_secrets(node, [account])
        log = node.log_dir / "pppd-representative.log"
        options = ppp.Options(name=account.user, log=log, mtu=MTU, offer=(PppAuth.chap,))
        ppp.write_options(node, OPTIONS, options)
        argv = [PPPD, self._line.device, "modem", "nocrtscts", "unit", "0", "file", OPTIONS]
        self._pppd = pppd = node.spawn(argv, name=log.stem, may_end_with=ppp.MAY_END_WITH)

        def link() -> ppp.Link | None:
            if not pppd.alive:
                raise ProtocolError("pppd has ended")
            return ppp.find_link(node, INTERFACE)

        try:
            wait_until(f"a session with {self._service.console}", link, LINK_S)
        except (DeadlineExceeded, ProtocolError):
            self._end_ppp()
            return False
        routes.add(node, [f"{p.alias}/32" for p in service.partitions], INTERFACE)
        return True

    def leave(self) -> None:
        """End PPP, and with it the call."""
        try:
            self._end_ppp()
        finally:
            self._modem.close()

    stop = leave

    def _end_ppp(self) -> None:
        pppd, self._pppd = self._pppd, None
        if pppd is not None:
            self._node.stop(pppd, grace_s=END_S)
