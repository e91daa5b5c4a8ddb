"""L2TP by one xl2tpd per node, kernel data path: the LNS of a gateway, the LAC of a client.

What PPP is told and has become is ``ppp``'s; texts of configurations and logs are ``_xl2tpd``'s.
IPsec is not looked at here: that nothing goes out unprotected is for whoever starts this (P-07).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import DaemonError, DeadlineExceeded, ProtocolError
from lab.linux.nodes import Node
from lab.names import count
from lab.record.cause import GatewayCause
from lab.record.event import PppDown, Tell
from lab.record.record import L2tpTunnel, PppSession, Record
from lab.wait import Deadline, wait_until
from lab.ways.vpn.events import GatewayFailed, PoolExhausted
from lab.ways.vpn.plan import L2tpClient, L2tpServer, SessionLayout
from tunnels import _xl2tpd, ppp
from tunnels._l2tp_daemon import Xl2tpd, read_kernel_table
from tunnels._xl2tpd import (
    CallClosed,
    Calling,
    CallUp,
    Fact,
    LacSection,
    OutgoingCallUp,
    PeerReason,
    PppdEnded,
    TransmitSpeed,
    TunnelClosed,
    TunnelUp,
)

LNS_OPTIONS = "/etc/ppp/options.lns"

HANG_UP_DEADLINE_S = 10.0
CLOSE_DEADLINE_S = 3.0

# Long after SCCRP in any lab, and short enough to wait for in real time.
REDIAL_S = 4


class GatewayGivesNone(ProtocolError):
    """A gateway gives no way home; carries the event of it, and says the innermost reason."""

    def __init__(self, event: GatewayFailed, why: str = "") -> None:
        super().__init__(why or event.why)
        self.event = event


class Lns(Xl2tpd):
    """A gateway's LNS: takes calls, authenticates the callers and gives them addresses."""

    def __init__(self, node: Node, server: L2tpServer, tell: Tell) -> None:
        # Of all callers together: xl2tpd has one options file for all, and so has pppd one log.
        options = {LNS_OPTIONS: server_options(server, node.log_dir / "pppd.log")}
        super().__init__(node, render_server(server), server.ppp.accounts, options)
        self._tell = tell

    def called_by(self, addresses: Container[str]) -> bool:
        """Whether a call has come from one of these addresses."""
        facts = self.facts() if self.daemon is not None else ()
        return any(isinstance(fact, CallUp) and fact.peer in addresses for fact in facts)

    def stop(self) -> None:
        if self.daemon is not None and _xl2tpd.OUT_OF_ADDRESSES in self.daemon.log.text():
            self._tell(PoolExhausted(source=self._node.name))
        super().stop()


@dataclass(slots=True)
class _LacCall:
    """A call of the client, found in xl2tpd's log."""

    up: CallUp
    session: PppSession
    ended: bool = False


@dataclass(slots=True)
class _Seen:
    """What of xl2tpd's log has been turned into records."""

    facts: int = 0
    callings: list[int] = field(default_factory=list)
    """The tunnel of each call, by its own id, in the order of the calls' serial numbers."""
    tunnels: list[L2tpTunnel] = field(default_factory=list)
    calls: list[_LacCall] = field(default_factory=list)
    refused: GatewayFailed | None = None
    """The first thing that the gateway, or xl2tpd itself, did not go on with."""


class Lac(Xl2tpd):
    """A client's LAC: brings up the model's sessions to one gateway, and keeps their records."""

    def __init__(
        self,
        node: Node,
        client: L2tpClient,
        server: L2tpServer,
        local_address: str,
        record: Record,
        tell: Tell,
        gateways: Mapping[str, str] | None = None,
    ) -> None:
        """``gateways``, by their addresses in PPP: whose sessions they are that a partition takes."""
        sections = lac_sections(client, server)
        options = {
            section.options_file: client_options(client, node.log_dir / f"pppd-{number}.log")
            for number, section in enumerate(sections)
        }
        configuration = _xl2tpd.render_lac(local_address, sections)
        super().__init__(node, configuration, [client.account], options)
        self._client = client
        self._server = server
        self._record = record
        self._tell = tell
        self._sections = sections
        self._seen = _Seen()
        self._gateways = gateways or {}

    def dial(self, deadline_s: float) -> tuple[PppSession, ...]:
        """Place the calls and wait until IPCP is open on each; raises GatewayGivesNone."""
        deadline = Deadline(deadline_s)
        if shared_tunnel(self._client):
            self._dial_shared()
        else:
            for section in self._sections:
                self.command(f"c {section.name}")

        who = f"{self._client.client}'s {count(self._client.sessions, 'PPP session')}"
        try:
            wait_until(
                f"IPCP open on {who}",
                self._all_open,
                deadline,
                seen=lambda: self.running.log.tail(1),
            )
        except DeadlineExceeded as late:
            raise self._failure() from late
        return tuple(call.session for call in self._seen.calls)

    def refresh(self) -> tuple[PppSession, ...]:
        """Take in what has happened since; the sessions, the closed ones too."""
        facts = self.facts()
        now = time.time()
        for fact in facts[self._seen.facts :]:
            self._take(fact, now)
        self._seen.facts = len(facts)

        interfaces = _xl2tpd.parse_sessions(self._node.call(read_kernel_table))
        for call in self._seen.calls:
            if not call.ended and not call.session.opened:
                self._look_for_link(call, interfaces.get(call.up.local_id, ""), now)
        return tuple(call.session for call in self._seen.calls)

    def hang_up(self) -> None:
        """End the sessions by LCP, then the tunnels by StopCCN, and wait for both."""
        self.refresh()
        for call in self._seen.calls:
            if not call.ended:
                self.command(f"h {call.up.local_id}")
        wait_until("every pppd ended", self._all_ended, HANG_UP_DEADLINE_S)
        wait_until("every CDN acknowledged", self._no_call, CLOSE_DEADLINE_S)

        for section in self._sections:
            self.command(f"d {section.name}")
        # The kernel forgets a tunnel when xl2tpd does, which is when its StopCCN is acknowledged.
        wait_until("StopCCN acknowledged", self._no_tunnel, CLOSE_DEADLINE_S)
        self.refresh()

    def stop(self) -> None:
        """Hang up if there is somebody to hang up on, and end the daemon."""
        try:
            if self.alive:
                # A peer that is gone cannot acknowledge, and a busy xl2tpd may not answer in time;
                # SIGTERM makes it close its tunnels all the same.
                with contextlib.suppress(DeadlineExceeded, DaemonError):
                    self.hang_up()
        finally:
            if self.daemon is not None:
                self.refresh()
            super().stop()
            self._close_records()

    # Dialling.

    def _dial_shared(self) -> None:
        """Several calls in one tunnel (X-08), which xl2tpd has no sound command for.

        ``c <tunnel>`` crashes it (1.3.18 and 1.3.20: control.c looks into the call's LAC, which is
        not there). But its redial timer places a call in the tunnel that the LAC has, with all the
        LAC's options, and an LNS name that cannot be looked up sets the timer without a packet
        being sent. So: fail once for each further session, then let the name exist and dial.
        """
        (section,) = self._sections
        # An earlier tunnel of the node may have left the name.
        self._node.call(_forget_host, section.lns)
        for _ in range(self._client.sessions - 1):
            self.command(f"c {section.name}")
        self._node.call(_add_host, self._server.address, section.lns)
        self.command(f"c {section.name}")

    def _all_open(self) -> bool:
        self.running.check()
        sessions = self.refresh()
        if self._seen.refused or any(call.ended for call in self._seen.calls):
            raise self._failure()
        return len(sessions) == self._client.sessions and all(s.opened for s in sessions)

    def _look_for_link(self, call: _LacCall, interface: str, now: float) -> None:
        link = ppp.find_link(self._node, interface) if interface else None
        if link is not None:
            call.session.interface = link.interface
            call.session.local_ip = link.local_ip
            call.session.peer_ip = link.peer_ip
            call.session.mtu = link.mtu
            call.session.gateway = self._gateways.get(link.peer_ip, call.session.gateway)
            call.session.opened = now

    # What the log says.

    def _take(self, fact: Fact, now: float) -> None:
        client, gateway = self._client.client, self._server.gateway
        match fact:
            case TunnelUp(local_id=local, remote_id=remote):
                tunnel = L2tpTunnel(
                    client=client, gateway=gateway, local_id=local, remote_id=remote, opened=now
                )
                self._seen.tunnels.append(tunnel)
                self._record.l2tp.append(tunnel)
            case Calling(tunnel_local_id=tunnel_id):
                self._seen.callings.append(tunnel_id)
            case CallUp():
                session = PppSession(client=client, gateway=gateway, interface="", opened=0.0)
                self._seen.calls.append(_LacCall(fact, session))
                self._record.ppp.append(session)
            case OutgoingCallUp() | TransmitSpeed() | PeerReason():
                pass  # Nobody asks for such a call, or for AVPs, here.
            case PppdEnded(call_remote_id=remote, status=status):
                for call in self._seen.calls:
                    if call.up.remote_id == remote and not call.ended:
                        self._end(call, now, status)
            case CallClosed():
                self._call_closed(fact, now)
            case TunnelClosed():
                self._tunnel_closed(fact, now)

    def _call_closed(self, fact: CallClosed, now: float) -> None:
        self._refuse(GatewayCause.call_ended, fact)
        for call in self._seen.calls:
            # xl2tpd forgets the call now and will not say how its pppd ended.
            if call.up.serial == fact.serial and not call.ended:
                self._end(call, now)

    def _tunnel_closed(self, fact: TunnelClosed, now: float) -> None:
        self._refuse(GatewayCause.tunnel_closed, fact)
        for tunnel in self._seen.tunnels:
            if fact.local_id == tunnel.local_id or fact.remote_id == tunnel.remote_id:
                tunnel.closed = tunnel.closed or now
                for call in self._seen.calls:
                    own = self._seen.callings[call.up.serial - 1] == tunnel.local_id
                    if own and not call.ended:
                        self._end(call, now)

    def _all_ended(self) -> bool:
        self.refresh()
        return all(call.ended for call in self._seen.calls)

    def _no_call(self) -> bool:
        """Whether xl2tpd itself has forgotten every call.

        A StopCCN before that would be lost on it: the acknowledgement of a CDN for a call that is
        gone makes xl2tpd count one message too many (control.c, handle_special), and from then on
        it takes everything on the tunnel for out of order.
        """
        since = self.running.log.size
        self.command("s")
        return _xl2tpd.parse_call_count(self.running.log.text(since)) == 0

    def _no_tunnel(self) -> bool:
        return "TUNNEL '" not in self._node.call(read_kernel_table)

    def _close_records(self) -> None:
        now = time.time()
        for tunnel in self._seen.tunnels:
            tunnel.closed = tunnel.closed or now
        for call in self._seen.calls:
            if not call.ended:
                self._end(call, now)

    # What went wrong.

    def _end(self, call: _LacCall, now: float, status: int = -1) -> None:
        """A call's pppd is gone, and its log says why."""
        call.ended = True
        session, number = call.session, self._seen.calls.index(call)
        log = self._pppd_logs[min(number, len(self._pppd_logs) - 1)]
        session.closed, session.exit_status = now, status
        session.cause, session.detail = ppp.find_cause(log.text(), status)
        self._tell(PppDown.of(session, source=session.client, time=now))

    def _refuse(self, cause: GatewayCause, fact: CallClosed | TunnelClosed) -> None:
        detail = fact.why or "no reason was given"
        self._seen.refused = self._seen.refused or self._failed(cause, detail)

    def _failure(self) -> GatewayGivesNone:
        """The innermost reason: PPP's, L2TP's, or that there was no answer at all."""
        for call in self._seen.calls:
            if why := call.session.why:
                return GatewayGivesNone(self._failed(GatewayCause.no_session), why)
        without = GatewayCause.no_session if self._seen.tunnels else GatewayCause.no_tunnel
        return GatewayGivesNone(self._seen.refused or self._failed(without))

    def _failed(self, cause: GatewayCause, detail: str = "") -> GatewayFailed:
        client, gateway = self._client.client, self._server.gateway
        return GatewayFailed(source=client, gateway=gateway, cause=cause, detail=detail)


def server_options(server: L2tpServer, log: Path) -> ppp.Options:
    """What a gateway's pppd is told."""
    return ppp.Options(name=server.hostname, log=log, mtu=server.mtu, demand=server.ppp.auth)


def render_server(server: L2tpServer) -> str:
    """A gateway's xl2tpd.conf."""
    return _xl2tpd.render_lns(
        server.address, server.hostname, server.ppp.local_ip, server.ppp.pool, LNS_OPTIONS
    )


def client_options(client: L2tpClient, log: Path) -> ppp.Options:
    """What a client's pppd is told."""
    return ppp.Options(
        name=client.account.user,
        log=log,
        mtu=client.mtu,
        offer=client.accept_auth,
        echo_interval_s=client.lcp_echo_interval_s,
        echo_failures=client.lcp_echo_failures,
    )


def shared_tunnel(client: L2tpClient) -> bool:
    """Whether several sessions go into one tunnel."""
    return client.layout is SessionLayout.sessions and client.sessions > 1


def lac_sections(client: L2tpClient, server: L2tpServer) -> tuple[LacSection, ...]:
    """One section for each tunnel."""
    if shared_tunnel(client):
        # The empty label keeps the name out of DNS, where it would be asked for on the wire.
        lns, redial_s, count = f"{server.gateway}..lns", REDIAL_S, 1
    else:
        tunnels = client.layout is SessionLayout.tunnels
        lns, redial_s, count = server.address, 0, client.sessions if tunnels else 1
    return tuple(
        LacSection(
            name=f"{server.gateway}-{number}",
            lns=lns,
            hostname=client.hostname,
            options_file=f"/etc/ppp/options.{server.gateway}-{number}",
            redial_s=redial_s,
        )
        for number in range(count)
    )


def _forget_host(name: str) -> None:
    hosts = Path("/etc/hosts")
    kept = [
        line for line in hosts.read_text().splitlines(keepends=True) if name not in line.split()
    ]
    # In place: the file is mounted.
    hosts.write_text("".join(kept))


def _add_host(address: str, name: str) -> None:
    with Path("/etc/hosts").open("r+") as hosts:
        if name not in hosts.read():
            hosts.write(f"{address}\t{name}\n")
