"""How ways by VPN come up: IPsec, then L2TP, then PPP, from each client to one gateway at a time.

The order of the papers is kept (P-07, OUT-21): nothing of L2TP before the SA is installed, no route before
IPCP is open. Gateways are tried in the way's order (R-07); one is given up whole before the next is asked.
Where a partition of i5/OS lends its VPN (OUT-27), the client has L2TP and PPP alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from lab.errors import ProtocolError
from lab.linux import routes
from lab.record.cause import GatewayCause
from lab.record.event import PppUp
from lab.record.record import PppSession, Record
from lab.teardown import Teardown
from lab.wait import comes_true
from lab.ways.ground import Ground, WayDriver
from lab.ways.pass_through import plan as pass_through
from lab.ways.vpn import own_client
from lab.ways.vpn import plan as model
from lab.ways.vpn.carrying_calls import CarryingCalls
from lab.ways.vpn.events import GatewayFailed, L2tpUp
from lab.ways.vpn.plan import IpsecConnection, L2tpClient, VpnPlan
from tunnels.ipsec import Charon, hear_sas
from tunnels.l2tp import GatewayGivesNone, Lac, Lns

DIAL_DEADLINE_S = 120.0
GRACE_S = 30.0


@contextmanager
def start(ground: Ground) -> Iterator[Vpn]:
    """The VPN's ends; the daemons start when the first way is to come up."""
    teardown = Teardown()
    with teardown:
        vpn = Vpn(ground, teardown)
        own_client.hand_out(ground)
        ground.watched.append(vpn)
        yield vpn


@dataclass(slots=True)
class _Tunnel:
    """A client's L2TP that stands, and what it is in."""

    connection: IpsecConnection | None
    """The client's own; None where a partition lends one."""
    lac: Lac


class Vpn(WayDriver):
    """All ends of every way by VPN."""

    def __init__(self, ground: Ground, teardown: Teardown) -> None:
        self._ground = ground
        self._topology = ground.topology
        self._nodes = ground.nodes
        self._record = ground.record
        self._story = ground.story
        self._teardown = teardown
        self._charons: dict[str, Charon] = {}
        self._lnss: dict[str, Lns] = {}
        self._heard: set[str] = set()
        """The nodes whose SAs are recorded."""
        self._tunnels: dict[str, _Tunnel] = {}
        self._calls = CarryingCalls(ground)

    def _start(self, *, clients: bool = True) -> None:
        """Start the daemons that do not run yet, of both ends, all before the first is waited for."""
        connections = model.connections(self._topology)
        lenders = {way.partition for way in model.plans(self._topology)}
        own = {each.node for each in self._topology.own_programs}
        new: list[Charon | Lns] = []
        for name in dict.fromkeys(n for c in connections for n in (c.client, c.gateway)):
            mine = tuple(c for c in connections if name in (c.client, c.gateway))
            if name in lenders:
                continue  # The partition has its own charon.
            self._hear(name)
            # A gateway's own program has run from the start.
            if name in {*self._charons, *own} or not (clients or mine[0].gateway == name):
                continue
            charon = Charon(self._nodes[name], mine, self._record, self._story.tell)
            self._charons[name] = charon
            self._teardown.add(f"{name}'s charon", charon.stop)
            charon.launch()
            new.append(charon)
        for server in model.servers(self._topology):
            if server.gateway in {*self._lnss, *own}:
                continue
            lns = Lns(self._nodes[server.gateway], server, self._story.tell)
            self._teardown.add(f"{server.gateway}'s xl2tpd", lns.stop)
            lns.launch()
            self._lnss[server.gateway] = lns
            new.append(lns)

        for daemon in new:
            daemon.ready()
        if new:
            self._teardown.add("the clients' tunnels", self._hang_up)

    def _hear(self, name: str) -> None:
        """Record a node's SAs and their keys from now on, whoever makes them."""
        if name not in self._heard:
            self._heard.add(name)
            heard = hear_sas(self._nodes[name], self._record)
            self._teardown.enter(f"the listener for {name}'s SAs", heard)

    # For a client of the user's own.

    def stand_by(self) -> None:
        """Have the gateways answer; no daemon starts on an agent's host."""
        self._start(clients=False)
        self._teardown.add("what clients of the user's own did", self._tell_own)

    def _tell_own(self) -> None:
        # A gateway of the user's own tells nothing.
        own = (
            c
            for way in model.plans(self._topology)
            for c in way.connections
            if not way.partition and c.client not in self._charons and c.gateway in self._charons
        )
        own_client.tell(self._ground, own, self._charons, self._lnss)
        lent = [way for way in model.plans(self._topology) if way.partition]
        own_client.tell_lent(self._ground, lent)

    # Up.

    def up(self, way: VpnPlan, agent: str) -> None:
        """Bring up an agent's way; raises ProtocolError with the reason of each gateway tried."""
        self._calls.call(way, agent)
        self._start()
        try:
            self._bring_up(way, agent, way.gateways)
        except ProtocolError:
            # Only where the call was cut off meanwhile: as any call that comes to nothing, it is made again.
            if not self._calls.call(way, agent):
                raise
            self._bring_up(way, agent, way.gateways)

    def up_again(self, way: VpnPlan, agent: str) -> None:
        """Replace a way that has died: the gateways that were not in use first.

        Where the telephone call has gone, no gateway is to blame for that.
        """
        lost = self._tunnels[agent].connection
        self._close(agent)
        if self._calls.call(way, agent):
            return self._bring_up(way, agent, way.gateways)
        dead = [lost.gateway] if lost is not None else []
        others = [gateway for gateway in way.gateways if gateway not in dead]
        self._bring_up(way, agent, (*others, *dead))

    def _bring_up(self, way: VpnPlan, client: str, gateways: tuple[str, ...]) -> None:
        plan = way.client(client)
        lacking = "no way home by VPN"
        gateway, sessions = self._first_of(gateways, way, plan, self._record, lacking)
        if not way.partition:
            self._tell_tunnels(client, gateway, sessions)
        for session in sessions:
            self._story.tell(PppUp.of(session, source=client, time=session.opened))

        destinations = dict.fromkeys(f"{e.address}/32" for e in way.endpoints)
        routes.add(self._nodes[client], destinations, sessions[0].interface)
        self._record.routes[client] = routes.in_use(self._nodes[client])
        self._record.gateway_in_use[client] = gateway

    def _first_of(
        self,
        gateways: tuple[str, ...],
        way: VpnPlan,
        plan: L2tpClient,
        record: Record,
        lacking: str,
    ) -> tuple[str, tuple[PppSession, ...]]:
        """The first gateway that gives a plan's sessions, and these; each other one is given up before.

        A partition that lends its VPN tries them by itself.

        Raises ProtocolError, with what is ``lacking`` and the reason of each gateway tried.
        """
        client, reasons = plan.client, []
        if way.partition:
            return self._lent(way, plan, record, lacking)
        for gateway in gateways:
            try:
                return gateway, self._open(way.connection(client, gateway), plan, way, record)
            except GatewayGivesNone as error:
                self._ground.check()
                self._story.tell(error.event)
                reasons.append(f"{gateway}: {error.message}")
                self._close(client)
                if self._calls.is_cut_off(way, client):
                    break
        raise ProtocolError(f"{client} has {lacking}: {'; '.join(reasons)}")

    def _open(
        self, connection: IpsecConnection, plan: L2tpClient, way: VpnPlan, record: Record
    ) -> tuple[PppSession, ...]:
        """A client's tunnel, whose sessions go into a record; raises GatewayGivesNone."""
        client, gateway = connection.client, connection.gateway
        failed = self._charons[client].initiate(connection, _ike_budget_s(connection))
        if failed is not None:
            none = GatewayFailed(
                source=client, gateway=gateway, cause=GatewayCause.no_ike, detail=""
            )
            raise GatewayGivesNone(none, failed.why)
        node, server = self._nodes[client], way.server(gateway)
        address = connection.client_address or self._calls.address(client)
        lac = Lac(node, plan, server, address, record, self._story.tell)
        self._tunnels[client] = _Tunnel(connection, lac)
        lac.launch()
        lac.ready()
        return lac.dial(DIAL_DEADLINE_S)

    def _lent(
        self, way: VpnPlan, plan: L2tpClient, record: Record, lacking: str
    ) -> tuple[str, tuple[PppSession, ...]]:
        """The sessions of a plan by the partition, which says nothing of the gateway but in PPP."""
        client = plan.client
        below = pass_through.below(self._topology, way)
        assert below is not None, "a way with a partition runs over one"
        borrower = below.borrower(client)
        # To the HMC the partition is the server: it takes the tunnel and the calls.
        server = replace(way.servers[0], gateway=way.partition, address=borrower.partition_address)
        gateways = {each.ppp.local_ip: each.gateway for each in way.servers}
        node = self._nodes[client]
        lac = Lac(node, plan, server, borrower.address, record, self._story.tell, gateways)
        self._tunnels[client] = _Tunnel(None, lac)
        lac.launch()
        lac.ready()
        try:
            sessions = lac.dial(DIAL_DEADLINE_S)
        except GatewayGivesNone as error:
            self._ground.check()
            self._story.tell(error.event)
            self._close(client)
            why = f"{client} has {lacking}: {way.partition}: {error.message}"
            raise ProtocolError(why) from error
        return sessions[0].gateway, sessions

    # For something else than calling home.

    @contextmanager
    def borrowed(self, way: VpnPlan, client: str) -> Iterator[None]:
        """A client's ends of the VPN for something else; the agent's own tunnel, if it is up, is back after.

        A way that does not come back is left down: the next call home tries it again.
        """
        stood = client in self._tunnels
        self._close(client)
        try:
            yield
        finally:
            if stood:
                with suppress(ProtocolError):
                    self.up(way, client)

    @contextmanager
    def session(
        self, way: VpnPlan, plan: L2tpClient
    ) -> Iterator[tuple[str, tuple[PppSession, ...]]]:
        """The sessions of a plan inside of the context, and by which gateway: the first that gives them.

        A telephone call is made for them only where none stands.
        The sessions are in no record. Raises ProtocolError with the reason of each gateway tried.
        """
        dialled = self._calls.call(way, plan.client)
        self._start()
        try:
            yield self._first_of(way.gateways, way, plan, Record(), "no VPN")
        finally:
            self._close(plan.client)
            if dialled:
                self._calls.hang_up(way, plan.client)

    def _tell_tunnels(self, client: str, gateway: str, sessions: tuple[PppSession, ...]) -> None:
        """Of a tunnel with a partition that one tells, before all that it does for the client."""
        open_now = [t for t in self._record.l2tp if t.client == client and not t.closed]
        ids = tuple((t.local_id, t.remote_id) for t in open_now)
        opened = max((t.opened for t in open_now), default=sessions[0].opened)
        self._story.tell(L2tpUp(source=client, gateway=gateway, time=opened, tunnels=ids))

    # While it stands.

    def healthy(self, way: VpnPlan, agent: str) -> bool:
        """Whether IKE, L2TP and PPP of an agent's host are all up, and the call that carries them."""
        tunnel = self._tunnels.get(agent)
        if tunnel is None or not tunnel.lac.alive:
            return False
        if self._calls.is_cut_off(way, agent):
            return False
        sessions = tunnel.lac.refresh()
        standing = bool(sessions) and not any(s.closed for s in sessions)
        return standing and (tunnel.connection is None or self._established(tunnel.connection))

    @property
    def _ends(self) -> list[Lns | Lac]:
        return [*self._lnss.values(), *(tunnel.lac for tunnel in self._tunnels.values())]

    def check(self) -> None:
        """Raise DaemonError if a pppd broke, which no node knows of: xl2tpd started it."""
        for end in self._ends:
            end.check()

    def ended_daemons(self) -> Iterator[tuple[str, str, int]]:
        for end in self._ends:
            for status in end.broken_pppds():
                yield end.node_name, "pppd", status

    def details(self) -> dict[str, list[str]]:
        """What the charon of each end knows, in lines for people; one that has died knows nothing."""
        return {name: charon.details() for name, charon in self._charons.items() if charon.alive}

    def lost(self, way: VpnPlan, agent: str) -> bool:
        """Whether an agent's way has died: waits as long as dead peer detection may take (RFC 3706).

        Of a VPN that a partition lends, the client knows by PPP's echoes alone (RFC 1661 5.8).
        """
        tunnel = self._tunnels.get(agent)
        if tunnel is None:
            return True

        connection = tunnel.connection
        if connection is None:
            client = way.client(agent)
            detection_s = client.lcp_echo_interval_s * (client.lcp_echo_failures + 1)
            budget_s, fact = detection_s + GRACE_S, f"{agent}'s pppd finds {way.partition} dead"
        else:
            detection_s = connection.dpd_delay_s + connection.dpd_timeout_s
            budget_s = detection_s + _ike_budget_s(connection) + GRACE_S
            fact = f"{agent}'s charon finds {connection.gateway} dead"
        return comes_true(fact, lambda: not self.healthy(way, agent), budget_s, every_s=0.5)

    def _established(self, connection: IpsecConnection) -> bool:
        charon = self._charons[connection.client]
        return charon.alive and any(
            sa.name == connection.name and sa.established for sa in charon.ike_sas()
        )

    # Down.

    def give_up(self, way: VpnPlan, agent: str) -> None:
        """Take an agent's tunnel down, if there is one, and then hang up."""
        self._close(agent)
        self._calls.hang_up(way, agent)

    # Trials.

    def put_to_test(self, lab: Any, agents: Sequence[str]) -> None:
        """AT&T's fence, as of a call that carries nothing (L-01 to L-12): the VPN is taken down before."""
        ways = {agent: lab.homeward.in_use(agent) for agent in agents}
        for agent in (agent for agent, way in ways.items() if way.dials):
            self._close(agent)
        self._calls.put_to_test(lab, ways)

    def _close(self, client: str) -> None:
        tunnel = self._tunnels.pop(client, None)
        if tunnel is not None:
            tunnel.lac.stop()
            # Somebody in the node may have ended it, and its SAs with it.
            if tunnel.connection is not None and self._charons[client].alive:
                self._charons[client].terminate(tunnel.connection)

    def _hang_up(self) -> None:
        for client in list(self._tunnels):
            self._close(client)


def _ike_budget_s(connection: IpsecConnection) -> float:
    """How long charon itself goes on with retransmissions, for both phases, and a little more."""
    return 2 * connection.retransmit_budget_s + GRACE_S
