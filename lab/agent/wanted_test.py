"""A test of connections that somebody at the machine wants of the service; the result is a file (E-13)."""

from __future__ import annotations

import json
from pathlib import Path

from lab.agent import storage
from lab.agent.connectivity import ConnectivityTest, Tried
from lab.agent.roads import Roads
from lab.agent.state import AgentState
from lab.errors import UsageError
from lab.names import count

WANTED = "tests-wanted.json"
"""The files that are to have a result, until they have one."""
READABLE = 0o644
SHOWN = 3
"""So many of the paths that failed are told in an alert."""


class WantedTests:
    """The tests that the service still has to do, in a file of the state folder."""

    def __init__(self, state: AgentState) -> None:
        self._state = state

    def want(self, result: str) -> None:
        """Have the service test its connections; raises UsageError without a file for the result."""
        if not result:
            raise UsageError(
                "a test of connections has no `result`", hint="write the path of a file there"
            )
        storage.make_folder(self._state.folder)
        storage.write_json(self._state.file(WANTED), [*self.wanted, result])

    @property
    def wanted(self) -> list[str]:
        """The paths of results that are not there yet."""
        members = storage.read_json(self._state.file(WANTED))
        return [str(path) for path in members] if isinstance(members, list) else []

    def run(self, roads: Roads) -> None:
        """Test once for all who want it: IBM's servers are asked once.

        Raises StorageError for a result that cannot be written, after the others; it is not tried again.
        """
        wanted = list(dict.fromkeys(self.wanted))
        results: list[Tried] = []
        for tried in ConnectivityTest(self._state, roads).run():
            results.append(tried)
        failed = [tried for tried in results if not tried.reached]
        told = json.dumps([tried.as_dict() for tried in results], indent=1)
        self._alert(results, failed)
        unwritten: list[storage.StorageError] = []
        for path in wanted:
            try:
                storage.write_whole(Path(path), told.encode())
                Path(path).chmod(READABLE)
            except storage.StorageError as error:
                unwritten.append(error)
        storage.write_json(self._state.file(WANTED), [p for p in self.wanted if p not in wanted])
        if unwritten:
            raise unwritten[0]

    def _alert(self, results: list[Tried], failed: list[Tried]) -> None:
        """Whoever is at the machine hears which path is shut, also where calls home work (F-13)."""
        alerts = self._state.alerts
        if not failed:
            alerts.clear("test")
            return
        tries = count(len(results), "try", "tries")
        lines = "; ".join(tried.line for tried in failed[:SHOWN])
        more = f"; and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
        alerts.sound(
            "test",
            f"the test of connections: {len(failed)} of {tries} failed: {lines}{more}",
            "redundancy is lost; `lab agent test` tries each path again, and firewall and proxy have to let "
            "them through",
        )
