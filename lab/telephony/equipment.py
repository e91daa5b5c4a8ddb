"""The telephone equipment at work: every modem, its serial port, and the exchange, in one thread.

It waits for ports, openers and the next moment that a modem or the exchange has asked for. Only while DTR
going would end something, it looks at a port four times a second: an idle line costs nothing, in virtual
time or real. What a modem and the exchange do is theirs.
"""

from __future__ import annotations

import contextlib
import os
import random
import selectors
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lab.linux.nodes import Node
from lab.linux.worker import Broke, start_worker
from lab.record.event import Tell
from lab.teardown import Teardown
from lab.telephony import result_codes
from lab.telephony.devices import Port, Readiness, Watch, also_called, start_port, start_watch
from lab.telephony.exchange import Exchange
from lab.telephony.modem import Modem
from lab.telephony.outside_telephone import OUTSIDE, OutsideTelephone, outside_line
from lab.telephony.signals import (
    Carrier,
    Effect,
    Heard,
    Hook,
    LineEvent,
    ToLine,
    ToTerminal,
    Trained,
)
from lab.telephony.tape import Tape, recording
from lab.topology.modem_family import FamilyOfNode, find
from lab.topology.telephone import ModemFault, ModemLine, ResultTable, Telephone

if TYPE_CHECKING:
    from lab.ways.ground import Ground

MOST_QUEUED_BYTES = 4096
"""What a modem holds, for its line or its terminal, before it takes no more (V.24's circuits 106 and
133, and between modems V.42's own flow control)."""
MOST_WHILE_STOPPED_BYTES = 1 << 16
"""The same of a terminal that has stopped its modem: else two of them, each with a full modem, would never
hear the other go on."""
UNPLUGGED_AFTER_BYTES = 4000
"""How much a modem that is to be unplugged takes in mid-call; PPP has begun by then."""
GARBAGE = bytes(range(0x80, 0x100)) + b"\r\n#%&\r\n"

_TABLES = {ResultTable.hayes: result_codes.HAYES, ResultTable.ibm: result_codes.IBM}


@dataclass(slots=True)
class _Station:
    """One end of the exchange: line, modem and port."""

    line: ModemLine
    modem: Modem
    port: Port
    fault: ModemFault
    interest: int = 0
    """What the selector watches the port for."""
    carried: int = 0
    """Bytes of the call so far."""
    readiness: Readiness = field(default_factory=Readiness)

    @property
    def look_at(self) -> float | None:
        """When its port's rate is to be looked at, though nothing happens there."""
        modem = self.modem
        if not (self.port.openers and modem.minds_dtr):
            return None
        return self.readiness.look_at(on=modem.dtr_on, delay_s=modem.settings.dtr_delay_s)


def start(ground: Ground, node: Node) -> contextlib.AbstractContextManager[Equipment]:
    """The exchange with every line and modem; its own node has nothing that runs there."""
    topology = ground.topology
    assert topology.telephone is not None, "it is made of the exchange"
    seed = f"{topology.name} {topology.fault}"
    wire_dir, tell = ground.run_dir / "wire", ground.story.tell
    families = topology.modem_families
    return start_equipment(topology.telephone, ground.nodes, wire_dir, seed, tell, families)


@contextlib.contextmanager
def start_equipment(
    telephone: Telephone,
    nodes: Mapping[str, Node],
    wire_dir: Path,
    seed: str = "",
    tell: Tell = lambda event: None,
    families: Sequence[FamilyOfNode] = (),
) -> Iterator[Equipment]:
    """The modems answer inside of the context, and are gone, with all their calls, after it."""
    wire_dir.mkdir(parents=True, exist_ok=True)
    # Seconds from here on: the clock of the wall may be set, this one goes on.
    began = time.monotonic()
    with Teardown() as teardown:
        tape = teardown.enter(
            "the tape",
            recording(wire_dir, epoch_ns=time.time_ns(), telephone=telephone, tell=tell),
        )
        source = random.Random(seed)
        lines = (*telephone.lines, outside_line(telephone.node))
        exchange = Exchange(lines, telephone.rules, random=source, tape=tape)
        selector = teardown.enter("the selector", selectors.DefaultSelector())
        watch = teardown.enter("the watch", start_watch())
        selector.register(watch, selectors.EVENT_READ)
        for name in dict.fromkeys(line.node for line in telephone.lines):
            nodes[name].furnish()
            devices = [line.device for line in telephone.lines if line.node == name]
            teardown.enter("further names of ports", also_called(nodes[name], devices))

        stations = {}
        broken = dict(telephone.broken)
        for line in telephone.lines:
            table, family = _TABLES[telephone.result_table], find(families, line.node)
            modem = Modem(table=table, family=family)
            modem.dtr(False, 0.0)
            port = teardown.enter(line.device, start_port(nodes[line.node], line.device, watch))
            fault = broken.get(line.name, ModemFault.none)
            stations[line.name] = _Station(line, modem, port, fault)
        orders = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        teardown.add("orders from outside", lambda: os.close(orders))
        selector.register(orders, selectors.EVENT_READ)
        equipment = Equipment(stations, exchange, tape, selector, watch, began, orders)
        teardown.add("the telephone", equipment.check)
        teardown.enter("the modems", start_worker(equipment.run, "telephone"))
        yield equipment


@dataclass(eq=False)
class Equipment:
    """Stations and the exchange between them."""

    _stations: Mapping[str, _Station]
    _exchange: Exchange
    _tape: Tape
    _selector: selectors.BaseSelector
    _watch: Watch
    _began: float
    _news: int
    """Can be read when there are orders for the telephone outside."""
    _outside: OutsideTelephone = field(default_factory=OutsideTelephone, init=False)
    _orders: deque[Effect] = field(default_factory=deque, init=False)
    _todo: deque[tuple[str, LineEvent | bytes]] = field(default_factory=deque, init=False)
    broke: Broke = field(default_factory=lambda: Broke("the telephone"), init=False)

    def check(self) -> None:
        """Raise, once, what ended the thread before its time: the way home is not to blame for it."""
        self.broke.check()

    def call_from_outside(self, number: str) -> None:
        """Have somebody without a modem dial a number; any thread may ask. ``hang_up_outside`` ends it."""
        self._order(self._outside.call(number))

    def hang_up_outside(self) -> None:
        """Put the handset of that telephone down."""
        self._order(self._outside.hang_up())

    def _order(self, effects: Iterable[Effect]) -> None:
        self._orders.extend(effects)
        os.eventfd_write(self._news, 1)

    def _now(self) -> float:
        return time.monotonic() - self._began

    # The thread.

    def run(self, told: int) -> None:
        """Let everything happen, until ``told`` is readable."""
        with self.broke:
            self._selector.register(told, selectors.EVENT_READ)
            while self._turn(told):
                pass
        if self.broke.error:
            # Whoever waits for a modem would else wait for ever.
            for station in self._stations.values():
                station.port.unplug()

    def _turn(self, told: int) -> bool:
        """Wait for something, and do all that is to be done then; False when it was the end."""
        self._set_interests()
        ready = self._selector.select(self._patience_s())
        now = self._now()
        # Before any byte: the answer to a first command would be lost on a port that seems closed.
        self._note_openers(now)
        for key, events in ready:
            if key.fd == told:
                return False
            if key.fd == self._news:
                os.eventfd_read(self._news)
                while self._orders:
                    self._act_outside([self._orders.popleft()], now)
            if isinstance(key.data, _Station):
                self._look(key.data, now)
                self._serve(key.data, events, now)
        for name, station in self._stations.items():
            while station.port.left and self._takes_more(name):
                self._hear(station, now)

        self._do_what_is_due(now)
        self._tell(now)
        for name, station in self._stations.items():
            self._perform(name, station.modem.backlog(self._backlog(name), now), now)
        return True

    def _do_what_is_due(self, now: float) -> None:
        minded = [s for s in self._stations.values() if s.look_at is not None]
        # All at once, so that many calls need no more turns than one.
        if any(station.look_at <= now for station in minded if station.look_at is not None):
            for station in minded:
                self._look(station, now)
        for name, station in self._stations.items():
            if station.modem.wake_at is not None and station.modem.wake_at <= now:
                self._perform(name, station.modem.tick(now), now)
        wake_at = self._exchange.wake_at
        if wake_at is not None and wake_at <= now:
            self._todo.extend(self._exchange.tick(now))

    def _patience_s(self) -> float | None:
        times = [self._exchange.wake_at]
        for station in self._stations.values():
            times += (station.modem.wake_at, station.look_at)
        soonest = min((at for at in times if at is not None), default=None)
        return None if soonest is None else max(0.0, soonest - self._now())

    def _set_interests(self) -> None:
        for name, station in self._stations.items():
            port = station.port
            wanted = 0
            if port.master >= 0 and self._takes_more(name):
                wanted |= selectors.EVENT_READ
            if port.waiting:
                wanted |= selectors.EVENT_WRITE
            if wanted == station.interest:
                continue
            if not station.interest:
                self._selector.register(port.master, wanted, station)
            elif wanted:
                self._selector.modify(port.master, wanted, station)
            else:
                self._selector.unregister(port.master)
            station.interest = wanted

    def _takes_more(self, name: str) -> bool:
        """Whether a modem lets its terminal go on: there is room for it here and at the other end."""
        stopped = self._stations[name].modem.stopped
        return self._backlog(name) < (MOST_WHILE_STOPPED_BYTES if stopped else MOST_QUEUED_BYTES)

    def _backlog(self, name: str) -> int:
        """How many bytes of a terminal wait, for the line or behind it."""
        partner = self._stations.get(self._exchange.partner(name) or "")
        there = partner.port.waiting + partner.modem.held if partner else 0
        return max(self._exchange.queued(name), there)

    def _note_openers(self, now: float) -> None:
        stations = {station.port.watched: station for station in self._stations.values()}
        for number, opened in self._watch.news():
            station = stations.get(number)
            # None: it was pulled out, or hung up.
            if station is None or station.port.watched != number:
                continue
            if opened and station.port.left:
                self._abandon(station, now)
            station.port.note(opened=opened)
            self._look(station, now)

    def _look(self, station: _Station, now: float, *, at_once: bool = False) -> None:
        """See whether circuit 108 is on; ``at_once``: B0 is taken as having lasted."""
        if not station.port.openers:
            return
        rate, modem = station.port.rate_bit_s, station.modem
        modem.port_bit_s = rate or 0
        delay_s = 0.0 if at_once else modem.settings.dtr_delay_s
        on = station.readiness.look(b0=rate == 0, delay_s=delay_s, now=now)
        if on is not None:
            self._perform(station.line.name, modem.dtr(on, now), now)

    def _abandon(self, station: _Station, now: float) -> None:
        """Nobody has the port open any more: circuit 108 goes off."""
        station.port.clear()
        self._perform(station.line.name, station.modem.dtr(False, now), now)

    def _serve(self, station: _Station, events: int, now: float) -> None:
        # Another's news may have taken the port away meanwhile.
        if events & selectors.EVENT_READ and station.interest & selectors.EVENT_READ:
            self._hear(station, now)
        if events & selectors.EVENT_WRITE and station.port.waiting:
            station.port.flush()

    def _hear(self, station: _Station, now: float) -> None:
        """The terminal says something to its modem."""
        data = station.port.read()
        name = station.line.name
        if not station.port.openers:
            # What was read may be a new opener's already, whose answer would be lost.
            self._note_openers(now)
        if not data and station.port.left:
            self._abandon(station, now)
        if not data or station.fault is ModemFault.dead:
            return
        if station.fault is ModemFault.garbage:
            station.port.write(GARBAGE)
            return
        effects = station.modem.from_terminal(data, now)
        carried = sum(len(effect.data) for effect in effects if isinstance(effect, ToLine))
        self._tape.from_terminal(name, bytes(station.modem.addressed), now)
        self._perform(name, effects, now)
        station.carried += carried
        if station.fault is ModemFault.unplugged and station.carried > UNPLUGGED_AFTER_BYTES:
            self._unplug(station, now)

    def _tell(self, now: float) -> None:
        """Tell modems what the exchange has for them, until there is nothing more."""
        while self._todo:
            name, event = self._todo.popleft()
            if name == OUTSIDE:
                self._act_outside(self._outside.hear(event), now)
                continue
            modem = self._stations[name].modem
            if isinstance(event, bytes):
                self._perform(name, modem.from_line(event, now), now, data=True)
            else:
                if event is Heard.ringing:
                    # Nothing comes of DTR until a modem may answer by itself; nobody has looked.
                    self._look(self._stations[name], now, at_once=True)
                if isinstance(event, Trained):
                    self._stations[name].carried = 0
                self._perform(name, modem.line(event, now), now)

    def _perform(
        self, name: str, effects: Iterable[Effect], now: float, *, data: bool = False
    ) -> None:
        station = self._stations[name]
        for effect in effects:
            match effect:
                case ToTerminal(data=said, carried=carried):
                    if not carried:
                        self._tape.to_terminal(name, said, now)
                    if station.fault not in (ModemFault.dead, ModemFault.garbage):
                        station.port.write(said)
                case Carrier(on=False):
                    if station.port.minds_carrier:
                        self._hang_up_terminal(station)
                case _:
                    self._todo.extend(self._exchange.effect(name, effect, now))
        if not data:
            self._tell(now)

    def _act_outside(self, effects: Iterable[Effect], now: float) -> None:
        for effect in effects:
            self._todo.extend(self._exchange.effect(OUTSIDE, effect, now))

    def _hang_up_terminal(self, station: _Station) -> None:
        """Circuit 109 goes off: a new PTY takes the name, and the old one's openers are hung up."""
        self._unregister(station)
        station.port.hang_up()
        now = self._now()
        self._perform(station.line.name, station.modem.dtr(False, now), now)

    def _unplug(self, station: _Station, now: float) -> None:
        self._unregister(station)
        station.port.unplug()
        self._todo.extend(self._exchange.effect(station.line.name, Hook.on, now))
        self._tell(now)

    def _unregister(self, station: _Station) -> None:
        if station.interest:
            self._selector.unregister(station.port.master)
            station.interest = 0
