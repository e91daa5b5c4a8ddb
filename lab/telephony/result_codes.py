"""Result codes and reports: their words and numbers, what ``X`` and ``W`` leave of them, how they are framed.

Words and basic numbers are those of V.250 5.7.1; the numbers of rates differ between makers, so a modem is
given a table. Whether a result is due, and whether ``Q`` suppresses it, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from lab.telephony.settings import Settings
from lab.topology.modem_family import ModemFamily


class ResultCode(StrEnum):
    """The final and unsolicited results of V.250 table 1, without the rates."""

    ok = "OK"
    connect = "CONNECT"
    ring = "RING"
    no_carrier = "NO CARRIER"
    error = "ERROR"
    no_dialtone = "NO DIALTONE"
    busy = "BUSY"
    no_answer = "NO ANSWER"


_BASIC = {
    ResultCode.ok: 0,
    ResultCode.connect: 1,
    ResultCode.ring: 2,
    ResultCode.no_carrier: 3,
    ResultCode.error: 4,
    ResultCode.no_dialtone: 6,
    ResultCode.busy: 7,
    ResultCode.no_answer: 8,
}


@dataclass(frozen=True, slots=True)
class CodeTable:
    """One maker's numbers."""

    rates: Mapping[int, int]
    """Rate of a connection in bit/s: number of ``CONNECT <rate>``; a rate without one is given as 1."""
    no_dialtone: str = ResultCode.no_dialtone
    """Some makers write ``NO DIAL TONE``."""

    @classmethod
    def of(cls, family: ModemFamily) -> CodeTable:
        return cls(dict(family.rates), family.no_dialtone)

    def word(self, result: ResultCode) -> str:
        return self.no_dialtone if result is ResultCode.no_dialtone else str(result)

    def number(self, result: ResultCode, rate_bit_s: int = 0) -> int:
        return self.rates.get(rate_bit_s, _BASIC[result])


HAYES = CodeTable(
    {
        1200: 5,
        600: 9,
        2400: 10,
        4800: 11,
        9600: 12,
        7200: 13,
        12000: 14,
        14400: 15,
        19200: 16,
        38400: 17,
        57600: 18,
        115200: 19,
        # The numbers of the chip sets that most V.34 modems were made of; Hayes had ended by then.
        16800: 59,
        21600: 61,
        24000: 62,
        26400: 63,
        28800: 64,
        33600: 84,
        31200: 91,
    },
)
IBM = CodeTable({1200: 5, 2400: 9})
"""AIX documentation, "Result codes for asynchronous adapters": 9 where Hayes has 10."""

_EXTENDED = (ResultCode.no_dialtone, ResultCode.busy, ResultCode.no_answer)


def wording(result: ResultCode, rate_bit_s: int, x: int) -> tuple[ResultCode, int]:
    """What ``X`` leaves of a result: X0 has neither rates (V.250 6.2.7) nor words for call progress (Hayes).

    For what W and @ wait for in vain V.250 allows NO CARRIER, too (6.3.1.6, 6.3.1.7). Which tones the modem
    listens for under X1 to X4 is not a matter of wording; see ``lab.telephony.states``.
    """
    if x > 0:
        # 300 bit/s is what CONNECT without a rate stands for, in either table.
        return result, rate_bit_s if rate_bit_s > 300 else 0
    return (ResultCode.no_carrier if result in _EXTENDED else result), 0


_PORT, _PORT_WITH_REPORTS = 0, 1
"""Values of W."""
_LINE_RATE_BIT = 1
"""Of S95."""


def reports(settings: Settings, carrier: str, rate_bit_s: int, port_bit_s: int) -> Iterator[str]:
    """In the order of V.250 6.4.2, 6.5.5, 6.6.2 and 6.2.13; ``port_bit_s`` is what the program has set."""
    everything = settings["W"] == _PORT_WITH_REPORTS
    if everything or settings["+MR"]:
        yield f"+MCR: {carrier}"
        yield f"+MRR: {rate_bit_s}"
    if everything or settings["+ER"]:
        yield "+ER: NONE"
    if settings["+DR"]:
        yield "+DR: NONE"
    if settings["+ILRR"]:
        port_bit_s = settings["+IPR"] or port_bit_s
        yield f"+ILRR: {port_bit_s}"


def connect_rate(settings: Settings, rate_bit_s: int, port_bit_s: int) -> int:
    """The rate that CONNECT has, if it has one."""
    of_port = settings["W"] in (_PORT, _PORT_WITH_REPORTS)
    if of_port and not settings["S95"] & _LINE_RATE_BIT:
        return settings["+IPR"] or port_bit_s
    return rate_bit_s


_NAMES = {"V22B": "V.22bis", "V32B": "V.32bis"}
"""Of carriers, where it is not the letter, a point and the number."""


def told_rate(
    family: ModemFamily | None, settings: Settings, carrier: str, rate_bit_s: int, port_bit_s: int
) -> str:
    """What a family's modem has after CONNECT in the place of the rate; empty: the rate."""
    for command, number, words in family.connect if family is not None else ():
        if settings.own.get(command) == number:
            name = _NAMES.get(carrier, f"{carrier[:1]}.{carrier[1:]}")
            port_bit_s = settings["+IPR"] or port_bit_s
            return words.format(port=port_bit_s, rate=rate_bit_s, carrier=name)
    return ""


@dataclass(frozen=True, slots=True)
class Framing:
    """How results and information texts are put on the line (V.250 5.7.1, 6.2.6)."""

    verbose: bool
    end: int
    """S3."""
    feed: int
    """S4."""

    def result(
        self, table: CodeTable, result: ResultCode, rate_bit_s: int = 0, told: str = ""
    ) -> bytes:
        """A result of which ``wording`` has left ``rate_bit_s``; ``told`` stands for the rate in words."""
        if not self.verbose:
            return b"%d%c" % (table.number(result, rate_bit_s), self.end)
        text = table.word(result)
        text += f" {told or rate_bit_s}" if rate_bit_s else ""
        return self.newline + text.encode() + self.newline

    def report(self, text: str) -> bytes:
        """A result that has words only, framed as the others (V.250 5.7.2)."""
        word = text.encode()
        return self.newline + word + self.newline if self.verbose else b"%b%c" % (word, self.end)

    def text(self, text: str) -> bytes:
        """Information text: its header goes with ``V0``, its trailer does not."""
        lines = text.encode("ascii", "replace").replace(b"\n", self.newline)
        return (self.newline if self.verbose else b"") + lines + self.newline

    @property
    def newline(self) -> bytes:
        return bytes((self.end, self.feed))
