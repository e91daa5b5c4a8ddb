"""Data of connected calls: rate, delay, chunks, what waits, what a hang-up loses, noise."""

from __future__ import annotations

import random
import time

import pytest

from lab.telephony.circuit import CHUNK_S, Circuit, Noise
from lab.telephony.signals import Heard, Trained
from lab.topology.telephone import CallRule, Outcome
from tests.unit.telephony.exchange_hall import LIG, Hall, modem_line

TEXT = bytes(range(256)) * 40


def test_data_goes_both_ways_at_once_at_the_rate_with_the_delay() -> None:
    hall = Hall()
    hall.connect()
    start = hall.now
    hall.send("hmc", TEXT)
    hall.send("lig-1", TEXT[::-1])
    hall.wait(10)
    assert hall.data("lig-1") == TEXT
    assert hall.data("hmc") == TEXT[::-1]
    for line in ("hmc", "lig-1"):
        times = [at for at, name, what in hall.told if name == line and isinstance(what, bytes)]
        # The last, short chunk is not taken by itself.
        assert 0 <= times[-1] - start - (len(TEXT) * 8 / 33600 + 0.03) < CHUNK_S
        assert times[0] - start == pytest.approx(CHUNK_S + 0.03)


def test_a_single_byte_arrives_after_its_own_time_and_the_delay() -> None:
    hall = Hall()
    hall.connect("hmc-2")
    start = hall.now
    hall.send("hmc-2", b"A")
    hall.wait(10)
    at, line, data = hall.told[-1]
    assert (line, data) == ("lig-1", b"A")
    assert at == pytest.approx(start + 8 / 9600 + 0.32)


@pytest.mark.parametrize("rate", [75, 300, 2400, 33600, 53333, 1_000_000])
@pytest.mark.parametrize("delay", [0.0, 0.01, 0.5])
def test_a_busy_line_wakes_some_fifty_times_a_second_and_an_idle_one_never(
    rate: int, delay: float
) -> None:
    hall = Hall(lines=(modem_line("hmc", "1", rate, delay), modem_line("lig-1", LIG, rate, 0.0)))
    hall.connect()
    assert hall.exchange.wake_at is None
    hall.ticks = 0
    hall.send("hmc", bytes(rate // 8 * 4))
    hall.wait(4)
    assert hall.ticks <= 4 * 50 + delay / CHUNK_S + 3
    hall.wait(4)
    assert len(hall.data("lig-1")) == rate // 8 * 4
    assert hall.exchange.wake_at is None


def test_a_terminal_that_writes_byte_by_byte_wakes_no_more_often() -> None:
    hall = Hall()
    hall.connect()
    hall.ticks = 0
    for at in range(2000):
        hall.send("hmc", TEXT[at : at + 1])
        hall.wait(1 / 4000)
    hall.wait(1)
    assert hall.data("lig-1") == TEXT[:2000]
    assert hall.ticks <= 30


@pytest.mark.parametrize("rate", [9600, 33600, 1_000_000])
@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_an_equipment_that_keeps_four_kib_waiting_gets_the_whole_rate(
    rate: int, delay: float
) -> None:
    hall = Hall(lines=(modem_line("hmc", "1", rate, delay), modem_line("lig-1", LIG, rate, 0.0)))
    hall.connect()
    start = hall.now
    while (wake_at := hall.exchange.wake_at or start) < start + 5:
        hall.run_until(wake_at)
        room = 4096 - hall.exchange.queued("hmc")
        if room > 0:
            hall.send("hmc", bytes(room))
        assert hall.exchange.queued("hmc") <= 4096
    # Now and then a chunk is begun late, as nobody woke at its moment.
    assert len(hall.data("lig-1")) >= 0.95 * (5 - delay - CHUNK_S) * rate / 8


def test_a_megabit_a_second_costs_little() -> None:
    rate = 1_000_000
    hall = Hall(lines=(modem_line("hmc", "1", rate, 0.01), modem_line("lig-1", LIG, rate, 0.01)))
    hall.connect()
    began = time.process_time()
    hall.send("hmc", bytes(rate // 8 * 20))
    hall.send("lig-1", bytes(rate // 8 * 20))
    hall.wait(25)
    spent = time.process_time() - began
    assert len(hall.data("hmc")) == len(hall.data("lig-1")) == rate // 8 * 20
    assert spent < 2, "20 s of data must cost less than a tenth of a processor"


def test_what_waits_is_what_has_not_left() -> None:
    hall = Hall()
    assert hall.exchange.queued("hmc") == 0
    hall.connect()
    hall.send("hmc", bytes(4200))
    assert hall.exchange.queued("hmc") == 4200 - 84
    assert hall.exchange.queued("lig-1") == 0
    hall.wait(0.5)
    assert hall.exchange.queued("hmc") == pytest.approx(2100, abs=84)
    hall.wait(1)
    assert hall.exchange.queued("hmc") == 0


def test_data_without_a_call_goes_nowhere() -> None:
    hall = Hall()
    hall.send("hmc", b"lost")
    hall.dial("hmc", LIG)
    hall.send("hmc", b"lost")
    hall.send("lig-1", b"lost")
    assert hall.exchange.queued("hmc") == 0
    hall.wait(1)
    assert hall.data("hmc") == hall.data("lig-1") == b""


def test_hanging_up_loses_what_has_not_left_and_nothing_else() -> None:
    hall = Hall()
    hall.connect()
    hall.send("hmc", TEXT)
    hall.send("lig-1", TEXT)
    hall.wait(1.01)
    hall.hang_up("hmc")
    assert hall.exchange.queued("hmc") == 0
    at_hmc = hall.data("hmc")
    hall.wait(10)
    assert hall.data("hmc") == at_hmc
    # 1.01 s of 4200 bytes a second: also of the chunk that was being sent.
    assert hall.data("lig-1") in (TEXT[:4241], TEXT[:4242])
    assert [what for _, name, what in hall.told if name == "lig-1"][-1] == Heard.dropped


def test_who_has_not_heard_of_the_hang_up_sends_into_the_void() -> None:
    hall = Hall()
    hall.connect("hmc-2")
    hall.hang_up("hmc-2")
    hall.send("lig-1", b"are you there?")
    assert hall.exchange.queued("lig-1") == 0
    hall.wait(10)
    assert hall.data("hmc-2") == b""


def test_a_dropped_line_loses_what_is_on_its_way() -> None:
    hall = Hall([CallRule(outcome=Outcome.line_drops, after_s=15.0)])
    hall.connect("hmc-2")
    hall.run_until(hall.when("hmc-2", Trained)[0] + 14.9)
    hall.send("hmc-2", b"too late")
    hall.wait(10)
    assert hall.data("lig-1") == b""


# Noise.


@pytest.mark.parametrize("rate", [1e-4, 1e-2, 0.3, 0.5])
def test_noise_has_its_rate_and_leaves_nothing_out(rate: float) -> None:
    bits = 800_000
    noise = Noise(rate, random.Random(7))
    clean = random.Random(8).randbytes(bits // 8)
    noisy = b"".join(noise.on(clean[at : at + 84]) for at in range(0, len(clean), 84))
    assert len(noisy) == len(clean)
    errors = (int.from_bytes(clean) ^ int.from_bytes(noisy)).bit_count()
    deviation = (bits * rate * (1 - rate)) ** 0.5
    assert abs(errors - bits * rate) < 5 * deviation


def test_noise_hits_every_bit_alike() -> None:
    noise = Noise(0.1, random.Random(7))
    counts = [0] * 16
    for _ in range(10_000):
        word = int.from_bytes(noise.on(bytes(2)))
        counts = [count + (word >> bit & 1) for bit, count in enumerate(counts)]
    assert all(850 < count < 1150 for count in counts)


def test_hardly_any_noise_takes_no_time() -> None:
    noise = Noise(1e-300, random.Random(7))
    assert noise.on(TEXT) is TEXT


def test_noise_is_repeated_by_the_same_random() -> None:
    heard = []
    for seed in (1, 1, 2):
        hall = Hall([CallRule(outcome=Outcome.noise, bit_error_rate=0.001)], seed=seed)
        hall.connect()
        hall.send("hmc", TEXT)
        hall.wait(10)
        heard.append(hall.data("lig-1"))
    assert heard[0] == heard[1] != heard[2]
    assert TEXT not in heard


# One direction by itself.


def test_a_circuit_that_is_asked_late_has_kept_its_rate() -> None:
    circuit = Circuit(9600, 0.0)
    circuit.send(bytes(1200), 0.0)
    assert len(circuit.arrived(0.501)) == 600
    circuit.send(bytes(1200), 0.501)
    assert len(circuit.arrived(1.501)) == 1200
    assert len(circuit.arrived(100.0)) == 600
    circuit.send(b"x", 100.0)
    assert circuit.arrived(100.0) == b""
    assert circuit.next_arrival == pytest.approx(100 + 8 / 9600)


def test_a_circuit_that_is_asked_for_nothing_has_kept_its_rate() -> None:
    circuit = Circuit(9600, 0.0)
    circuit.send(bytes(1200), 0.0)
    assert circuit.next_arrival == pytest.approx(CHUNK_S)
    circuit.send(bytes(1200), 0.501)
    assert len(circuit.arrived(1.001)) == 1200
    circuit.send(bytes(4800), 1.001)
    assert circuit.cut(2.001) == pytest.approx(4800, abs=1)


def test_a_slow_circuit_gives_its_bytes_one_by_one() -> None:
    circuit = Circuit(75, 0.0)
    circuit.send(b"ab", 0.0)
    assert circuit.next_arrival == pytest.approx(8 / 75)
    assert circuit.arrived(0.11) == b"a"


def test_a_cut_circuit_sends_no_half_byte() -> None:
    circuit = Circuit(80, 1.0)
    circuit.send(b"abc", 0.0)
    assert circuit.cut(0.05) == 3
    assert circuit.wake_at is None

    circuit = Circuit(80, 1.0)
    circuit.send(b"abc", 0.0)
    assert circuit.cut(0.15) == 2
    assert circuit.arrived(1.15) == b"a"
    assert circuit.arrived(9.0) == b""
