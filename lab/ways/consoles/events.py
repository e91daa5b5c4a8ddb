"""What happens on a way home by other consoles. The source is the agent's host."""

from __future__ import annotations

from lab.record.event import Event, kinds_of


class CallHomeServersKnown(
    Event, topic="consoles", tells="{source} knows call-home servers: {servers}"
):
    """An agent's own console has discovered consoles that call home for others (M-05)."""

    servers: str
    """Their names."""


KINDS = kinds_of(__name__)
