"""What a terminal is told of a connection: the reports before CONNECT, and the rate in CONNECT.

By V.250's +MR, +ER, +DR and +ILRR, and by W and S95 of chip sets. When it is due, ``states`` says.
"""

from __future__ import annotations

from collections.abc import Iterator

from lab.telephony.settings import Settings

_PORT, _PORT_WITH_REPORTS = 0, 1
"""Values of W."""
_LINE_RATE_BIT = 1
"""Of S95."""


def reports(settings: Settings, carrier: str, rate_bit_s: int, port_bit_s: int) -> Iterator[str]:
    """In the order of V.250 6.4.2, 6.5.5, 6.6.2 and 6.2.13; ``port_bit_s`` is what the program has set."""
    everything = settings.switch("W") == _PORT_WITH_REPORTS
    if everything or settings.reports("+MR"):
        yield f"+MCR: {carrier}"
        yield f"+MRR: {rate_bit_s}"
    if everything or settings.reports("+ER"):
        yield "+ER: NONE"
    if settings.reports("+DR"):
        yield "+DR: NONE"
    if settings.reports("+ILRR"):
        yield f"+ILRR: {settings.terminal_rate or port_bit_s}"


def connect_rate(settings: Settings, rate_bit_s: int, port_bit_s: int) -> int:
    """The rate that CONNECT has, if it has one."""
    of_port = settings.switch("W") in (_PORT, _PORT_WITH_REPORTS)
    if of_port and not settings.register(95) & _LINE_RATE_BIT:
        return settings.terminal_rate or port_bit_s
    return rate_bit_s
