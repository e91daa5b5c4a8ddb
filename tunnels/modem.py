"""The way home by telephone, from the client's side: find the modem, dial, hand the line to pppd.

The modem is driven by pexpect over its serial port, as any modem would be. What PPP is told and has become
is ``ppp``'s.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lab.errors import DeadlineExceeded, ProtocolError
from lab.linux.nodes import Node
from lab.linux.process import Daemon, Log
from lab.record.cause import DialCause
from lab.record.event import Dialled, ModemProbed, PppDown, Tell
from lab.record.record import PppSession, Record
from lab.wait import let_pass, wait_until
from lab.ways.dial.plan import Dialer
from lab.wire.dialled import FLAG, enframe
from tunnels import ppp
from tunnels._serial import open_port

if TYPE_CHECKING:
    from pexpect.fdpexpect import fdspawn

PPPD = "/usr/sbin/pppd"
OPTIONS = "/etc/ppp/options.modem"
PEER_DNS = "/etc/ppp/resolv.conf"
"""Where pppd writes the name servers that its peer named (``usepeerdns``)."""
RESOLVER = "/etc/resolv.conf"

COMMAND_S = 5.0
CALL_S = 360.0
"""Longer than S7 can be, with pauses in the number: the modem gives up first, and says why."""
LINK_S = 120.0
"""LCP, PAP and IPCP: pppd itself gives up on each after ten requests, three seconds apart."""
END_S = 15.0
IP_HEADER = b"\xff\x03\x00\x21"
"""RFC 1662 3.1 and RFC 1332 3.1: address and control, and the number of IP."""


GREETING = "AT"
SET_UP = "ATE1V1Q0&C1&D2"
"""Words, and the two circuits as they are: what the table below relies on. What the modem hears on the
line (X) is the init string's: behind a PBX there may be no dial tone."""

_RESULTS: Mapping[bytes, DialCause | None] = {
    rb"\r\n(OK)\r\n": DialCause.not_dialled,
    rb"\r\n(CONNECT(?: (\d+)[^\r\n]*)?)\r\n": None,
    rb"\r\n(BUSY)\r\n": DialCause.busy,
    rb"\r\n(NO ANSWER)\r\n": DialCause.no_answer,
    rb"\r\n(NO CARRIER)\r\n": DialCause.no_carrier,
    rb"\r\n(NO DIALTONE)\r\n": DialCause.no_dialtone,
    rb"\r\n(ERROR)\r\n": DialCause.not_dialled,
}
"""Final result codes in words (V.250 5.7.1), and what went wrong if the modem was to dial."""
OTHER_NUMBER_MAY_DO = (DialCause.busy, DialCause.no_answer, DialCause.no_carrier)


class FinalResult(NamedTuple):
    """What a modem said at last."""

    said: str
    """Empty if it failed before that."""
    cause: DialCause | None
    """What went wrong if the modem was to dial; None if nothing did."""
    rate_bit_s: int
    command: str = ""
    """Which it did not take."""
    detail: str = ""
    """With what it answered the command."""


class ModemFailed(ProtocolError):
    """A modem is not there, or does not do what it is told."""

    def __init__(self, cause: DialCause, *, command: str = "", detail: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.command = command
        self.detail = detail


class Dialler:
    """A client's modem and its pppd: ``find_modem`` at boot, ``dial`` for a call, ``stop`` at the end."""

    def __init__(
        self,
        node: Node,
        plan: Dialer,
        gateway: str,
        record: Record,
        tell: Tell,
    ) -> None:
        """``gateway`` is the name that the record gives to the other end."""
        self._node = node
        self._plan = plan
        self._gateway = gateway
        self._record = record
        self._tell = tell
        self._device = ""
        self._port = -1
        self._pppd: Daemon | None = None
        self._log = Log(node.log_dir / "pppd.log")
        self._log_begins = 0
        """Where the log of the present session does."""
        self._session: PppSession | None = None

    # At boot.

    @property
    def device(self) -> str:
        """The port with the modem; empty if none was found."""
        return self._device

    def share_modem(self, other: Dialler) -> None:
        """Dial by the modem that another way of the same client has found, if it has."""
        self._device = other.device

    def find_modem(self) -> str:
        """The first port at which a modem answers (OUT-24); empty if there is none."""
        for device in self._plan.devices:
            probe = self._probe(device)
            self._record.modems.append(probe)
            self._tell(probe)
            if probe.found:
                self._device = device
                break
        return self._device

    def _probe(self, device: str) -> ModemProbed:
        try:
            with self._opened(device) as modem:
                answer = _ask(modem, GREETING, COMMAND_S).said
            cause = None if answer == "OK" else DialCause.command_refused
            detail = "" if answer == "OK" else answer
        except ModemFailed as error:
            answer, cause, detail = "", error.cause, error.detail
        return ModemProbed(
            source=self._plan.client,
            device=device,
            answer=answer,
            command=GREETING,
            cause=cause,
            detail=detail,
        )

    # A call.

    def dial(self, early: bytes = b"") -> PppSession:
        """Call the numbers in their order until PPP is up; raises ProtocolError with every reason.

        ``early`` is an IP packet that is sent as soon as the gateway begins with PPP (P-20).
        """
        if not self._device:
            raise ProtocolError(f"{self._plan.client} has no modem, so no way home by telephone")
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
                if not connected and attempt.cause not in OTHER_NUMBER_MAY_DO:
                    raise ProtocolError(self._explain(reasons))
        raise ProtocolError(self._explain(reasons))

    def healthy(self) -> bool:
        """Whether PPP is up."""
        self._note_end()
        return self._session is not None and not self._session.closed

    def hang_up(self) -> None:
        """End PPP by LCP, and with it the call; returns when the port is closed."""
        try:
            if self._pppd is not None:
                self._node.stop(self._pppd, grace_s=END_S)
                self._note_end()
                self._pppd = None
                self._node.write(RESOLVER, "", 0o644)
        finally:
            self._close()

    @property
    def alive(self) -> bool:
        return self._pppd is not None and self._pppd.alive

    def stop(self) -> None:
        self.hang_up()

    # Dialling.

    def _call(self, number: str, early: bytes) -> Dialled:
        started = time.time()
        self._session = None
        try:
            answer = self._place(number, early)
        except ModemFailed as error:
            answer = FinalResult("", error.cause, 0, error.command, error.detail)
        attempt = Dialled(
            source=self._plan.client,
            started=started,
            device=self._device,
            number=number,
            result=answer.said,
            rate_bit_s=answer.rate_bit_s,
            cause=answer.cause,
            command=answer.command,
            detail=answer.detail,
        )
        if attempt.cause is not None:
            self._close()
        return attempt

    def _place(self, number: str, early: bytes) -> FinalResult:
        modem = self._open(self._device)
        for command in (self._plan.init, SET_UP):
            said = _ask(modem, command, COMMAND_S).said
            if said != "OK":
                raise ModemFailed(DialCause.command_refused, command=command, detail=said)
        answer = _ask(modem, f"ATDT{number}", CALL_S)
        if early and answer.cause is None:
            _send_early(modem, early)
        return answer

    @contextlib.contextmanager
    def _opened(self, device: str) -> Iterator[fdspawn[bytes]]:
        try:
            yield self._open(device)
        finally:
            self._close()

    def _open(self, device: str) -> fdspawn[bytes]:
        """The port, raw, with CLOCAL: without a carrier a command must get through, too."""
        from pexpect.fdpexpect import fdspawn

        self._close()
        try:
            self._port = self._node.call(open_port, device)
        except OSError as error:
            raise ModemFailed(DialCause.port_shut, detail=error.strerror or "") from error
        os.set_blocking(self._port, True)
        modem: fdspawn[bytes] = fdspawn(self._port, timeout=COMMAND_S, use_poll=True)
        modem.delaybeforesend = None
        return modem

    def _close(self) -> None:
        if self._port >= 0:
            os.close(self._port)
            self._port = -1

    # PPP.

    def _start_ppp(self, number: str) -> bool:
        """Let pppd have the line; whether IPCP opened. If not, the session says why."""
        plan = self._plan
        ppp.write_secrets(self._node, [plan.account])
        options = ppp.Options(
            name=plan.account.user,
            log=self._log.path,
            mtu=plan.mtu,
            offer=plan.accept_auth,
            echo_interval_s=plan.lcp_echo_interval_s,
            echo_failures=plan.lcp_echo_failures,
            ask_dns=True,
        )
        ppp.write_options(self._node, OPTIONS, options)
        self._session = PppSession(
            client=plan.client, gateway=self._gateway, interface="ppp0", opened=0.0
        )
        self._record.ppp.append(self._session)
        self._log_begins = self._log.size
        # "modem": when the carrier goes, so does the port, and pppd with it.
        # "lock": so that a terminal program is refused the port (Filesystem Hierarchy Standard 5.9).
        argv = [PPPD, self._device, "modem", "nocrtscts", "lock", "unit", "0", "file", OPTIONS]
        self._pppd = self._node.spawn(argv, name="pppd-console", may_end_with=ppp.MAY_END_WITH)
        try:
            link = wait_until(f"IPCP open on {plan.client}'s call to {number}", self._link, LINK_S)
        except (DeadlineExceeded, ProtocolError):
            self._node.check()
            self.hang_up()
            return False

        session = self._session
        session.local_ip, session.peer_ip = link.local_ip, link.peer_ip
        session.mtu, session.interface = link.mtu, link.interface
        session.opened = time.time()
        # The line is pppd's alone from here on: when that closes it, the modem hangs up.
        self._close()
        self._node.write(RESOLVER, self._node.call(_read_or_nothing, PEER_DNS), 0o644)
        return True

    def _link(self) -> ppp.Link | None:
        if not self.alive:
            raise ProtocolError("pppd has ended")
        return ppp.find_link(self._node, "ppp0")

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

    def _why(self, attempt: Dialled) -> str:
        return (self._session.why if self._session else "") or attempt.why

    def _explain(self, reasons: list[str]) -> str:
        said = "; ".join(dict.fromkeys(reasons))
        return f"{self._plan.client} has no way home by telephone: {said}"


def _ask(modem: fdspawn[bytes], command: str, deadline_s: float) -> FinalResult:
    """Send a command line and wait for its final result code (V.250 5.7); raises ModemFailed."""
    import pexpect

    # What the modem said unasked (RING, NO CARRIER) is no answer to this.
    with contextlib.suppress(pexpect.TIMEOUT):
        modem.expect(r".+", timeout=0)
    try:
        modem.send(f"{command}\r")
        place = modem.expect(list(_RESULTS), timeout=deadline_s)
    except pexpect.TIMEOUT:
        # Its echo is no answer.
        said = (modem.before or b"").removeprefix(f"{command}\r".encode()).strip()
        cause = DialCause.modem_garbage if said else DialCause.modem_silent
        detail = f"{len(said) or deadline_s:g}"
        raise ModemFailed(cause, command=command, detail=detail) from None
    except (pexpect.EOF, OSError):
        raise ModemFailed(DialCause.modem_gone, command=command) from None
    found = modem.match
    assert isinstance(found, re.Match)
    rate = found[2] if found.re.groups > 1 else None
    return FinalResult(found[1].decode(), [*_RESULTS.values()][place], int(rate or 0))


def _send_early(modem: fdspawn[bytes], packet: bytes) -> None:
    """An IP packet in a PPP frame, once the other end's pppd is there to take it or leave it."""
    import pexpect

    try:
        modem.expect_exact(bytes((FLAG,)), timeout=LINK_S)
    except (pexpect.TIMEOUT, pexpect.EOF):
        raise ModemFailed(DialCause.no_ppp) from None
    modem.send(enframe(IP_HEADER + packet))


def _read_or_nothing(path: str) -> str:
    try:
        return Path(path).read_text()
    except FileNotFoundError:
        return ""
