"""What happens among consoles of one customer. The source is the console that has noticed."""

from __future__ import annotations

from lab.record.event import Event, kinds_of


class ConsoleDiscovered(Event, topic="consoles"):
    """Another console is known (M-01, M-02)."""

    console: str
    address: str
    via: str
    """The managed system that told of it; empty: by its own broadcast."""

    @property
    def sentence(self) -> str:
        how = f"by {self.via}" if self.via else "by broadcast"
        return f"{self.source} discovers {self.console} ({self.address}) {how}"


class ConsoleLost(Event, topic="consoles"):
    """Another console is known no longer."""

    console: str
    silent_s: float
    """For how long nobody has told of it; 0 if it has said goodbye."""

    @property
    def sentence(self) -> str:
        if not self.silent_s:
            return f"{self.console} says goodbye to {self.source}"
        return f"{self.console} is gone for {self.source}: silent for {self.silent_s:.0f} s"


KINDS = kinds_of(__name__)
