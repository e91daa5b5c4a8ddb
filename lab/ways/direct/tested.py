"""What the wires show of an agent's connections to listed servers: which left, and which were answered.

The test of connections (F-12) says of each server what came of it; the wires say whether that is so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.names import place
from lab.topology.model import Endpoint
from lab.verify.case import Case
from lab.verify.finding import Check
from lab.verify.outbound import ON_ITS_WAY_S
from lab.ways.direct.events import ServerTested
from lab.ways.direct.plan import DirectPlan, plans
from lab.wire import tls
from lab.wire.decode import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One connection that an agent's host began to a listed server."""

    agent: str
    address: str
    port: int
    time: float
    left: bool
    """Whether the SYN left for the Internet."""
    answered: bool
    """Whether a SYN/ACK came to the agent's host."""
    frames: tuple[Frame, ...]


def openings(case: Case, agent: str) -> list[Opening]:
    """The connections on an agent's wire that go to what is listed, in order; with the tests' own.

    Errands have listed ports beside those of a direct way.

    Without one that neither left nor was answered, if it was begun when the lab was about to go down.
    """
    wanted = {
        (e.address, e.port)
        for plan in plans(case.topology)
        for e in (*plan.tested, *plan.elsewhere, *_asked_by_errands(case, plan))
    }
    # NAT leaves a SYN its number, and changes what else tells one from another.
    gone = {(p.destination, p.tcp_sequence) for _, p in case.leaving if p.is_bare_syn}
    found = [
        Opening(
            agent=agent,
            address=connection.server,
            port=connection.port,
            time=connection.frames[0].time,
            left=any(
                (f.ip.destination, f.ip.tcp_sequence) in gone
                for f in connection.frames
                if f.ip and f.ip.is_bare_syn
            ),
            answered=any(packet.is_syn_ack for packet in connection.received),
            frames=tuple(connection.frames[:4]),
        )
        for connection in tls.connections(case.inside_frames)
        if connection.opened
        and case.agent_addresses.get(connection.client) == agent
        and (connection.server, connection.port) in wanted
    ]
    # The lab may have gone down while a SYN was on a wire: that is no loss.
    latest = case.record.ended - ON_ITS_WAY_S
    return [each for each in found if each.left or each.answered or each.time < latest]


def _asked_by_errands(case: Case, plan: DirectPlan) -> list[Endpoint]:
    return [end for e in case.topology.errands_of(plan.name) for end in e.endpoints]


def wanted_servers(case: Case, plan: DirectPlan) -> list[Endpoint]:
    """Every listed address and port that a way's agents have a use for, each once."""
    servers = (*plan.tested, *_asked_by_errands(case, plan))
    return [*{(end.address, end.port): end for end in reversed(servers)}.values()][::-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A test of one connection, as it was told and as it was on the wires."""

    told: ServerTested
    openings: tuple[Opening, ...]

    @property
    def place(self) -> str:
        """``esupport.ibm.com (129.42.56.189:443)``."""
        return f"{self.told.server} ({place(self.told.address, self.told.port)})"

    @property
    def frames(self) -> list[Frame]:
        return [frame for opening in self.openings for frame in opening.frames]

    @property
    def left(self) -> bool:
        return any(opening.left for opening in self.openings)


def tested(case: Case, agent: str, endpoints: Iterable[Endpoint]) -> list[Tested]:
    """An agent's tests of these servers, each with its connections on the wires."""
    places = {(endpoint.address, endpoint.port) for endpoint in endpoints}
    own = openings(case, agent)
    return [
        Tested(
            told=told,
            openings=tuple(
                opening
                for opening in own
                if (opening.address, opening.port) == (told.address, told.port)
                and told.started <= opening.time <= told.time
            ),
        )
        for told in case.server_tests
        if told.source == agent and (told.address, told.port) in places
    ]


def judge_tests(check: Check, tests: Iterable[Tested]) -> None:
    """Object to a test that is on no wire, and to one of which the wires say otherwise."""
    for test in tests:
        check.show(test.frames)
        told = test.told
        if not test.openings:
            check.object(
                f"the test of {test.place} by {told.source} is on no wire: it proves nothing"
            )
        elif told.connected != any(opening.answered for opening in test.openings):
            said = "a connection" if told.connected else "no connection"
            words = f"the test of {told.source} says {said} to {test.place}, and the wire says otherwise"
            check.object(words, test.frames)


def plans_of(case: Case) -> Iterator[tuple[DirectPlan, str]]:
    """The ways home over the Internet, each with every agent that has it."""
    for plan in plans(case.topology):
        for agent in plan.agents:
            yield plan, agent
