"""A user's own console: a command on the HMC, and the life of remote service with it.

A hardening script ends, a listener stays: the life begins when the command has ended, or has run for a while.
"""

from __future__ import annotations

import contextlib

from lab.errors import DeadlineExceeded, PathError
from lab.inside.running import RunningLab
from lab.linux.process import exit_status
from lab.scenarios import remote_service
from lab.wait import wait_until

BEGINS_S = 10.0
"""Lab time that a command has to listen, or to end."""


def run(lab: RunningLab, node: str, argv: list[str]) -> int:
    """The command's exit status; 0 where it goes on until the life is over, and is ended then.

    A command that fails at the beginning has no life after it.
    """
    service = lab.topology.service
    assert service is not None, "its caller has looked"
    with lab.attended(node, argv) as command:
        with contextlib.suppress(DeadlineExceeded):
            wait_until(f"{argv[0]} ends", lambda: command.poll() is not None, BEGINS_S)
        if status := command.poll():
            return exit_status(status)
        try:
            remote_service.live(lab, service)
        except PathError as error:
            lab.path_lost(error)
        lab.check()
        status = command.poll()
        return exit_status(status) if status is not None else 0
