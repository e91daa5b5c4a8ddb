"""The world around an agent: carries out the events of a script, each in the lab's own process.

What passes has a time at which it is over; ``due`` says when the world is to be asked again.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from lab.ibm.server import Server
from lab.inside.running import RunningLab
from lab.life import outages
from lab.life.at_ibm import IbmOffice
from lab.life.events import LifeHappened, LifePassed, ProblemCame
from lab.life.machine import FOLDER, Hardware
from lab.life.outages import OutagePlan
from lab.life.program import AgentProgram
from lab.life.script import Deed, LifeEvent, Script
from lab.linux import firewall
from lab.topology import receiving
from lab.topology.roles import Role

if TYPE_CHECKING:
    from lab.imm.server import ImmModule
    from tunnels.proxy import Squid

CLOCK = f"{FOLDER}/clock"
"""What libfaketime reads: how far the agent's clock is from the lab's (FAKETIME_TIMESTAMP_FILE)."""


class World:
    """Made for one life."""

    def __init__(
        self,
        lab: RunningLab,
        agent: str,
        script: Script,
        program: AgentProgram,
        machine: Hardware,
        called: Sequence[str],
    ) -> None:
        """``called``: what an HMC calls for the inventory of a partition."""
        self._called = called
        self._lab = lab
        self._agent = agent
        self._script = script
        self._program = program
        self._machine = machine
        (sdc,) = lab.topology.with_role(Role.sdc)
        self._ibm = sdc.name
        self._office = IbmOffice(cast("Server", lab.service(sdc.name)).receiver)
        self._servers = configured(lab, script)
        self._closed: list[OutagePlan] = []
        self._passing: list[tuple[float, int, OutagePlan]] = []
        self._numbers = itertools.count()
        self._leapt_s = 0.0
        self._relocated = False
        self._administrator = None
        if script.having(Deed.browse):
            from lab.life.administrator import Administrator  # Few scripts have one.

            address = lab.topology.node(agent).uplink.ip
            self._administrator = Administrator(lab.node(agent), address, script.system.web_port)
        self._do: dict[Deed, Callable[[LifeEvent], LifeHappened]] = {
            Deed.problem: self._problem,
            Deed.imm: self._imm,
            Deed.fix: self._fix,
            Deed.inventory: self._inventory,
            Deed.browse: self._browse,
            Deed.test: self._test,
            Deed.outage: self._outage,
            Deed.move: self._move,
            Deed.relocate: self._relocate,
            Deed.password: self._password,
            Deed.reset: self._reset,
            Deed.certificate: self._certificate,
            Deed.clock: self._clock,
            Deed.kill: self._kill,
            Deed.close: self._close,
            Deed.access_key: self._access_key,
        }

    def begin(self) -> None:
        """What is so from the first moment on: the first configuration, and no fan that fails by itself."""
        self._office.publish(self._servers)
        for module in self._modules:
            module.fail_by_order_alone()

    @property
    def due(self) -> float | None:
        """On the lab's clock: when something that passes is over."""
        return self._passing[0][0] if self._passing else None

    def look(self) -> None:
        """Note which problems have come to IBM: what they say is deleted one day."""
        for number, text in self._office.new_problems():
            self._lab.story.tell(ProblemCame(source=self._ibm, number=number, text=text))

    def carry_out(self, event: LifeEvent) -> None:
        """Have an event of the script happen."""
        self.look()
        self._lab.story.tell(self._do[event.do](event))

    def pass_on(self) -> None:
        """End what is over by now."""
        while self._passing and self._passing[0][0] <= time.time():
            _, _, plan = heapq.heappop(self._passing)
            self._closed.remove(plan)
            self._apply(plan)
            self._lab.story.tell(LifePassed(source=plan.node, subject=plan.subject))

    def end(self) -> None:
        """Take back all that is out of service, and have IBM delete what is due."""
        self.look()
        left = tuple(self._closed)
        self._closed.clear()
        for plan in left:
            self._apply(plan)
        self._office.purge()

    def _problem(self, event: LifeEvent) -> LifeHappened:
        text = self._machine.fail(event.code)
        return self._told(event, text)

    @property
    def _modules(self) -> list[ImmModule]:
        planned = self._lab.topology.with_role(Role.imm)
        return [cast("ImmModule", self._lab.service(node.name)) for node in planned]

    def _imm(self, event: LifeEvent) -> LifeHappened:
        """The one module's: ``scripted`` has seen that there is one."""
        (planned,) = self._lab.topology.with_role(Role.imm)
        text = self._machine.name_failure(event.text)
        for module in self._modules:
            module.fail(event.severity, event.code, text)
        return self._told(event, text, planned.name)

    def _fix(self, event: LifeEvent) -> LifeHappened:
        self._machine.want_fixes()
        return self._told(event, "all that IBM lists")

    def _inventory(self, event: LifeEvent) -> LifeHappened:
        """An HMC calls the agent of the partition, and waits for nothing."""
        self._program.call(self._called, event.do)
        return self._told(event, "the HMC calls for it")

    def _browse(self, event: LifeEvent) -> LifeHappened:
        assert self._administrator is not None, "the script has been checked"
        seen = self._administrator.look()
        self._lab.story.tell(seen)
        return self._told(event, f"port {seen.port}")

    def _test(self, event: LifeEvent) -> LifeHappened:
        there = tuple(sorted(addresses(self._lab, self._servers) - self._elsewhere))
        subject = self._machine.want_test()
        return LifeHappened(source=self._agent, deed=event.do, subject=subject, addresses=there)

    @property
    def _elsewhere(self) -> set[str]:
        """Where servers are not yet, or not any more."""
        dns = self._lab.topology.dns
        moves = dns.moves if dns is not None else ()
        return {each for move in moves for each in (move.old if self._relocated else move.new)}

    def _outage(self, event: LifeEvent) -> LifeHappened:
        plan = outages.plan(self._lab.topology, event.of, event.how)
        until = time.time() + event.for_s
        self._closed.append(plan)
        heapq.heappush(self._passing, (until, next(self._numbers), plan))
        self._apply(plan)
        return LifeHappened(
            source=plan.node,
            deed=event.do,
            subject=plan.subject,
            until=until,
            addresses=plan.addresses,
            kind_of=plan.kind,
        )

    def _move(self, event: LifeEvent) -> LifeHappened:
        """The addresses that no errand has any more do not answer."""
        before = addresses(self._lab, self._servers)
        left = addresses(self._lab, {event.errand: self._servers.get(event.errand, ())})
        self._servers = {**self._servers, event.errand: event.to}
        gone = tuple(sorted((before - addresses(self._lab, self._servers)) & left))
        if gone:
            plan = outages.away(self._lab.topology, gone)
            self._closed.append(plan)
            self._apply(plan)
        version = self._office.publish(self._servers)
        return LifeHappened(
            source=self._ibm,
            deed=event.do,
            subject=f"configuration {version}",
            addresses=gone,
            urls=event.to,
            errand=event.errand,
        )

    def _relocate(self, event: LifeEvent) -> LifeHappened:
        """No configuration says so: the servers' names do."""
        assert self._lab.topology.dns is not None, "the script has been checked"
        moves = self._lab.topology.dns.moves
        self._lab.move_servers()
        self._relocated = True
        return LifeHappened(
            source=self._ibm,
            deed=event.do,
            subject=", ".join(move.name for move in moves),
            addresses=tuple(address for move in moves for address in move.old),
            led_to=tuple(address for move in moves for address in move.new),
        )

    def _password(self, event: LifeEvent) -> LifeHappened:
        return self._told(event, ", ".join(self._office.change_passwords()), self._ibm)

    def _reset(self, event: LifeEvent) -> LifeHappened:
        return self._told(event, ", ".join(self._office.reset()), self._ibm)

    def _certificate(self, event: LifeEvent) -> LifeHappened:
        cast("Server", self._lab.service(self._ibm)).renew()
        return self._told(event, "of all servers", self._ibm)

    def _clock(self, event: LifeEvent) -> LifeHappened:
        self._leapt_s += event.by_s
        self._lab.node(self._agent).write(CLOCK, f"{self._leapt_s:+.0f}\n", 0o644)
        return LifeHappened(
            source=self._agent, deed=event.do, subject=f"by {event.by_s:+.0f} s", by_s=event.by_s
        )

    def _kill(self, event: LifeEvent) -> LifeHappened:
        self._program.kill(event.for_s)
        return LifeHappened(
            source=self._agent,
            deed=event.do,
            subject="the agent",
            until=time.time() + event.for_s,
        )

    def _close(self, event: LifeEvent) -> LifeHappened:
        return self._told(event, self._office.close_oldest(), self._ibm)

    def _access_key(self, event: LifeEvent) -> LifeHappened:
        self._office.shorten_access_keys(event.for_s)
        return LifeHappened(
            source=self._ibm, deed=event.do, subject=f"for {event.for_s:.0f} s", by_s=event.for_s
        )

    def _told(self, event: LifeEvent, subject: str, source: str = "") -> LifeHappened:
        return LifeHappened(source=source or self._agent, deed=event.do, subject=subject)

    def _apply(self, changed: OutagePlan) -> None:
        """Bring what a plan is about up to date: the rules of nodes, or whether a proxy is busy."""
        if changed.busy:
            squid = cast("Squid", self._lab.service(changed.busy))
            squid.be_busy(on=any(plan.busy == changed.busy for plan in self._closed))
        all_closed = [closure for plan in self._closed for closure in plan.closures]
        for name in dict.fromkeys(closure.node for closure in changed.closures):
            script = outages.render(all_closed, name)
            firewall.run(self._lab.node(name), "change the outages of", script)


def configured(lab: RunningLab, script: Script) -> dict[str, tuple[str, ...]]:
    """Errand to URLs: what the first configuration says, and what the agent begins with."""
    variant = next((errand.variant for errand in lab.topology.errands if errand.variant), "ssl")
    listed = receiving.urls(lab.topology.servers, variant)
    return {errand: tuple(urls) for errand, urls in listed.items()} | dict(script.servers)


def addresses(lab: RunningLab, servers: dict[str, tuple[str, ...]]) -> set[str]:
    """Every address to which URLs lead."""
    those = hosts(servers)
    return {s.address for s in lab.topology.servers if {s.name, s.address} & those}


def hosts(servers: dict[str, tuple[str, ...]]) -> set[str]:
    """Every host to which URLs lead: names, or addresses."""
    return {urlsplit(url).hostname or "" for urls in servers.values() for url in urls}
