"""Numbers called in their order until PPP is up (OUT-25, R-08), by whatever modem: rounds, pauses, reasons.

What PPP is told on such a call is the same, too; how it is placed and ended, a subclass knows.
"""

from __future__ import annotations

import abc
from dataclasses import replace
from pathlib import Path

from lab.errors import ProtocolError
from lab.linux.nodes import Node
from lab.linux.resolving import RESOLV_CONF, render_resolver
from lab.record.cause import DialCause
from lab.record.dial_event import Dialled
from lab.record.event import Tell
from lab.record.record import PppSession, Record
from lab.wait import let_pass
from lab.ways.dial.plan import Dialer
from tunnels import ppp

PEER_DNS = "/etc/ppp/resolv.conf"
"""Where pppd writes the name servers that its peer named (``usepeerdns``)."""


class Redialling(abc.ABC):
    """A client that calls AT&T's gateway; ``dial`` for a call, ``hang_up`` at the end."""

    may_do_later: tuple[DialCause, ...]
    """After which causes another number, or the same one later, may do."""

    def __init__(
        self, node: Node, plan: Dialer, gateway: str, record: Record, tell: Tell, log: Path
    ) -> None:
        """``gateway`` is the name that the record gives to the other end, ``log`` is pppd's."""
        self._node = node
        self._plan = plan
        self._gateway = gateway
        self._record = record
        self._tell = tell
        self._pppd_log = log
        self._session: PppSession | None = None

    def dial(self, early: bytes = b"") -> PppSession:
        """Call the numbers in their order until PPP is up; raises ProtocolError with every reason.

        ``early`` is an IP packet that is sent as soon as the gateway begins with PPP (P-20).
        """
        reasons: list[str] = []
        for turn in range(self._plan.rounds):
            for place, number in enumerate(self._plan.numbers):
                if turn or place:
                    let_pass(self._plan.redial_pause_s)
                attempt = self._call(number, early)
                connected = attempt.cause is None
                if connected and not self._start_ppp(number):
                    attempt = replace(attempt, cause=DialCause.no_ppp)
                self._record.dialled.append(attempt)
                self._tell(attempt)
                if attempt.cause is None:
                    assert self._session is not None
                    return self._session
                reasons.append(f"{number}: {self._why(attempt)}")
                if not connected and attempt.cause not in self.may_do_later:
                    raise ProtocolError(self._explain(reasons))
        raise ProtocolError(self._explain(reasons))

    @abc.abstractmethod
    def _call(self, number: str, early: bytes) -> Dialled:
        """Have a number called, and say what came of it; a session of before is forgotten."""

    @abc.abstractmethod
    def _start_ppp(self, number: str) -> bool:
        """Have PPP on a call that is connected; whether IPCP opened. If not, the session says why."""

    @abc.abstractmethod
    def _note_end(self) -> None:
        """Note that the session has ended, if it has."""

    @abc.abstractmethod
    def hang_up(self) -> None:
        """End PPP by LCP, and with it the call; returns when this side has ended."""

    def healthy(self) -> bool:
        """Whether PPP is up."""
        self._note_end()
        return self._session is not None and not self._session.closed

    # PPP.

    def _options(self) -> ppp.Options:
        """What the pppd of a call is told."""
        plan = self._plan
        return ppp.Options(
            name=plan.account.user,
            log=self._pppd_log,
            mtu=plan.mtu,
            offer=plan.accept_auth,
            echo_interval_s=plan.lcp_echo_interval_s,
            echo_failures=plan.lcp_echo_failures,
            ask_dns=True,
        )

    @property
    def interface(self) -> str:
        """PPP's on the last call; empty before the first."""
        return self._session.interface if self._session is not None else ""

    def _begin_session(self, interface: str) -> PppSession:
        self._session = PppSession(
            client=self._plan.client, gateway=self._gateway, interface=interface, opened=0.0
        )
        self._record.ppp.append(self._session)
        return self._session

    def _take_name_server(self) -> None:
        """Ask whom the gateway has named, from now on."""
        self._node.write(RESOLV_CONF, self._node.call(_read_or_nothing, PEER_DNS), 0o644)

    def _give_name_server_back(self) -> None:
        self._node.write(RESOLV_CONF, render_resolver(self._node.resolver), 0o644)

    # Words.

    def _why(self, attempt: Dialled) -> str:
        return (self._session.why if self._session else "") or attempt.why

    def _explain(self, reasons: list[str]) -> str:
        said = "; ".join(dict.fromkeys(reasons))
        return f"{self._plan.client} has no way home by telephone: {said}"


def _read_or_nothing(path: str) -> str:
    try:
        return Path(path).read_text()
    except FileNotFoundError:
        return ""
