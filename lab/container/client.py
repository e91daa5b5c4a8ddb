"""What the engine of containers says of one, asked by the engine's own client: ``docker`` or ``podman``.

The client finds its engine by itself (DOCKER_HOST, contexts, CONTAINER_HOST). Nothing here changes anything.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.container.proc_entry import ProcEntry
from lab.errors import LabError, PrerequisiteError, UsageError
from lab.linux import process

CLIENTS = ("docker", "podman")
"""In the order in which they are asked."""
ASK_S = 30.0
_OF_PODMAN = "ConmonPidFile"
"""What only Podman says of a container, also where its client is called docker."""
_UNKNOWN = ("no such object", "no such container")
WITHOUT_NETWORK = (
    "start it without a network: docker run --network none IMAGE; in compose network_mode: none"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningContainer:
    """A container that can be a node."""

    name: str
    identity: str
    """The engine's own name of it: 64 hexadecimal digits."""
    client: str
    """The path of the program that knows it."""
    entry: ProcEntry
    """Its first process."""
    by_daemon: bool
    """Whether a daemon enters it for the client, as Docker's does; Podman's client does so itself."""


def find(name: str) -> RunningContainer:
    """The running container of that name or identity, which has no network.

    Raises PrerequisiteError without a client or an engine, UsageError for a container that cannot be a node.
    """
    programs = [found for each in CLIENTS if (found := shutil.which(each)) is not None]
    if not programs:
        raise PrerequisiteError(
            f"there is neither docker nor podman in PATH to ask for the container {name}",
            hint="sudo apt install docker.io; or --image TAR, which needs no engine of containers",
        )
    refusals = []
    for program in programs:
        try:
            told = _ask(program, name)
        except LabError as refused:
            refusals.append(refused)
            continue
        return _checked(program, name, told)
    # The first that answered at all says more than one that is not started.
    raise next((r for r in refusals if isinstance(r, UsageError)), refusals[0])


def _ask(program: str, name: str) -> Mapping[str, Any]:
    popen = process.spawn(
        [program, "inspect", "--type", "container", "--", name],
        env=os.environ, stdin=process.PIPE, stdout=process.PIPE, stderr=process.PIPE,
    )  # fmt: skip
    ended = process.await_end(popen, ASK_S)
    if ended.status == 0:
        try:
            (told,) = json.loads(ended.stdout)
        except ValueError as error:
            raise PrerequisiteError(f"{program} says of {name} what is no JSON: {error}") from error
        return dict(told)
    said = ended.stderr.strip()
    if any(words in said.lower() for words in _UNKNOWN):
        raise UsageError(
            f"{Path(program).name} knows no container {name!r}",
            hint=f"{Path(program).name} ps lists those that run",
        )
    raise PrerequisiteError(
        f"{Path(program).name} cannot be asked for {name}: {said.splitlines()[-1] if said else 'no word'}",
        hint="start the engine, or name it: export DOCKER_HOST=unix:///path/docker.sock (by sudo: sudo "
        "--preserve-env=DOCKER_HOST)",
    )


def _checked(program: str, given: str, told: Mapping[str, Any]) -> RunningContainer:
    client = Path(program).name
    try:
        identity, state = str(told["Id"]), told["State"]
        name = str(told["Name"]).lstrip("/")
        pid, running, paused = int(state["Pid"]), bool(state["Running"]), bool(state.get("Paused"))
        mode = str(told["HostConfig"]["NetworkMode"])
    except (KeyError, TypeError, ValueError) as error:
        problem = f"what {client} says of {given} is not understood: {error!r}"
        raise PrerequisiteError(problem, hint=f"{client} inspect {given}") from error
    if not running or not pid:
        raise UsageError(
            f"the container {name} does not run",
            hint=f"{client} start {name}; its command must stay, as sleep infinity does",
        )
    if paused:
        raise UsageError(f"the container {name} is paused", hint=f"{client} unpause {name}")
    if mode != "none":
        raise UsageError(
            f"the container {name} has the network {mode!r}: the lab would not be all that it sees",
            hint=WITHOUT_NETWORK.replace("docker", client),
        )
    entry = ProcEntry.of(pid)
    if entry is None or identity not in entry.read("mountinfo") + entry.read("cgroup"):
        raise UsageError(
            f"the container {name} does not run on this machine, or not in these process numbers: its "
            f"process {pid} is another one here",
            hint=f"run the lab where the engine of {client} runs; --image docker:{name} needs only an image",
        )
    by_daemon = _OF_PODMAN not in told
    return RunningContainer(
        name=name, identity=identity, client=program, entry=entry, by_daemon=by_daemon
    )
