"""How references to images begin that have to be fetched. Imports nothing: every pytest session reads it."""

from __future__ import annotations

DOCKER = "docker:"
"""What follows is a name that Docker on this machine knows."""
SKOPEO = (
    "docker://",
    "docker-daemon:",
    "docker-archive:",
    "containers-storage:",
    "oci:",
    "oci-archive:",
    "dir:",
    "ostree:",
    "sif:",
    "atomic:",
)
"""containers-transports(5)."""


def is_fetched(name: str) -> bool:
    """Whether a name is no file's and no folder's."""
    return name.startswith((DOCKER, *SKOPEO))
