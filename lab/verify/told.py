"""What the record of a run says, in views that the checks share. Knows no captures; judges nothing."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from math import inf

from lab.names import all_of
from lab.record.record import CallHome, Record, WayTry
from lab.topology.consoles import INTER_CONSOLE_PORT, help_out
from lab.topology.model import Role, Topology, Way
from lab.topology.own_program import find
from lab.topology.service import RELAY_PORTS
from lab.wire.decode import TCP, Ends, Packet


class Told:
    """Topology and record of one run."""

    has_record = True
    """Whether anybody wrote down what the daemons, kernels and servers did; else there are packets alone."""

    def __init__(self, topology: Topology, record: Record) -> None:
        self.topology = topology
        self.record = record

    # -- ways ---------------------------------------------------------------------------------

    def way_of(self, agent: str, at: float = inf) -> Way | None:
        """The way that an agent had at a time, at the end by default; None if none was up."""
        up = [t for t in self.record.tries if t.agent == agent and t.up and t.ended <= at]
        if not up or 0 < up[-1].taken_down <= at:
            return None
        return self.topology.way(up[-1].way)

    def cuts(self, agent: str) -> list[float]:
        """When an agent's ways begin anew, in order: a command took one down, or tries a failed one again, or
        a way over the telephone has another call."""
        own = [t for t in self.record.tries if t.agent == agent]
        again = [a.ended for a, b in pairwise(own) if not a.up and a.way == b.way]
        again += self._calls_that_carry(agent)[1:]
        return sorted([*again, *(t.taken_down for t in own if t.taken_down)])

    def _calls_that_carry(self, agent: str) -> list[float]:
        """When the calls began that carry an agent's ways, where some run over the telephone."""
        if not any(map(self.topology.is_in_calls, self.topology.ways_of(agent))):
            return []
        return [d.started for d in self.record.dialled if d.source == agent and d.cause is None]

    def is_cut(self, agent: str, since: float, until: float) -> bool:
        """Whether an agent's ways began anew between two times."""
        return any(since <= cut <= until for cut in self.cuts(agent))

    def goes_by(self, kind: str, way: Way | None) -> bool:
        """Whether a way is of a kind, or runs over one that is."""
        return way is not None and kind in self.topology.kinds_of(way)

    def has_way(self, kind: str, agent: str, at: float) -> bool:
        """Whether an agent had a way of a kind at a time, or one over such a way."""
        return self.goes_by(kind, self.way_of(agent, at))

    def settled(self, agent: str) -> Way | None:
        """The last way that came up for an agent, and not as a backup on trial; None if none did."""
        up = [t.way for t in self.record.tries if t.agent == agent and t.up and not t.backup]
        return self.topology.way(up[-1]) if up else None

    def was_chosen(self, agent: str) -> bool:
        """Whether the last way that came up for an agent was named by a command, and so no other's backup."""
        up = [t for t in self.record.tries if t.agent == agent and t.up and not t.backup]
        return bool(up) and up[-1].chosen

    def only_by(self, kind: str, at: float) -> bool:
        """Whether at a time nothing but a way of this kind should have been used."""
        if all(self.goes_by(kind, way) for way in self.topology.own_ways):
            return True
        ways = [self.way_of(agent, at) for agent in self.topology.agents]
        trying = any(t.started <= at < t.ended for t in self.record.tries)
        return not trying and all(self.goes_by(kind, way) for way in ways)

    def kinds_at(self, at: float) -> set[str]:
        """The kinds of the ways that agents had at a time, were trying to bring up, or had failed to.

        Not those of the ways below: what these carry is the upper way's.
        """
        return {kind for agent in self.topology.agents for kind in self.kinds_of(agent, at)}

    def kinds_of(self, agent: str, at: float) -> set[str]:
        """The kinds of the ways that one agent had at a time, was trying to bring up, or had failed to.

        What is left of a way that did not come up still sends, until another way takes its place.
        """
        tries = [t for t in self.record.tries if t.agent == agent and t.started <= at]
        names = {t.way for t in tries if at < t.ended}
        if tries and not tries[-1].up:
            names.add(tries[-1].way)
        if (way := self.way_of(agent, at)) is not None:
            names.add(way.name)
        return {self.topology.way(name).kind for name in names}

    @property
    def lab_tries(self) -> list[WayTry]:
        """The lab's own tries: without what clients of the user's own brought up."""
        return [trial for trial in self.record.tries if not trial.own]

    def is_own_client(self, agent: str) -> bool:
        """Whether a client of the user's own brought up an agent's way."""
        return any(trial.own and trial.agent == agent for trial in self.record.tries)

    def tried(self, kind: str, agent: str = "") -> list[WayTry]:
        """The tries to bring up a way of a kind, or one over such a way."""
        return [
            trial
            for trial in self.record.tries
            if self.goes_by(kind, self.topology.way(trial.way)) and agent in ("", trial.agent)
        ]

    def concerned(self, kind: str) -> tuple[str, ...]:
        """The agents that findings on a kind of way are about: those that have such a way and used it.

        If nobody used it, all that have one: then ``verify.judge`` says that nothing was put to the test.
        """
        having = [agent for agent in self.topology.agents if self._has(kind, agent)]
        used = [agent for agent in having if not self._did_without(kind, agent)]
        return tuple(used or having)

    def went_without(self, kind: str) -> bool:
        """Whether nobody who has a way of a kind ever had one up, and all of them came home by others."""
        having = [agent.name for agent in self.topology.callers if self._has(kind, agent.name)]
        failed = {call.agent for call in self.failed_calls}
        home = self.called and not failed & {*having}
        return home and all(self._did_without(kind, agent) for agent in having)

    def _has(self, kind: str, agent: str) -> bool:
        return any(self.goes_by(kind, way) for way in self.topology.ways_of(agent))

    def _did_without(self, kind: str, agent: str) -> bool:
        """Whether an agent never had a way of a kind up, as it did not try one or came home by another."""
        tries = self.tried(kind, agent)
        return not any(t.up for t in tries) and (not tries or self.settled(agent) is not None)

    why_no_esp = ""
    """Why nothing can be said of ESP."""

    def need_secrets(self) -> None:
        """Where secrets of PPP are not known, this says so."""

    def need_keys(self) -> None:
        """Where keys of ESP may be missing, this says so."""

    # -- programs of the user's own -----------------------------------------------------------

    @cached_property
    def why_no_ledger(self) -> str:
        """Why IBM's servers noted nothing, so that a want of notes proves nothing; empty where they did."""
        (sdc,) = self.topology.with_role(Role.sdc)
        own = find(self.topology.own_programs, sdc.name)
        if own is None:
            return ""
        return f"{sdc.name} runs a program of the user's own, {own.name}, and keeps no ledger"

    # -- calls home ---------------------------------------------------------------------------

    @cached_property
    def called(self) -> bool:
        """Whether an agent was run at all."""
        return bool(self.record.calls)

    @cached_property
    def why_not_home(self) -> str:
        """Why the lab's own agent put nothing to the test."""
        return f"the lab's own agent {'did not get home' if self.called else 'was not sent in this run'}"

    @cached_property
    def came_home(self) -> bool:
        """Whether every agent got through: only then does the lab put the path to its trials."""
        agents = {call.agent for call in self.record.calls}
        return agents >= {*self.topology.agents} and not self.failed_calls

    @cached_property
    def came_home_by_telephone(self) -> bool:
        """Whether all agents came home over telephone lines, and so past no firewall of the customer's."""
        used = [self.settled(agent.name) for agent in self.topology.callers]
        return self.came_home and all(way is not None and way.dials for way in used)

    def ways_used(self) -> str:
        """The ways by which agents came home at last, by their names."""
        used = [self.settled(agent.name) for agent in self.topology.callers]
        return all_of(list(dict.fromkeys(way.name for way in used if way is not None)))

    @cached_property
    def failed_calls(self) -> list[CallHome]:
        """The last call of each agent that did not get through; an earlier one may be retried."""
        last = {call.agent: call for call in self.record.calls}
        return [call for call in last.values() if not call.succeeded]

    def is_injected(self, packet: Packet) -> bool:
        """Whether the lab itself put a packet on the uplink, past the firewall (OUT-04)."""
        ends = (packet.source, packet.destination, packet.destination_port)
        return any(
            (probe.address, probe.destination, probe.port) == ends
            for probe in self.record.forward_probes
        )

    def is_notice(self, packet: Packet) -> bool:
        """Whether a management module sends it to the host that it watches (E-05)."""
        ends = packet.source, packet.destination
        return any(ends == (m.address, m.agent_address) for m in self.topology.modules)

    @property
    def has_call_home_servers(self) -> bool:
        """Whether some consoles call home for others."""
        return help_out(self.topology.consoles)

    @cached_property
    def console_addresses(self) -> dict[str, str]:
        """The addresses of consoles that look for each other, and whose they are."""
        return {each: c.node for c in self.topology.consoles for each in c.addresses}

    def is_inter_console(self, packet: Packet) -> bool:
        """Whether two consoles say it to each other at TCP port 9920 of a call-home server (M-03)."""
        if packet.protocol != TCP or not self.has_call_home_servers:
            return False
        serving = {a for c in self.topology.consoles if c.serves for a in c.addresses}
        near, far = (
            (packet.source, packet.source_port),
            (packet.destination, packet.destination_port),
        )
        return any(
            port == INTER_CONSOLE_PORT and address in serving and other in self.console_addresses
            for (address, port), (other, _) in ((near, far), (far, near))
        )

    def is_events_request(self, packet: Packet) -> bool:
        """Whether the Events Manager asks a console, or what is asked answers (M-11)."""
        events = self.topology.events
        if events is None or packet.protocol != TCP:
            return False
        asked = (packet.source, packet.destination, packet.destination_port)
        answered = (packet.destination, packet.source, packet.source_port)
        return events.is_request(*asked) or events.is_request(*answered)

    def is_attempt(self, packet: Packet) -> bool:
        """Whether the lab itself tries to get in (OUT-02) where no firewall is there to stop it."""
        return self._attempted(packet.source, packet.destination, packet.destination_port)

    def refuses_attempt(self, packet: Packet) -> bool:
        """Whether an agent's host says no to it."""
        asked = self._attempted(packet.destination, packet.source, packet.source_port)
        return asked and packet.is_reset

    def _attempted(self, *ends: str | int) -> bool:
        return self.topology.firewall is None and any(
            (probe.address, probe.destination, probe.port) == ends for probe in self.record.probes
        )

    def is_of_relay(self, packet: Packet) -> bool:
        """Whether a packet is of TCP with the relay of remote service, in either direction (I-26, I-27)."""
        service = self.topology.service
        if service is None or not service.relay_address or packet.protocol != TCP:
            return False
        ends = (
            (packet.destination, packet.destination_port),
            (packet.source, packet.source_port),
        )
        return any(where == service.relay_address and port in RELAY_PORTS for where, port in ends)

    @cached_property
    def _trials(self) -> set[Ends]:
        return {trial.ends for trial in self.record.fence_trials}

    def is_trial(self, packet: Packet) -> bool:
        """Whether the lab itself made a packet, to try AT&T's fence."""
        return packet.ends in self._trials
