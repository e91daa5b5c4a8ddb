"""Which processor a guest is pinned to: labs that run at the same time take different ones."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from lab.errors import PrerequisiteError
from lab.paths import runtime_dir


@contextlib.contextmanager
def claim_cpu() -> Iterator[int]:
    """Hold a lock on a processor that no other lab holds; with none left, share one by chance."""
    allowed = sorted(os.sched_getaffinity(0), reverse=True)

    with contextlib.ExitStack() as stack:
        for cpu in allowed:
            try:
                folder = runtime_dir("cpus")
                fd = os.open(folder / str(cpu), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
                stack.callback(os.close, fd)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (OSError, PrerequisiteError):
                # Another lab holds it, or no folder can be written: this is about speed only.
                continue
            yield cpu
            return

        yield allowed[os.getpid() % len(allowed)]
