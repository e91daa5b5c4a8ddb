"""The ways home of a lab that stands: each agent's are tried in order, until one is up (OUT-15, R-01).

What a way is made of is known to the way's own ``bring_up``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from lab import ways
from lab.errors import ProtocolError, UsageError
from lab.names import all_of
from lab.record.event import BackupTried, WayFailed, WayLost, WayTried, WayUp
from lab.record.order_event import WayTakenDown
from lab.record.record import WayTry
from lab.teardown import Teardown
from lab.topology.model import Way
from lab.ways.ground import Ground, Start, WayDriver

TELEPHONE = "telephone"
"""What every way by telephone is tried with, whatever it carries: AT&T's fence."""


class Homeward:
    """Every agent's ways, and which of them is in use."""

    def __init__(self, ground: Ground, drivers: dict[str, WayDriver]) -> None:
        self._ground = ground
        self._drivers = drivers
        self._in_use: dict[str, Way] = {}
        self._half_up: dict[str, Way] = {}
        """By agent: its only way, which did not come up, and is left as it is."""
        self._tested: set[tuple[str, str]] = set()
        """Kind of way, or ``TELEPHONE``, and agent."""

    @classmethod
    def start(cls, ground: Ground, teardown: Teardown) -> Homeward:
        """Make every kind of way ready that the topology has; none is brought up."""
        drivers = ground.drivers
        # What ways run over is there before them, and goes after them.
        plans = sorted(ground.topology.ways, key=lambda way: bool(way.over))
        for kind in dict.fromkeys(way.kind for way in plans):
            start: Start = ways.stage(kind, "bring_up").start
            drivers[kind] = teardown.enter(f"the ways by {kind}", start(ground))
        return cls(ground, drivers)

    def driver(self, way: Way) -> WayDriver:
        """What brings a way up."""
        return self._drivers[way.kind]

    def put_to_test(self, lab: Any) -> None:
        """Try what only one kind of way can be tried with, of every kind in use, with the agents that use it.

        Not with an agent that has been tried by another way of the kind, or by another call: it would be the
        same trial.
        """
        for kind, driver in self._drivers.items():
            own = {a: w for a in self._ground.topology.agents if (w := self.in_use(a))}
            tried = {
                a: (TELEPHONE if w.dials else kind, a) for a, w in own.items() if w.kind == kind
            }
            agents = [agent for agent, trial in tried.items() if trial not in self._tested]
            self._tested.update(tried[agent] for agent in agents)
            if agents:
                driver.put_to_test(lab, agents)

    def details(self) -> list[dict[str, list[str]]]:
        """What the daemons of every kind of way know, by node."""
        return [driver.details() for driver in self._drivers.values()]

    def ended_daemons(self) -> Iterator[tuple[str, str, int]]:
        """The daemons that have broken, of every kind of way, as ``WayDriver`` has them."""
        for driver in self._drivers.values():
            yield from driver.ended_daemons()

    def in_use(self, agent: str) -> Way | None:
        """The way that an agent has come home by, or is about to."""
        return self._in_use.get(agent)

    def stand_by(self) -> None:
        """Have the far ends of every kind of way answer; the ways are left to the user's own clients."""
        for driver in self._drivers.values():
            driver.stand_by()

    def up(self) -> None:
        """Bring up a way for every agent that has none; raises ProtocolError if no way of an agent comes."""
        for agent in self._ground.topology.agents:
            if not self.healthy(agent):
                self._clear(agent)
                self._find(agent, self._ground.topology.ways_of(agent))

    def bring_up(self, name: str = "", agent: str = "") -> list[tuple[str, Way]]:
        """Bring a way up by command, for an agent or for all that have none; which ways are up since.

        Without a name each agent's ways are tried in their order. Raises UsageError if nothing is to be done,
        or another way of an agent is up; at last ProtocolError if a way does not come.
        """
        having = self._having(name, agent)
        standing = {
            each: way for each in having if self.healthy(each) and (way := self.in_use(each))
        }
        others = [(each, way) for each, way in standing.items() if name and way.name != name]
        if others:
            whose, way = others[0]
            raise UsageError(
                f"{whose} has its way home by {way.name}", hint=f"first: lab path down {way.name}"
            )
        down = [each for each in having if each not in standing]
        if not down:
            told = all_of([f"{way.name} for {each}" for each, way in standing.items()])
            raise UsageError(f"the way home is up already: {told}", hint="lab path down")
        reasons = []
        for each in down:
            self._clear(each)
            own = self._ground.topology.ways_of(each)
            try:
                self._find(each, [w for w in own if not name or w.name == name], chosen=bool(name))
            except ProtocolError as error:
                reasons.append(error.message)
        if reasons:
            raise ProtocolError("; ".join(reasons))
        return [(each, self._in_use[each]) for each in down]

    def take_down(self, name: str = "", agent: str = "") -> list[tuple[str, Way]]:
        """Take a way, or whatever way is up, down by command; whose, and which.

        Raises UsageError if there is none.
        """
        having = self._having(name, agent)
        standing = [(each, way) for each in having if (way := self.in_use(each))]
        standing = [(each, way) for each, way in standing if name in ("", way.name)]
        if not standing:
            what = f"the way {name}" if name else "the way home"
            raise UsageError(
                f"{what} is not up for {all_of(having)}", hint=f"lab path up {name}".rstrip()
            )
        for each, way in standing:
            self.driver(way).take_down(way, each)
            del self._in_use[each]
            own = [t for t in self._ground.record.tries if t.agent == each and t.way == way.name]
            own[-1].taken_down = time.time()
            self._ground.story.tell(WayTakenDown(source=each, way=way.name))
        return standing

    def _having(self, name: str, agent: str) -> list[str]:
        """The agents that have a way of this name, or any; of one agent, or of all."""
        topology = self._ground.topology
        known = [way.name for way in topology.own_ways]
        if name and name not in known:
            raise UsageError(
                f"{topology.name} has no way {name!r}", hint=f"known: {', '.join(known)}"
            )
        if agent and agent not in topology.agents:
            agents = ", ".join(topology.agents)
            raise UsageError(f"no agent is on {agent!r}", hint=f"known: {agents}")
        asked = [agent] if agent else list(topology.agents)
        having = [a for a in asked if not name or name in {w.name for w in topology.ways_of(a)}]
        if not having and not agent:
            over = next(way.name for way in self._ground.topology.ways if way.over == name)
            problem = f"{name} only carries {over}, and is no agent's way home by itself"
            raise UsageError(problem, hint=f"name {over}")
        if not having:
            own = ", ".join(way.name for way in topology.ways_of(agent))
            raise UsageError(f"{agent} has no way {name!r}", hint=f"known: {own}")
        return having

    def _clear(self, agent: str) -> None:
        """Give up what is left of a way that has died, or has not come up."""
        way = self._in_use.pop(agent, None) or self._half_up.pop(agent, None)
        if way is not None:
            self.driver(way).give_up(way, agent)

    def healthy(self, agent: str) -> bool:
        """Whether an agent has a way home, and everything of the way is up now."""
        way = self._in_use.get(agent)
        return way is not None and self.driver(way).healthy(way, agent)

    def renew(self, agent: str) -> bool:
        """Find another way home after a call by the present one has failed; whether there was one to try.

        A way that has died is brought up again, by another gateway if there is one. Otherwise, or if it does
        not come, the ways after it are tried. Raises ProtocolError if none comes.
        """
        way = self._in_use.get(agent)
        if way is None:
            return False
        driver = self.driver(way)
        later = self._later(agent, way)
        lost = driver.lost(way, agent)
        self._ground.check()
        if not (lost or later):
            return False

        self._ground.story.tell(WayLost(source=agent, way=way.name))
        if lost:
            reason = self._try(way, agent, again=True)
            if not reason:
                return True
            if not later:
                raise ProtocolError(reason)
        driver.give_up(way, agent)
        self._find(agent, later)
        return True

    def try_backup(self, agent: str) -> bool:
        """Take the way in use down, and bring up the one after it; whether there is one.

        Raises ProtocolError if it does not come: a backup that does not work is a fault, needed or not.
        """
        way = self._in_use[agent]
        later = self._later(agent, way)
        if not later:
            return False
        self._ground.story.tell(BackupTried(source=agent, way=way.name, backup=later[0].name))
        self.driver(way).give_up(way, agent)
        if reason := self._try(later[0], agent, backup=True):
            raise ProtocolError(f"by {later[0].name}, the backup of {way.name}: {reason}")
        return True

    def _later(self, agent: str, way: Way) -> tuple[Way, ...]:
        own = self._ground.topology.ways_of(agent)
        return own[own.index(way) + 1 :]

    def _find(self, agent: str, candidates: Iterable[Way], *, chosen: bool = False) -> None:
        reasons = []
        for way in candidates:
            reason = self._try(way, agent, chosen=chosen)
            if not reason:
                return
            reasons.append((way, reason))
        if len(reasons) == 1:
            raise ProtocolError(reasons[0][1])
        raise ProtocolError("; ".join(f"by {way.name}: {reason}" for way, reason in reasons))

    def _try(
        self,
        way: Way,
        agent: str,
        *,
        again: bool = False,
        backup: bool = False,
        chosen: bool = False,
    ) -> str:
        """Try one way; why it did not come, or nothing."""
        ground, driver = self._ground, self.driver(way)
        trial = WayTry(agent=agent, way=way.name, started=time.time(), backup=backup, chosen=chosen)
        ground.story.tell(WayTried(source=agent, way=way.name, time=trial.started))
        ground.record.tries.append(trial)
        try:
            (driver.up_again if again else driver.up)(way, agent)
        except ProtocolError as error:
            ground.check()
            only = len(ground.topology.ways_of(agent)) == 1
            if only:
                self._half_up[agent] = way
            else:
                driver.give_up(way, agent)
            ground.story.tell(WayFailed(source=agent, way=way.name, only=only))
            return str(error)
        finally:
            trial.ended = time.time()
        trial.up = True
        self._in_use[agent] = way
        ground.story.tell(WayUp(source=agent, way=way.name))
        return ""
