"""TCP ports of this machine on which a test's server can listen, or on which surely nobody does.

Asking the kernel for a free port and letting go of it is a race: another process of pytest may be given the
same one, and so may whoever connects to loopback meanwhile. So each process has a block of ports to itself,
below those that the kernel gives away (``ip_local_port_range``).
"""

from __future__ import annotations

import contextlib
import socket
from functools import cache
from itertools import cycle
from pathlib import Path

BLOCK = 128
LOWEST = 10_000


def free_port() -> int:
    """A port at which nobody listens, on any address; no other process is given it until this one ends."""
    ports = _block()
    for _ in range(BLOCK):
        port = next(ports)
        with contextlib.suppress(OSError), socket.create_server(("", port)):
            return port
    raise RuntimeError(f"somebody listens on all of {BLOCK} ports")


@cache
def _block() -> cycle[int]:
    """The ports of this process. It claims them by a name that one process alone can have."""
    given_away = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for first in range(LOWEST, given_away - BLOCK + 1, BLOCK):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0callhome-lab tests: ports from {first}")
        except OSError:
            claim.close()
            continue
        claim.detach()  # Open until the process ends.
        return cycle(range(first, first + BLOCK))
    raise RuntimeError(f"no block of ports is left between {LOWEST} and {given_away}")
