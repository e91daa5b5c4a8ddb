"""The way home by VPN: IPsec, then L2TP, then PPP, from each client to one gateway at a time.

Keeps the order of the papers (P-07, OUT-21): nothing of L2TP before the SA is installed, no route before
IPCP is open. Gateways are tried in the model's order (R-07); one is given up whole before the
next is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from lab import routes
from lab.errors import DeadlineExceeded, ProtocolError
from lab.nodes import Node
from lab.record import IkeAttempt, PppSession, Record
from lab.story import Story
from lab.teardown import Teardown
from lab.topology.model import IpsecConnection, Topology
from lab.wait import wait_until
from tunnels.ipsec import Charon
from tunnels.l2tp import Lac, Lns

DIAL_DEADLINE_S = 120.0
GRACE_S = 30.0


@dataclass(slots=True)
class _Way:
    """A client's standing connection."""

    connection: IpsecConnection
    lac: Lac


class Vpn:
    """All VPN ends of a topology: a context manager; ``up`` brings every client's way up."""

    def __init__(
        self, topology: Topology, nodes: Mapping[str, Node], record: Record, story: Story
    ) -> None:
        self._topology = topology
        self._nodes = nodes
        self._record = record
        self._story = story
        self._charons: dict[str, Charon] = {}
        self._ways: dict[str, _Way] = {}
        self._tried: dict[str, list[str]] = {}
        self._teardown = Teardown()

    def __enter__(self) -> Vpn:
        try:
            self._start()
        except BaseException as error:
            self._teardown.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._teardown.__exit__(kind, error, traceback)

    def _start(self) -> None:
        """Start the daemons of both ends, all before the first is waited for."""
        topology = self._topology
        lnss = []
        for name in dict.fromkeys(n for c in topology.ipsec for n in (c.client, c.gateway)):
            mine = tuple(c for c in topology.ipsec if name in (c.client, c.gateway))
            charon = Charon(self._nodes[name], mine, self._record)
            self._charons[name] = charon
            self._teardown.add(f"{name}'s charon", charon.stop)
            charon.launch()
        for server in topology.l2tp_servers:
            lns = Lns(self._nodes[server.gateway], server)
            self._teardown.add(f"{server.gateway}'s xl2tpd", lns.stop)
            lns.launch()
            lnss.append(lns)

        for charon in self._charons.values():
            charon.ready()
        for lns in lnss:
            lns.ready()
        self._teardown.add("the clients' tunnels", self._hang_up)

    # Up.

    def up(self) -> None:
        """Bring up every client's way; raises ProtocolError with the reason of each gateway tried."""
        for path in self._topology.vpn_paths:
            if path.client not in self._ways:
                self._tried[path.client] = []
                self._bring_up(path.client, path.gateways)

    def up_again(self, client: str) -> None:
        """Replace a way that has died: the gateways that were not in use first."""
        (path,) = (p for p in self._topology.vpn_paths if p.client == client)
        dead = self._ways[client].connection.gateway
        self._give_up(client)
        others = [gateway for gateway in path.gateways if gateway != dead]
        self._bring_up(client, (*others, dead))

    def _bring_up(self, client: str, gateways: tuple[str, ...]) -> None:
        reasons = []
        for gateway in gateways:
            try:
                self._connect(client, gateway)
            except ProtocolError as error:
                detail = f"{error.message}: {error.hint}" if error.hint else error.message
                self._story.tell("path", f"{client}: {gateway} gives no way: {detail}")
                reasons.append(f"{gateway}: {detail}")
                self._give_up(client)
                continue
            self._record.gateway_in_use[client] = gateway
            return
        raise ProtocolError(f"{client} has no way home by VPN: {'; '.join(reasons)}")

    def _connect(self, client: str, gateway: str) -> None:
        (connection,) = (
            c for c in self._topology.ipsec if (c.client, c.gateway) == (client, gateway)
        )
        attempt = self._charons[client].initiate(connection, _ike_budget_s(connection))
        if not attempt.established:
            raise ProtocolError(attempt.error or "IKE did not come about")
        self._story.tell("IKE", f"{client} and {gateway} agreed on {_suite(attempt)}")

        (plan,) = (p for p in self._topology.l2tp_clients if p.client == client)
        (server,) = (s for s in self._topology.l2tp_servers if s.gateway == gateway)
        lac = Lac(self._nodes[client], plan, server, connection.client_address, self._record)
        self._ways[client] = _Way(connection, lac)
        lac.launch()
        lac.ready()
        sessions = lac.dial(DIAL_DEADLINE_S)
        self._tell_sessions(client, gateway, sessions)

        destinations = dict.fromkeys(f"{e.address}/32" for e in self._topology.endpoints)
        routes.add(self._nodes[client], destinations, sessions[0].interface)

    def _tell_sessions(self, client: str, gateway: str, sessions: tuple[PppSession, ...]) -> None:
        tunnels = [t for t in self._record.l2tp if t.client == client and not t.closed]
        ids = ", ".join(f"{t.local_id}/{t.remote_id}" for t in tunnels)
        self._story.tell("L2TP", f"{client} and {gateway}: tunnel {ids}")
        for session in sessions:
            self._story.tell(
                "PPP",
                f"{client} is {session.local_ip} on {session.interface}, {gateway} is "
                f"{session.peer_ip}, MTU {session.mtu}",
            )

    # While it stands.

    def healthy(self, client: str) -> bool:
        """Whether IKE, L2TP and PPP of a client are all up."""
        way = self._ways.get(client)
        if way is None or not way.lac.daemon.alive:
            return False
        sessions = way.lac.refresh()
        return self._established(way) and bool(sessions) and not any(s.closed for s in sessions)

    def sas(self) -> dict[str, list[str]]:
        """What the charon of each end knows, in lines for people; one that has died knows nothing."""
        return {
            name: [
                f"{sa.name}: IKEv{sa.version} {sa.state}, {sa.local_address} to {sa.remote_address},"
                f" {sa.encryption}/{sa.integrity}/{sa.dh_group}"
                + "".join(f"; {c.name} {c.state}, {c.mode.lower()} mode" for c in sa.children)
                for sa in charon.ike_sas()
            ]
            for name, charon in self._charons.items()
            if charon.daemon.alive
        }

    def lost(self, client: str) -> bool:
        """Whether a client's way has died: waits as long as dead peer detection may take (RFC 3706)."""
        way = self._ways.get(client)
        if way is None:
            return True

        connection = way.connection
        detection_s = connection.dpd_delay_s + connection.dpd_timeout_s
        budget_s = detection_s + _ike_budget_s(connection) + GRACE_S
        try:
            wait_until(
                f"{client}'s charon finds {connection.gateway} dead",
                lambda: not self.healthy(client),
                budget_s,
                every_s=0.5,
            )
        except DeadlineExceeded:
            return False
        return True

    def _established(self, way: _Way) -> bool:
        charon = self._charons[way.connection.client]
        return any(sa.name == way.connection.name and sa.established for sa in charon.ike_sas())

    # Down.

    def _give_up(self, client: str) -> None:
        way = self._ways.pop(client, None)
        if way is not None:
            way.lac.stop()
            self._charons[client].terminate(way.connection)

    def _hang_up(self) -> None:
        for client in list(self._ways):
            self._give_up(client)


def _ike_budget_s(connection: IpsecConnection) -> float:
    """How long charon itself goes on with retransmissions, for both phases, and a little more."""
    waits = (
        connection.retransmit_timeout_s * connection.retransmit_base**n
        for n in range(connection.retransmit_tries + 1)
    )
    return 2 * sum(waits) + GRACE_S


def _suite(attempt: IkeAttempt) -> str:
    nat = ", in UDP 4500" if attempt.udp_encapsulation else ""
    return (
        f"{attempt.ike_encryption}/{attempt.ike_integrity}/{attempt.ike_dh_group}, "
        f"ESP {attempt.esp_encryption}/{attempt.esp_integrity} in {attempt.esp_mode.lower()} mode{nat}"
    )
