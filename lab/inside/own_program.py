"""A program of the user's own that runs on a node in the place of the lab's daemons.

It is started as soon as the node has its addresses and rules, and the lab goes on once it listens. When it
ends before the lab does, that is told (``DaemonEnded``) and the run fails; it is never the lab that broke.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from lab.errors import DeadlineExceeded, LabError, PrerequisiteError, ProgramError
from lab.inside import shared, visitors
from lab.linux import listening
from lab.linux.nodes import Node
from lab.linux.process import Daemon, how_ended
from lab.names import all_of, count, place
from lab.paths import CA_FILE
from lab.topology import own_listeners
from lab.topology.model import Topology
from lab.topology.own_program import OwnProgram
from lab.topology.roles import Role
from lab.wait import wait_until
from lab.ways.ground import Ground

LISTEN_S = 120.0
"""On the lab's clock: in virtual time a program's own work takes none, in real time a large one needs it."""
SHOWN = 4
"""Of the places where nobody listens."""
FOLDER = "/run/lab-server"
"""In the node: certificates and keys, which nobody else sees."""
READABLE = 0o644
"""Also for a program that goes on as another user."""
_ANY_STATUS = range(-128, 256)


class Replacement:
    """A program that runs in the place of the lab's; made by ``start``."""

    def __init__(self, own: OwnProgram, daemon: Daemon) -> None:
        self.own = own
        self._daemon = daemon

    def check(self) -> None:
        """Nothing of the lab's can break here."""

    @property
    def ended(self) -> int | None:
        """With what the program has ended by itself, as ``Popen`` says it; None if it has not."""
        return None if self._daemon.killed else self._daemon.exit_status


@contextlib.contextmanager
def start(ground: Ground, node: Node, own: OwnProgram) -> Iterator[Replacement]:
    """The program, from when it listens; on leaving, all that it has started is ended, too.

    Raises ProgramError if it cannot be started, ends, or does not listen where it should in time.
    """
    told = _environment(ground.topology, node.name, os.fspath(ground.run_dir))
    told |= _handed_out(ground, node)
    try:
        daemon = node.spawn(
            own.argv,
            env={**os.environ, **told},
            may_end_with=_ANY_STATUS,
            cwd=Path(own.folder),
        )
    except (PrerequisiteError, OSError) as error:
        why = error.message if isinstance(error, LabError) else error.strerror
        raise ProgramError(
            f"{node.name} cannot run {own.name}: {why}",
            hint="its first line must name a program that there is, such as #!/bin/sh; or name that in run, "
            "too: run: [python3, my-server.py]",
        ) from error
    try:
        _await(ground.topology, node, own, daemon)
        yield Replacement(own, daemon)
    finally:
        node.stop(daemon)
        # What it has put into the background is the user's, too, and no left-over of the lab's.
        visitors.end([node])


def _await(topology: Topology, node: Node, own: OwnProgram, daemon: Daemon) -> None:
    """Wait until somebody listens everywhere that agents may call."""
    wanted = own_listeners.wanted(topology, node.name)
    log = f"logs/{node.name}/{daemon.log.path.name}"

    def lacking() -> tuple[own_listeners.Listener, ...]:
        heard = node.call(listening.sockets)
        return tuple(each for each in wanted if not heard.hears(*each))

    def probe() -> bool:
        if (status := daemon.exit_status) is not None:
            raise ProgramError(
                f"{node.name}'s {own.name} ended {how_ended(status)} before it listened on "
                f"{_told(lacking())}",
                log_tail=daemon.log.tail(),
                hint=f"it has to stay in the foreground until the lab ends it; all that it said is in {log}",
            )
        return not lacking()

    try:
        wait_until(f"{own.name} listens", probe, LISTEN_S)
    except DeadlineExceeded as late:
        raise ProgramError(
            f"nobody listens on {_told(lacking())} of {node.name}, where {own.name} has run for "
            f"{LISTEN_S:g} s",
            log_tail=daemon.log.tail(),
            hint=f"have it listen on all that LAB_LISTEN names, or on every address; its log is {log}",
        ) from late


def _told(places: tuple[own_listeners.Listener, ...]) -> str:
    shown = [f"{each.protocol.upper()} {place(each.address, each.port)}" for each in places[:SHOWN]]
    rest = len(places) - len(shown)
    return all_of([*shown, f"{count(rest, 'other place')}"] if rest else shown)


def _environment(topology: Topology, node: str, run_dir: str) -> dict[str, str]:
    """What the program is told beside its keys."""
    planned = topology.node(node)
    wanted = own_listeners.wanted(topology, node)
    own = planned.service_addresses or tuple(ip for i in planned.interfaces for ip in i.ips)
    return {
        "LAB_TOPOLOGY": topology.name,
        "LAB_NODE": node,
        "LAB_RUN_DIR": run_dir,
        "LAB_SHARED_DIR": f"{run_dir}/{shared.FOLDER}",
        "LAB_CA_FILE": f"{run_dir}/{CA_FILE}",
        "LAB_ADDRESSES": ",".join(own),
        "LAB_LISTEN": ",".join(place(each.address, each.port) for each in wanted),
    }


def _handed_out(ground: Ground, node: Node) -> dict[str, str]:
    """What is for one role only; secrets and keys go into files of the node's."""
    topology = ground.topology
    match topology.node(node.name).role:
        case Role.sdc:
            return _keys(ground, node)
        case Role.user_target:
            return {}
        case Role.vpn_gateway:
            from lab.ways.vpn import own_gateway

            files = own_gateway.files(topology, node.name)
            told = own_gateway.environment(topology, node.name)
        case _:
            from lab.ways.proxy import own_proxy

            files = own_proxy.files(topology, node.name)
            told = own_proxy.environment(topology, node.name)
    for path, text in files.items():
        node.write(path, text, READABLE)
    return told


def _keys(ground: Ground, node: Node) -> dict[str, str]:
    """The certificates of IBM's servers."""
    from lab.ibm import key_files

    told = {}
    for variable, kind in key_files.chosen(ground.topology).items():
        chain, key = key_files.parts((ground.run_dir / "keys" / kind.file).read_text())
        for what, text in (("CERT", chain), ("KEY", key)):
            path = f"{FOLDER}/{variable.lower()}{what.lower()}.pem".replace("_", "-")
            node.write(path, text, READABLE)
            told[f"LAB_{variable}{what}_FILE"] = path
    return told
