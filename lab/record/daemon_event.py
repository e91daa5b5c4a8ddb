"""What happens to the lab's own daemons while somebody works in their nodes."""

from __future__ import annotations

from lab.record.event import Event


class DaemonEnded(
    Event,
    topic="daemon",
    tells="{source}'s {program} ended {how}, and not by the lab",
    closing=True,
):
    """A daemon of the lab's, or what the user has in a daemon's place, was found ended when the run was over.

    The time is that of the finding.
    """

    program: str
    how: str
    """``by SIGKILL``, ``with exit status 0``."""
