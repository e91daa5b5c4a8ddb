"""What a user's own command does in a lab: beside its packets, this is what the lab notes of it."""

from __future__ import annotations

from lab.record.event import Event


class LeftRunning(
    Event,
    topic="lab",
    tells="a command left {program} running on {source} (process {pid}: {command_line}); it was ended",
):
    """A user's command had ended, or the lab went down, and a process of the user's was still there."""

    pid: int
    program: str
    command_line: str
    """The beginning of it."""
