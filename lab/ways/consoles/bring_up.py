"""How a way home by other consoles comes up: the agent's own console knows a call-home server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from lab.consoles.service import ConsoleAtWork
from lab.errors import ProtocolError
from lab.names import all_of
from lab.ways.consoles.events import CallHomeServersKnown
from lab.ways.consoles.plan import ConsolesPlan
from lab.ways.ground import Ground, WayDriver


@contextmanager
def start(ground: Ground) -> Iterator[ConsolesDriver]:
    """The consoles run already."""
    yield ConsolesDriver(ground)


class ConsolesDriver(WayDriver):
    """Every such agent's own console."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    def up(self, way: ConsolesPlan, agent: str) -> None:
        """Have the console take requests; raises ProtocolError if it has discovered no call-home server."""
        console = self._console(agent)
        servers = [each.name for each in console.directory.servers()]
        if not servers:
            raise ProtocolError(f"{agent} has discovered no call-home server")
        assert console.port is not None, "there are servers in the topology"
        console.port.desk.takes_own = console.port.desk.by_others = True
        self._ground.story.tell(CallHomeServersKnown(source=agent, servers=all_of(servers)))

    def up_again(self, way: ConsolesPlan, agent: str) -> None:
        self.up(way, agent)

    def give_up(self, way: ConsolesPlan, agent: str) -> None:
        """The console takes no request of the agent's any more."""
        port = self._console(agent).port
        if port is not None:
            port.desk.takes_own = port.desk.by_others = False

    def healthy(self, way: ConsolesPlan, agent: str) -> bool:
        """Whether a server is known; whether it gets home is for a request to find out."""
        return bool(self._console(agent).directory.servers())

    def lost(self, way: ConsolesPlan, agent: str) -> bool:
        return not self.healthy(way, agent)

    def put_to_test(self, lab: Any, agents: Sequence[str]) -> None:
        """Each agent's host tries the call-home servers at TCP port 9920: by RSA alone, and without TLS."""
        # Not at the head: it is not needed to call home.
        from lab.consoles import tried
        from lab.ways.consoles import trials

        for agent in agents:
            console = self._console(agent)
            names = tried.offers(anonymous=console.console.anonymous)
            for server in console.directory.servers():
                node = self._ground.nodes[agent]
                for event in node.call(trials.run, agent, server.name, server.address, names):
                    self._ground.story.tell(event)

    def _console(self, agent: str) -> ConsoleAtWork:
        return cast("ConsoleAtWork", self._ground.services[agent])
