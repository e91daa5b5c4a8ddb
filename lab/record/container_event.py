"""What happens to containers that are nodes."""

from __future__ import annotations

from lab.record.event import Event


class ContainerEnded(
    Event,
    topic="node",
    tells="{source}'s container {container} ended, and not by the lab",
    recaps="the container that is {source} ended, and not by the lab",
    chance="client container",
    closing=True,
):
    """A container was found ended when the run was over. The time is that of the finding."""

    container: str
    client: str
    """``docker`` or ``podman``: who knows why."""
