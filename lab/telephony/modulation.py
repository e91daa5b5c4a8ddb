"""Modulations: what a modem offers by its ``+MS`` (V.250 6.4.1), and the rate that two of them agree on.

The lab's lines are alike in both directions, so that a rate has to suit what both ends want sent and
received. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CARRIERS: Mapping[str, tuple[int, ...]] = {
    "V21": (300,),
    "V22": (600, 1200),
    "V22B": (1200, 2400),
    "V32": (4800, 9600),
    "V32B": tuple(range(4800, 14401, 2400)),
    "V34": tuple(range(2400, 33601, 2400)),
    "V90": (),
    "V92": (),
}
"""The rates of each in bit/s, from the Recommendation of its name; the later, the better.

V.90 and V.92 need a digital modem at the other end, which no line of the lab has.
"""
_ORDER = tuple(CARRIERS)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a modem is willing to train with; unless it is told otherwise, whatever a V.34 modem can."""

    carriers: frozenset[str] = frozenset(name for name, rates in CARRIERS.items() if rates)
    low: int = 0
    high: int | None = None
    """None: no limit but the line's."""


def offer(values: Sequence[int | str]) -> Offer:
    """What the values of ``+MS`` come to: with automode the carrier, and whatever is older than it."""
    carrier, automatic = str(values[0]), values[1]
    at = _ORDER.index(carrier)
    low, high, low_received, high_received = map(int, values[2:])
    highest = [limit for limit in (high, high_received) if limit]
    return Offer(
        frozenset(_ORDER[0 if automatic else at : at + 1]),
        max(low, low_received),
        min(highest, default=None),
    )


def agree(one: Offer, other: Offer, line_bit_s: int) -> tuple[int, str]:
    """The highest rate in bit/s that both offers and the line allow, and the best modulation that has it.

    ``(0, "")`` if there is none: then training fails.
    """
    low = max(one.low, other.low)
    high = min(each for each in (line_bit_s, one.high, other.high) if each is not None)
    found = [
        (rate, carrier)
        for carrier in reversed(_ORDER)
        if carrier in one.carriers & other.carriers
        for rate in _rates(carrier, line_bit_s)
        if low <= rate <= high
    ]
    return max(found, key=lambda each: each[0], default=(0, ""))


def _rates(carrier: str, line_bit_s: int) -> tuple[int, ...]:
    """A line is taken at its word, also if no Recommendation has such a rate."""
    odd = (carrier == "V21" and line_bit_s < 300) or (carrier == "V34" and line_bit_s > 2400)
    return (*CARRIERS[carrier], line_bit_s) if odd else CARRIERS[carrier]
