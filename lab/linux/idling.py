"""What the lab's own kernel does while nothing happens; in virtual time each second of that is paid for.

A kernel looks through the table of tracked connections once a minute, however empty it is, and asks every
five seconds whether a neighbour is to be kept known. A year of that takes minutes.

For long times in which agents have a few connections: the kernel drops the packet of a connection whose
place in the table has some fifty already, so a scan of all ports needs the large table.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

_FOLDER = "/proc/sys/net"
RARELY_MS = 24 * 3600 * 1000
SETTINGS: Mapping[str, int] = {
    "netfilter/nf_conntrack_buckets": 1024,
    # Of the kernel's own network: what a node's neighbours are taken for is the node's.
    **{
        f"{family}/neigh/default/{name}": RARELY_MS
        for family in ("ipv4", "ipv6")
        for name in ("interval_probe_time_ms", "base_reachable_time_ms")
    },
}
"""Below /proc/sys/net. A year without an event then takes some fifteen seconds of processor time."""


OWN = "User Mode Linux"
"""What the lab's own kernel calls its processor."""


@contextlib.contextmanager
def quiet_own() -> Iterator[None]:
    """``quieten`` the lab's own kernel while the block lasts: another lab may be next in it.

    Elsewhere nothing: another kernel is not ours to change.
    """
    if OWN not in Path("/proc/cpuinfo").read_text():
        yield
        return
    before = {name: Path(_FOLDER, name).read_text() for name in SETTINGS}
    quieten()
    try:
        yield
    finally:
        for name, value in before.items():
            Path(_FOLDER, name).write_text(value)


def quieten() -> None:
    """Once the nodes are there, whose own settings begin as copies; only in the lab's own kernel."""
    for name, value in SETTINGS.items():
        Path(_FOLDER, name).write_text(f"{value}")
