"""Whatever lines do, whenever, and whatever is declared: what must hold of an exchange all the time."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from typing import TypeAlias

from hypothesis import event, given
from hypothesis import strategies as st

from lab.telephony.calls import Action, Agenda
from lab.telephony.circuit import CHUNK_S
from lab.telephony.exchange import Exchange
from lab.telephony.signals import (
    Carrier,
    DialDigits,
    Effect,
    Heard,
    Hook,
    LineEvent,
    ToLine,
    Trained,
)
from lab.telephony.tape import Tape
from lab.topology.telephone import CallRule, ModemLine, Outcome
from tests.unit.examples import examples
from tests.unit.telephony.exchange_hall import modem_line

LINES = (
    modem_line("a", "11", 33600, 0.0),
    modem_line("b", "12", 2400, 0.7),
    modem_line("c", "13", 1_000_000, 0.013),
    modem_line("d", "13", 75, 0.1),
)
NAMES = [line.name for line in LINES]
Told: TypeAlias = list[tuple[str, LineEvent | bytes]]
Step: TypeAlias = tuple[str, str, object]


class Spy(Tape):
    """Hears of each call what enters and leaves it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[int, tuple[str, str, int, float]] = {}
        self.open: set[int] = set()
        self.taken: list[tuple[int, str, int]] = []
        self.arrivals: dict[tuple[int, str], list[tuple[float, bytes]]] = defaultdict(list)

    def connected(
        self,
        call: int,
        caller: ModemLine,
        called: ModemLine,
        number: str,
        rate_bit_s: int,
        now: float,
    ) -> None:
        super().connected(call, caller, called, number, rate_bit_s, now)
        self.calls[call] = (caller.name, called.name, rate_bit_s, now)
        self.open.add(call)

    def sent(self, call: int, line: str, count: int, now: float) -> None:
        super().sent(call, line, count, now)
        self.taken.append((call, line, count))

    def arrived(self, call: int, line: str, data: bytes, now: float) -> None:
        super().arrived(call, line, data, now)
        self.arrivals[call, line].append((now, data))

    def ended(self, call: int, now: float) -> None:
        super().ended(call, now)
        self.open.remove(call)


class Watch:
    """Drives an exchange and holds everything that it says against what must be."""

    def __init__(self, rules: list[CallRule], seed: int) -> None:
        self.spy = Spy()
        self.exchange = Exchange(LINES, rules, random=random.Random(seed), tape=self.spy)
        self.source = random.Random(seed)
        self.now = 0.0
        self.off_hook: set[str] = set()
        self.ringing: set[str] = set()
        self.carrying: set[str] = set()
        self.sent: dict[tuple[int, str], bytes] = defaultdict(bytes)

    def does(self, line: str, effect: Effect) -> None:
        before = len(self.spy.taken)
        match effect:
            case Hook.on:
                self.off_hook.discard(line)
                self.carrying.discard(line)
            case Hook.off | Hook.answer:
                self.off_hook.add(line)
            case _:
                pass
        self.hear(self.exchange.effect(line, effect, self.now), line)
        for call, name, count in self.spy.taken[before:]:
            assert isinstance(effect, ToLine)
            assert (name, count) == (line, len(effect.data))
            self.sent[call, line] += effect.data
        self.check()

    def hear(self, told: Told, now_off_hook: str = "") -> None:
        for line, what in told:
            self.ringing.discard(line)
            if isinstance(what, bytes):
                assert line in self.carrying, "data without a carrier"
                assert what
            elif what in (Heard.ringing, Heard.ringing_stopped):
                # It may have rung just before.
                assert line not in self.off_hook - {now_off_hook}, f"{what} off hook"
            else:
                assert line in self.off_hook, f"{what} on hook"
            if what is Heard.ringing:
                self.ringing.add(line)
            elif isinstance(what, Trained):
                assert line not in self.carrying
                self.carrying.add(line)
            elif what is Heard.dropped:
                self.carrying.discard(line)

    def check(self) -> None:
        """The invariants that can be seen from outside, by way of the tape and what waits."""
        ends = Counter(
            name
            for call in self.spy.open
            for name in self.spy.calls[call][:2]
            if self.exchange.queued(name)
        )
        assert all(count <= 1 for count in ends.values()), "a line in two calls"
        for name in NAMES:
            assert self.exchange.queued(name) == 0 or name in self.carrying

    def passes(self, seconds: float, late: bool) -> None:
        end = self.now + seconds
        if late:
            # Nobody ticks, until the next effect or tick.
            self.now = end
            return
        while (at := self.exchange.wake_at) is not None and at <= end:
            self.now = max(at, self.now)
            self.hear(self.exchange.tick(self.now))
            assert self.exchange.wake_at is None or self.exchange.wake_at > self.now
            self.check()
        self.now = end

    def settle(self) -> None:
        """With nothing more coming in it falls silent by itself."""
        self.hear(self.exchange.tick(self.now))
        for line in NAMES:
            self.does(line, Hook.on)
        self.passes(1000.0, late=False)
        assert self.exchange.wake_at is None
        assert not self.spy.open

    def check_data(self, *, noise: bool) -> None:
        delay = {line.name: line.delay_s for line in LINES}
        for (call, to), arrivals in self.spy.arrivals.items():
            caller, called, rate, connected = self.spy.calls[call]
            sender = caller if to == called else called
            came = b"".join(data for _, data in arrivals)
            sent = self.sent[call, sender]
            assert len(came) <= len(sent)
            assert noise or sent.startswith(came), "not what was sent"

            times = [(connected + delay[caller] + delay[called], b""), *arrivals]
            slack = max(1.0, rate / 8 * CHUNK_S) + 1e-6 * rate
            for first, (since, _) in enumerate(times):
                size = 0
                for at, data in times[first + 1 :]:
                    size += len(data)
                    assert size <= rate / 8 * (at - since) + slack, "faster than its rate"


DATA = st.sampled_from([b"", b"x", b"\x7e" * 3, bytes(range(200)), bytes(range(250)) * 30])
EFFECTS = st.one_of(
    st.sampled_from([Hook.off, Hook.on, Hook.answer, Hook.flash, Carrier(True)]),
    st.sampled_from(["11", "12", "13", "1", "3", "99"]).map(lambda d: DialDigits(d)),
    DATA.map(ToLine),
)
STEPS = st.one_of(
    st.tuples(st.just("does"), st.sampled_from(NAMES), EFFECTS),
    st.tuples(st.just("dials"), st.sampled_from(NAMES), st.sampled_from(["11", "12", "13"])),
    st.tuples(st.just("connects"), st.sampled_from(NAMES), st.sampled_from(["11", "12", "13"])),
    st.tuples(st.just("connects"), st.sampled_from(NAMES), st.sampled_from(["11", "12", "13"])),
    st.tuples(st.just("sends"), st.sampled_from(NAMES), DATA),
    st.tuples(
        st.sampled_from(["waits", "waits late"]),
        st.just(""),
        st.sampled_from([0.0, 0.001, 0.02, 0.3, 1.0, 7.0, 20.0, 200.0]),
    ),
)
RULES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                CallRule(outcome=outcome, times=1)
                for outcome in (
                    Outcome.no_dialtone,
                    Outcome.busy,
                    Outcome.no_answer,
                    Outcome.voice,
                    Outcome.training_fails,
                    Outcome.unobtainable,
                )
            ]
        ),
        st.sampled_from(
            [
                CallRule(outcome=Outcome.line_drops, after_s=2.0, times=1),
                CallRule(outcome=Outcome.line_drops, after_bytes=300),
                CallRule(outcome=Outcome.slow_training, rate_bit_s=300),
                CallRule(outcome=Outcome.noise, bit_error_rate=0.01),
            ]
        ),
    ),
    max_size=2,
)


def take(watch: Watch, step: Step) -> None:
    kind, line, what = step
    if kind == "does":
        watch.does(line, what)  # type: ignore[arg-type]
    elif kind == "sends" and isinstance(what, bytes):
        # So that bytes of one call can be told from those of another.
        data = watch.source.randbytes(len(what))
        for name in sorted(watch.carrying) or [line]:
            watch.does(name, ToLine(data))
    elif kind in ("dials", "connects") and isinstance(what, str):
        watch.does(line, Hook.on)
        watch.does(line, Hook.off)
        watch.passes(0.4, late=False)
        watch.does(line, DialDigits(what))
        watch.passes(0.3, late=False)
        if kind == "connects":
            for name in sorted(watch.ringing):
                watch.does(name, Hook.answer)
            watch.passes(10.0, late=False)
    elif isinstance(what, float):
        watch.passes(what, kind == "waits late")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.booleans()), max_size=40))
def test_an_agenda_keeps_its_order_whoever_is_struck_off(
    entries: list[tuple[int, int, bool]],
) -> None:
    agenda, owners = Agenda(), [object() for _ in range(4)]
    expected: list[tuple[int, int, int]] = []
    done: list[int] = []

    def action(number: int) -> Action:
        return lambda _: done.append(number)

    for number, (at, owner, struck) in enumerate(entries):
        agenda.add(owners[owner], at, action(number))
        expected.append((at, number, owner))
        if struck:
            agenda.cancel(owners[owner])
            expected = [entry for entry in expected if entry[2] != owner]
    while (due := agenda.next_at) is not None:
        agenda.pop()(due)
    assert done == [number for _, number, _ in sorted(expected)]


@examples(150)
@given(st.lists(STEPS, min_size=3, max_size=25), RULES, st.integers(0, 5))
def test_whatever_lines_do(steps: list[Step], rules: list[CallRule], seed: int) -> None:
    watch = Watch(rules, seed)
    for step in steps:
        take(watch, step)
    watch.settle()
    watch.check_data(noise=any(rule.bit_error_rate for rule in rules))
    event(f"{len(watch.spy.calls)} calls connected, {bool(watch.sent)} data")


@examples(50)
@given(
    st.lists(st.tuples(st.integers(1, 3000), st.floats(0, 2), st.booleans()), max_size=30),
    st.sampled_from([75, 2400, 33600, 1_000_000]),
    st.sampled_from([0.0, 0.05, 1.0]),
)
def test_all_that_is_sent_arrives_when_nobody_hangs_up(
    sends: list[tuple[int, float, bool]], rate: int, delay: float
) -> None:
    spy = Spy()
    lines = (modem_line("a", "1", rate, delay), modem_line("b", "2", rate, 0.0))
    exchange = Exchange(lines, random=random.Random(1), tape=spy)
    told = exchange.effect("a", Hook.off, 0.0)
    told += exchange.effect("a", DialDigits("2"), 1.0)
    told += exchange.effect("b", Hook.answer, 2.0) + exchange.tick(20.0)
    assert ("a", Heard.answered) in told
    assert ("a", Heard.busy) not in told
    assert ("b", Trained(rate, "V34" if rate > 300 else "V21")) in told

    now, sent = 20.0, {"a": b"", "b": b""}
    source = random.Random(2)
    for size, gap, up in sends:
        now += gap
        data = source.randbytes(size)
        name = "a" if up else "b"
        sent[name] += data
        exchange.effect(name, ToLine(data), now)
    while (at := exchange.wake_at) is not None:
        now = at
        exchange.tick(at)
    for name, other in (("a", "b"), ("b", "a")):
        assert b"".join(data for _, data in spy.arrivals[1, other]) == sent[name]
    total = max(len(data) for data in sent.values())
    assert now <= 20 + 60 + total * 8 / rate + delay + CHUNK_S
