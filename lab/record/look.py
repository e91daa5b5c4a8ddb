"""How the story looks: plain, or in colours and folded to a terminal's width. Lean: the guest has it."""

from __future__ import annotations

from typing import NamedTuple

from lab.record.event import Event

FAILED, DIM = "31", "2"
"""SGR parameters (ECMA-48 8.3.117)."""
COLOURS = {
    "lab": "1", "path": "1", "fault": "31",
    "IKE": "35", "L2TP": "36", "PPP": "34", "proxy": "36",
    "call": "33", "modem": "33", "pstn": "33",
    "agent": "32", "sdc": "32", "test": "32", "relay": "36", "service": "36",
    "consoles": "36", "events": "36",
    "probe": "2", "scan": "2",
}  # fmt: skip
"""Of topics; others have none."""
INDENT, NARROW_INDENT = 22, 4
"""Of a sentence's lines after the first: below that one, or nearly at the edge of a narrow terminal."""
NARROW = 60


class Look(NamedTuple):
    """What the stream shows to which the story goes."""

    colour: bool = False
    columns: int = 0
    """How wide the terminal is; 0: lines are as long as they are."""

    def line(self, elapsed_s: float, event: Event) -> str:
        """An event's sentence, with time and topic before it; several lines where it is folded."""
        time, topic = f"{elapsed_s:9.3f} s", f"{event.topic:<8}"
        lines = self._folded(event.sentence)
        if not self.colour:
            return f"{time}  {topic} {lines}"
        if event.went_wrong:
            return f"\x1b[{FAILED}m{time}  {topic} {lines}\x1b[0m"
        if code := COLOURS.get(event.topic):
            topic = f"\x1b[{code}m{topic}\x1b[0m"
        return f"\x1b[{DIM}m{time}\x1b[0m  {topic} {lines}"

    def _folded(self, sentence: str) -> str:
        if not self.columns or INDENT + len(sentence) <= self.columns:
            return sentence
        indent = INDENT if self.columns >= NARROW else NARROW_INDENT
        # The first line begins after time and topic, wherever the others do.
        room, rooms = self.columns - INDENT, self.columns - indent
        lines: list[str] = []
        line = ""
        for word in sentence.split(" "):
            wide = room if not lines else rooms
            if line and len(line) + 1 + len(word) > wide:
                lines.append(line)
                line = word
            else:
                line = f"{line} {word}" if line else word
        return f"\n{' ' * indent}".join([*lines, line])


PLAIN = Look()
