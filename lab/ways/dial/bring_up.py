"""How ways by telephone come up: the modem is found at boot, a number is dialled, PPP comes up with PAP.

The order of the papers is kept (OUT-23): only then is there a route to IBM, over ``ppp0`` alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lab.linux import routes
from lab.record.event import PppUp
from lab.record.record import PppSession
from lab.teardown import Teardown
from lab.wait import comes_true
from lab.ways.dial.events import NoSerialPort
from lab.ways.dial.plan import Dialer, DialPlan, plans
from lab.ways.ground import Ground, WayDriver
from lab.ways.pass_through.plan import below
from tunnels.modem import Dialler
from tunnels.redialling import Redialling

GRACE_S = 30.0


@contextmanager
def start(ground: Ground) -> Iterator[Dial]:
    """Look for the modems, and hang up every call at the end."""
    teardown = Teardown()
    with teardown:
        dial = Dial(ground)
        for way in plans(ground.topology):
            for plan in way.dialers:
                dialler = dial.borrow(way, plan) if plan.partition else dial.find_modem(way, plan)
                teardown.add(f"{plan.client}'s call", dialler.hang_up)
        yield dial


class Dial(WayDriver):
    """Every agent's modem and dialler, for every way by telephone."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._nodes = ground.nodes
        self._record = ground.record
        self._story = ground.story
        self._diallers: dict[tuple[str, str], Redialling] = {}
        """By way and client."""
        self._refused: dict[str, tuple[str, ...]] = {}
        """By client: the prefixes for which its packets go by telephone or nowhere."""

    def borrow(self, way: DialPlan, plan: Dialer) -> Redialling:
        """Have a partition's modem dial for the client (OUT-30): the partition has looked for one."""
        # Only now: imports are what a run in the guest costs.
        from tunnels.remote_modem import RemoteDialler

        lent = below(self._ground.topology, way)
        assert lent is not None, "check has seen it"
        dialler = RemoteDialler(
            self._nodes[plan.client],
            plan,
            lent.borrower(plan.client),
            self._lig_name,
            self._record,
            self._story.tell,
        )
        self._diallers[way.name, plan.client] = dialler
        return dialler

    @property
    def _lig_name(self) -> str:
        lig = self._ground.topology.lig
        assert lig is not None, "check has seen it"
        return lig.node

    def find_modem(self, way: DialPlan, plan: Dialer) -> Dialler:
        """Look at the client's serial ports (OUT-24), once for all ways of the client."""
        node, tell = self._nodes[plan.client], self._story.tell
        dialler = Dialler(node, plan, self._lig_name, self._record, tell)
        own = (d for (_, client), d in self._diallers.items() if client == plan.client)
        found = next((d for d in own if isinstance(d, Dialler)), None)
        self._diallers[way.name, plan.client] = dialler
        if found is not None:
            dialler.share_modem(found)
            return dialler
        if not plan.devices:
            tell(NoSerialPort(source=plan.client))
        dialler.find_modem()
        return dialler

    # Up.

    def up(self, way: DialPlan, agent: str) -> None:
        """Call from an agent's host; raises ProtocolError with the reason of each call."""
        self._bring_up(way, agent, self._destinations(way))

    def up_again(self, way: DialPlan, agent: str, early: bytes = b"") -> None:
        """Call again after a call was lost; ``early`` is an IP packet that does not wait for PPP (P-20)."""
        self.hang_up(way, agent)
        self._bring_up(way, agent, self._destinations(way), early)

    # For a way that runs over this one.

    def carry(self, way: DialPlan, agent: str, ends: Sequence[str]) -> PppSession:
        """Call, and route these prefixes and no server's over the call; raises ProtocolError as ``up`` does.

        The servers are refused where the other way does not lead: no packet for them goes by a wire.
        """
        session = self._bring_up(way, agent, (*ends, self._utility))
        self._refuse(agent, self._destinations(way))
        return session

    def lead(self, way: DialPlan, agent: str) -> None:
        """Route the servers over the call that carried another way: that way has been taken down."""
        interface = self._diallers[way.name, agent].interface
        servers = [d for d in self._destinations(way) if d != self._utility]
        routes.add(self._nodes[agent], servers, interface)

    def hang_up(self, way: DialPlan, agent: str) -> None:
        """End an agent's call; returns when its own side has ended."""
        self._diallers[way.name, agent].hang_up()

    def give_up(self, way: DialPlan, agent: str) -> None:
        """Hang up, and let packets for IBM go by other ways."""
        self.hang_up(way, agent)
        routes.allow(self._nodes[agent], self._refused.pop(agent, ()))

    def _bring_up(
        self, way: DialPlan, client: str, destinations: Sequence[str], early: bytes = b""
    ) -> PppSession:
        session = self._diallers[way.name, client].dial(early)
        self._story.tell(PppUp.of(session, source=client, time=session.opened))

        routes.add(self._nodes[client], destinations, session.interface)
        # When the call is lost, nothing that is for IBM goes by the customer's network instead.
        self._refuse(client, destinations)
        return session

    def _refuse(self, client: str, destinations: Sequence[str]) -> None:
        before = self._refused.get(client, ())
        new = tuple(d for d in destinations if d not in before)
        routes.refuse(self._nodes[client], new)
        self._refused[client] = (*before, *new)

    def _destinations(self, way: DialPlan) -> tuple[str, ...]:
        """The prefixes that are reached by telephone: IBM's servers and AT&T's name server."""
        servers = (f"{endpoint.address}/32" for endpoint in way.endpoints)
        return tuple(dict.fromkeys((*servers, self._utility)))

    @property
    def _utility(self) -> str:
        lig = self._ground.topology.lig
        assert lig is not None, "check has seen it"
        return f"{lig.utility}/32"

    # While it stands.

    def healthy(self, way: DialPlan, agent: str) -> bool:
        """Whether an agent's call and its PPP are up."""
        return self._diallers[way.name, agent].healthy()

    def lost(self, way: DialPlan, agent: str) -> bool:
        """Whether an agent's call has gone: waits as long as LCP echo may take to find out."""
        plan = way.dialer(agent)
        budget_s = plan.lcp_echo_interval_s * (plan.lcp_echo_failures + 1) + GRACE_S
        fact = f"{agent} finds its call gone"
        return comes_true(fact, lambda: not self.healthy(way, agent), budget_s, every_s=0.5)

    def put_to_test(self, lab: Any, agents: Sequence[str]) -> None:
        """AT&T's fence, from both its sides (L-01 to L-12)."""
        # Only now: imports are what a run in the guest costs.
        from lab.ways.dial import fence_trials

        fence_trials.run(lab, self, agents)
