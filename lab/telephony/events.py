"""What happens on telephone lines: what terminals and modems say, and what the exchange does.

The source of the first two is the node that has the line; the source of all others is the exchange's node.
Their words are for ``pstn.txt``, and the story passes over them. Until the tape tells them, their times are
the exchange's.
"""

from __future__ import annotations

from lab.record.event import Event
from lab.topology.telephone import Outcome


class TerminalSaid(Event, topic="modem", elsewhere=True, closing=True):
    """A terminal gave its modem a command line."""

    line: str
    text: str
    """As it came; ends of line as ``<CR>`` and ``<LF>``."""


class ModemSaid(Event, topic="modem", elsewhere=True, closing=True):
    """A modem answered its terminal, or gave the terminal's words back."""

    line: str
    text: str


class ExchangeEvent(Event, topic="pstn"):
    """Something that the exchange did; what it tells is for ``pstn.txt``."""

    call: int = 0
    """The exchange's number of the call; 0 before there is one."""

    @property
    def sentence(self) -> str:
        return ""

    @property
    def note(self) -> str:
        return f"call {self.call}: {self.recap}" if self.call else self.recap

    @property
    def recap(self) -> str:
        return super().sentence


class NoDialTone(ExchangeEvent, tells="{line} gets no dial tone"):
    """A line went off hook, and hears nothing."""

    line: str


class NothingDialled(ExchangeEvent, tells="{line} dials nothing"):
    """A line went off hook, and the exchange waits no longer for a number."""

    line: str


class CallRefused(ExchangeEvent, tells="{line} to {number}: {outcome}"):
    """The number is complete, and the caller hears a tone."""

    line: str
    number: str
    outcome: Outcome


class CallRings(ExchangeEvent):
    """The number is complete, and the caller hears it ring."""

    line: str
    number: str
    called: str
    """The line that rings; empty if none of the lab's does."""

    @property
    def recap(self) -> str:
        rings = self.called or "nothing of ours"
        return f"{self.line} to {self.number}: {rings} rings"


class CallUnanswered(ExchangeEvent, tells="not answered"):
    """The exchange has let it ring for as long as it does."""


class VoiceAnswered(ExchangeEvent, tells="a voice answers"):
    """A person took the call."""


class CallSilent(ExchangeEvent, tells="{line} goes off hook, and no modem answers"):
    """The called line is off hook, and silent."""

    line: str


class CallAnswered(ExchangeEvent, tells="{line} answers"):
    """The called modem answers: training begins."""

    line: str


class TrainingFailed(ExchangeEvent, tells="training fails"):
    """The modems did not agree."""


class NoCommonRate(ExchangeEvent, tells="the modems have no rate in common"):
    """Training is about to fail for that."""


class CallConnected(ExchangeEvent, tells="{line} and {called} are connected at {rate_bit_s} bit/s"):
    """Training ended well."""

    line: str
    called: str
    rate_bit_s: int


class LineDropped(ExchangeEvent, tells="the line drops"):
    """The exchange cut the call off."""


class HungUp(ExchangeEvent, tells="{line} hangs up", closing=True):
    """An end of the call went on hook."""

    line: str


class BytesLost(ExchangeEvent, tells="{count} bytes of {line} are not sent any more", closing=True):
    """The end that hung up had not sent everything."""

    line: str
    count: int


KINDS: tuple[type[Event], ...] = (TerminalSaid, ModemSaid, *ExchangeEvent.__subclasses__())
"""All of them."""
