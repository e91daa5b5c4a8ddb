"""The connectivity test (E-13): every server by each way, by name and at each of its addresses (F-12, F-13).

It fails if any of them fails, also where calls home work: whoever is called next may be the one that is shut.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from lab.agent.authentication import Authentication
from lab.agent.message import ServerUrl
from lab.agent.roads import Road, Roads
from lab.agent.session import Unanswered, open_session
from lab.agent.state import AgentState
from lab.topology.errand_kinds import DOWNLOADS

PATH = "/service/openapi.json"
"""What is asked for: every server has it, and it says nothing of the machine."""
TRY_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One result."""

    way: str
    server: str
    address: str
    """The address that was tried; empty: by name alone."""
    errands: tuple[str, ...]
    reached: bool
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def line(self) -> str:
        at = f" at {self.address}" if self.address else " by name"
        return f"{self.server}{at}, way {self.way}: {'SUCCESS' if self.reached else 'FAILURE: ' + self.why}"


class ConnectivityTest:
    """One test of everything that the settings and IBM's configuration name."""

    def __init__(self, state: AgentState, roads: Roads) -> None:
        self._state = state
        self._roads = roads

    def run(self) -> Iterator[Tried]:
        """Each result as it comes; every way is tried, also behind one that works."""
        for road in self._roads.usable():
            for server, errands in self._servers():
                yield self._by_name(road, server, errands)
                if road.setting.proxy is None:  # A proxy looks names up by itself.
                    for address in self._addresses(server):
                        yield self._at(road, server.at(address), address, errands)
        for road in self._roads.all:
            if road.closed:
                yield Tried(
                    way=road.name, server="", address="", errands=(), reached=False, why=road.closed
                )

    def _servers(self) -> list[tuple[ServerUrl, tuple[str, ...]]]:
        """Every server once, and what it is for."""
        uses: dict[str, list[str]] = {}
        for errand, urls in self._state.directory.lists().items():
            # HTTP that is a backup only stays one (OUT-32).
            safe = [url for url in urls if not ServerUrl(url, may_be_clear=True).clear]
            for url in safe or urls:
                uses.setdefault(url, []).append(errand)
        return [
            (ServerUrl(url, may_be_clear={*errands} <= DOWNLOADS), tuple(errands))
            for url, errands in uses.items()
        ]

    def _addresses(self, server: ServerUrl) -> list[str]:
        try:
            found = socket.getaddrinfo(
                server.host, server.port, self._state.settings.family, socket.SOCK_STREAM
            )
        except (OSError, ValueError):
            return []  # The try by name has said so.
        return [str(address[0]) for *_, address in found]

    def _by_name(self, road: Road, server: ServerUrl, errands: tuple[str, ...]) -> Tried:
        return self._at(road, server, "", errands)

    def _at(self, road: Road, server: ServerUrl, address: str, errands: tuple[str, ...]) -> Tried:
        why = self._why_not(road, server)
        result = Tried(
            way=road.name, server=server.url, address=address, errands=errands,
            reached=not why, why=why,
        )  # fmt: skip
        self._state.book.note(
            "tested", way=road.name, server=server.url, address=address, why=why, reached=not why
        )
        return result

    def _why_not(self, road: Road, server: ServerUrl) -> str:
        """Why a server is not reached; empty if it is."""
        state = self._state
        authentication = Authentication(state)
        machine = state.settings.machines[0].name
        try:
            with open_session(
                server, road.setting.proxy, state.context, errand="test",
                family=state.settings.family, total_s=TRY_S,
            ) as session:  # fmt: skip
                if server.clear:
                    return ""  # Nothing is said in clear but what is to be fetched there.
                authentication.log_in(session, machine, authentication.passwords(machine)[0])
                reply = session.ask("GET", PATH)
        except Unanswered as failed:
            return f"{failed.attempt.phase}: {failed.attempt.why}"
        return f"it answers {reply.problem}" if reply.status >= 500 else ""
