"""The way home by a modem of a partition of i5/OS, from the HMC's side (OUT-30).

The HMC is the LNS, and asks the partition for an outgoing call (RFC 2661 7.5), by the xl2tpd of ``outgoing``.
What the partition says of the call, by OCCN or CDN, becomes what a dialler of an own modem would have heard.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

from lab.errors import DaemonError, DeadlineExceeded, ProtocolError
from lab.linux import firewall, pace
from lab.linux.daemon_log import Log
from lab.linux.nodes import Node
from lab.record.cause import DialCause, PppCause
from lab.record.dial_event import Dialled
from lab.record.event import PppDown, Tell
from lab.record.record import PppSession, Record
from lab.wait import wait_until
from lab.ways.dial.plan import Dialer
from lab.ways.pass_through.plan import Borrower
from lab.wire import l2tp
from lab.wire.l2tp_codes import CdnResult
from tunnels import _xl2tpd, ppp
from tunnels._l2tp_daemon import read_kernel_table
from tunnels._xl2tpd import (
    CallClosed,
    Fact,
    LacSection,
    OutgoingCallUp,
    PeerReason,
    PppdEnded,
    TransmitSpeed,
    TunnelClosed,
    TunnelUp,
)
from tunnels.calling import CALL_S, LINK_S, FinalResult
from tunnels.modem import IP_HEADER
from tunnels.outgoing import OutgoingCalls
from tunnels.redialling import Redialling

SILENCE = ("Maximum retries exceeded", "Timeout")
"""How xl2tpd says that nobody answers."""
_BY_RESULT = {
    CdnResult.no_carrier: DialCause.no_carrier,
    CdnResult.busy: DialCause.busy,
    CdnResult.no_dial_tone: DialCause.no_dialtone,
    CdnResult.not_in_time: DialCause.no_answer,
    CdnResult.no_facilities_now: DialCause.lender_busy,
}
"""What befell a call by the Result Code of its CDN (RFC 2661 4.4.2)."""
_HEARD = (
    DialCause.no_carrier,
    DialCause.busy,
    DialCause.no_dialtone,
    DialCause.no_answer,
)
"""After which the words of the CDN are what the partition's modem said."""
_DATA = 0x0002
"""Flags and version of a data message without options (RFC 2661 3.1)."""
_DEAF = "lab-deaf"
"""A table of packet rules, and its counter."""


class RemoteDialler(Redialling):
    """A client's way home by a partition's modem: ``dial`` for a call, ``stop`` at the end."""

    may_do_later = (
        DialCause.busy,
        DialCause.no_answer,
        DialCause.no_carrier,
        DialCause.lender_busy,
    )

    def __init__(
        self,
        node: Node,
        plan: Dialer,
        borrower: Borrower,
        gateway: str,
        record: Record,
        tell: Tell,
    ) -> None:
        """``gateway`` is the name that the record gives to the other end of PPP."""
        super().__init__(node, plan, gateway, record, tell, node.log_dir / "pppd.log")
        self._borrower = borrower
        self._calls: OutgoingCalls | None = None
        self._log = Log(self._pppd_log)
        self._log_begins = 0
        """Where pppd's log of the present call does."""
        self._facts_before = 0
        """How much xl2tpd had to say before the present call."""
        self._call_up: OutgoingCallUp | None = None

    # A call.

    def dial(self, early: bytes = b"") -> PppSession:
        """As any ``Redialling`` does; nothing is left of calls in vain."""
        try:
            return super().dial(early)
        except ProtocolError:
            self.hang_up()
            raise

    def _call(self, number: str, early: bytes) -> Dialled:
        started = time.time()
        self._session = self._call_up = None
        answer = self._ask_early(number, early) if early else self._ask(number)
        return Dialled.of(
            answer,
            source=self._plan.client,
            started=started,
            device="",
            number=number,
            result=answer.said,
        )

    def _ask(self, number: str) -> FinalResult:
        """Have the partition dial, and hear it out."""
        self._log_begins = self._log.size
        calls = self._calls or self._launch()
        self._facts_before = len(calls.facts())
        calls.ask(number)
        fact = f"{self._plan.partition} says what became of the call to {number}"
        try:
            return wait_until(fact, self._answer, CALL_S)
        except DeadlineExceeded:
            self._node.check()
            return FinalResult("", DialCause.lender_silent, 0)

    def _launch(self) -> OutgoingCalls:
        borrower, partition = self._borrower, self._plan.partition
        section = LacSection(
            name=partition,
            lns=borrower.partition_address,
            hostname=borrower.hostname,
            options_file=f"/etc/ppp/options.{partition}",
        )
        calls = self._calls = OutgoingCalls(
            self._node, section, borrower.address, self._plan.account, self._options()
        )
        calls.launch()
        calls.ready()
        return calls

    def _facts(self) -> list[Fact]:
        """What xl2tpd has said of the present call."""
        assert self._calls is not None
        self._calls.running.check()
        return [*self._calls.facts()[self._facts_before :]]

    def _answer(self) -> FinalResult | None:
        """What the partition has said of the call; None if nothing yet."""
        speed, reason = 0, PeerReason(0, 0, "")
        for fact in self._facts():
            match fact:
                case TransmitSpeed(bit_s=bit_s):
                    speed = bit_s
                case PeerReason():
                    reason = fact
                case OutgoingCallUp():
                    self._call_up = fact
                    return FinalResult(f"CONNECT {speed}" if speed else "CONNECT", None, speed)
                case CallClosed():
                    return _refusal(reason)
                case TunnelClosed(why=why):
                    return _without_tunnel(why)
                case _:
                    pass
        return None

    def hang_up(self) -> None:
        """End PPP by LCP, the call by CDN and the tunnel by StopCCN; the partition hangs up."""
        if self._calls is None:
            return
        calls = self._calls
        try:
            if calls.alive:
                # A partition that is gone acknowledges nothing.
                with contextlib.suppress(DeadlineExceeded, DaemonError):
                    calls.hang_up()
                self._note_end()
        finally:
            self._calls = None
            calls.stop()
            if self._session is not None:
                self._close(PppCause.terminated)
            self._give_name_server_back()

    stop = hang_up

    @property
    def alive(self) -> bool:
        return self._calls is not None and self._calls.alive

    # PPP.

    def _start_ppp(self, number: str) -> bool:
        """Wait for the pppd that xl2tpd has started; whether IPCP opened. If not, the session says why."""
        session = self._begin_session("")
        try:
            link = wait_until(
                f"IPCP open on {self._plan.client}'s call to {number}", self._link, LINK_S
            )
        except (DeadlineExceeded, ProtocolError):
            self._node.check()
            self.hang_up()
            return False

        session.local_ip, session.peer_ip = link.local_ip, link.peer_ip
        session.mtu, session.interface = link.mtu, link.interface
        session.opened = time.time()
        if speed := self._speed:
            # L2TP's data has no flow control, and the partition has no room for what the line cannot take.
            pace.hold_back(self._node, link.interface, pace.on_line(speed))
        self._take_name_server()
        return True

    @property
    def _speed(self) -> int:
        """bit/s of the line, by OCCN."""
        told = [fact.bit_s for fact in self._facts() if isinstance(fact, TransmitSpeed)]
        return told[-1] if told else 0

    def _link(self) -> ppp.Link | None:
        self._note_end()
        assert self._call_up is not None
        if self._session is None or self._session.closed:
            raise ProtocolError("the call has ended")
        interfaces = _xl2tpd.parse_sessions(self._node.call(read_kernel_table))
        interface = interfaces.get(self._call_up.local_id)
        return ppp.find_link(self._node, interface) if interface else None

    def _note_end(self) -> None:
        if self._calls is None or self._call_up is None:
            return
        cause, reason = None, PeerReason(0, 0, "")
        for fact in self._facts():
            match fact:
                case PeerReason():
                    reason = fact
                case PppdEnded(call_remote_id=remote, status=status):
                    if remote == self._call_up.remote_id:
                        self._close(None, status)
                        return
                case CallClosed(serial=serial):
                    if serial == self._call_up.serial:
                        lost = reason.result == CdnResult.carrier_lost
                        self._close(PppCause.hangup if lost else cause)
                        return
                case TunnelClosed():
                    self._close(PppCause.hangup)
                    return
                case _:
                    pass

    def _close(self, cause: PppCause | None, status: int = -1) -> None:
        """The session is over: why, by ``cause``, or else by pppd's log."""
        session = self._session
        if session is None or session.closed:
            return
        session.closed, session.exit_status = time.time(), status
        session.cause, session.detail = ppp.find_cause(self._log.text(self._log_begins), status)
        if cause is not None and session.cause in (None, PppCause.terminated):
            session.cause, session.detail = cause, ""
        self._tell(PppDown.of(session, source=session.client, time=session.closed))

    # Before PPP is up.

    def _ask_early(self, number: str, packet: bytes) -> FinalResult:
        """As ``_ask``; an IP packet is sent once the gateway's pppd is there to take it or leave it.

        Until then the HMC hears nothing of that, so that PPP cannot come up meanwhile, however slow we are.
        """
        with self._deaf_to_ppp():
            answer = self._ask(number)
            if answer.cause is None:
                wait_until("the gateway begins with PPP", self._heard_of_ppp, LINK_S)
                self._send_in_session(IP_HEADER + packet)
        return answer

    @contextlib.contextmanager
    def _deaf_to_ppp(self) -> Iterator[None]:
        """Drop the partition's data messages, which have no T bit (RFC 2661 3.1), and count them."""
        source = f"ip saddr {self._borrower.partition_address} udp sport {l2tp.PORT}"
        table = (
            f"table inet {_DEAF} {{\n"
            f"counter {_DEAF} {{ }}\n"
            "chain in { type filter hook input priority filter - 10; policy accept;\n"
            f"{source} @th,64,1 0 counter name {_DEAF} drop\n}}\n}}\n"
        )
        firewall.run(self._node, "hold PPP back from", table)
        try:
            yield
        finally:
            firewall.run(self._node, "let PPP in to", f"delete table inet {_DEAF}\n")

    def _heard_of_ppp(self) -> bool:
        (counted,) = firewall.counters({"": self._node}).values()
        return counted[_DEAF] > 0

    def _send_in_session(self, frame: bytes) -> None:
        assert self._calls is not None
        assert self._call_up is not None
        tunnel = [fact for fact in self._calls.facts() if isinstance(fact, TunnelUp)][-1]
        header = struct.pack("!HHH", _DATA, tunnel.remote_id, self._call_up.remote_id)
        self._send_datagram(header + frame)

    def _send_datagram(self, data: bytes) -> None:
        """Beside the kernel, whose sockets carry what pppd has agreed upon; without a checksum (RFC 768)."""
        borrower = self._borrower
        head = struct.pack("!HHHH", l2tp.PORT, l2tp.PORT, 8 + len(data), 0)
        with self._node.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP) as raw:
            raw.bind((borrower.address, 0))
            raw.sendto(head + data, (borrower.partition_address, 0))


def _refusal(reason: PeerReason) -> FinalResult:
    """What a CDN says of a call that did not come about."""
    cause = next((c for result, c in _BY_RESULT.items() if result == reason.result), None)
    if cause in _HEARD:
        return FinalResult(reason.words, cause, 0)
    words = reason.words or f"result {reason.result}, error {reason.error}"
    return FinalResult("", cause or DialCause.lender_refused, 0, detail=words)


def _without_tunnel(why: str) -> FinalResult:
    if why.startswith(SILENCE):
        return FinalResult("", DialCause.lender_silent, 0)
    return FinalResult("", DialCause.lender_closed, 0, detail=why)
