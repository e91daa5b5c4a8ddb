"""What happens on a way over the Internet."""

from __future__ import annotations

from lab.record.event import Event


class DefaultRouteTaken(Event, tells="{source} by the default route"):
    """The agent's host goes by its default route."""
