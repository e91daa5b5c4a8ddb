"""Keeps what was said: the calls' bytes as pcapng, the dialogue with the modems as readable text.

Everything is written as it comes, so that it is there also if we are killed; in memory stay, per
direction, only an unfinished PPP frame, an unfinished line of dialogue, and counters.

The dialogue never shows what a call carries, for that holds passwords. A terminal that goes on
with PPP after its carrier is gone speaks to a modem, which may even echo it: so a line counts as
dialogue only if it looks like it. The pcapng holds what arrived, passwords too.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from lab.record.event import Event, Tell
from lab.telephony.events import CallConnected, ExchangeEvent, ModemSaid, TerminalSaid
from lab.topology.telephone import ModemLine, Telephone
from lab.wire.dialled import FRAMES, CallCapture, PcapngWriter

DIALOGUE = "pstn.txt"
MAX_UTTERANCE_BYTES = 1024
"""More without an end of line is no dialogue; V.250's command lines may be much shorter."""

_COMMAND = re.compile(rb"[\r\n]*(?:[Aa][Tt][\b -}]*[\r\n]*|[Aa]/)")
_COMMAND_BEGUN = re.compile(rb"[\r\n]*(?:[Aa](?:[Tt][\b -}]*)?)?")
_RESULT = re.compile(
    rb"\r\n(?:OK|CONNECT[0-9A-Z /.]*|RING|RINGING|NO CARRIER|NO DIAL ?TONE|NO ANSWER|BUSY|ERROR"
    rb"|\+(?:MCR|MRR|ER|DR|ILRR): [0-9A-Z]+)\r\n"
    rb"|\d{1,3}\r"
)
"""What surely is a result code (V.250 5.7.1)."""
_TEXT = re.compile(rb"[\r\n\b\t -}]*")
_RUN = re.compile(rb"[\r\n]*[^\r\n]+\r?\n?|[\r\n]+")
"""What may belong to one utterance: ends of line, text, an end of line."""
_NAMES = {0x0D: "<CR>", 0x0A: "<LF>", 0x08: "<BS>", 0x09: "<HT>"}


@dataclass(slots=True)
class _Speaker:
    """One direction of a terminal's line: what was said of an utterance that has not ended."""

    said: bytearray = field(default_factory=bytearray)
    since: float = 0.0


@dataclass(slots=True)
class _Terminal:
    """One terminal with its modem."""

    speakers: dict[str, _Speaker] = field(
        default_factory=lambda: {">": _Speaker(), "<": _Speaker()}
    )
    wary: bool = False
    """The terminal last said what is no command: the modem may echo it."""


@dataclass(slots=True)
class _TapedCall:
    """A call that carries data."""

    names: tuple[str, str]
    capture: CallCapture | None
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    """Bytes by line and direction that the dialogue has not told yet."""
    since: dict[tuple[str, str], float] = field(default_factory=dict)
    last: float = 0.0
    """When a byte of it was last sent or arrived."""


class Tape:
    """Writes both files, with neither of them none, and tells the events of a telephone, if one is given.

    Times are the exchange's. Files without a buffer (``buffering=0``), please. ``epoch_ns`` is the wall
    clock's time at 0 s.
    """

    def __init__(
        self,
        frames: BinaryIO | None = None,
        dialogue: BinaryIO | None = None,
        *,
        epoch_ns: int = 0,
        telephone: Telephone | None = None,
        tell: Tell = lambda event: None,
    ) -> None:
        self._capture = PcapngWriter(frames) if frames else None
        self._dialogue = dialogue
        self._epoch_ns = epoch_ns
        self._telephone = telephone
        self._nodes = {line.name: line.node for line in telephone.lines} if telephone else {}
        self._tell = tell
        self._terminals: dict[str, _Terminal] = {}
        self._calls: dict[int, _TapedCall] = {}

    # From the equipment.

    def from_terminal(self, line: str, data: bytes, now: float) -> None:
        """What a terminal said to its modem: no data of a call. To be told before what the modem answers."""
        self._hear(line, ">", data, now)

    def to_terminal(self, line: str, data: bytes, now: float) -> None:
        """What a modem itself said to its terminal: no data of a call."""
        self._hear(line, "<", data, now)

    # From the exchange.

    def note(self, event: ExchangeEvent) -> None:
        """What the exchange did."""
        if event.call in self._calls:
            self._tell_counts(event.call)
        self._write("pstn", "*", event.note, event.time)
        self._keep(event, self._telephone.node if self._telephone else "")

    def connected(
        self,
        call: int,
        caller: ModemLine,
        called: ModemLine,
        number: str,
        rate_bit_s: int,
        now: float,
    ) -> None:
        """Training ended; ``number`` is what was dialled."""
        capture = None
        if self._capture:
            capture = CallCapture(
                self._capture,
                f"call {call} {caller.name}-{called.name}",
                f"{caller.name} ({caller.number}) calls {number}, {called.name} answers;"
                f" {rate_bit_s} bit/s; sent: by {caller.name}",
                rate_bit_s,
            )
        self._calls[call] = _TapedCall((caller.name, called.name), capture)
        ends = {"line": caller.name, "called": called.name}
        self.note(CallConnected(call=call, **ends, rate_bit_s=rate_bit_s, time=now))

    def sent(self, call: int, line: str, count: int, now: float) -> None:
        """A line's modem took bytes for its call."""
        self._count(call, line, ">", count, now)

    def arrived(self, call: int, line: str, data: bytes, now: float) -> None:
        """A line's modem got bytes of its call."""
        self._count(call, line, "<", len(data), now)
        if capture := self._calls[call].capture:
            capture.feed(data, self._time_ns(now), sent=line == self._calls[call].names[1])

    def ended(self, call: int, now: float) -> None:
        """The call carries nothing more."""
        ended = self._calls[call]
        self._tell_counts(call)
        if ended.capture:
            ended.capture.end(self._time_ns(now))
        del self._calls[call]

    def end(self) -> None:
        """Nothing more comes: write what is unfinished, of calls that nobody has ended, too."""
        for call, running in tuple(self._calls.items()):
            self.ended(call, running.last)
        for line, terminal in self._terminals.items():
            for mark, speaker in terminal.speakers.items():
                if speaker.said:
                    self._utter(line, mark, bytes(speaker.said), speaker.since)
                    speaker.said.clear()

    # The dialogue.

    def _hear(self, line: str, mark: str, data: bytes, now: float) -> None:
        if not data:
            return
        for call, running in self._calls.items():
            if line in running.names:
                self._tell_counts(call, line)

        speaker = self._terminals.setdefault(line, _Terminal()).speakers[mark]
        for run in _RUN.findall(data):
            if not speaker.said:
                speaker.since = now
            speaker.said += run
            said = bytes(speaker.said)
            text = said.strip(b"\r\n")
            ended = said.endswith((b"\r", b"\n")) or text in (b"A/", b"a/")
            if (text and ended) or len(said) > MAX_UTTERANCE_BYTES:
                self._utter(line, mark, said, speaker.since)
                speaker.said.clear()

    def _utter(self, line: str, mark: str, said: bytes, since: float) -> None:
        terminal = self._terminals[line]
        if mark == ">":
            shown = _COMMAND.fullmatch(said) is not None
            terminal.wary = not shown
        else:
            begun = terminal.speakers[">"].said
            wary = terminal.wary or not _COMMAND_BEGUN.fullmatch(begun)
            shown = (_RESULT if wary else _TEXT).fullmatch(said) is not None
        text = "".join(_NAMES.get(byte, chr(byte)) for byte in said)
        self._write(line, mark, text if shown else f"no dialogue: {len(said)} bytes", since)
        if shown:
            kind = TerminalSaid if mark == ">" else ModemSaid
            self._keep(kind(line=line, text=text, time=since), self._nodes.get(line, ""))

    def _count(self, call: int, line: str, mark: str, count: int, now: float) -> None:
        running = self._calls[call]
        running.last = now
        running.since.setdefault((line, mark), now)
        running.counts[line, mark] = running.counts.get((line, mark), 0) + count

    def _tell_counts(self, call: int, only: str = "") -> None:
        running = self._calls[call]
        for (line, mark), since in sorted(running.since.items(), key=lambda item: item[1]):
            if only in ("", line):
                count = running.counts.pop((line, mark))
                del running.since[line, mark]
                self._write(line, mark, f"... data: {count} bytes, call {call}", since)

    def _write(self, line: str, mark: str, text: str, now: float) -> None:
        if self._dialogue:
            view = memoryview(f"{now:10.3f}  {line:<8}  {mark} {text}\n".encode())
            while view:
                view = view[self._dialogue.write(view) :]

    def _keep(self, event: Event, source: str) -> None:
        if self._telephone is not None:
            self._tell(replace(event, source=source, time=event.time + self._epoch_ns / 1e9))

    def _time_ns(self, now: float) -> int:
        return self._epoch_ns + round(now * 1e9)


@contextlib.contextmanager
def recording(
    wire_dir: Path,
    *,
    epoch_ns: int = 0,
    telephone: Telephone | None = None,
    tell: Tell = lambda event: None,
) -> Iterator[Tape]:
    """A tape into ``pstn.pcapng`` and ``pstn.txt`` of a directory."""
    with (
        (wire_dir / FRAMES).open("wb", buffering=0) as frames,
        (wire_dir / DIALOGUE).open("wb", buffering=0) as dialogue,
    ):
        tape = Tape(frames, dialogue, epoch_ns=epoch_ns, telephone=telephone, tell=tell)
        try:
            yield tape
        finally:
            tape.end()
