"""Reliable delivery by itself (RFC 2661 5.8, appendix A): numbers, windows, and how long is tried."""

from __future__ import annotations

import pytest

from lab.l2tp.delivery import BACKLOG, Arrived, Delivery, Patience


class End:
    """One end, and what it sent: Ns, Nr and body."""

    def __init__(self, window: int = 4, patience: Patience | None = None) -> None:
        self.sent: list[tuple[int, int, bytes]] = []
        self.delivery = Delivery(self._send, patience or Patience(), window)

    def _send(self, session_id: int, ns: int, nr: int, body: bytes) -> None:
        self.sent.append((ns, nr, body))

    def numbers(self) -> list[int]:
        """Ns of what was sent since the last time."""
        sent, self.sent = self.sent, []
        return [ns for ns, _, _ in sent]

    def push(self, count: int, now: float = 0.0) -> None:
        for number in range(count):
            self.delivery.push(0, b"%d" % number, now)

    def ack(self, nr: int, now: float = 0.0) -> list[bytes] | None:
        return self.hear(0, nr, b"", now)

    def hear(self, ns: int, nr: int, body: bytes, now: float = 0.0) -> list[bytes] | None:
        ready = self.delivery.take(ns, nr, Arrived(0, body), now)
        return None if ready is None else [arrived.body for arrived in ready]


def test_times_of_retransmissions() -> None:
    """After 1, 2, 4, 8 and 8 s; eight more, and the peer is given up: 31 s, as RFC 2661 5.7 has it."""
    end = End()
    end.push(1)
    times = []
    while (due := end.delivery.due) is not None:
        assert end.delivery.tick(due - 0.001)
        alive = end.delivery.tick(due)
        times.append(due)
    assert times == [1, 3, 7, 15, 23, 31]
    assert not alive
    assert end.numbers() == [0] * 6
    assert Patience().cycle_s == 31


def test_patience_can_be_set() -> None:
    end = End(patience=Patience(first_s=0.5, most_s=60.0, retransmissions=2))
    end.push(1)
    times = []
    while (due := end.delivery.due) is not None:
        end.delivery.tick(due)
        times.append(due)
    assert times == [0.5, 1.5, 3.5]


def test_a_retransmission_has_the_same_ns_and_the_newest_nr() -> None:
    end = End()
    end.push(1)
    assert end.hear(0, 0, b"x") == [b"x"]
    end.delivery.tick(1.0)
    assert end.sent == [(0, 0, b"0"), (0, 1, b"0")]


def test_an_acknowledgement_starts_the_patience_again() -> None:
    end = End()
    end.push(2)
    for due in (1.0, 3.0, 7.0, 15.0):
        assert end.delivery.tick(due)
    end.ack(1, 16.0)
    assert end.delivery.due == 17.0
    for due in (17.0, 19.0, 23.0, 31.0, 39.0):
        assert end.delivery.tick(due)
    assert not end.delivery.tick(47.0)


def rounds(end: End, acked: int, count: int) -> list[int]:
    """How many messages go out in each round, when every one of the round before is acknowledged alone."""
    sizes = []
    under_way = 1
    for _ in range(count):
        end.numbers()
        for _ in range(under_way):
            acked += 1
            end.ack(acked)
        under_way = len(end.numbers())
        sizes.append(under_way)
    return sizes


def test_slow_start_ends_at_the_peers_window() -> None:
    end = End()
    end.delivery.open_window(8)
    end.push(100)
    assert end.numbers() == [0]
    assert rounds(end, 0, 5) == [2, 4, 8, 8, 8]


def test_a_timeout_halves_the_threshold_and_goes_back_to_one() -> None:
    end = End()
    end.delivery.open_window(8)
    end.push(100)
    for acked in range(1, 8):
        end.ack(acked)
    end.numbers()
    assert end.delivery.due is not None
    end.delivery.tick(end.delivery.due)
    assert end.numbers() == [7]
    # Slow start up to the threshold of four, then one more message a round.
    assert rounds(end, 7, 6) == [2, 4, 4, 5, 6, 7]


def test_the_congestion_window_does_not_grow_beyond_the_peers() -> None:
    end = End()
    end.push(100)
    for acked in range(1, 41):
        end.ack(acked)
    assert end.delivery.due is not None
    end.delivery.tick(end.delivery.due)
    # Half of four: slow start ends at two.
    assert rounds(end, 40, 4) == [2, 2, 3, 4]


def test_a_window_that_is_told_late_is_kept() -> None:
    """SCCRP acknowledges SCCRQ, which opens the congestion window, and then it says that one is all."""
    end = End()
    end.push(1)
    end.ack(1)
    end.delivery.open_window(1)
    end.push(3)
    assert end.numbers() == [0, 1]


@pytest.mark.parametrize("window", [1, 2, 4])
def test_the_peers_window_is_kept(window: int) -> None:
    end = End()
    end.delivery.open_window(window)
    end.push(50)
    acked = 0
    most = 0
    while acked < 50:
        most = max(most, max(end.numbers() or [0]) + 1 - acked)
        acked += 1
        end.ack(acked)
    assert most == window
    assert end.delivery.settled


def test_without_a_window_it_is_four() -> None:
    end = End()
    end.push(50)
    for acked in range(1, 20):
        end.ack(acked)
    assert max(end.numbers()) - 19 + 1 == 4


def test_what_comes_out_of_order_is_put_in_order() -> None:
    end = End()
    assert end.hear(2, 0, b"c") == []
    assert end.hear(1, 0, b"b") == []
    assert not end.delivery.ack_wanted
    assert end.hear(0, 0, b"a") == [b"a", b"b", b"c"]
    end.delivery.acknowledge()
    assert end.sent == [(0, 3, b"")]


def test_what_comes_twice_is_delivered_once_and_acknowledged_twice() -> None:
    end = End()
    end.hear(0, 0, b"a")
    end.delivery.acknowledge()
    assert end.hear(0, 0, b"a") == []
    end.delivery.acknowledge()
    end.delivery.acknowledge()
    assert end.sent == [(0, 1, b""), (0, 1, b"")]


def test_what_is_too_far_ahead_is_not_kept() -> None:
    end = End(window=4)
    assert end.hear(4, 0, b"e") == []
    for ns, name in enumerate((b"a", b"b", b"c", b"d")):
        assert end.hear(ns, 0, name) == [name]
    assert end.hear(4, 0, b"e") == [b"e"]


def test_an_acknowledgement_alone_takes_no_number() -> None:
    end = End()
    end.push(1)
    end.hear(0, 0, b"a")
    end.delivery.acknowledge()
    end.ack(1)
    end.push(1)
    assert end.sent == [(0, 0, b"0"), (1, 1, b""), (1, 1, b"0")]
    # Nor does one of the peer's.
    assert end.hear(1, 1, b"") == []
    assert end.hear(1, 1, b"b") == [b"b"]


def test_numbers_go_round() -> None:
    end, other = End(), End()
    for number in range(70000):
        end.delivery.push(0, b"%d" % number, 0.0)
        ((ns, nr, body),) = end.sent
        end.sent.clear()
        assert ns == number % 65536
        assert other.hear(ns, nr, body) == [b"%d" % number]
        other.delivery.acknowledge()
        ((ns, nr, body),) = other.sent
        other.sent.clear()
        assert nr == (number + 1) % 65536
        assert end.hear(ns, nr, body) == []
    assert end.delivery.settled


@pytest.mark.parametrize("old", [65535, 40000, 32769])
def test_half_of_the_numbers_are_old(old: int) -> None:
    """With 0 as the last received number, 32769 to 65535 come before it (RFC 2661 5.8)."""
    end = End(window=65536)
    end.hear(0, 0, b"a")
    end.delivery.acknowledge()
    assert end.hear(old, 0, b"old") == []
    assert end.delivery.ack_wanted


def test_an_acknowledgement_of_what_was_never_sent_is_none() -> None:
    end = End()
    end.push(3)
    assert end.ack(2) is None
    assert end.hear(0, 5, b"a") is None
    assert end.ack(1) == []
    # An older acknowledgement says nothing, and what comes with it counts.
    assert end.hear(0, 0, b"a") == [b"a"]


def test_a_message_under_way_when_time_ran_out_may_still_be_acknowledged() -> None:
    end = End()
    end.push(4)
    end.ack(1)
    assert end.delivery.due is not None
    end.delivery.tick(end.delivery.due)
    # Two are under way, one was sent again; the peer got both the first time.
    assert end.ack(3) == []
    assert not end.delivery.settled
    assert end.ack(4) == []
    assert end.delivery.settled
    assert end.delivery.due is None


def test_a_backlog_is_noticed() -> None:
    end = End()
    end.push(BACKLOG)
    assert not end.delivery.overfull
    end.push(1)
    assert end.delivery.overfull
