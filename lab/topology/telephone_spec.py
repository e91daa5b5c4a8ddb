"""Telephone lines and what befalls calls, as a user writes them."""

from __future__ import annotations

from pydantic import Field

from lab.topology.part import Part
from lab.topology.telephone import Outcome
from lab.topology.values import After, BitErrorRate, Delay, ModemRate, Number

MAX_TIMES = 1000


class LineSpec(Part):
    """A node's telephone lines: as many as it has modems, all of one number."""

    number: Number = Field(description="Digits, quoted; spaces and hyphens do not count.")
    rate: ModemRate = Field(
        default=33600, description="What its modems can do at most, in bit/s: a real modem's rate."
    )
    delay: Delay = Field(default=0.01, description="One-way delay to the exchange, such as 10ms.")
    modem: str | None = Field(
        default=None,
        min_length=1,
        description="Whose modems they are: a family that the lab knows, such as usr-courier, or a file of "
        "your own, relative to this one; the lab's own if left out.",
    )


class CallSpec(Part):
    """What befalls telephone calls; of those that fit one, the first that is not used up."""

    outcome: Outcome = Field(description="What becomes of the call.")
    from_: str | None = Field(
        default=None, alias="from", description="Whose calls: a node, or one line of it."
    )
    to: Number | None = Field(default=None, description="Calls to this number only.")
    times: int | None = Field(
        default=None,
        ge=1,
        le=MAX_TIMES,
        strict=True,
        description="How many calls of each line; all, if left out.",
    )
    rate: ModemRate | None = Field(
        default=None, description="What the modems agree on at most, in bit/s: a real modem's rate."
    )
    after: After | None = Field(
        default=None,
        description="line-drops only: after a time, such as 20s, or so many bytes, such as 5kB.",
    )
    bit_error_rate: BitErrorRate | None = Field(
        default=None, description="The share of the bits that are flipped, such as 4e-5."
    )
