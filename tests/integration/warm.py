"""The command ``lab`` from a process that has loaded the lab's modules: each call is a fork of that process.

Loading is two thirds of what a short call costs. Beyond that a call is as one from a shell: a process of its
own in a session of its own, with its own folder, environment and streams, ended by ``lab.cli.main``. Only
what Python reads when it starts (``PYTHON...``, the locale) is that process's.

``python -m tests.integration.warm`` has a socket (SOCK_SEQPACKET) for its standard input. A request is JSON
(``Request``), with the descriptors of standard input, output and error and a pipe's writing end. Into the
pipe goes the process id at once, and the exit status at the end, a line each.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

CHECKOUT = Path(__file__).parents[2]
LARGEST = 1 << 17
"""Octets of a request; an environment is a few thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A call of the command."""

    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str]


class Warm:
    """The client's side: any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asking: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def lab(
        self, *argv: str, cwd: Path, env: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end; raises subprocess.TimeoutExpired after ``timeout`` seconds."""
        request = json.dumps(asdict(Request(argv=argv, cwd=os.fspath(cwd), env=dict(env)))).encode()
        hears, says = os.pipe()
        out, errors = os.memfd_create("stdout"), os.memfd_create("stderr")
        nothing = os.open(os.devnull, os.O_RDONLY)
        try:
            try:
                with self._lock:
                    socket.send_fds(self._socket(), [request], [nothing, out, errors, says])
            finally:
                os.close(says)
            status = _await(hears, argv, timeout)
            told, complained = (_whole(each).decode() for each in (out, errors))
            return subprocess.CompletedProcess(["lab", *argv], status, told, complained)
        finally:
            for descriptor in (hears, out, errors, nothing):
                os.close(descriptor)

    def _socket(self) -> socket.socket:
        if self._asking is None:
            self._asking, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.integration.warm"],
                    stdin=theirs.fileno(),
                    cwd=CHECKOUT,
                )
            atexit.register(self._close)
        return self._asking

    def _close(self) -> None:
        """Calls that are under way go on to their ends."""
        assert self._asking is not None
        assert self._process is not None
        self._asking.close()
        self._process.wait()


def _whole(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return file.read()


def _await(hears: int, argv: Sequence[str], timeout: float) -> int:
    """The exit status; minus the number of the signal that ended the command."""
    said, end = b"", time.monotonic() + timeout
    while said.count(b"\n") < 2:
        if not select.select([hears], [], [], max(0.0, end - time.monotonic()))[0]:
            if said:
                os.killpg(int(said), signal.SIGKILL)
            raise subprocess.TimeoutExpired(["lab", *argv], timeout)
        chunk = os.read(hears, 64)
        if not chunk:
            raise RuntimeError(f"no exit status of lab {' '.join(argv)}")
        said += chunk
    return int(said.split()[1])


def serve(asked: socket.socket) -> None:
    """Fork for each request, until nobody asks any more."""
    # Who waits for the command is a fork of its own: several commands may be under way.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    while True:
        request, descriptors, _, _ = socket.recv_fds(asked, LARGEST, 4)
        if not request:
            return
        if not os.fork():
            _attend(Request(**json.loads(request)), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _attend(request: Request, descriptors: list[int]) -> NoReturn:
    status = -signal.SIGKILL
    *streams, says = descriptors
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        child = os.fork()
        if not child:
            _be_command(request, streams)
        os.write(says, b"%d\n" % child)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        os.write(says, b"%d\n" % status)
        os._exit(0)


def _be_command(request: Request, streams: list[int]) -> NoReturn:
    """As ``python -m lab`` in that folder and environment."""
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
        os.closerange(3, 1 << 10)
        os.chdir(request.cwd)
        os.environ.clear()
        os.environ.update(request.env)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(0, "r"), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1, errors="backslashreplace"),
        )  # fmt: skip
        sys.argv[:] = ["lab", *request.argv]
        runpy.run_module("lab", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    # By the garbage collector's usual figures a tenth of the loading is a search for what there is not.
    gc.set_threshold(50_000)
    import lab.report
    import lab.run.run
    import lab.topology.load
    import lab.verify.verdict  # noqa: F401

    with socket.socket(fileno=os.dup(0)) as connection:
        serve(connection)
