"""What is tried of targets that users have entered (OUT-44): data is offloaded there, and at another port."""

from __future__ import annotations

import contextlib
import socket
import time

from lab.inside.running import RunningLab
from lab.offload.events import TargetTried
from lab.topology.own_program import find
from lab.topology.user_targets import UserTarget

OFFLOADED_BYTES = 10_000
TRIED_S = 10.0
"""Lab time for a connection, and for each step on it."""
PORTS = 65535


def put_to_test(lab: RunningLab, agent: str) -> None:
    """Offload from an agent's host to each of its targets; behind a firewall, also try another port there."""
    own = [target for target in lab.topology.user_targets if target.agent == agent]
    for target in own:
        _offload(lab, target, target.port, entered=True)
        if lab.topology.firewall is not None:
            _offload(lab, target, other_port(target, own), entered=False)


def other_port(target: UserTarget, own: list[UserTarget]) -> int:
    """The next port of the same address that is no target of the agent's."""
    entered = {each.port for each in own if each.address == target.address}
    return next(
        p for n in range(1, PORTS) if (p := (target.port + n - 1) % PORTS + 1) not in entered
    )


def _offload(lab: RunningLab, target: UserTarget, port: int, *, entered: bool) -> None:
    started = time.time()
    # A program of the user's own speaks a protocol of the user's: nothing is said to it.
    size = 0 if find(lab.topology.own_programs, target.node) else OFFLOADED_BYTES
    connected, taken = lab.node(target.agent).call(send, target.address, port, size)
    lab.story.tell(
        TargetTried(
            source=target.agent,
            target=target.name,
            started=started,
            address=target.address,
            port=port,
            entered=entered,
            connected=connected,
            taken=taken,
            sent=size if taken else 0,
        )
    )


def send(address: str, port: int, size: int) -> tuple[bool, bool]:
    """Whether a TCP connection comes about, and whether the other end reads so many bytes and closes."""
    with contextlib.ExitStack() as undo:
        try:
            made = undo.enter_context(socket.create_connection((address, port), TRIED_S))
        except OSError:
            return False, False
        if not size:
            return True, False
        try:
            made.sendall(bytes(size))
            made.shutdown(socket.SHUT_WR)
            return True, made.recv(1) == b""
        except OSError:
            return True, False
