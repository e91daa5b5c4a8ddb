"""Rates, times and sizes as people write them (``100Mbit``, ``20ms``, ``5kB``), and back again."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from decimal import Decimal

_POWERS = {"bit": 0, "kbit": 3, "Mbit": 6, "Gbit": 9}

RATE = r"[0-9]+(\.[0-9]+)?(bit|kbit|Mbit|Gbit)"
DURATION = r"[0-9]+(\.[0-9]+)?(us|ms|s|min|h|d)"
SIZE = r"[0-9]+(\.[0-9]+)?(B|kB|MB)"
PERCENT = r"[0-9]+(\.[0-9]+)?%"

_BIT_S = {unit: Decimal(10) ** power for unit, power in _POWERS.items()}
_SECONDS = {
    "us": Decimal("0.000001"),
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "min": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
}
_BYTES = {"B": Decimal(1), "kB": Decimal(10) ** 3, "MB": Decimal(10) ** 6}

_NUMBER_AND_UNIT = re.compile(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]+)", re.ASCII)


def parse_rate(text: object) -> int:
    """``100Mbit`` to bits per second; ValueError says what a rate looks like."""
    number, factor = _split(text, _BIT_S, "a rate such as 33.6kbit, 100Mbit or 1Gbit")
    return int(number * factor)


def parse_duration(text: object) -> float:
    """``20ms`` to seconds; ValueError says what a time looks like."""
    number, factor = _split(text, _SECONDS, "a time with its unit, such as 20ms, 30s or 26min")
    return float(number * factor)


def parse_size(text: object) -> int:
    """``5kB`` to bytes; ValueError says what a size looks like."""
    number, factor = _split(text, _BYTES, "a size with its unit, such as 500B or 5kB")
    return int(number * factor)


def parse_percent(text: object) -> float:
    """``2%`` to 0.02; ValueError says what a percentage looks like, and that all would be too much."""
    match = re.fullmatch(PERCENT, text, re.ASCII) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"must be a percentage such as 2% or 0.1%, not {text!r}")
    share = float(Decimal(str(text)[:-1]) / 100)
    if share >= 1:
        raise ValueError(f"must be less than 100%, not {text}")
    return share


def show_percent(share: float) -> str:
    """``2%``."""
    return f"{share * 100:.6g}%"


def _split(text: object, units: dict[str, Decimal], wanted: str) -> tuple[Decimal, Decimal]:
    match = _NUMBER_AND_UNIT.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        raise ValueError(f"must be {wanted}, not {text!r}")

    return Decimal(match[1]), units[match[2]]


def show_rate(bit_s: int) -> str:
    """``100 Mbit/s``."""
    unit = next((u for u in ("Gbit", "Mbit", "kbit") if bit_s >= _BIT_S[u]), "bit")
    return f"{float(bit_s / _BIT_S[unit]):.6g} {unit}/s"


def show_delay(seconds: float) -> str:
    """``20 ms``."""
    if seconds >= 1:
        return f"{seconds:.6g} s"
    return f"{seconds * 1e3:.6g} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.6g} us"


def show_wire(bit_s: int, delay_s: float) -> str:
    """``100 Mbit/s, 20 ms``; a delay of 0 is left out."""
    return show_rate(bit_s) + (f", {show_delay(delay_s)}" if delay_s else "")


def show_size(octets: int) -> str:
    """``5 kB``."""
    unit = next((u for u in ("MB", "kB") if octets >= _BYTES[u]), "B")
    return f"{float(octets / _BYTES[unit]):.6g} {unit}"


WIDTH = 96
"""Columns of a picture in text."""
NO_BREAK = "\xa0"


def wrapped(head: str, words: Iterable[str], width: int) -> list[str]:
    """Words with commas between them behind a head, in lines of a width; a space inside a word is kept."""
    lines = textwrap.wrap(
        ", ".join(word.replace(" ", NO_BREAK) for word in words),
        len(head) + width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(NO_BREAK, " ") for line in lines]
