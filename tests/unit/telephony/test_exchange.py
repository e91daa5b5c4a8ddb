"""The life of calls: dial tone, digits, ringing, answer, training, hang-up, each from either end."""

from __future__ import annotations

import pytest

from lab.errors import UsageError
from lab.telephony.signals import (
    Carrier,
    DialDigits,
    Heard,
    Hook,
    ToTerminal,
    Trained,
)
from tests.unit.telephony.exchange_hall import HMC, LIG, LIG_1, LINES, SLOW, Hall, modem_line


def test_an_idle_exchange_wants_nothing() -> None:
    hall = Hall()
    assert hall.exchange.wake_at is None
    assert hall.exchange.tick(1e6) == []


def test_dial_tone_comes_within_a_third_of_a_second() -> None:
    times = set()
    for seed in range(20):
        hall = Hall(seed=seed)
        hall.does("hmc", Hook.off)
        hall.wait(1)
        (at,) = hall.when("hmc", Heard.dial_tone)
        assert 0.1 <= at <= 0.3
        times.add(at)
    assert len(times) > 10


def test_a_whole_call_hears_this_and_nothing_else() -> None:
    hall = Hall()
    rate = hall.connect()
    hall.hang_up("hmc")
    hall.wait(1)
    hall.hang_up("lig-1")
    hall.wait(1000)
    assert rate == 33600
    assert hall.heard("hmc") == [Heard.dial_tone, Heard.ringback, Heard.answered, Trained(33600)]
    assert hall.heard("lig-1") == [Heard.ringing, Trained(33600), Heard.dropped]
    assert hall.exchange.wake_at is None
    assert not hall.exchange._calls._connected

    hall.told.clear()
    assert hall.connect() == 33600


def test_training_takes_its_time_and_longer_on_a_long_line() -> None:
    for caller, delay in ((HMC, 0.03), (SLOW, 0.32)):
        hall = Hall()
        hall.dial(caller.name, LIG)
        answered = hall.now
        hall.does("lig-1", Hook.answer)
        hall.wait(20)
        assert hall.when(caller.name, Heard.answered) == [pytest.approx(answered + delay)]
        assert hall.when(caller.name, Trained) == [pytest.approx(answered + 5 + 4 * delay)]
        assert hall.when("lig-1", Trained) == hall.when(caller.name, Trained)


def test_the_slower_modem_says_the_speed() -> None:
    hall = Hall()
    assert hall.connect("hmc-2") == 9600
    assert hall.connect("hmc", "lig-2") == 28800


# Digits.


def test_digits_may_come_one_by_one_and_in_groups() -> None:
    hall = Hall()
    hall.does("hmc", Hook.off)
    hall.wait(0.4)
    for group in ("1", "800", "555", "0100"):
        hall.does("hmc", DialDigits(group))
        hall.wait(4)
    assert hall.heard("lig-1")[0] == Heard.ringing


def test_digits_before_dial_tone_are_lost() -> None:
    hall = Hall()
    hall.does("hmc", Hook.off, DialDigits(LIG))
    hall.wait(5)
    assert hall.heard("hmc") == [Heard.dial_tone]


def test_a_number_that_no_line_has_is_known_at_its_first_wrong_digit() -> None:
    hall = Hall()
    hall.dial("hmc", "1801")
    assert hall.heard("hmc") == [Heard.dial_tone, Heard.unobtainable]
    hall.does("hmc", DialDigits(LIG))
    hall.wait(100)
    assert hall.heard("lig-1") == []


def test_half_a_number_times_out_and_silence_is_told_before() -> None:
    hall = Hall()
    hall.dial("hmc", "1800")
    dialled = 0.5
    hall.wait(20)
    assert hall.when("hmc", Heard.quiet) == [dialled + 5]
    assert hall.when("hmc", Heard.unobtainable) == [pytest.approx(dialled + 15 + 0.2)]


def test_each_digit_starts_the_timeout_anew() -> None:
    hall = Hall()
    hall.does("hmc", Hook.off)
    hall.wait(1)
    for digit in LIG:
        hall.does("hmc", DialDigits(digit))
        hall.wait(14.9)
    assert Heard.unobtainable not in hall.heard("hmc")
    assert Heard.ringing in hall.heard("lig-1")


def test_a_line_that_never_dials_is_dead_until_it_hangs_up() -> None:
    hall = Hall()
    hall.does("hmc", Hook.off)
    hall.wait(20)
    hall.does("hmc", Hook.off, DialDigits(LIG))
    hall.wait(20)
    assert hall.heard("hmc") == [Heard.dial_tone]
    assert hall.exchange.wake_at is None
    hall.hang_up("hmc")
    assert hall.connect() == 33600


def test_a_number_that_begins_another_waits_for_more() -> None:
    lines = (HMC, modem_line("short", "18", 300, 0), LIG_1)
    hall = Hall(lines=lines)
    hall.dial("hmc", "18")
    hall.wait(10)
    assert hall.heard("short") == []
    hall.wait(10)
    assert hall.when("short", Heard.ringing)[0] == pytest.approx(0.5 + 15 + 0.2)

    hall = Hall(lines=lines)
    hall.dial("hmc", LIG)
    assert hall.heard("short") == []
    assert hall.heard("lig-1") == [Heard.ringing]


def test_hanging_up_forgets_the_digits() -> None:
    hall = Hall()
    hall.dial("hmc", "1800")
    hall.hang_up("hmc")
    hall.dial("hmc", "5550100")
    assert hall.heard("hmc")[-1] == Heard.unobtainable


def test_a_flash_recalls_dial_tone_and_forgets_the_digits() -> None:
    hall = Hall()
    hall.dial("hmc", "1801"[:3])
    hall.does("hmc", Hook.flash)
    hall.wait(0.5)
    assert hall.heard("hmc") == [Heard.dial_tone, Heard.dial_tone]
    hall.does("hmc", DialDigits(LIG))
    hall.wait(0.5)
    assert hall.heard("lig-1") == [Heard.ringing]
    hall.does("hmc", Hook.flash)
    hall.wait(2)
    assert hall.heard("hmc") == [Heard.dial_tone, Heard.dial_tone, Heard.ringback]


def test_a_flash_begins_the_timeouts_anew() -> None:
    hall = Hall()
    hall.dial("hmc", "180")
    hall.wait(4.69)
    hall.does("hmc", Hook.flash)
    hall.wait(14)
    assert hall.heard("hmc") == [Heard.dial_tone, Heard.dial_tone]
    hall.does("hmc", DialDigits(LIG))
    hall.wait(0.5)
    assert hall.heard("lig-1") == [Heard.ringing]


# Ringing.


def test_ringing_has_its_cadence_and_its_end() -> None:
    hall = Hall()
    hall.dial("hmc", LIG)
    hall.wait(300)
    first = pytest.approx(0.7)
    times = hall.when("lig-1", Heard.ringing)
    assert times[0] == first
    assert times == [pytest.approx(0.7 + 6 * ring) for ring in range(30)]
    assert hall.when("hmc", Heard.ringback) == times
    assert hall.when("lig-1", Heard.ringing_stopped) == [pytest.approx(180.7)]
    assert hall.when("hmc", Heard.busy) == [pytest.approx(180.7)]
    assert hall.exchange.wake_at is None

    hall.does("lig-1", Hook.answer)
    hall.hang_up("lig-1")
    hall.hang_up("hmc")
    hall.told.clear()
    assert hall.connect() == 33600


def test_a_caller_that_gives_up_stops_the_ringing() -> None:
    hall = Hall()
    hall.dial("hmc", LIG)
    hall.wait(7)
    hall.hang_up("hmc")
    hall.wait(100)
    assert hall.heard("lig-1") == [Heard.ringing, Heard.ringing, Heard.ringing_stopped]
    hall.dial("hmc", LIG)
    assert hall.heard("lig-1")[3:] == [Heard.ringing]
    hall.hang_up("hmc")
    hall.told.clear()
    hall.does("lig-1", Hook.answer)
    hall.wait(100)
    assert hall.heard("lig-1") == []
    hall.dial("hmc", LIG)
    assert hall.heard("lig-2") == [Heard.ringing], "lig-1 is off hook now"


def test_hanging_up_a_line_that_rings_means_nothing() -> None:
    hall = Hall()
    hall.dial("hmc", LIG)
    hall.hang_up("lig-1")
    hall.does("lig-1", Hook.answer)
    hall.wait(10)
    assert hall.heard("lig-1") == [Heard.ringing, Trained(33600)]


def test_a_caller_that_gives_up_before_it_rings() -> None:
    hall = Hall()
    hall.does("hmc", Hook.off)
    hall.wait(0.5)
    hall.does("hmc", DialDigits(LIG))
    hall.hang_up("hmc")
    hall.wait(100)
    assert hall.heard("lig-1") == []


def test_a_hunt_group_rings_its_first_free_line_and_is_busy_when_all_are_taken() -> None:
    hall = Hall(lines=(*LINES, modem_line("third", "5550003", 2400, 0)))
    assert hall.connect("hmc", "lig-1") == 33600
    assert hall.connect("hmc-2", "lig-2") == 9600
    hall.dial("third", LIG)
    assert hall.heard("third") == [Heard.dial_tone, Heard.busy]
    hall.hang_up("hmc")
    hall.wait(1)
    hall.hang_up("third")
    hall.dial("third", LIG)
    assert hall.heard("third")[-1] == Heard.busy, "lig-1 has not hung up yet"
    hall.hang_up("lig-1")
    hall.hang_up("third")
    hall.dial("third", LIG)
    assert hall.heard("lig-1")[-1] == Heard.ringing


def test_a_line_off_hook_is_busy_whatever_it_does() -> None:
    hall = Hall()
    hall.does("hmc-2", Hook.off)
    hall.dial("hmc", "5550002")
    assert hall.heard("hmc") == [Heard.dial_tone, Heard.busy]
    assert Heard.ringing not in hall.heard("hmc-2")


def test_a_ringing_line_is_busy_for_others() -> None:
    hall = Hall()
    hall.dial("lig-1", "5550001")
    hall.dial("hmc-2", "5550001")
    assert hall.heard("hmc-2")[-1] == Heard.busy


def test_a_call_to_oneself_is_busy_but_goes_to_the_next_of_the_group() -> None:
    hall = Hall()
    hall.dial("hmc", "5550001")
    assert hall.heard("hmc") == [Heard.dial_tone, Heard.busy]
    hall.dial("lig-1", LIG)
    assert hall.heard("lig-2") == [Heard.ringing]


# Both ends.


def test_both_dial_each_other_and_both_are_busy() -> None:
    hall = Hall()
    hall.does("hmc", Hook.off)
    hall.does("hmc-2", Hook.off)
    hall.wait(0.5)
    hall.does("hmc", DialDigits("5550002"))
    hall.does("hmc-2", DialDigits("5550001"))
    hall.wait(10)
    assert hall.heard("hmc") == hall.heard("hmc-2") == [Heard.dial_tone, Heard.busy]


def test_off_hook_while_ringing_is_no_answer_until_there_is_one() -> None:
    hall = Hall()
    hall.dial("hmc", LIG)
    hall.does("lig-1", Hook.off)
    hall.wait(60)
    assert hall.heard("lig-1") == [Heard.ringing, Heard.no_dial_tone]
    assert hall.heard("hmc") == [Heard.dial_tone, Heard.ringback, Heard.quiet]
    hall.does("lig-1", DialDigits("5550002"))
    hall.wait(1)
    assert hall.heard("hmc-2") == []
    hall.does("lig-1", Hook.answer)
    hall.wait(10)
    assert hall.heard("hmc")[3:] == [Heard.answered, Trained(33600)]


@pytest.mark.parametrize("first", ["hmc", "lig-1"])
def test_off_hook_while_ringing_and_one_hangs_up(first: str) -> None:
    other = "lig-1" if first == "hmc" else "hmc"
    hall = Hall()
    hall.dial("hmc", LIG)
    hall.does("lig-1", Hook.off)
    hall.hang_up(first)
    hall.wait(100)
    assert hall.heard(other)[-1] == Heard.dropped
    assert Heard.dropped not in hall.heard(first)
    assert Heard.quiet not in hall.heard("hmc")
    hall.hang_up(other)
    hall.told.clear()
    assert hall.connect() == 33600


def test_off_hook_and_answer_at_once_is_an_answer() -> None:
    hall = Hall()
    hall.dial("hmc", LIG)
    hall.does("lig-1", Hook.off, Hook.answer)
    hall.wait(10)
    assert hall.heard("lig-1") == [Heard.ringing, Trained(33600)]


def test_answering_a_line_that_does_not_ring_takes_it_off_hook_and_no_more() -> None:
    hall = Hall()
    hall.does("lig-1", Hook.answer, Hook.answer, Hook.off)
    hall.wait(100)
    assert hall.heard("lig-1") == []
    hall.dial("hmc", LIG)
    assert hall.heard("lig-2") == [Heard.ringing]
    hall.does("hmc", Hook.answer)
    hall.wait(10)
    assert hall.heard("hmc")[-1] == Heard.ringback


@pytest.mark.parametrize("first", ["hmc", "lig-1"])
@pytest.mark.parametrize("training", [True, False])
def test_either_end_hangs_up_and_the_other_hears_it_after_the_delay(
    first: str, training: bool
) -> None:
    other = "lig-1" if first == "hmc" else "hmc"
    hall = Hall()
    if training:
        hall.dial("hmc", LIG)
        hall.does("lig-1", Hook.answer)
        hall.wait(1)
    else:
        hall.connect()
    at = hall.now
    hall.hang_up(first)
    hall.wait(30)
    assert hall.when(other, Heard.dropped) == [pytest.approx(at + 0.03)]
    assert hall.when(first, Heard.dropped) == []
    assert (Trained(33600) in hall.heard(other)) is not training
    hall.does(other, Hook.off)
    hall.wait(1)
    assert hall.heard(other)[-1] == Heard.dropped, "no dial tone before it hangs up"
    hall.hang_up(other)
    assert hall.exchange.wake_at is None


def test_a_caller_hangs_up_when_training_has_nearly_ended() -> None:
    hall = Hall()
    hall.dial("hmc-2", LIG)
    hall.does("lig-1", Hook.answer)
    hall.wait(5 + 4 * 0.32 - 0.1)
    hall.hang_up("hmc-2")
    hall.wait(30)
    assert hall.heard("lig-1") == [Heard.ringing, Heard.dropped]
    assert hall.heard("hmc-2")[-1] == Heard.answered


@pytest.mark.parametrize("later_s", [0.0, 0.01])
def test_both_hang_up_at_once_and_nobody_hears_a_thing(later_s: float) -> None:
    hall = Hall()
    hall.connect()
    before = len(hall.told)
    hall.hang_up("hmc")
    hall.wait(later_s)
    hall.hang_up("lig-1")
    hall.wait(30)
    assert hall.told[before:] == []
    assert hall.exchange.wake_at is None


def test_who_hung_up_can_dial_before_the_other_knows() -> None:
    hall = Hall()
    hall.connect("hmc-2")
    hall.hang_up("hmc-2")
    hall.does("hmc-2", Hook.off)
    hall.wait(0.31)
    hall.does("hmc-2", DialDigits("5550001"))
    hall.wait(0.3)
    assert hall.heard("hmc") == [Heard.ringing]
    assert hall.heard("lig-1")[-1] == Heard.dropped


def test_what_is_between_modem_and_terminal_is_not_the_exchanges() -> None:
    hall = Hall()
    hall.does("hmc", ToTerminal(b"OK"), Carrier(True), DialDigits("1"))
    hall.hang_up("hmc")
    hall.wait(10)
    assert hall.told == []


# A tick that is late, and a clock that goes back.


def test_a_late_tick_lets_everything_happen_in_order() -> None:
    hall = Hall()
    hall.dial("hmc", LIG)
    hall.now = 200.0
    hall.does("lig-1", Hook.answer)
    events = hall.heard("lig-1")
    assert events == [Heard.ringing] * 30 + [Heard.ringing_stopped]


def test_a_clock_that_goes_back_stands_still() -> None:
    hall = Hall()
    hall.dial("hmc", LIG)
    hall.exchange.tick(50.0)
    hall.exchange.effect("lig-1", Hook.answer, 40.0)
    assert hall.exchange.tick(50.0) == []
    told = hall.exchange.tick(55.5)
    assert ("hmc", Trained(33600)) in told


# What is declared wrongly.


def test_two_lines_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="one name"):
        Hall(lines=(HMC, HMC))
