"""What is declared for calls happens to them, and to no others."""

from __future__ import annotations

from typing import Any

import pytest

from lab.telephony.signals import DialDigits, Heard, Hook, Trained
from lab.topology.telephone import CallRule, Outcome
from tests.unit.telephony.exchange_hall import LIG, Hall


def test_no_dialtone() -> None:
    hall = Hall([CallRule(outcome=Outcome.no_dialtone, caller="hmc")])
    hall.does("hmc", Hook.off)
    hall.wait(3)
    hall.does("hmc", DialDigits(LIG), Hook.off)
    hall.wait(100)
    assert hall.heard("hmc") == [Heard.no_dial_tone]
    assert hall.when("hmc", Heard.no_dial_tone) == [5.0]
    assert hall.heard("lig-1") == []
    hall.does("hmc-2", Hook.off)
    hall.wait(1)
    assert hall.heard("hmc-2") == [Heard.dial_tone]


def test_a_modem_that_does_not_wait_for_dial_tone_hears_nothing() -> None:
    hall = Hall([CallRule(outcome=Outcome.no_dialtone)])
    hall.does("hmc", Hook.off)
    hall.wait(3)
    hall.hang_up("hmc")
    hall.wait(100)
    assert hall.told == []


@pytest.mark.parametrize(
    ("outcome", "event"),
    [
        (Outcome.busy, Heard.busy),
        (Outcome.lines_taken, Heard.busy),
        (Outcome.unobtainable, Heard.unobtainable),
    ],
)
def test_the_caller_hears_a_tone_and_nothing_rings(outcome: Outcome, event: Any) -> None:
    hall = Hall([CallRule(outcome=outcome, number=LIG)])
    hall.dial("hmc", LIG)
    hall.wait(100)
    assert hall.heard("hmc") == [Heard.dial_tone, event]
    assert hall.heard("lig-1") == hall.heard("lig-2") == []
    hall.hang_up("hmc")
    hall.dial("hmc", "5550002")
    assert hall.heard("hmc-2") == [Heard.ringing]


def test_no_answer_rings_for_the_caller_only() -> None:
    hall = Hall([CallRule(outcome=Outcome.no_answer)])
    hall.dial("hmc", LIG)
    hall.does("lig-1", Hook.answer)
    hall.wait(30)
    assert hall.heard("hmc") == [Heard.dial_tone, *[Heard.ringback] * 6]
    assert hall.heard("lig-1") == []
    hall.wait(300)
    assert hall.heard("hmc")[-1] == Heard.busy
    assert hall.exchange.wake_at is None


def test_a_voice_answers_in_the_second_ring() -> None:
    hall = Hall([CallRule(outcome=Outcome.voice)])
    hall.dial("hmc", LIG)
    hall.wait(100)
    assert hall.heard("hmc") == [Heard.dial_tone, Heard.ringback, Heard.ringback, Heard.voice]
    assert hall.when("hmc", Heard.voice) == [pytest.approx(0.7 + 7)]
    assert hall.heard("lig-1") == []
    assert hall.exchange.wake_at is None


@pytest.mark.parametrize("outcome", [Outcome.no_answer, Outcome.voice])
def test_the_caller_gives_up_where_nothing_rings(outcome: Outcome) -> None:
    hall = Hall([CallRule(outcome=outcome, times=1)])
    hall.dial("hmc", LIG)
    hall.wait(3)
    hall.hang_up("hmc")
    assert hall.exchange.wake_at is None
    hall.told.clear()
    assert hall.connect() == 33600


def test_training_fails_at_its_end_for_both() -> None:
    hall = Hall([CallRule(outcome=Outcome.training_fails, times=1)])
    hall.dial("hmc", LIG)
    answered = hall.now
    hall.does("lig-1", Hook.answer)
    hall.wait(100)
    assert hall.heard("hmc") == [
        Heard.dial_tone,
        Heard.ringback,
        Heard.answered,
        Heard.training_failed,
    ]
    assert hall.heard("lig-1") == [Heard.ringing, Heard.training_failed]
    assert hall.when("hmc", Heard.training_failed) == [pytest.approx(answered + 5.12)]
    hall.send("hmc", b"x")
    assert hall.exchange.wake_at is None

    hall.hang_up("hmc")
    hall.hang_up("lig-1")
    assert hall.heard("lig-1")[-1] == Heard.training_failed
    hall.told.clear()
    assert hall.connect() == 33600


def test_slow_training_is_no_faster_than_the_modems() -> None:
    assert Hall([CallRule(outcome=Outcome.slow_training, rate_bit_s=2400)]).connect() == 2400
    assert Hall([CallRule(outcome=Outcome.slow_training, rate_bit_s=56000)]).connect() == 33600


def test_the_line_drops_after_seconds_for_both() -> None:
    hall = Hall([CallRule(outcome=Outcome.line_drops, after_s=30.0)])
    hall.connect()
    (trained,) = hall.when("hmc", Trained)
    hall.wait(100)
    for line in ("hmc", "lig-1"):
        assert hall.when(line, Heard.dropped) == [pytest.approx(trained + 30)]


def test_the_line_drops_only_in_its_own_call() -> None:
    hall = Hall([CallRule(outcome=Outcome.line_drops, after_s=30.0, times=1)])
    for _ in range(2):
        hall.connect()
        hall.hang_up("hmc")
        hall.hang_up("lig-1")
        hall.told.clear()
    hall.connect()
    hall.wait(100)
    assert hall.heard("hmc")[-1] == Trained(33600)


def test_the_line_drops_after_exactly_so_many_bytes_of_both_directions() -> None:
    hall = Hall([CallRule(outcome=Outcome.line_drops, after_bytes=1500)])
    hall.connect()
    hall.send("lig-1", bytes(1000))
    hall.wait(2)
    hall.send("hmc", b"y" * 1000)
    hall.wait(2)
    assert len(hall.data("hmc")) == 1000
    assert hall.data("lig-1") == b"y" * 500
    assert hall.heard("hmc")[-1] == hall.heard("lig-1")[-1] == Heard.dropped
    assert hall.exchange.queued("hmc") == 0
    assert hall.exchange.wake_at is None


def test_a_line_that_drops_is_dropped_once_however_late_anybody_looks() -> None:
    """By bytes in both directions at once, with the seconds over as well."""
    hall = Hall([CallRule(outcome=Outcome.line_drops, after_bytes=100, after_s=20.0)])
    hall.connect()
    hall.send("hmc", bytes(500))
    hall.send("lig-1", bytes(500))
    hall.now += 100
    hall.told.clear()
    hall.does("hmc-2", Hook.off)
    assert len(hall.data("hmc") + hall.data("lig-1")) == 100
    assert hall.heard("hmc") == hall.heard("lig-1") == [Heard.dropped]


def test_a_slow_line_may_also_drop_and_be_noisy() -> None:
    rule = CallRule(outcome=Outcome.line_drops, after_s=60, rate_bit_s=1200, bit_error_rate=0.5)
    hall = Hall([rule])
    assert hall.connect() == 1200
    hall.send("hmc", bytes(100))
    hall.wait(10)
    assert len(hall.data("lig-1")) == 100
    assert hall.data("lig-1") != bytes(100)
    hall.wait(60)
    assert hall.heard("hmc")[-1] == Heard.dropped


# Which rule.


def test_rules_apply_in_their_order_until_they_are_used_up() -> None:
    hall = Hall(
        [
            CallRule(outcome=Outcome.busy, number=LIG, times=2),
            CallRule(outcome=Outcome.no_dialtone, caller="hmc", times=1),
            CallRule(outcome=Outcome.unobtainable, caller="hmc-2"),
        ]
    )
    heard = []
    for line in ("hmc", "hmc", "hmc", "hmc-2", "hmc"):
        hall.told.clear()
        hall.dial(line, LIG)
        hall.wait(10)
        heard.append(hall.heard(line)[-1])
        hall.hang_up(line)
    # Which number it will be is not known at off-hook, so that rule is passed over there.
    assert heard == [Heard.no_dial_tone, Heard.busy, Heard.busy, Heard.unobtainable, Heard.ringback]


def test_a_rule_for_any_number_comes_before_a_later_one_without_dial_tone() -> None:
    hall = Hall([CallRule(outcome=Outcome.busy, times=1), CallRule(outcome=Outcome.no_dialtone)])
    heard = []
    for _ in range(2):
        hall.dial("hmc", LIG)
        hall.wait(10)
        heard.append(hall.heard("hmc")[-1])
        hall.hang_up("hmc")
    assert heard == [Heard.busy, Heard.no_dial_tone]


def test_who_has_dial_tone_already_keeps_it() -> None:
    hall = Hall(
        [CallRule(outcome=Outcome.busy, times=1), CallRule(outcome=Outcome.no_dialtone, times=1)]
    )
    hall.does("hmc", Hook.off)
    hall.does("hmc-2", Hook.off)
    hall.wait(0.5)
    hall.does("hmc", DialDigits(LIG))
    hall.wait(0.5)
    hall.does("hmc-2", DialDigits(LIG))
    hall.wait(0.5)
    assert hall.heard("hmc") == [Heard.dial_tone, Heard.busy]
    assert hall.heard("hmc-2") == [Heard.dial_tone, Heard.ringback]
    hall.does("lig-2", Hook.off)
    hall.wait(6)
    assert hall.heard("lig-2") == [Heard.no_dial_tone]


def test_a_number_that_only_a_rule_has_can_be_dialled() -> None:
    hall = Hall([CallRule(outcome=Outcome.voice, number="5559999")])
    hall.dial("hmc", "5559999")
    assert hall.heard("hmc") == [Heard.dial_tone, Heard.ringback]
    hall.hang_up("hmc")
    hall.dial("hmc", "5559998")
    assert hall.heard("hmc")[-1] == Heard.unobtainable


def test_what_needs_a_modem_is_not_used_up_where_none_is_free() -> None:
    hall = Hall([CallRule(outcome=Outcome.training_fails, times=1)])
    hall.dial("hmc", "77")
    assert hall.heard("hmc")[-1] == Heard.unobtainable
    hall.hang_up("hmc")
    hall.does("hmc-2", Hook.off)
    hall.dial("hmc", "5550002")
    assert hall.heard("hmc")[-1] == Heard.busy
    hall.hang_up("hmc")
    hall.dial("hmc", LIG)
    hall.does("lig-1", Hook.answer)
    hall.wait(10)
    assert hall.heard("hmc")[-1] == Heard.training_failed


def test_ringing_stops_when_a_rule_does_not_matter_any_more() -> None:
    hall = Hall([CallRule(outcome=Outcome.noise, bit_error_rate=0.1, times=1)])
    hall.dial("hmc", LIG)
    hall.hang_up("hmc")
    hall.wait(10)
    assert hall.heard("lig-1") == [Heard.ringing, Heard.ringing_stopped]
