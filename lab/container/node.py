"""A container that is a node, as the inside of the lab is told of it; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

CA_FOLDER = "/usr/local/share/ca-certificates"
CA_FILE = f"{CA_FOLDER}/callhome-lab.crt"
"""The lab's authority, in the container: where Debian's and Alpine's update-ca-certificates look, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerNode:
    """What runs commands in it."""

    name: str
    identity: str
    client: str
    """The path of ``docker`` or ``podman``."""
    user: str = ""
    """As whom commands run; empty: as the container says."""

    def argv(self, command: Sequence[str], env_file: str, *, terminal: bool) -> list[str]:
        """The command line that runs a command in the container, as the engine of containers has it."""
        options = ["--interactive", *(["--tty"] if terminal else [])]
        options += ["--user", self.user] if self.user else []
        return [self.client, "exec", *options, "--env-file", env_file, self.identity, *command]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerNodes:
    """All of a lab, by the name of the node."""

    by_node: dict[str, ContainerNode] = field(default_factory=dict)


def environment(told: Mapping[str, str], run_dir: str) -> dict[str, str]:
    """What a command in a container is told: as in a node, without what is in files of the host."""
    kept = {name: value for name, value in told.items() if not value.startswith(run_dir)}
    return {**kept, "LAB_CA_FILE": CA_FILE}


def env_file(node: str) -> str:
    """In a run directory: the variables for ``docker exec --env-file``."""
    return f"container-{node}.env"
