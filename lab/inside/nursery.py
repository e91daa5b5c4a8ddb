"""A process from which many agents are started: ``python -m lab.inside.nursery``.

Each agent is a process of its own, in its host's namespaces, with its own environment and streams. Only what
Python does before an agent's first line is done once for all: in User-Mode Linux that costs more than the
call home.

Standard input is a socket (SOCK_SEQPACKET). A request is JSON, ``{"spaces", "argv", "env"}``, with the
descriptors of the agent's standard output and standard error; ``spaces`` has the files of the host's
namespaces, by kind. The answer, when the agent has ended, is the agent's exit status: minus the number of the
signal that ended it. One request at a time.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import ssl
import sys
import traceback
from typing import Any, NoReturn

from lab.agent.__main__ import main
from lab.linux import syscalls

LARGEST = 1 << 17
"""Octets of a request; an environment is a few thousand."""
SPACES = {
    "net": syscalls.CLONE_NEWNET,
    "uts": syscalls.CLONE_NEWUTS,
    # The last, as the others' files are in the surrounding one.
    "mnt": syscalls.CLONE_NEWNS,
}
PROCESSES = "pid_for_children"
BROKE = 70
"""The exit status of an agent that did not come as far as ``main`` (EX_SOFTWARE of sysexits.h)."""


def serve(asking: socket.socket) -> None:
    """Start agents until nobody asks any more."""
    _warm_up()
    # What is there already is not looked at in any agent, and so not copied.
    gc.collect()
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(asking, LARGEST, 2)
        if not request:
            return
        asked = json.loads(request)
        _enter(asked["spaces"][PROCESSES], syscalls.CLONE_NEWPID)
        child = os.fork()
        if not child:
            _be_agent(asked, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        _, status = os.waitpid(child, 0)
        asking.send(str(os.waitstatus_to_exitcode(status)).encode())


def _warm_up() -> None:
    """Have Python and OpenSSL load what they load at the first name and the first ClientHello."""
    importlib.import_module("encodings.idna")
    client = ssl.create_default_context().wrap_bio(
        ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost"
    )
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()


def _be_agent(asked: dict[str, Any], descriptors: list[int]) -> NoReturn:
    status = BROKE
    try:
        os.setsid()
        for kind, flag in SPACES.items():
            _enter(asked["spaces"][kind], flag)
        os.chdir("/")
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, descriptor in enumerate((nothing, *descriptors)):
            os.dup2(descriptor, number)
        os.closerange(3, max(nothing, *descriptors) + 1)
        os.environ.clear()
        os.environ.update(asked["env"])
        status = main(asked["argv"])
        sys.stdout.flush()
    # Whatever it is: it must not go on in the process that starts the others.
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    finally:
        os._exit(status)


def _enter(path: str, flag: int) -> None:
    namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.set_namespace(namespace, flag)
    finally:
        os.close(namespace)


if __name__ == "__main__":
    # Ctrl-C is for whoever asks.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=os.dup(0)) as connection:
        serve(connection)
