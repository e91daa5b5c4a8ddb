"""The way home by telephone: modems and exchange, AT&T's gateway, and a call from each client.

Keeps the order of the papers (OUT-23): the modem is found at boot, a number is dialled, PPP comes up with
PAP, and only then is there a route to IBM, over ``ppp0`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from lab import routes
from lab.errors import DeadlineExceeded, ProtocolError
from lab.nodes import Node
from lab.record import DialAttempt, PppSession, Record
from lab.story import Story
from lab.teardown import Teardown
from lab.telephony.equipment import Equipment
from lab.topology.model import Topology
from lab.topology.telephone import Dialer
from lab.wait import wait_until
from tunnels import ppp
from tunnels.lig import Bank
from tunnels.modem import Dialler

GRACE_S = 30.0


class Dial:
    """The telephone of a topology: a context manager; ``up`` brings every client's way up.

    Also where the way home is another: then the modems are there, and silent.
    """

    def __init__(
        self,
        topology: Topology,
        nodes: Mapping[str, Node],
        record: Record,
        story: Story,
        run_dir: Path,
    ) -> None:
        self._topology = topology
        self._nodes = nodes
        self._record = record
        self._story = story
        self._run_dir = run_dir
        self._diallers: dict[str, Dialler] = {}
        self._committed: set[str] = set()
        """Clients whose way home is by telephone or not at all."""
        self._teardown = Teardown()
        self.equipment: Equipment | None = None
        self.bank: Bank | None = None

    def __enter__(self) -> Dial:
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
        topology, telephone = self._topology, self._topology.telephone
        assert telephone is not None, "whoever asks for it has looked"
        seed = f"{topology.name} {topology.fault}"
        self.equipment = self._teardown.enter(
            "the telephone", Equipment(telephone, self._nodes, self._run_dir / "wire", seed)
        )
        if topology.lig is not None:
            lig = topology.lig
            bank = Bank(self._nodes[lig.node], lig, telephone.lines, self._record)
            self.bank = self._teardown.enter(f"{lig.node}'s modems", bank)
            for agent in topology.agents:
                # Also for who dials by himself.
                if account := topology.dial_account(agent):
                    ppp.write_secrets(self._nodes[agent], [account])
        for plan in topology.dialers:
            self._find_modem(plan)

    def _find_modem(self, plan: Dialer) -> None:
        lig = self._topology.lig
        assert lig is not None, "check has seen it"
        dialler = Dialler(
            self._nodes[plan.client], plan, lig.node, self._record, self._tell_attempt
        )
        self._diallers[plan.client] = dialler
        self._teardown.add(f"{plan.client}'s call", dialler.stop)
        device = dialler.find_modem()
        probes = [p for p in self._record.modems if p.node == plan.client]
        why = f": {probes[-1].error}" if probes else ""
        self._story.tell("modem", f"{plan.client}: {device or f'no modem{why}'}")

    # Up.

    def up(self) -> None:
        """Bring up every client's way; raises ProtocolError with the reason of each call."""
        for plan in self._topology.dialers:
            if not self._diallers[plan.client].healthy():
                self._bring_up(plan)

    def up_again(self, client: str, early: bytes = b"") -> None:
        """Call again after a call was lost; ``early`` is an IP packet that does not wait for PPP (P-20)."""
        (plan,) = (p for p in self._topology.dialers if p.client == client)
        self.hang_up(client)
        self._bring_up(plan, early)

    def hang_up(self, client: str) -> None:
        """End a client's call; returns when its own side has ended."""
        self._diallers[client].hang_up()

    def _bring_up(self, plan: Dialer, early: bytes = b"") -> None:
        try:
            session = self._diallers[plan.client].dial(early)
        except ProtocolError:
            self._check()
            raise
        self._tell_session(plan.client, session)
        self._record.gateway_in_use[plan.client] = session.gateway

        lig = self._topology.lig
        assert lig is not None
        destinations = dict.fromkeys(f"{e.address}/32" for e in self._topology.endpoints)
        destinations[f"{lig.utility}/32"] = None
        routes.add(self._nodes[plan.client], destinations, session.interface)
        if plan.client not in self._committed:
            # When the call is lost, nothing that is for IBM goes by the customer's network instead.
            routes.refuse(self._nodes[plan.client], destinations)
            self._committed.add(plan.client)

    def _tell_attempt(self, attempt: DialAttempt) -> None:
        what = ", ".join(filter(None, (attempt.result, attempt.failure)))
        self._story.tell("call", f"{attempt.client} dials {attempt.number}: {what}")

    def _tell_session(self, client: str, session: PppSession) -> None:
        self._story.tell(
            "PPP",
            f"{client} is {session.local_ip} on {session.interface}, {session.gateway} is "
            f"{session.peer_ip}, MTU {session.mtu}",
        )

    def _check(self) -> None:
        """A lab whose own telephone broke proves nothing about the way home."""
        for part in (self.equipment, self.bank):
            if part is not None:
                part.check()

    # While it stands.

    def healthy(self, client: str) -> bool:
        """Whether a client's call and its PPP are up."""
        return self._diallers[client].healthy()

    def lost(self, client: str) -> bool:
        """Whether a client's call has gone: waits as long as LCP echo may take to find out."""
        (plan,) = (p for p in self._topology.dialers if p.client == client)
        budget_s = plan.lcp_echo_interval_s * (plan.lcp_echo_failures + 1) + GRACE_S
        try:
            wait_until(
                f"{client} finds its call gone",
                lambda: not self.healthy(client),
                budget_s,
                every_s=0.5,
            )
        except DeadlineExceeded:
            return False
        return True
