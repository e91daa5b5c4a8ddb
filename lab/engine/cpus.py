"""Which processor a guest is pinned to: labs that run at the same time take different ones.

A processor is held by a socket with an abstract name (unix(7)): no file is needed, other users' labs count,
too, and the kernel lets go of it when the process ends, however that ends.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def claim_cpu() -> Iterator[int]:
    """Hold a processor that no other lab holds; with none left, share one by chance."""
    allowed = sorted(os.sched_getaffinity(0), reverse=True)
    for cpu in allowed:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
            try:
                claim.bind(f"\0callhome-lab/cpu/{cpu}")
            except OSError:
                continue  # Another lab holds it.
            yield cpu
            return

    yield allowed[os.getpid() % len(allowed)]
